"""What is shown of an evaluation: classes, and what is mistaken for what."""

import json
import math

import numpy
import pytest

from cnndsl.cli.scores import as_json, as_text
from cnndsl.runtime.evaluate import Evaluation


def evaluation(matrix: list[list[int]], *classes: str, top5: float | None = None) -> Evaluation:
    confusion = numpy.array(matrix, numpy.int64)
    count = int(confusion.sum())
    return Evaluation(
        loss=0.07123,
        top1=int(confusion.trace()) / count,
        top5=top5,
        count=count,
        classes=classes,
        confusion=confusion,
    )


def test_few_classes_are_a_table_of_accuracies_and_answers() -> None:
    shown = as_text(evaluation([[30, 2, 0], [0, 1200, 0], [0, 0, 0]], "cat", "dog", "cow"))
    assert shown.splitlines() == [
        "loss 0.0712  top1 99.84%  1,232 images",
        "",
        "class  images  accuracy  taken for",
        "                          cat   dog   cow",
        "cat        32    93.75%    30     2     .",
        "dog     1,200      100%     .  1200     .",
        "cow         0         -     .     .     .",
    ]


def test_long_names_head_rows_and_their_numbers_head_columns() -> None:
    shown = as_text(evaluation([[3, 1], [0, 5]], "airplane", "a" * 40))
    assert shown.splitlines()[3:] == [
        "                                                    0  1",
        "0 airplane                             4    75.00%  3  1",
        f"1 {'a' * 29}…       5      100%  .  5",
    ]


def test_the_matrix_of_twenty_classes_is_shown_that_of_more_is_not() -> None:
    def shown(classes: int) -> str:
        return as_text(evaluation(numpy.eye(classes, dtype=int).tolist()))

    assert "taken for\n" in shown(20)
    assert "taken for\n" not in shown(21)
    assert "no mistakes" in shown(21)


def test_of_many_classes_the_worst_and_the_most_confused_are_shown() -> None:
    matrix = (300 * numpy.eye(100, dtype=int)).tolist()
    matrix[5][9], matrix[0][1], matrix[4][3] = 7, 2, 1
    shown = as_text(evaluation(matrix, top5=0.99999))
    assert shown.splitlines() == [
        "loss 0.0712  top1 99.97%  top5 99.99%  30,010 images",
        "",
        "the least accurate of 100 classes, 3 of which have mistakes",
        "  class 5   97.72% of 307",
        "  class 0   99.34% of 302",
        "  class 4   99.67% of 301",
        "",
        "the most frequent mistakes",
        "      7 images of class 5 taken for class 9",
        "      2 images of class 0 taken for class 1",
        "      1 image  of class 4 taken for class 3",
    ]


def test_at_most_ten_mistakes_are_listed() -> None:
    matrix = numpy.ones((30, 30), int).tolist()
    shown = as_text(evaluation(matrix))
    assert shown.count(" taken for ") == 10


def test_without_a_matrix_there_is_one_line() -> None:
    assert as_text(Evaluation(0.25, 0.5, None, 12)) == "loss 0.2500  top1 50.00%  12 images"


@pytest.mark.parametrize("name", ["a\x1b[31mb", "a\nb"])
def test_names_cannot_touch_the_terminal(name: str) -> None:
    shown = as_text(evaluation([[1, 0], [0, 1]], name, "c"))
    assert "\x1b" not in shown
    assert len(shown.splitlines()) == 6


def test_json_has_a_fixed_form() -> None:
    plain = as_json(evaluation([[3, 1], [0, 0]], "cat", "dog", top5=1.0))
    assert json.loads(json.dumps(plain)) == {
        "count": 4,
        "loss": 0.07123,
        "top1": 0.75,
        "top5": 1.0,
        "classes": [
            {"index": 0, "class": "cat", "count": 4, "correct": 3, "accuracy": 0.75},
            {"index": 1, "class": "dog", "count": 0, "correct": 0, "accuracy": None},
        ],
        "confusion": [[3, 1], [0, 0]],
    }


def test_json_has_null_for_what_there_is_not() -> None:
    assert as_json(Evaluation(math.nan, 0.0, None, 12)) == {
        "count": 12,
        "loss": None,
        "top1": 0.0,
        "top5": None,
        "classes": [],
        "confusion": None,
    }


def test_classes_without_names_are_null_in_json() -> None:
    classes = as_json(evaluation([[1, 0], [0, 1]]))["classes"]
    assert isinstance(classes, list)
    assert [one["class"] for one in classes] == [None, None]
