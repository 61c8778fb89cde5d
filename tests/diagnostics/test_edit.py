"""Edits are made where they belong, fixes whole or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnndsl.diagnostics.edit import apply_edits, compatible
from cnndsl.diagnostics.model import Edit, Fix
from cnndsl.diagnostics.source import Source, Span

SOURCE = Source("a.cnn", "conv 6@5 stride 4\n")


def edit(start: int, end: int, text: str, source: Source = SOURCE) -> Edit:
    return Edit(Span(source, start, end), text)


def fix(*edits: Edit) -> Fix:
    return Fix("change it", edits)


def test_edits_in_any_order_give_the_same_text() -> None:
    edits = [edit(16, 17, "2"), edit(5, 6, "16"), edit(0, 0, "C1: ")]
    assert apply_edits(SOURCE.text, edits) == "C1: conv 16@5 stride 2\n"
    assert apply_edits(SOURCE.text, edits[::-1]) == "C1: conv 16@5 stride 2\n"


def test_insertions_at_one_place_keep_their_order() -> None:
    assert apply_edits("ab", [edit(1, 1, "1"), edit(1, 1, "2")]) == "a12b"


def test_an_insertion_at_the_end_and_a_deletion() -> None:
    end = len(SOURCE.text)
    assert apply_edits(SOURCE.text, [edit(8, 17, ""), edit(end, end, "relu\n")]) == (
        "conv 6@5\nrelu\n"
    )


def test_no_edits_change_nothing() -> None:
    assert apply_edits(SOURCE.text, []) == SOURCE.text


@pytest.mark.parametrize(
    "edits",
    [
        [edit(0, 4, "a"), edit(3, 6, "b")],
        [edit(0, 4, "a"), edit(0, 4, "b")],
        [edit(0, 99, "a")],
    ],
)
def test_edits_that_overlap_or_leave_the_text_are_refused(edits: list[Edit]) -> None:
    with pytest.raises(ValueError, match="overlaps"):
        apply_edits(SOURCE.text, edits)


def test_a_fix_that_meets_an_earlier_one_is_left_out_whole() -> None:
    first = fix(edit(5, 6, "8"))
    second = fix(edit(16, 17, "2"), edit(4, 7, "x"))
    third = fix(edit(16, 17, "1"))
    assert compatible([first, second, third]) == (first, third)


def test_the_same_fix_twice_is_made_once() -> None:
    insertion = fix(edit(9, 9, "padding 2 "))
    assert compatible([insertion, fix(edit(9, 9, "padding 2 "))]) == (insertion,)


def test_fixes_of_different_sources_do_not_meet() -> None:
    other = Source("b.cnn", SOURCE.text)
    assert len(compatible([fix(edit(0, 4, "x")), fix(edit(0, 4, "x", other))])) == 2


places = st.tuples(st.integers(0, 18), st.integers(0, 18)).map(sorted)


@given(st.lists(places, max_size=8))
def test_compatible_fixes_can_always_be_applied(pairs: list[list[int]]) -> None:
    fixes = [fix(edit(start, end, "x")) for start, end in pairs]
    chosen = compatible(fixes)
    assert not fixes or chosen[0] is fixes[0]
    apply_edits(SOURCE.text, [change for item in chosen for change in item.edits])
