"""No text is too strange to be read: it gives a tree and diagnostics, and never an exception."""

from __future__ import annotations

import gc
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trees import read, without_spans

from cnndsl import resources
from cnndsl.diagnostics.edit import apply_edits
from cnndsl.limits import Limits
from cnndsl.syntax.ast import Let
from cnndsl.syntax.printer import print_module

SPECS = [path.read_text(encoding="utf-8") for path in sorted(resources.specs().rglob("*.cnn"))]
PIECES = [
    *("->", "=>", "(", ")", "{", "}", "[", "]", ",", "=", ":", "@", "-", " -", "?", "..", "//"),
    *("1", "3x3", "3 x 3", "1e999", "9" * 400, "conv", "relu", "true", "k.a", '"', "'", "#", "\\"),
    *(
        "if",
        "else",
        "for",
        "in",
        "repeat",
        "not",
        "and",
        "input",
        "train",
        "block",
        "let",
        "return",
    ),
    *("\n", "\n\n", "\t", "\r\n", "\ufeff", "\u00a0", "→", "é", "😀", "\ud800", ";", "$", "."),
]
SIGNS = [
    *(",", ",", "=", ":", "->", "=>", "lr", "k", "batch", "momentum", "optimizer", "2", "-1"),
    *("3x3", '"relu"', "'sgd'", "\n"),
]


def check(text: str) -> None:
    """What must hold for any text."""
    module, diagnostics = read(text)
    for diagnostic in diagnostics:
        assert 0 <= diagnostic.span.start <= diagnostic.span.end <= len(text)
        assert "\n" not in diagnostic.message + diagnostic.help
        assert diagnostic.help
        assert not diagnostic.message.endswith(".")
        for fix in diagnostic.fixes:
            apply_edits(text, fix.edits)  # no two of its edits meet
    if not diagnostics:
        again, more = read(print_module(module))
        assert not more
        assert without_spans(again.statements) == without_spans(module.statements)


@settings(max_examples=500, deadline=None)
@given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    check(text)


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from([*PIECES, " ", " "]), max_size=60).map("".join))
def test_any_sequence_of_tokens(text: str) -> None:
    check(text)


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from(SIGNS), max_size=12).map(" ".join), st.booleans())
def test_any_signs_between_settings(text: str, in_recipe: bool) -> None:
    check(f"train {{ loss mse {text} }}\n" if in_recipe else f"conv 8@3 {text}\n")


@settings(max_examples=500, deadline=None)
@given(st.randoms(use_true_random=False), st.sampled_from(SPECS))
def test_any_damage_to_a_right_spec(chance: random.Random, spec: str) -> None:
    start = chance.randrange(len(spec))
    text = spec[start : start + chance.choice([40, 200, 2000])]
    for _ in range(chance.choice([1, 1, 2, 5])):
        at = chance.randrange(len(text) + 1)
        match chance.randrange(3):
            case 0:
                text = text[:at] + chance.choice(PIECES) + text[at:]
            case 1:
                text = text[:at] + text[at + chance.randrange(1, 6) :]
            case _:
                other = chance.randrange(len(text) + 1)
                text = text[:at] + text[other : other + 30] + text[at:]
    check(text)


# --- what is too much ---------------------------------------------------------------------------

MANY = 20_000


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("(" * MANY, "CNN902"),
        ("[(" * MANY, "CNN902"),
        ("let x = " + "(" * 100 + "1" + ")" * 100, "CNN902"),
        ("f(" * MANY, "CNN902"),
        ("repeat 2 {\n" * MANY, "CNN902"),
        ("let x = " + "a+" * MANY + "a", "CNN902"),
        ("let x = " + "not " * MANY + "a", "CNN902"),
        ("let x = " + "- " * MANY + "1", "CNN902"),
        ("let x = " + "-" * MANY + "1", "CNN902"),
        ("let x = " + "a if b else " * MANY + "1", "CNN902"),
        ("let x = " + "a@" * MANY + "1", "CNN902"),
        ("if a { b } else " * MANY + "if a { b }", "CNN902"),
        ("let x = " + "1" * MANY, "CNN210"),
        ("conv " + "1" * MANY + "x1", "CNN210"),
        ("let x = 1e" + "9" * MANY, "CNN210"),
        ("let x = " + "1x" * MANY + "1", "CNN308"),
        ("a" * 500_000, "CNN901"),
        ("relu\n" * 200_000, "CNN901"),
        ("a\n" * 150_000, "CNN901"),
    ],
    ids=lambda value: repr(value[:24]),
)
def test_what_is_too_much_is_one_mistake(text: str, code: str) -> None:
    _, diagnostics = read(text)
    assert [diagnostic.code for diagnostic in diagnostics] == [code]
    assert all(len(diagnostic.message) < 200 for diagnostic in diagnostics)


@pytest.mark.parametrize(
    "text",
    [
        *(" " * 300_000, "\n" * 300_000, '"' * 100_000, "'" * 100_000, "\\\n" * 100_000),
        *(
            "{}" * 50_000,
            "( ] " * 20_000,
            "}\n" * 50_000,
            ". " * 50_000,
            "a." * 50_000,
            ";" * 50_000,
        ),
        *("a -> " * 50_000, "a, " * 50_000, "relu ->\n" * 50_000, "1 x " * 50_000, "\n\r" * 50_000),
        *("let x = " * 50_000, "a b = \n" * 50_000, "x" * 100_000, '"a' * 50_000, "😀" * 100_000),
    ],
    ids=lambda text: repr(text[:12]),
)
def test_much_of_anything_is_read_to_its_end(text: str) -> None:
    _, diagnostics = read(text)
    assert len(diagnostics) <= Limits().diagnostics


def test_limits_can_be_raised() -> None:
    text = "let x = " + "(" * 100 + "1" + ")" * 100
    module, diagnostics = read(text, Limits(depth=200))
    assert not diagnostics
    assert isinstance(module.statements[0], Let)


def test_the_depth_of_the_tree_is_bounded_where_brackets_and_operators_mix() -> None:
    text = "let x = " + "-(" * 33 + "1" + ")" * 33
    assert [d.code for d in read(text)[1]] == ["CNN902"]
    assert not read("let x = " + "(" * 20 + "1" + ")" * 20)[1]
    assert not read("conv 3\n" * 100 + " -> ".join(["conv k+1@k-1 padding k//2"] * 100))[1]


def test_reading_leaves_the_collector_of_garbage_as_it_was() -> None:
    assert gc.isenabled()
    read("relu")
    assert gc.isenabled()
    gc.disable()
    try:
        read("relu $")
        assert not gc.isenabled()
    finally:
        gc.enable()
