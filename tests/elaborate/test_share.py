"""Layers and calls that use the weights of another: who owns them, and what is counted."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
from checked_specs import codes, network, only

from cnndsl.analysis.cost import quantity
from cnndsl.analysis.memory import training_memory
from cnndsl.analysis.summary import summarize
from cnndsl.elaborate.canonical import canonical_text
from cnndsl.elaborate.network import LayerNode, TypedNetwork
from cnndsl.graph.heads import head_of
from cnndsl.graph.initializers import initialise
from cnndsl.graph.lower import lower, network_weights
from cnndsl.pipeline import check_text
from cnndsl.recipe.recipe import Recipe
from cnndsl.training.step import build_step

TOWERS = """\
input left 1x12x12
input right 1x12x12
block tower(width, depth = 1) {
  c: conv width@3 padding 1
  r: repeat depth { conv width@3 padding 1 -> relu }
  batchnorm
}
x = left -> a: tower(4, 2)
y = right -> b: tower(4, depth = 2) share a
add(x, y) -> flatten -> dense 3 -> softmax
"""


def owners(typed: TypedNetwork) -> dict[str, str]:
    """The owner of every layer whose weights are another's."""
    nodes = (node for node in typed.network.nodes if isinstance(node, LayerNode) and node.share)
    return {node.name: node.owner for node in nodes}


def test_every_layer_of_a_call_has_its_counterparts_weights() -> None:
    assert owners(network(TOWERS)) == {
        "b.c": "a.c",
        "b.r.1.conv1": "a.r.1.conv1",
        "b.r.2.conv1": "a.r.2.conv1",
        "b.batchnorm1": "a.batchnorm1",
    }


def test_weights_have_one_name_in_the_model_and_in_training() -> None:
    typed = network(TOWERS)
    names = set(network_weights(typed))
    assert not any(name.startswith("b.") for name in names)
    assert names == set(lower(typed).graph.initializers) - {"", *map(str, range(9))} & names
    assert names == set(build_step(typed).signature.weights)
    assert names == set(initialise(typed, 0, Recipe().init))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: conv 1@3 padding 1 -> conv 1@3 padding 1 share a", {"conv1": "a"}),
        ("a: conv 1@3\nb: conv 1@3 share a\nconv 1@3 share b", {"b": "a", "conv1": "a"}),
        ("conv 1@3\nconv 1@3 share conv1", {"conv2": "conv1"}),
        (
            "a: conv 1@3 padding 1\nrepeat 2 { conv 1@3 padding 1 share a }",
            {"conv1": "a", "conv2": "a"},
        ),
        ("repeat 2 { a: conv 1@3 }\nconv 1@3 share a", {"conv1": "repeat1.2.a"}),
        ("s: repeat 2 { conv 1@3 }\nconv 1@3 share s.1.conv1", {"conv1": "s.1.conv1"}),
        ("block t() { a: conv 1@1\nconv 1@1 share a }\nt()\nt()", {
            "t1.conv1": "t1.a", "t2.conv1": "t2.a",
        }),
        ("block t() { a: conv 1@1\nconv 1@1 share a }\nu: t()\nt() share u", {
            "u.conv1": "u.a", "t1.a": "u.a", "t1.conv1": "u.a",
        }),
        ("block t() { conv 1@1 }\nblock v() { t() -> t() }\nu: v()\nv() share u", {
            "v1.t1.conv1": "u.t1.conv1", "v1.t2.conv1": "u.t2.conv1",
        }),
        ("block t() { conv 1@1 }\nblock v() { p: t() -> t() share p }\nu: v()\nv() share u", {
            "u.t1.conv1": "u.p.conv1", "v1.p.conv1": "u.p.conv1", "v1.t1.conv1": "u.p.conv1",
        }),
        ("block t() { conv 1@1 }\nu: t() -> w: t() share u -> t() share w", {
            "w.conv1": "u.conv1", "t1.conv1": "u.conv1",
        }),
        ("let share = 1\nconv 1@3 stride share\nconv 1@3 stride share share conv1", {
            "conv2": "conv1",
        }),
        ("let share = 1\nlet stride = 1\nconv 1@3 stride stride share conv0", None),
        ("a: conv 1@3 init normal(0.1)\nconv 1@3 share a", {"conv1": "a"}),
    ],
)  # fmt: skip
def test_owners(text: str, expected: dict[str, str] | None) -> None:
    text = f"input 1x20x20\n{text}\n"
    if expected is None:
        assert [code for _, code in codes(text) if code != "CNN122"] == ["CNN103"]
    else:
        assert owners(network(text)) == expected


