"""The expanded spec is the same network: layers, names, recipe, model. Its hash is of no text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy
import onnx
import pytest
from documents import documents, fences, name_of
from random_networks import Writer

from cnndsl import pipeline
from cnndsl.diagnostics.model import UserError
from cnndsl.elaborate.content import content_hash, content_json, recipe_of_layers
from cnndsl.elaborate.expand import expanded_text
from cnndsl.elaborate.layer_syntax import settings_of
from cnndsl.elaborate.modules import shipped_specs
from cnndsl.elaborate.network import InputNode, LayerNode, TypedNetwork
from cnndsl.syntax.ast import Block, Branch, For, Import, Let, Param, Repeat
from cnndsl.syntax.walk import walk
from cnndsl.training.step import build_step


def typed(text: str) -> TypedNetwork:
    checked = pipeline.check_text(text, "net.cnn")
    assert not [d for d in checked.diagnostics if str(d.severity) == "error"]
    return checked.typed()


def said(network: TypedNetwork, node: LayerNode) -> dict[str, Any]:
    """The settings of a layer, but for the label of one that it reads."""
    settings = settings_of(node.layer, network.input_types(node))
    return {name: settings[name] for name in settings if name != node.layer.reads}


def nodes(network: TypedNetwork) -> list[Any]:
    """All that is known of each node, but for the place in the text."""
    return [
        (node.name, node.type, node.preparation)
        if isinstance(node, InputNode)
        else (
            node.name,
            type(node.layer),
            said(network, node),
            node.inputs,
            node.owner,
        )
        for node in network.network.nodes
    ]


def expands(network: TypedNetwork, *, defaults: bool, warned: int = 0) -> TypedNetwork:
    """The network of the expanded spec, once it has been held against the network itself."""
    text = expanded_text(network, defaults=defaults)
    checked = pipeline.check_text(text, f"{network.name}.cnn")
    assert len(checked.diagnostics) <= warned, checked.diagnostics
    again = checked.typed()
    assert nodes(again) == nodes(network)
    assert again.network.outputs == network.network.outputs
    assert again.network.classes == network.network.classes
    assert content_hash(again) == content_hash(network)
    assert text.startswith(f"# sha256 {content_hash(network)}\n")
    if network.network.recipe is not None:
        assert again.network.recipe == recipe_of_layers(network, network.network.recipe)
    assert expanded_text(again, defaults=defaults) == text
    short = (Block, Branch, For, Import, Let, Param, Repeat)
    assert not [node for node in walk(again.network.module) if isinstance(node, short)]
    return again


def bare(model: onnx.ModelProto) -> bytes:
    """A model without what tells of the text: the places of layers, the spec."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.metadata_props[:]
    copy.doc_string = ""
    for graph in (copy.graph, *copy.functions):
        graph.doc_string = ""
        del graph.metadata_props[:]
        for node in graph.node:
            node.doc_string = ""
            del node.metadata_props[:]
    return bytes(copy.SerializeToString(deterministic=True))


def compiles_alike(network: TypedNetwork, again: TypedNetwork) -> None:
    """Hold the models of two networks against each other: graph, manifest, how weights begin."""
    first, second = pipeline.answering(network), pipeline.answering(again)
    assert bare(second.graph_only) == bare(first.graph_only)
    own: dict[str, Any] = {"spec": "", "spec_sha256": "", "parameters": {}, "layers": {}}
    assert replace(second.manifest, **own) == replace(first.manifest, **own)
    had, has = first.manifest.layers, second.manifest.layers
    # Layers are called alike; names of calls and loops go, labels of `split` may come.
    assert all(had[name] == has[name] for name in had.keys() & has.keys())
    assert had.keys() - has.keys() <= network.network.scopes.keys()
    assert has.keys() - had.keys() <= again.network.scopes.keys()


