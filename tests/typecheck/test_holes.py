"""Which numbers a `?` can be, as the layers and claims around it decide."""

from __future__ import annotations

import pytest
from checked_specs import codes, only

from cnndsl.diagnostics.edit import apply_edits
from cnndsl.pipeline import check_text


def numbers(text: str) -> list[list[str]]:
    """The values that the fixes of each diagnostic write, in order."""
    return [
        [fix.edits[0].text for fix in item.fixes]
        for item in check_text(text).diagnostics
        if item.code == "CNN403"
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("input 3x227x227\nconv 96@11 stride 4 padding ? => 96x55x55\n", [["0"]]),
        ("input 3x224x224\nconv 64@7 stride 2 padding ? rounding floor => 64x112x112\n", [["3"]]),
        ("input 3x32x32\nconv ?@3 => 8x30x30\n", [["8"]]),
        ("input 3x32x32\nconv 8@? => 8x30x30\n", [["3"]]),
        ("input 3x32x32\nconv 8@3 stride ? rounding floor => 8x15x15\n", [["2"]]),
        ("input 3x32x32\nconv 8@3 dilation ? => 8x28x28\n", [["2"]]),
        ("input 3x32x32\nmaxpool ? => 3x16x16\n", [["2"]]),
        ("input 3x32x32\nconv 8@?x? => 8x30x30\n", [["3"]]),
        ("input 3x32x32\nconv 8@[?, 1] => 8x30x32\n", [["3"]]),
        ("input 1x?x?\nconv 6@5 => 6x28x28\n", [["32"]]),
        ("input ?\ndense 10\nexpect params 50\n", []),
        ("input 3x32x32\nconv 8@5 padding 2 stride 2 rounding floor => 8x?x16\n", [["16"]]),
        ("input 3x32x32\nconv 8@3\nexpect params ?\n", [["224"]]),
        ("input 3x32x32\nflatten -> dense ? => 10\n", [["10"]]),
        ("input 3x9x9\nconv 8@? stride 2 rounding floor => 8x4x4\n", [["2", "3"]]),
    ],
)
def test_every_number_that_fits_is_found(text: str, expected: list[list[str]]) -> None:
    assert numbers(text) == expected


def test_the_smallest_is_what_fix_writes() -> None:
    text = "input 3x9x9\nconv 8@? stride 2 rounding floor => 8x4x4\n"
    safe = [fix for fix in only(text).fixes if fix.safe]
    (fix,) = safe
    assert check_text(apply_edits(text, fix.edits)).diagnostics == ()


def test_holes_of_one_size_are_filled_together() -> None:
    text = "input 3x?x?\nconv 6@5 => 6x28x28\n"
    fix = only(text).fixes[0]
    assert apply_edits(text, fix.edits) == "input 3x32x32\nconv 6@5 => 6x28x28\n"


def test_several_holes_are_found_together() -> None:
    text = "input 3x32x32\nconv 8@? padding ? => 8x32x32\nconv ?@1 => 4x32x32\n"
    assert [code for _, code in codes(text)] == ["CNN403"] * 3
    assert numbers(text)[2] == ["4"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("input 3x32x32\nconv 8@3 padding ?\n", "CNN405"),
        ("input 3x32x32\nconv ?@3 -> relu\n", "CNN405"),
        ("input 3x32x32\nconv 8@3 stride ? => 8x33x33\n", "CNN404"),
        ("input 3x32x32\nconv 8@3 padding ? => 9x32x32\n", "CNN404"),
        ("input 3x32x32\nconv 8@3 padding ?+1 => 8x32x32\n", "CNN406"),
        ("input 3x32x32\nrepeat ? { relu }\n", "CNN406"),
        ("input 3x32x32\nif ? { relu }\n", "CNN406"),
        ("input 3x32x32\nrelu\ntrain { batch ? }\n", "CNN406"),
        ("input 3x32x32\ndropout ? => 3x32x32\n", "CNN406"),
        ("input 3x32x32\nconv 8@3 bias ? => 8x30x30\n", "CNN406"),
    ],
)
def test_a_hole_without_an_answer_says_why(text: str, expected: str) -> None:
    assert only(text).code == expected


def test_a_hole_in_a_constant_or_an_argument_is_found_too() -> None:
    assert numbers("let p = ?\ninput 3x32x32\nconv 8@3 padding p => 8x32x32\n") == [["1"]]
    block = "block b(p) { conv 8@3 padding p }\n"
    assert numbers(f"input 3x32x32\n{block}b(?) => 8x32x32\n") == [["1"]]


def test_a_mistake_elsewhere_does_not_stop_the_search() -> None:
    text = "input 3x32x32\nconv 8@3 padding ? => 8x32x32\ncnov 8@3\n"
    assert codes(text) == [(2, "CNN403"), (3, "CNN101")]


def test_a_network_with_its_holes_filled_is_shown() -> None:
    rows = check_text("input 3x32x32\nconv 8@3 padding ? => 8x32x32 -> maxpool 2\n").table
    assert [row.output for row in rows] == ["3x32x32", "8x32x32", "8x16x16"]