def test_a_block_sees_no_layers_from_outside() -> None:
    text = "input 1x8x8\na: conv 1@3\nblock t(stream a) { a -> conv 1@3 share a }\nt(a)\n"
    assert only(text).code == "CNN128"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a: t(1)\nu(1) share a", "CNN129"),
        ("a: t(1)\nt(2) share a", "CNN129"),
        ("t(1) share t1", "CNN103"),
        ("a: t(1) -> t(1) share a.conv1", "CNN128"),
        ("a: t(1) share a", "CNN128"),
        ("t(t(1) share t1)", "CNN209"),
        ("conv min(1, 2) share a@3", "CNN204"),
        ("a: conv 1@3 -> conv 1@3 stride 2 rounding floor share a", "CNN129"),
        ("a: conv 1@3 -> depthwise 3 share a", "CNN129"),
        ("a: conv 2@3 -> conv 2@3 share a", "CNN129"),
        ("d: flatten -> a: dense 5 -> dense 5 share a", "CNN129"),
    ],
)
def test_what_cannot_be_shared(text: str, code: str) -> None:
    blocks = "block t(n) { conv n@1 }\nblock u(n) { conv n@1 }\n"
    found = [item.code for item in check_text(f"input 1x9x9\n{blocks}{text}\n").diagnostics]
    assert [one for one in found if one != "CNN121"] == [code]


def test_shapes_are_quoted_where_they_differ() -> None:
    problem = only("input 3x9x9\na: conv 4@3\nconv 4@3 share a\n")
    assert problem.message == ("the weight of `conv1` would be 4x4x3x3, and that of `a` is 4x3x3x3")
    assert problem.notes == ("`conv1` reads 4x7x7, `a` reads 3x9x9",)


def test_an_earlier_mistake_says_nothing_of_shared_weights() -> None:
    above = "input 3x9x9\na: conv 3@3 stride 4 -> flatten -> d: dense 5\n"
    text = f"{above}input -> flatten -> dense 5 share d\n"
    assert [code for _, code in codes(text)] == ["CNN301", "CNN123"]
    assert [code for _, code in codes("input 3x9x9\na: conx 4@3\nconv 4@3 share a\n")] == ["CNN101"]


# --- holes ------------------------------------------------------------------------------------


def test_holes_of_shared_layers_are_one_number() -> None:
    text = "input 1x9x9\na: conv 1@3 padding ?\nb: conv 1@3 padding ?{} => 1x9x9\n"
    apart, shared = (check_text(text.format(share)).diagnostics for share in ("", " share a"))
    assert [item.message for item in apart] == ["`?` can be 0, 1 or 2 here"] * 2
    assert [item.message for item in shared] == ["`?` can only be 1 here"] * 2


def test_a_hole_of_a_shared_layer_is_its_owners_number() -> None:
    text = "input 1x20x20\na: conv 1@5\nconv 1@? share a\n"
    assert only(text).message == "`?` can only be 5 here"
    assert only(text.replace("1@?", "?@5")).message == "`?` can only be 1 here"


def test_weights_of_one_shape_decide_a_hole() -> None:
    text = "input 3x20x20\nx = conv ?@1\na: conv 4@3\nadd(identity, x -> conv 4@3 share a)\n"
    assert only(text).message == "`?` can only be 3 here"


def test_no_number_fits_where_shared_layers_must_differ() -> None:
    text = "input 1x9x9\na: conv 1@3 => 1x7x7\nb: conv 1@? share a => 1x3x3\n"
    assert only(text).code == "CNN404"


