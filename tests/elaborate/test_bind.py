"""Which word of a phrase is what, and what is said of a word that has no place."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from checked_specs import codes, only, shapes

from cnndsl.diagnostics.edit import apply_edits
from cnndsl.diagnostics.model import Report
from cnndsl.diagnostics.source import Source, Span
from cnndsl.elaborate.bind import bind
from cnndsl.elaborate.values import Constants
from cnndsl.layers.base import Schema
from cnndsl.pipeline import check_text
from cnndsl.syntax.ast import Identifier, Name

HEAD = "input 4x9x9\nlet stride = 2\nlet k = 3\n"


def after_fix(text: str) -> str:
    """The text with the first fix of its one problem."""
    (fix, *_) = only(text).fixes
    return apply_edits(text, fix.edits)


@pytest.mark.parametrize(
    ("phrase", "shape"),
    [
        ("conv 8@3", "8x7x7"),
        ("conv 8@3x5", "8x7x5"),
        ("conv 8@[k, 1]", "8x7x9"),
        ("conv 2*k@k", "6x7x7"),
        ("conv 8@3 stride 2", "8x4x4"),
        ("conv 8@3 stride stride", "8x4x4"),
        ("conv 8@3 padding (k-1)//2 stride 2", "8x5x5"),
        ("conv 8@3 stride 2 padding 1", "8x5x5"),
        ("conv filters 8 kernel 3", "8x7x7"),
        ("conv kernel 3 filters 8 stride 2", "8x4x4"),
        ("conv stride@k stride stride", "2x4x4"),
        ("maxpool 3", "4x3x3"),
        ("maxpool kernel 3", "4x3x3"),
        ("maxpool stride stride 1", "4x8x8"),
        ("maxpool 3 stride 1 padding same", "4x9x9"),
        ("dropout", "4x9x9"),
        ("dropout 0.3", "4x9x9"),
        ("dropout rate 0.3", "4x9x9"),
        ("conv 8@3 bias no init normal(0.01) bias_init constant(1)", "8x7x7"),
    ],
)
def test_a_phrase_is_understood(phrase: str, shape: str) -> None:
    text = HEAD
    assert [*shapes(f"{text}{phrase}\n").values()] == [shape]


@pytest.mark.parametrize(
    ("phrase", "code", "span"),
    [
        ("conv", "CNN202", "conv"),
        ("conv 64", "CNN202", "64"),
        ("conv 64 3", "CNN202", "64 3"),
        ("conv 64 stride 1", "CNN202", "64"),
        ("conv 3x3", "CNN202", "3x3"),
        ("conv filters 8", "CNN202", "conv"),
        ("maxpool", "CNN202", "maxpool"),
        ("maxpool 3@3", "CNN203", "3@3"),
        ("maxpool 3 3", "CNN203", "3"),
        ("relu 1", "CNN203", "1"),
        ("conv 8@3 5", "CNN203", "5"),
        ("conv 8@3 size 1", "CNN201", "size"),
        ("conv 8@3 relu", "CNN201", "relu"),
        ("conv 8@3 kernel_size 3", "CNN201", "kernel_size"),
        ("conv 8@3 stride 1 stride 1", "CNN206", "stride"),
        ("conv 8@3 kernel 3", "CNN206", "kernel"),
        ("conv 8@3 padding", "CNN207", "padding"),
        ("conv 8@3 padding bias no", "CNN207", "padding"),
        ("conv 8@3 padding 1.5", "CNN204", "1.5"),
        ("conv 8@3 bias 1", "CNN204", "1"),
        ("conv 8@3 bias 1.0", "CNN204", "1.0"),
        ("conv 8.0@3", "CNN204", "8.0"),
        ("conv 8@3.0", "CNN204", "3.0"),
        ("conv 8@yes", "CNN204", "yes"),
        ("conv 8@[3, 0]", "CNN205", "0"),
        ("conv 8@3x0", "CNN205", "0"),
        ("conv 8@3 stride 0", "CNN205", "0"),
        ("conv 8@3 padding -1", "CNN205", "-1"),
        ("conv 8@3 padding sme", "CNN208", "sme"),
        ('conv 8@3 padding "same"', "CNN204", '"same"'),
        ("conv 8@3 rounding down", "CNN208", "down"),
        ("conv n@3", "CNN102", "n"),
        ("conv 8@n", "CNN102", "n"),
        ("conv 8@3 stride n+1", "CNN102", "n"),
        ("conv 8@3 stride relu", "CNN102", "relu"),
        ("conv 8@[1, [2]]", "CNN204", "[1, [2]]"),
    ],
)
def test_a_phrase_that_is_wrong_is_one_error_at_the_word_at_fault(
    phrase: str, code: str, span: str
) -> None:
    diagnostic = only(f"input 4x9x9\n{phrase}\n")
    assert (diagnostic.code, diagnostic.span.text) == (code, span)
    assert diagnostic.help


def test_every_wrong_word_of_a_phrase_is_reported() -> None:
    assert codes("input 4x9x9\nconv 0@0 stride 0 padding -1 bias 3 groups no\n") == [
        (2, "CNN205"),
        (2, "CNN205"),
        (2, "CNN205"),
        (2, "CNN205"),
        (2, "CNN204"),
        (2, "CNN204"),
    ]


def test_numbers_that_python_holds_to_be_equal_are_not() -> None:
    # `1`, `1.0` and `yes` are equal and have equal hashes there.
    for right, wrong in (
        ("bias yes", "bias 1"),
        ("stride 1", "stride 1.0"),
        ("groups 1", "groups yes"),
    ):
        text = f"input 4x9x9\nconv 4@3 {right}\nconv 4@3 {wrong}\n"
        assert codes(text) == [(3, "CNN204")]
        text = f"input 4x9x9\nconv 4@3 {wrong}\nconv 4@3 {right}\n"
        assert codes(text) == [(2, "CNN204")]


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("conv 64 3", "conv 64@3"),
        ("conv 64 3x3 padding 1", "conv 64@3x3 padding 1"),
        ("conv 8@3 strid 2", "conv 8@3 stride 2"),
        ("conv 8@3 relu", "conv 8@3 -> relu"),
        ("conv 8@3 pads 1", "conv 8@3 padding 1"),
        ("conv 8@3 bias false", "conv 8@3 bias no"),
        ('conv 8@3 padding "same"', "conv 8@3 padding same"),
        ("maxpool 3 3", "maxpool 3 stride 3"),
        ("conv(8, 3)", "conv 8@3"),
        ("conv(8, 3, padding=1)", "conv 8@3 padding 1"),
        ("conv(filters=8, kernel=3)", "conv 8@3"),
        ("relu()", "relu"),
        ("conv 8@3 same", "conv 8@3 padding same"),
        ("conv 8@3 SAME stride 2", "conv 8@3 padding same stride 2"),
        ("conv 8@3 stride 5 full", "conv 8@3 stride 5 padding full"),
        ("conv 8@3 glorot", "conv 8@3 init glorot"),
        ("conv 8@3 nobias", "conv 8@3 bias no"),
        ("flatten -> dense 10 no_bias", "flatten -> dense 10 bias no"),
        ("maxpool 2 floor", "maxpool 2 rounding floor"),
        ("upsample 2 bilinear", "upsample 2 mode bilinear"),
        ("pad 1 reflect", "pad 1 mode reflect"),
        ("gelu tanh", "gelu form tanh"),
        ("Conv2d 8@3", "conv 8@3"),
        ("cnov 8@3", "conv 8@3"),
    ],
)
def test_the_fix_writes_what_was_meant(wrong: str, right: str) -> None:
    fixed = after_fix(f"input 4x9x9\n{wrong}\n")
    assert fixed == f"input 4x9x9\n{right}\n"
    assert not check_text(fixed).diagnostics


@pytest.mark.parametrize(
    "call",
    ["conv(3, 8, 3, 1, 0, 1, 1, 1, 1)", "conv(8)", "conv(8, 3, size=2)", "conv(relu -> relu, 3)"],
)
def test_a_call_that_cannot_be_translated_shows_an_example(call: str) -> None:
    diagnostic = only(f"input 4x9x9\n{call}\n")
    assert diagnostic.code == "CNN203"
    assert "conv 16@3" in diagnostic.help
    assert not diagnostic.fixes


def test_a_comment_of_another_language_is_recognised() -> None:
    for line in ("conv 4@3 // the stem", "maxpool 3 // halves", "relu // max(0, x)"):
        diagnostic = only(f"input 4x9x9\n{line}\n")
        assert diagnostic.span.text == "//", line
        assert diagnostic.help == "write `#`"
    assert codes("input 4x9x9\nlet half = 2\nconv 4@3 // half\n") == []


def test_a_block_that_is_not_called_is_shown_how() -> None:
    block = "input 4x9x9\nblock b(width, kernel = 3) { conv width@kernel }\n"
    assert only(f"{block}b\n").help == "call it as `b(width, kernel = 3)`"
    assert after_fix(f"{block}b 8 5\n") == f"{block}b(8, 5)\n"
    assert only(f"{block}b 8 5 7\n").help == "call it as `b(width, kernel = 3)`"


def test_a_schema_whose_values_cannot_be_described_is_asked_for_no_words() -> None:
    """As that of a plug-in, which may hold what it likes."""

    class Odd(Schema):
        hook: Callable[[], int] = int

    source = Source("spec.cnn", "odd same")
    head = Identifier("odd", Span(source, 0, 3))
    report = Report()
    assert bind(Odd, head, [Name("same", Span(source, 4, 8))], Constants(), report) is None
    (found,) = report.sorted()
    assert found.message == "`odd` has no attribute `same`"