# --- what is written once and carried out several times -----------------------------------------


def mended(text: str) -> str:
    """The text with every safe fix made."""
    fixes = [f for item in check_text(text).diagnostics for f in item.fixes if f.safe]
    return apply_edits(text, [edit for fix in fixes for edit in fix.edits])


@pytest.mark.parametrize(
    ("text", "after"),
    [
        (
            "input 4x8x8\nrepeat 2 { leakyrelu => ?x?x? -> conv 2@1 }\n",
            "input 4x8x8\nrepeat 2 { leakyrelu => ?x?x? -> conv 2@1 }\n",
        ),
        (
            "input 4x8x8\nfor k in [2, 6] { conv k@1 => ?x?x? }\n",
            "input 4x8x8\nfor k in [2, 6] { conv k@1 => ?x?x? }\n",
        ),
        (
            "block b() { maxpool 2 => ?x?x? }\ninput 4x8x8\nb()\nb()\n",
            "block b() { maxpool 2 => ?x?x? }\ninput 4x8x8\nb()\nb()\n",
        ),
        (
            "input 4x8x8\nrepeat 2 { relu => ?x?x? -> flatten }\n",
            "input 4x8x8\nrepeat 2 { relu => ?x?x? -> flatten }\n",
        ),
        (
            "input 4x8x8\nrepeat 2 { relu => 4x?x8 -> conv 2@1 }\n",
            "input 4x8x8\nrepeat 2 { relu => 4x?x8 -> conv 2@1 }\n",
        ),
        (
            "let c = ?\ninput 4x8x8\nrelu => [c, 8, 8]\nconv 2@1 => [c, 8, 8]\n",
            "let c = ?\ninput 4x8x8\nrelu => [c, 8, 8]\nconv 2@1 => [c, 8, 8]\n",
        ),
        (
            "let c = ?\ninput 4x8x8\nconv 8@3 padding c => [c, 10, 10]\n",
            "let c = ?\ninput 4x8x8\nconv 8@3 padding c => [c, 10, 10]\n",
        ),
        (
            "input 4x8x8\nrepeat 2 { conv ?@1 => 4x8x8 -> conv 2@1 }\n",
            "input 4x8x8\nrepeat 2 { conv 4@1 => 4x8x8 -> conv 2@1 }\n",
        ),
        (
            "input 4x8x8\nrepeat 2 { leakyrelu => ?x8x8 -> conv ?@1 }\n",
            "input 4x8x8\nrepeat 2 { leakyrelu => 4x8x8 -> conv 4@1 }\n",
        ),
        (
            "input 4x8x8\nconv 4@3 padding ? => 4x8x8\nrepeat 2 { relu => ?x8x8 -> conv 2@1 }\n",
            "input 4x8x8\nconv 4@3 padding 1 => 4x8x8\nrepeat 2 { relu => ?x8x8 -> conv 2@1 }\n",
        ),
        (
            "block b(p) { conv 4@3 padding p }\ninput 4x8x8\nb(?) => 4x8x8\nb(?) => 4x6x6\n",
            "block b(p) { conv 4@3 padding p }\ninput 4x8x8\nb(1) => 4x8x8\nb(0) => 4x6x6\n",
        ),
    ],
)
def test_a_number_is_written_only_where_it_is_right_every_time(text: str, after: str) -> None:
    assert mended(text) == after


def test_a_claim_that_cannot_be_right_every_time_says_both_sizes() -> None:
    item = only("input 4x8x8\nrepeat 2 { leakyrelu => ?x?x? -> conv 2@1 }\n")
    assert item.code == "CNN404"
    assert item.message == "no number fits here: the size is 4 once and 2 another time"
    assert not item.fixes


def test_numbers_that_are_written_together_fit_together() -> None:
    text = "input 3x9x9\nconv 8@? dilation ? => 8x3x3\n"
    assert numbers(text) == [["2", "3", "4", "7"], ["6", "1", "2", "3"]]
    assert check_text(mended(text)).diagnostics == ()


def test_numbers_that_were_not_all_tried_are_not_written() -> None:
    for text in ("conv ?@3 -> conv ?@3\n", "conv ?@3 groups 3\n"):
        assert mended(f"input 3x8x8\n{text}") == f"input 3x8x8\n{text}"


def test_a_hole_behind_a_mistake_says_nothing() -> None:
    assert codes("input 3x8x8\ncnov 3 => ?x8x8\n") == [(2, "CNN101")]


def test_an_input_without_a_number_is_unknown() -> None:
    checked = check_text("input ?x8x8\nconv 4@3 groups 3 => 5x1x1\nrelu\n")
    assert next(row.output for row in checked.table) == "?x8x8"


@pytest.mark.parametrize("line", ["conv 4@3 padding ?", "conv ?@1 => 4x8x8", "relu => ?x8x8"])
def test_there_may_be_a_hole_in_every_line(line: str) -> None:
    found = check_text("input 4x8x8\n" + f"{line}\n" * 2_000).diagnostics
    assert len(found) == 2_000
    assert {item.code for item in found} <= {"CNN403", "CNN405"}
