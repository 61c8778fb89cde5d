"""A `for` that is all of a join's argument: a stream for each round."""

from __future__ import annotations

import random

import pytest
from checked_specs import codes, network, only, shapes

from cnndsl.diagnostics.model import Report
from cnndsl.diagnostics.source import Source
from cnndsl.elaborate.network import LayerNode, TypedNetwork
from cnndsl.syntax.parser import parse
from cnndsl.syntax.printer import print_module

HEAD = "input 4x6x6\n"


def structure(typed: TypedNetwork) -> list[tuple[str, tuple[int, ...], str]]:
    """What a network is made of, names aside."""
    return [
        (repr(node.layer), node.inputs, str(kind))
        for node, kind in zip(typed.network.nodes, typed.types, strict=True)
        if isinstance(node, LayerNode)
    ]


def alike(text: str, written_out: str) -> None:
    assert structure(network(HEAD + text)) == structure(network(HEAD + written_out))


@pytest.mark.parametrize(
    ("text", "written_out"),
    [
        (
            "concat(for k in [1, 2] { conv k@1 -> relu })",
            "concat(conv 1@1 -> relu, conv 2@1 -> relu)",
        ),
        (
            "concat(identity, for k in 1..2 { conv k@1 }, relu)",
            "concat(identity, conv 1@1, conv 2@1, relu)",
        ),
        (
            "add(for (k, p) in [(1, 0), (3, 1)] { conv 4@k padding p })",
            "add(conv 4@1 padding 0, conv 4@3 padding 1)",
        ),
        (
            "add(for i in 1..2 { concat(for j in 1..2 { conv i*j@1 }) -> conv 4@1 })",
            "add(concat(conv 1@1, conv 2@1) -> conv 4@1, concat(conv 2@1, conv 4@1) -> conv 4@1)",
        ),
        ("add(for i in 1..1 { conv 4@1 }, identity)", "add(conv 4@1, identity)"),
        (
            "add(identity -> for i in 1..2 { conv 4*i@1 } -> conv 4@1, identity)",
            "add(identity -> conv 4@1 -> conv 8@1 -> conv 4@1, identity)",
        ),
        ("add(repeat 2 { conv 4@1 }, identity)", "add(conv 4@1 -> conv 4@1, identity)"),
        (
            "add(for i in 1..2 { for j in 1..2 { conv 4@1 } })",
            "add(conv 4@1 -> conv 4@1, conv 4@1 -> conv 4@1)",
        ),
        (
            "relu -> add(for i in 1..2 { if i == 1 { tanh } else { x = sigmoid\n x -> tanh } })",
            "relu -> add(tanh, sigmoid -> tanh)",
        ),
        (
            "concat(for i in 1..2 { a, b = split 2\nadd(a, b) })",
            "a, b = split 2\nc = add(a, b)\nd, e = split 2\nf = add(d, e)\nconcat(c, f)",
        ),
    ],
)
def test_it_is_what_it_says_written_out(text: str, written_out: str) -> None:
    alike(text, written_out)


def test_a_block_joins_what_its_argument_lists() -> None:
    text = """
block branches(stream x, widths) {
  x -> concat(identity, for width in widths { conv width@1 })
}
relu -> branches(identity, [2, 3]) => 9x6x6
"""
    assert [*shapes(HEAD + text).values()][-1] == "9x6x6"


def test_rounds_have_names_as_those_of_loops() -> None:
    text = "concat(b: for i in 1..2 { conv i@1 }, for i in 1..2 { conv i@1 -> c: relu })\n"
    text += "add(b.2, b.2)\n"
    assert [*shapes(HEAD + text)] == [
        "b.1.conv1",
        "b.2.conv1",
        "for1.1.conv1",
        "for1.1.c",
        "for1.2.conv1",
        "for1.2.c",
        "concat1",
        "add1",
    ]
    plain = "concat(for i in 1..2 { conv i@1 }, conv 3@1)\n"
    assert [*shapes(HEAD + plain)] == ["conv1", "conv2", "conv3", "concat1"]


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("add(for i in [] { relu }, identity)", "CNN111", "goes round no time"),
        ("add(for i in 1..0 { relu }, identity)", "CNN111", "goes round no time"),
        ("add(for i in 1..1 { relu })", "CNN111", "not 1"),
        ("add(for i in 3 { relu }, identity)", "CNN212", "a range or a list"),
        ("concat(for i in 1..2 { conv i@1 } => 1x6x6)", "CNN401", "2x6x6"),
    ],
)
def test_what_is_wrong_with_a_comprehension(line: str, code: str, said: str) -> None:
    found = only(f"{HEAD}{line}\n")
    assert (found.code, said in found.message) == (code, True)


def test_a_note_says_that_rounds_do_not_follow_one_another() -> None:
    for line in ("add(for i in 1..2 { conv 4*i@1 })", "add(for i in 1..1 { relu })"):
        assert any("`identity -> for …`" in note for note in only(f"{HEAD}{line}\n").notes)
    assert not only(f"{HEAD}add(conv 4@1, conv 8@1)\n").notes


def test_help_for_one_stream_works() -> None:
    assert "another value" in only(f"{HEAD}add(for i in 1..1 {{ relu }})\n").help
    assert codes(f"{HEAD}add(for i in 1..2 {{ relu }})\n") == []


# --- at random --------------------------------------------------------------------------------


def body(rng: random.Random, depth: int, numbers: dict[str, int]) -> tuple[str, str]:
    """A chain of the language, and the same with its comprehensions written out."""
    width = rng.choice(["4", *numbers])
    text, plain = f"conv {width}@1", f"conv {numbers.get(width, 4)}@1"
    if depth and rng.random() < 0.8:
        joined, out = arguments(rng, depth - 1, numbers)
        text, plain = f"{text} -> concat({joined})", f"{plain} -> concat({out})"
    return text, plain


def arguments(rng: random.Random, depth: int, numbers: dict[str, int]) -> tuple[str, str]:
    texts: list[str] = ["identity"]
    plains: list[str] = ["identity"]
    for _ in range(rng.randint(1, 2)):
        if rng.random() < 0.4:
            text, plain = body(rng, depth, numbers)
            texts.append(text)
            plains.append(plain)
            continue
        name, values = f"n{len(numbers)}", [rng.randint(1, 5) for _ in range(rng.randint(1, 3))]
        state, rounds = rng.getstate(), []
        for value in values:
            rng.setstate(state)
            text, plain = body(rng, depth, {**numbers, name: value})
            rounds.append(plain)
        texts.append(f"for {name} in {values} {{ {text} }}")
        plains += rounds
    return ", ".join(texts), ", ".join(plains)


@pytest.mark.parametrize("seed", range(25))
def test_any_nesting_is_what_it_says_written_out(seed: int) -> None:
    rng = random.Random(seed)
    text, plain = body(rng, 3, {})
    alike(text, plain)
    printed = print_module(parse(Source("a.cnn", HEAD + text), Report()))
    assert structure(network(printed)) == structure(network(HEAD + text))