@pytest.mark.parametrize("defaults", [False, True])
@pytest.mark.parametrize("name", shipped_specs())
def test_shipped_specs_are_their_expansions(name: str, defaults: bool) -> None:
    network = pipeline.check(name).typed()
    compiles_alike(network, expands(network, defaults=defaults))


def mostly_slow(few: Sequence[str]) -> list[Any]:
    """All shipped specs; all but a few are left to long runs of the tests."""
    return [
        pytest.param(name, marks=[pytest.mark.slow] * (name not in few)) for name in shipped_specs()
    ]


SMALL = ["lenet5", "lenet5-1998", "resnet20", "siamese", "textcnn", "allcnn", "mobilenetv3-small"]


@pytest.mark.parametrize("name", mostly_slow(SMALL))
def test_an_expansion_begins_with_the_same_numbers(name: str) -> None:
    network = pipeline.check(name).typed()
    again = pipeline.check_text(expanded_text(network), "net.cnn").typed()
    first, second = pipeline.compile(network).weights, pipeline.compile(again).weights
    assert {*first} == {*second}
    for weight, numbers in first.items():
        assert numpy.array_equal(numbers, second[weight]), weight


@pytest.mark.parametrize("name", mostly_slow(["lenet5", "resnet20", "siamese", "unet"]))
def test_an_expansion_trains_by_the_same_step(name: str) -> None:
    network = pipeline.check(name).typed()
    again = expands(network, defaults=True)
    first, second = (bare(build_step(one).to_proto(checked=False)) for one in (network, again))
    assert first == second


@pytest.mark.parametrize("seed", range(30))
def test_random_networks_are_their_expansions(seed: int) -> None:
    network = typed(Writer(seed).write(layers=6)[0])
    expands(network, defaults=bool(seed % 2), warned=3)


@pytest.mark.parametrize("seed", range(40))
def test_networks_of_all_layers_are_their_expansions(seed: int) -> None:
    pytest.importorskip("torch")
    from drawn_networks import DrawnNetwork

    network = typed(DrawnNetwork(seed).text)
    expands(network, defaults=bool(seed % 2), warned=3)


@pytest.mark.parametrize(
    "text",
    [
        "input 8x4x4\nleft, right = split 2\nleft -> conv 4@1\nadd(identity, right)\n",
        "input 4x8x8\n_, _ = a: split [1, 3]\na.2 -> relu\n",
        "input 1x8x8\nP1: maxpool 2\nconv 1@3 padding 1\nunpool P1\n",
        "input 1x8x8\nblock b() {\n  p: maxpool 2\n  conv 1@1\n  unpool p\n}\nb()\nb()\n",
        "input 1x6x6\nrepeat 5 { relu -> conv 1@1 }\nadd(relu, conv 1@1)\n",
        "input 1x8x8\nfor k in [3, 5] { conv 2@k }\n",
        "input a 4\ninput b 4\nb -> x: dense 3\na -> y: dense 3 share x\nadd(x, y)\n",
        "input 1x8x8\nstage: repeat 2 { conv 2@3 padding 1 }\noutput stage.1, conv1\nconv 3@1\n",
        "input 2x8x8\nside = conv 2@1\nconv 2@3 padding 1\noutput side\nadd(identity, side)\n",
        "input tokens 6 vocabulary 20\nembedding 4\nflatten\n",
        "input words tokens 6 vocabulary 20\nembedding 4\nflatten\n",
        "input 2x8x8\npad 1 mode reflect\nupconv 2@3 padding same\n",
        "input 1x8x8 { invert yes  background 3  range 0 1  layout gray  fit crop from 9 }\nrelu\n",
        'input 4\nclasses "a \\" b", "c"\ndense 2\n',
        "input 3x8x8\nconv 4@[1, 3] padding [0, 1] init normal(0.1) bias_init constant(-1)\n",
        "input 3x8x8\nclip -1 1\nleakyrelu 0.3\nconv 2@3 padding [1, 0, 2, 0]\n",
        "input 1x4x4\nfilter [[1, 0], [0, -1.5]]\nreshape 9\n",
    ],
)
def test_what_layers_can_say_is_said(text: str) -> None:
    network = typed(text)
    for defaults in (False, True):
        expands(network, defaults=defaults, warned=1)


