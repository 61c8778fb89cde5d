"""Where an answer that knows nothing is often right, that is said, with how often it is."""

from __future__ import annotations

from typing import Any

import numpy
import pytest
from training_runs import Array, ArrayData

from cnndsl.data.baseline import notes_of_balance


def notes(classes: bool = True, yes_or_no: bool = False, **answers: Any) -> list[str]:
    data = ArrayData({"input": numpy.zeros(1)}, name="x.npz", **answers)
    return list(notes_of_balance(data, classes=classes, yes_or_no=yes_or_no))


def counted(*counts: int) -> Array:
    return numpy.repeat(numpy.arange(len(counts)), counts)


def test_even_classes_are_not_worth_a_word() -> None:
    assert notes(labels=counted(30, 20, 25)) == []
    assert notes(labels=counted(*range(10, 90, 10))) == []


def test_uneven_classes_are_told_with_what_the_largest_one_scores() -> None:
    data = ArrayData(
        {"input": numpy.zeros(1)}, name="x.npz", labels=counted(950, 50), classes=("well", "ill")
    )
    assert list(notes_of_balance(data, classes=True, yes_or_no=False)) == [
        "the classes of `x.npz` are uneven: 950 samples of `well`, 50 of `ill`;"
        " always answering `well` would be right 95.0% of the time"
    ]


def test_a_class_that_is_most_of_them_is_told_below_that_ratio() -> None:
    assert notes(labels=counted(1, 80, 19)[1:]) == [
        "most labels of `x.npz` are `1`; always answering `1` would be right 80.8% of the time"
    ]
    assert notes(labels=counted(7)) == [
        "all labels of `x.npz` are `0`: there is nothing to tell it from"
    ]


def test_many_uneven_classes_say_how_little_the_largest_one_scores() -> None:
    [note] = notes(labels=counted(100, 100, 100, 100, 100, 3))
    assert note.endswith("`0` would be right 19.9% of the time")


def test_places_are_counted_where_each_has_a_class() -> None:
    masks = numpy.zeros((4, 10, 10), int)
    masks[:, :2, :5] = 1
    assert notes(labels=masks) == [
        "most labels of `x.npz` are `0`; always answering `0` would be right 90.0% of the time"
    ]


@pytest.mark.parametrize("kind", ["labels", "targets"])
def test_yes_and_no_are_counted_for_each_thing(kind: str) -> None:
    tags = numpy.zeros((100, 2), int)
    tags[:10, 0] = 1
    tags[:96, 1] = 1
    answers = {kind: tags if kind == "labels" else tags.astype(numpy.float32)}
    assert notes(False, True, **answers) == [
        "the labels of `x.npz` are uneven; always answering the more frequent of yes and no would"
        " be right 93.0% of the time"
    ]
    tags[:40, 0] = 1
    answers = {kind: tags if kind == "labels" else tags.astype(numpy.float32)}
    assert notes(False, True, **answers) == []


def test_a_single_yes_or_no_is_as_two_classes() -> None:
    targets = (numpy.arange(20) < 4).astype(numpy.float32)[:, None]
    assert notes(False, True, targets=targets)[0].endswith("right 80.0% of the time")
    assert "`0` would be right 80.0%" in notes(False, True, labels=targets[:, 0].astype(int))[0]


def test_quantities_have_no_such_answer() -> None:
    assert notes(False, targets=numpy.zeros((9, 4), numpy.float32)) == []
    assert notes(False, labels=numpy.zeros((9, 4), int)) == []


def test_where_all_labels_are_alike_it_is_said_so() -> None:
    [note] = notes(labels=counted(20))
    assert note == "all labels of `x.npz` are `0`: there is nothing to tell it from"


def test_almost_always_is_not_rounded_up_to_always() -> None:
    [note] = notes(labels=counted(99_999, 1))
    assert note.endswith("would be right 99.9% of the time")
