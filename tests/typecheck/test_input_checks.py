"""Inputs that are written in another library's order, and those that only look so."""

from __future__ import annotations

import pytest

from cnndsl.diagnostics.edit import apply_edits
from cnndsl.pipeline import check_text

HEAD = "conv 4@3 padding 1 -> relu"


def found(size: str, body: str = HEAD) -> list[tuple[str, str]]:
    """The codes, and the sizes that the fix writes."""
    return [
        (one.code, edit.text)
        for one in check_text(f"input {size}\n{body}\n").diagnostics
        for fix in one.fixes
        for edit in fix.edits
    ]


@pytest.mark.parametrize(
    ("size", "code", "better"),
    [
        ("224x224x3", "CNN311", "3x224x224"),
        ("32x32x3", "CNN311", "3x32x32"),
        ("480x640x3", "CNN311", "3x480x640"),
        ("28x28x1", "CNN311", "1x28x28"),
        ("84x84x4", "CNN311", "4x84x84"),
        ("16000x1", "CNN311", "1x16000"),
        ("187x1", "CNN311", "1x187"),
        ("44100x2", "CNN311", "2x44100"),
        ("16x112x112x3", "CNN311", "3x16x112x112"),
        ("64x64x64x1", "CNN311", "1x64x64x64"),
        ("1x224x224x3", "CNN311", "3x224x224"),
        ("1x3x32x32", "CNN312", "3x32x32"),
        ("64x3x224x224", "CNN312", "3x224x224"),
        ("1x1x28x28", "CNN312", "1x28x28"),
        ("128x1x28x28", "CNN312", "1x28x28"),
    ],
)
def test_another_librarys_order_is_warned_of_and_rewritten(
    size: str, code: str, better: str
) -> None:
    assert found(size) == [(code, better)]
    assert found(better) == []


@pytest.mark.parametrize(
    "size",
    [
        "3x224x224", "1x28x28", "224x224x224", "64x56x56", "512x7x7", "2048x1x1", "512x3x3",
        "1x128x431", "1x80x3000", "2x257x100", "22x1000", "1x16000", "12x5000", "64x100x1",
        "1x16x112x112", "3x16x112x112", "1x4x64x64", "3x3x32x32", "1x32x32x32", "2x155x240x240",
        "1x64x64x4", "4x64x64x3", "784", "64x2", "1x8x4x4",
    ],
)  # fmt: skip
def test_pictures_signals_spectrograms_and_volumes_are_what_they_are(size: str) -> None:
    assert found(size, "relu") == []


def test_a_kernel_of_three_sizes_says_that_it_is_a_volume() -> None:
    assert found("1x3x32x32", "conv 4@3x3x3 padding 1") == []
    assert found("1x3x32x32", "conv 4@3 padding 1") == [("CNN312", "3x32x32")]


def test_where_all_is_flattened_the_order_does_not_matter() -> None:
    assert found("28x28x1", "flatten -> dense 10") == []


def test_a_fix_rewrites_the_sizes_and_nothing_else() -> None:
    text = "input left 32x32x3 { scale 1/255 }\nconv 4@3 padding 1\n"
    [one] = check_text(text).diagnostics
    [fix] = one.fixes
    assert not fix.safe
    assert apply_edits(text, fix.edits) == text.replace("32x32x3", "3x32x32")


def test_sizes_that_are_computed_are_warned_of_without_a_fix() -> None:
    [one] = check_text("let s = 32\ninput [s, s, 3]\nconv 4@3 padding 1\n").diagnostics
    assert (one.code, one.fixes) == ("CNN311", ())


def test_the_order_is_told_where_it_is_the_cause_of_an_error() -> None:
    codes = [one.code for one in check_text("input 32x32x3\nconv 4@5\n").diagnostics]
    assert codes == ["CNN311", "CNN302"]