def test_the_recipe_speaks_of_layers() -> None:
    network = typed(
        "input 1x8x8\nblock unit(width) { conv width@1 -> batchnorm }\n"
        "stem: repeat 2 { unit(4) }\nside = unit(2)\nu: unit(3) -> flatten -> dense 2 -> softmax\n"
        "train {\n  freeze stem.1\n  lr_factor stem 0.5\n  max_norm u 2\n"
        "  loss side mse weight 2\n}\n"
    )
    text = expanded_text(network)
    assert "freeze stem.1.unit1.conv1 stem.1.unit1.batchnorm1\n" in text
    assert "lr_factor stem.2.unit1.conv1 0.5 -> stem.2.unit1.batchnorm1 0.5\n" in text
    assert "max_norm u.conv1 2.0\n" in text
    expands(network, defaults=True)


def test_parameters_have_their_values_and_expectations_stay_while_they_hold() -> None:
    text = "param width = 4\ninput 1x8x8\nconv width@3\nexpect params 40\n"
    plain = pipeline.check_text(text, "net.cnn").typed()
    assert "expect params 40" in expanded_text(plain)
    set_to = pipeline.check_text(text, "net.cnn", {"width": 5}).typed()
    assert "conv 5@3" in expanded_text(set_to)
    assert "expect" not in expanded_text(set_to)


# --- the hash -----------------------------------------------------------------------------------

SAME = [
    "input 1x8x8\nconv 4@3 -> relu -> conv 4@3 -> relu\nflatten\n",
    "network other\ninput 1x8x8 # digits\nrepeat 2 { conv 4@3 stride 1 -> relu }\nflatten => 64\n",
    "param n = 4\ninput 1x8x8\nblock unit(width) { conv width@3x3 -> relu }\nA: unit(n)\nunit(n)\n"
    "flatten\nexpect params 188\n",
    "rounding floor\ninput 1x8x8\nconv 4@3 rounding exact\nrelu\nconv 4@3 rounding exact\nrelu\n"
    "flatten\n",
]


def test_budgets_stay_with_their_bounds() -> None:
    text = expanded_text(
        typed(
            "param most = 3\ninput 1x8x8\nflatten -> dense 10\n"
            "expect params <= most * 1e3\nexpect activation_bytes < 0.5 MB\n"
            "expect receptive_field != 4x4\nexpect macs >= 10\n"
        )
    )
    assert [line for line in text.splitlines() if line.startswith("expect ")] == [
        "expect params <= 3000",
        "expect activation_bytes < 500000",
        "expect receptive_field != 4x4",
        "expect macs >= 10",
    ]


def test_equal_networks_have_equal_hashes() -> None:
    assert len({content_hash(typed(text)) for text in SAME}) == 1


@pytest.mark.parametrize(
    "other",
    [
        SAME[0].replace("1x8x8", "1x9x9"),
        SAME[0].replace("1x8x8", "1x8x8 { scale 1/255 }"),
        SAME[0].replace("relu\n", "tanh\n"),
        SAME[0].replace("4@3 -> relu\n", "4@3 bias no -> relu\n"),
        SAME[0] + "output conv1\n",
        SAME[0] + "train { batch 3 }\n",
        SAME[0] + "train { freeze conv1 }\n",
    ],
)
def test_what_changes_a_network_changes_its_hash(other: str) -> None:
    assert content_hash(typed(other)) != content_hash(typed(SAME[0]))