# --- counting ---------------------------------------------------------------------------------


def test_parameters_count_once_and_macs_for_each_use() -> None:
    typed = network("input 1x9x9\na: conv 1@3 padding 1\nconv 1@3 padding 1 share a\n")
    assert quantity(typed, "params") == (10,)
    assert quantity(typed, "trainable_params") == (10,)
    assert quantity(typed, "macs") == (2 * 9 * 81,)
    assert quantity(typed, "weight_bytes") == (40,)
    counted = summarize(typed)
    assert (counted.params, counted.shared_params) == (10, 10)
    assert [layer.phrase for layer in counted.layers] == [
        "conv 1@3 padding 1",
        "conv 1@3 padding 1 share a",
    ]
    layers = counted.to_json()["layers"]
    assert isinstance(layers, list)
    assert [layer.get("weights_of") for layer in layers] == [None, "a"]


def test_a_training_step_holds_one_gradient_and_the_activations_of_each_use() -> None:
    text = "input 1x9x9\na: conv 1@3 padding 1 -> conv 1@3 padding 1{}\n"
    alone, shared = (network(text.format(share)) for share in ("", " share a"))
    apart, memory = (training_memory(one, Recipe(), 2) for one in (alone, shared))
    assert memory.gradients * 2 == apart.gradients
    assert memory.activations == apart.activations


def test_memory_needs_the_owners_inputs_where_only_the_use_is_above() -> None:
    text = "input 1x9x9\na: conv 1@3 padding 1\nconv 1@3 padding 1 share a -> dense 2\n"
    typed = network(text.replace("-> dense", "-> flatten -> dense"))
    frozen = Recipe(freeze=("a",))
    assert (
        training_memory(typed, frozen, 1).activations
        < training_memory(typed, Recipe(), 1).activations
    )


# --- beyond -----------------------------------------------------------------------------------


def test_the_canonical_text_shares_alike(tmp_path: Path) -> None:
    (tmp_path / "parts.cnn").write_text(
        "let a = 3\nblock t(n) { a: conv n@3 padding 1\nconv n@3 padding 1 share a }\n"
    )
    text = 'import "parts"\ninput 1x8x8\na: t(1)\nadd(t(1) share a, identity)\nt(1) share a\n'
    typed = network(text, str(tmp_path / "spec.cnn"))
    again = network(canonical_text(typed.network))
    assert owners(again) == owners(typed)
    assert len(owners(again)) == 5
    assert canonical_text(again.network) == canonical_text(typed.network)


def test_a_class_head_is_named_after_the_owner() -> None:
    text = 'input 4\nclasses "a", "b"\nx: dense 2\ny = input -> dense 2 share x\nadd(identity, y)\n'
    assert head_of(network(text)).layers == ("x",)


def test_the_owner_may_lead_nowhere() -> None:
    text = "input 4\nx = a: dense 4\ndense 4 share a -> softmax\n"
    typed = network(text)
    assert set(network_weights(typed)) == {"a.weight", "a.bias"}
    assert set(build_step(typed).signature.updated) == {"a.weight", "a.bias"}


def test_shared_weights_begin_as_their_owner_says() -> None:
    text = "input 4\na: dense 4 init constant(0.5)\nb: dense 4 share a\n"
    weights = initialise(network(text), 0, Recipe().init)
    assert set(weights) == {"a.weight", "a.bias"}
    assert numpy.all(weights["a.weight"] == 0.5)


def test_frozen_by_the_owner() -> None:
    text = "input 4\na: dense 4\nb: dense 4 share a -> dense 2 -> softmax\ntrain {{\n {} \n}}\n"
    typed = network(text.format("freeze a"))
    assert set(build_step(typed).signature.updated) == {"dense1.weight", "dense1.bias"}
    assert [code for _, code in codes(text.format("freeze b"))] == ["CNN130"]
    assert [code for _, code in codes(text.format("freeze a b"))] == ["CNN213"]
    assert [code for _, code in codes(text.format("lr_factor b 2"))] == ["CNN130"]
