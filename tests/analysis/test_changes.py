"""What changed between two networks: an edit is named, and nothing beside it."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

import pytest
from checked_specs import network

import cnndsl
from cnndsl.analysis.change_records import LayerChange
from cnndsl.analysis.changes import NetworkDiff, network_diff
from cnndsl.analysis.cost import quantity
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.pipeline import check_text, load
from cnndsl.resources import specs
from cnndsl.syntax.ast import Chain, ChainStatement, Expect, Phrase
from cnndsl.syntax.walk import walk

EDITED = (
    "lenet5", "alexnet", "vgg16", "resnet18", "googlenet", "unet", "densenet121", "siamese",
    "mobilenetv2", "squeezenet",
)  # fmt: skip
"""The networks in which edits are made at random."""


def diff(old: str, new: str) -> NetworkDiff:
    return network_diff(network(old), network(new))


def kinds(found: NetworkDiff) -> list[tuple[str, str]]:
    """What became of layers, but for those whose outputs alone differ."""
    return [(one.kind, one.name or one.old_name) for one in found.layers if one.kind != "shape"]


# --- nothing ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(path.stem for path in specs().glob("*.cnn"))[::2])
def test_a_network_does_not_differ_from_itself(name: str) -> None:
    typed = load(name)
    found = network_diff(typed, typed)
    assert not found
    assert (found.layers, found.renamed, found.interface, found.training) == ((), (), (), ())
    assert {one.how for one in found.weights} <= {"kept"}


PLAIN = "input 1x28x28\nconv 8@3x3 -> relu\nconv 8@3 padding 1 -> relu\nflatten -> dense 10\n"


@pytest.mark.parametrize(
    "other",
    [
        "# a comment\ninput 1x28x28\n\nconv 8@3\n -> relu\nconv 8@3 padding 1\nrelu\n"
        "flatten -> dense 10\n",
        "block unit(border) { conv 8@3 padding border -> relu }\n"
        "input 1x28x28\nunit(valid)\nunit(1)\nflatten -> dense 10\n",
        "param classes = 10\nlet width = 8\ninput 1x28x28\nfor border in [0, 1] {\n"
        "  conv width@3 padding border -> relu\n}\nflatten -> dense classes\n",
        "rounding floor\ninput 1x28x28\nconv 8@3 stride 1 padding 0 -> relu\n"
        "conv 8@3 padding [1, 1, 1, 1] -> relu\nflatten -> dense 10 bias yes\n"
        "expect params <= 1 M\ntrain { batch 32 }\n",
    ],
)
def test_layout_blocks_and_defaults_are_no_change(other: str) -> None:
    for found in (diff(PLAIN, other), diff(other, PLAIN)):
        assert not found, found
        assert "no change in meaning" in found.text()
        assert "No change in meaning." in found.markdown()


def test_names_alone_are_told_and_are_no_change() -> None:
    other = PLAIN.replace("conv 8@3x3", "stem: conv 8@3").replace("dense", "head: dense")
    found = diff(PLAIN, other)
    assert not found
    assert found.renamed == (("conv1", "stem"), ("conv2", "conv1"), ("dense1", "head"))
    how = {one.new: (one.how, one.old, one.is_another) for one in found.weights}
    assert how["conv1.weight"] == ("renamed", "conv2.weight", False)
    assert how["conv1.bias"] == ("renamed", "conv2.bias", True)
    assert "1 weight would take another layer's numbers, as conv1.bias" in " ".join(
        diff(PLAIN, other + "train { batch 2 }\n").text().split()
    )


# --- one edit -----------------------------------------------------------------------------------


def chains(text: str) -> Iterator[Chain]:
    """The chains at the top level, where every layer is carried out once."""
    for statement in check_text(text).module.statements:
        if isinstance(statement, ChainStatement):
            yield statement.chain


def bare(text: str) -> str:
    """A spec without claims and expectations: they would not hold for an edited one."""
    module = check_text(text).module
    spans = [one.span for one in module.statements if isinstance(one, Expect)]
    spans += [claim.span for node in walk(module) for claim in getattr(node, "claims", ())]
    for span in sorted(spans, key=lambda one: -one.start):
        text = text[: span.start] + text[span.end :]
    return text


def shipped(name: str) -> str:
    return bare((specs() / f"{name}.cnn").read_text(encoding="utf-8"))


def checked(text: str) -> TypedNetwork | None:
    return check_text(text, str(specs() / "edited.cnn")).network


def edits(name: str, seed: int) -> Iterator[tuple[str, str, str]]:
    """Edits of a shipped spec at random: what was done, the text before, and the text after."""
    draw, text = random.Random(seed), shipped(name)
    links = [link for chain in chains(text) for link in chain.links]
    phrases = [link for link in links if isinstance(link.element, Phrase)]
    draw.shuffle(phrases)
    for link in phrases[:4]:
        span = link.element.span
        new = f"{span.text} -> leakyrelu 0.03"
        yield "added", text, text[: span.start] + new + text[span.end :]
        yield "removed", text[: span.start] + new + text[span.end :], text
        if re.match(r"conv .*", span.text):
            more = f"{span.text} init normal(0.123)"
            yield "changed", text, text[: span.start] + more + text[span.end :]
        if link.label is not None:
            label = link.label.name
            again = re.sub(rf"(?<![\w.]){re.escape(label)}(?![\w.])", f"{label}_other", text)
            yield "renamed", text, again


@pytest.mark.parametrize("name", EDITED)
@pytest.mark.parametrize("seed", range(2))
def test_an_edit_is_named_and_nothing_else(name: str, seed: int) -> None:
    done = 0
    for kind, before, after in edits(name, seed):
        old, new = checked(before), checked(after)
        if old is None or new is None:
            continue
        done += 1
        found = network_diff(old, new)
        if kind == "renamed":
            assert not found, found.text()
            assert all(two.endswith("_other") or "_other." in two for _, two in found.renamed)
        else:
            assert [one for one, _ in kinds(found)] == [kind], found.text()
            assert found.interface == found.training == ()
    assert done


@pytest.mark.parametrize("name", EDITED)
def test_swapping_the_networks_mirrors_the_difference(name: str) -> None:
    mirrored = {"added": "removed", "removed": "added", "changed": "changed", "shape": "shape"}
    cases = [*edits(name, 7)]
    others = [load(other) for other in ("lenet5", "resnet18")]
    pairs = [(checked(before), checked(after)) for _, before, after in cases[::3]]
    pairs += [(load(name), other) for other in others]
    for old, new in pairs:
        if old is None or new is None:
            continue
        there, back = network_diff(old, new), network_diff(new, old)
        assert sorted(map(facts, there.layers)) == sorted(
            (mirrored[kind], new_name, old_name)
            for kind, old_name, new_name in map(facts, back.layers)
        )
        assert {*there.renamed} == {(one, other) for other, one in back.renamed}
        deltas = zip(there.quantities, back.quantities, strict=True)
        assert all((one.old, one.new) == (two.new, two.old) for one, two in deltas)


def facts(one: LayerChange) -> tuple[str, str, str]:
    return one.kind, one.old_name, one.name


# --- what is said -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("conv 8@3x3", "conv 8@5", [("changed", "conv1")]),
        ("8@3x3 -> relu", "8@3x3 -> batchnorm -> relu", [("added", "batchnorm1")]),
        ("8@3x3 -> relu", "8@3x3 -> tanh", [("changed", "tanh1")]),
        ("8@3x3 -> relu", "8@3x3", [("removed", "relu1")]),
        (
            "conv 8@3 padding 1 -> relu",
            "add(conv 8@3 padding 1 -> relu, identity)",
            [("added", "identity1"), ("added", "add1")],
        ),
        ("dense 10", "dense 5", [("changed", "dense1")]),
        ("conv 8@3 padding 1", "conv 8@1 stride 1", [("changed", "conv2")]),
    ],
)
def test_an_edit_of_a_chain(old: str, new: str, told: list[tuple[str, str]]) -> None:
    assert kinds(diff(PLAIN, PLAIN.replace(old, new))) == told


def test_a_setting_is_told_from_what_to_what() -> None:
    found = diff(PLAIN, PLAIN.replace("conv 8@3x3", "conv 16@5 bias no"))
    (change,) = [one for one in found.layers if one.kind == "changed"]
    assert {(one.what, one.old, one.new) for one in change.changes} == {
        ("filters", "8", "16"),
        ("kernel", "3x3", "5"),
        ("bias", "yes", "no"),
    }
    assert (change.old_output, change.output) == ("8x26x26", "16x24x24")
    shapes = [one.name for one in found.layers if one.kind == "shape"]
    assert shapes == ["relu1", "conv2", "relu2", "flatten1"]


def test_a_skip_that_reads_another_layer_is_told() -> None:
    text = (
        "input 4x8x8\na: conv 4@3 padding 1\nb: conv 4@3 padding 1\nc: conv 4@1\nadd(identity, a)\n"
    )
    found = diff(text, text.replace("identity, a", "identity, b"))
    (change,) = found.layers
    assert [(one.what, one.old, one.new) for one in change.changes] == [("reads", "a", "b")]


def test_inputs_outputs_and_classes_are_told() -> None:
    old = 'input 1x8x8\nf: conv 2@3\nflatten -> dense 2\nclasses "a", "b"\n'
    new = (
        'input 1x9x9 { scale 1/255 }\nf: conv 2@3\nflatten -> dense 2\nclasses "b", "a"\noutput f\n'
    )
    found = diff(old, new)
    assert [(one.what, one.old, one.new) for one in found.interface] == [
        ("input", "1x8x8", "1x9x9"),
        ("input, scale", "1", "0.00392157"),
        ("output f", "", "2x7x7"),
        ("classes", "in one order", "in another"),
    ]


def test_training_is_told() -> None:
    old = f"{PLAIN}train {{\n  optimizer sgd lr 0.1\n  augment flip\n  freeze dense1\n}}\n"
    new = PLAIN.replace("dense 10", "head: dense 10") + (
        "train {\n  optimizer adam lr 0.1\n  batch 64\n  freeze head\n}\n"
    )
    found = diff(old, new)
    assert [(one.what, one.old, one.new) for one in found.training] == [
        ("optimizer", "sgd lr 0.1", "adam lr 0.1"),
        ("batch", "32", "64"),
        ("augment", "flip horizontal", ""),
    ]


def test_parameters_and_budgets_are_told_and_are_no_change_of_the_network() -> None:
    old = (
        f"param width = 8\nparam gone = valid\nparam spare = [1, 2]\n{PLAIN}expect params <= 1e6\n"
    )
    old = old.replace("conv 8@3x3", "conv width@3 padding gone")
    new = f"param spare = [1, 3]\nparam width = 8\n{PLAIN}".replace("conv 8@3x3", "conv width@3")
    new += "expect params < 2 M\nexpect params >= 10\nexpect macs <= 1 G\n"
    found = diff(old, new)
    assert not found
    assert [(one.what, one.old, one.new) for one in found.contract] == [
        ("param gone", "valid", ""),
        ("param spare", "[1, 2]", "[1, 3]"),
        ("expect params", "<= 1,000,000", "< 2,000,000 and >= 10"),
        ("expect macs", "", "<= 1,000,000,000"),
    ]
    assert "no change in meaning\n\nparameters and budgets\n  - param gone: valid\n" in found.text()
    assert "**Parameters and budgets**\n\n- param gone: `valid` (gone)\n" in found.markdown()
    changed = diff(old, new.replace("width = 8", "width = 9"))
    assert ("param width", "8", "9") in [(one.what, one.old, one.new) for one in changed.contract]
    assert "\nparameters and budgets\n" in changed.text()
    assert "**Parameters and budgets**" in changed.markdown()
    assert next(one["what"] for one in changed.to_json()["contract"]) == "param width"
    assert not diff(new, new).contract


def test_quantities_are_those_that_are_counted() -> None:
    old, new = load("resnet18"), load("resnet34")
    for one in network_diff(old, new).quantities:
        assert (one.old, one.new) == (quantity(old, one.quantity), quantity(new, one.quantity))


def test_repeated_blocks_are_told_as_one() -> None:
    text = network_diff(load("resnet50"), load("resnet152")).text()
    assert "layer3.bottleneck7 to layer3.bottleneck36: 30 times 11 layers" in text


def test_layers_that_changed_in_one_way_are_told_together() -> None:
    text = "param width = 4\ninput 1x9x9\nrepeat 3 { conv width@3 padding 1 -> relu }\ndense_\n"
    text = text.replace("dense_", "flatten -> dense 2")
    found = diff(text, text.replace("width = 4", "width = 8"))
    assert "  ~ conv1, conv2 and conv3\n      filters: 4 -> 8\n" in found.text()
    assert "- changed `conv1`, `conv2`, `conv3`: filters `4` → `8`; output" in found.markdown()


@pytest.mark.parametrize(
    ("old", "new"), [("lenet5", "lenet5-1998"), ("resnet50", "resnet152"), ("alexnet", "unet")]
)
def test_the_text_fits_the_terminal(old: str, new: str) -> None:
    found = cnndsl.diff(old, new)
    assert max(map(len, found.text().splitlines())) <= 80
    for line in found.markdown().splitlines():
        assert not line.startswith("|") or line.count(" | ") >= 1


def test_weights_of_every_kind_are_told() -> None:
    old = "input 1x8x8\na: conv 2@3\nb: conv 2@3\nflatten -> dense 4 -> relu -> c: dense 2\n"
    new = (
        old.replace("b: conv 2@3", "b: conv 3@3")
        .replace("c: dense", "d: dense")
        .replace(" -> relu", " -> n: batchnorm -> relu")
    )
    found = diff(old, new)
    how = {(one.how, one.old, one.new) for one in found.weights}
    assert how >= {
        ("kept", "a.weight", "a.weight"),
        ("reshaped", "b.weight", "b.weight"),
        ("renamed", "c.weight", "d.weight"),
        ("new", "", "n.scale"),
    }
    assert {one[0] for one in how} == {"kept", "reshaped", "renamed", "new"}