def test_a_default_is_what_it_stands_for() -> None:
    text = "input 4x8x8\ncrop 2{1}\nmaxpool 2{0}\nflatten\n"
    long = text.format(" stride 2x2", " offset 3x3")
    assert content_hash(typed(long)) == content_hash(typed(text.format("", "")))
    assert "maxpool 2 stride 2 padding 0" in expanded_text(
        typed(text.format("", "")), defaults=True
    )


def test_where_weights_are_shared_counts() -> None:
    text = "input 1x8x8\na: conv 1@3 padding 1\nconv 1@3 padding 1{}\n"
    assert content_hash(typed(text.format(""))) != content_hash(typed(text.format(" share a")))


def test_the_data_are_those_of_the_network() -> None:
    network = pipeline.check("lenet5").typed()
    data = content_json(network, "")
    assert data["sha256"] == content_hash(network)
    assert data["layers"][0]["name"] == "C1"
    assert data["layers"][0]["weights"] == {"weight": [6, 1, 5, 5], "bias": [6]}
    assert data["layers"][0]["inputs"] == ["input"]
    assert data["outputs"] == {"output": "softmax1"}


# --- labels with dots ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "block unit() { conv 1@1 }\nunit()\nunit1.conv1: conv 2@1\n",
        "block unit() { conv 1@1 }\nunit1.conv1: conv 2@1\nunit()\n",
    ],
)
def test_a_label_with_dots_is_no_name_of_another_layer(text: str) -> None:
    found = pipeline.check_text(f"input 1x8x8\n{text}").diagnostics
    assert [one.code for one in found] == ["CNN104"]
    assert found[0].message == "two layers are called `unit1.conv1`"


@pytest.mark.parametrize(
    "recipe", ["", "  init glorot\n", "  init glorot\n  freeze a\n  lr_factor a 0.1\n"]
)
def test_an_initialiser_that_nothing_begins_by_is_no_part_of_the_content(recipe: str) -> None:
    text = f"input 4\na: dense 8 init he\ndense 3 init he\ntrain {{\n  epochs 5\n{recipe}}}\n"
    expands(pipeline.check_text(text, "net.cnn").typed(), defaults=False, warned=3)
    plain = text.replace("  init glorot\n", "").replace("  lr_factor a 0.1\n", "")
    hashes = {content_hash(pipeline.check_text(one, "net.cnn").typed()) for one in (text, plain)}
    assert len(hashes) == 1
    other = text.replace("dense 3 init he", "dense 3")  # which begins by the recipe
    assert content_hash(typed(other)) not in hashes


def test_an_expansion_that_is_too_long_says_how_long_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    network = pipeline.check("lenet5").typed()
    text = expanded_text(network)
    monkeypatch.setenv("CNNDSL_LIMITS", f"text={len(text) - 1}")
    with pytest.raises(UserError) as refused:
        expanded_text(network)
    assert refused.value.code == "CNN901"
    assert str(refused.value).startswith(f"written out, `lenet5` has {len(text):,} characters")
    assert refused.value.help == f"raise the limit: CNNDSL_LIMITS=text={len(text)}"
    monkeypatch.setenv("CNNDSL_LIMITS", f"text={len(text)}")
    assert expanded_text(network) == text


def documented() -> list[tuple[str, str]]:
    """The networks of the pages, by place."""
    pages = ((page, fence) for page in documents() for fence in fences(page, "cnn"))
    return [(f"{name_of(page)}:{fence.line}", fence.text) for page, fence in pages]


DOCUMENTED = documented()


@pytest.mark.parametrize(("place", "text"), DOCUMENTED, ids=[place for place, _ in DOCUMENTED])
def test_networks_of_the_documentation_are_their_expansions(place: str, text: str) -> None:
    checked = pipeline.check_text(text, "net.cnn")
    if checked.network is None:
        return  # a page about a mistake
    if place == "docs/errors/CNN624.md:8":
        return  # thousands of layers: written out, longer than a spec may be
    for defaults in (False, True):
        compiles_alike(checked.network, expands(checked.network, defaults=defaults, warned=9))
