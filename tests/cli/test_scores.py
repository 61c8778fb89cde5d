"""What is shown of an evaluation: classes, and what is mistaken for what."""

import json
import math
from dataclasses import replace

import numpy
import pytest

from cnndsl.cli.scores import as_text
from cnndsl.cli.scores_json import as_json
from cnndsl.runtime.evaluation import Evaluation
from cnndsl.runtime.tally import LabelScores, ValueScores


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


def test_few_classes_are_a_table_of_their_numbers_and_one_of_answers() -> None:
    shown = as_text(evaluation([[30, 2, 0], [0, 1200, 0], [0, 0, 0]], "cat", "dog", "cow"))
    assert shown.splitlines() == [
        "loss 0.0712  top1 99.84%  1,232 samples",
        "",
        "class  samples  precision  recall      F1",
        "cat         32       100%  93.75%  96.77%",
        "dog      1,200     99.83%    100%  99.92%",
        "cow          0          -       -       -",
        "",
        "taken for   cat   dog   cow",
        "cat          30     2     .",
        "dog           .  1200     .",
        "cow           .     .     .",
    ]


def test_long_names_head_rows_and_their_numbers_head_columns() -> None:
    shown = as_text(evaluation([[3, 1], [0, 5]], "airplane", "a" * 40))
    long = f"1 {'a' * 29}…"
    assert shown.splitlines()[6:] == [
        f"{'taken for':{len(long)}}  0  1",
        f"{'0 airplane':{len(long)}}  3  1",
        f"{long}  .  5",
    ]


def test_wide_characters_take_two_columns() -> None:
    lines = as_text(evaluation([[3, 1], [0, 5]], "猫", "dog")).splitlines()
    assert lines[2:5] == [
        "class  samples  precision  recall      F1",
        "猫           4       100%  75.00%  85.71%",
        "dog          5     83.33%    100%  90.91%",
    ]
    assert lines[6:] == ["taken for   猫  dog", "猫           3    1", "dog          .    5"]
    lines = as_text(evaluation([[3, 1], [0, 5]], "猫" * 20, "dog")).splitlines()
    assert lines[3].startswith(f"0 {'猫' * 14}…  ")


def test_the_matrix_of_twenty_classes_is_shown_that_of_more_is_not() -> None:
    def shown(classes: int) -> str:
        return as_text(evaluation(numpy.eye(classes, dtype=int).tolist()))

    assert "taken for  " in shown(20)
    assert "taken for  " not in shown(21)
    assert "no mistakes" in shown(21)


def test_of_many_classes_the_worst_and_the_most_confused_are_shown() -> None:
    matrix = (300 * numpy.eye(100, dtype=int)).tolist()
    matrix[5][9], matrix[0][1], matrix[4][3] = 7, 2, 1
    shown = as_text(evaluation(matrix, top5=0.99999))
    assert shown.splitlines() == [
        "loss 0.0712  top1 99.97%  top5 99.99%  30,010 samples",
        "",
        "the least accurate of 100 classes, 3 of which have mistakes",
        "class    samples  precision  recall      F1",
        "class 5      307       100%  97.72%  98.85%",
        "class 0      302       100%  99.34%  99.67%",
        "class 4      301       100%  99.67%  99.83%",
        "",
        "the most frequent mistakes",
        "      7 of class 5 taken for class 9",
        "      2 of class 0 taken for class 1",
        "      1 of class 4 taken for class 3",
    ]


LABELS = (LabelScores(3, 1, 0, 6, 0.9375), LabelScores(0, 0, 10, 0), LabelScores(0, 0, 0, 10))


def test_labels_are_a_table_of_their_numbers() -> None:
    found = Evaluation(0.25, None, None, 10, ("cat", "狗", "cow"), labels=LABELS, exact_match=0.5)
    assert as_text(found).splitlines() == [
        "loss 0.2500  accuracy 63.33%  exact match 50.00%  10 samples",
        "",
        "label  positive  accuracy  precision  recall      F1     AUC",
        "cat           3    90.00%     75.00%    100%  85.71%  0.9375",
        "狗           10     0.00%          -   0.00%   0.00%       -",
        "cow           0      100%          -       -       -       -",
    ]


def test_of_many_labels_the_worst_are_shown() -> None:
    labels = (LabelScores(3, 1, 0, 6),) * 30 + (LabelScores(1, 9, 0, 0),)
    lines = as_text(Evaluation(0.25, None, None, 10, labels=labels, exact_match=0.5)).splitlines()
    assert lines[2] == "the least F1 of 31 labels"
    assert lines[4].startswith("30 ")
    assert len(lines) == 14


def test_a_single_output_has_the_numbers_of_two_classes_and_its_curve() -> None:
    matrix = numpy.array([[6, 1], [0, 3]])
    found = Evaluation(0.25, 0.9, None, 10, ("cat",), matrix, labels=LABELS[:1], exact_match=0.9)
    assert as_text(found).splitlines() == [
        "loss 0.2500  top1 90.00%  AUC 0.9375  10 samples",
        "",
        "class      samples  precision  recall      F1",
        "0 not cat        7       100%  85.71%  92.31%",
        "1 cat            3     75.00%    100%  85.71%",
        "",
        "taken for  0  1",
        "0 not cat  6  1",
        "1 cat      .  3",
    ]


def test_places_have_overlaps() -> None:
    shown = as_text(replace(evaluation([[6, 1], [0, 3]]), places=True))
    assert shown.splitlines()[:4] == [
        "loss 0.0712  top1 90.00%  mean IoU 80.36%  10 samples",
        "",
        "class  places  precision  recall      F1     IoU",
        "0           7       100%  85.71%  92.31%  85.71%",
    ]


def test_values_have_errors() -> None:
    values = (ValueScores(0.25, 0.5, 0.75), ValueScores(2000.0, 1e7, None))
    found = Evaluation(0.25, None, None, 1, ("x", "y"), values=values, mae=1.25, rmse=0.0)
    assert as_text(found).splitlines() == [
        "loss 0.2500  MAE 1.2500  RMSE 0.0000  R2 0.7500  1 sample",
        "",
        "value     MAE    RMSE      R2",
        "x      0.2500  0.5000  0.7500",
        "y      2000.0   1.0e7       -",
    ]
    assert len(as_text(replace(found, values=values[:1], classes=())).splitlines()) == 1


def test_answers_that_are_no_numbers_are_counted_in_a_line() -> None:
    shown = as_text(Evaluation(math.nan, 0.5, None, 12, nan=6))
    assert shown.splitlines()[1] == "6 answers are NaN and wrong"
    assert "1 answer is NaN" in as_text(Evaluation(math.nan, 0.5, None, 12, nan=1))


def test_at_most_ten_mistakes_are_listed() -> None:
    matrix = numpy.ones((30, 30), int).tolist()
    shown = as_text(evaluation(matrix))
    assert shown.count(" taken for ") == 10


def test_without_a_matrix_there_is_one_line() -> None:
    assert as_text(Evaluation(0.25, 0.5, None, 12)) == "loss 0.2500  top1 50.00%  12 samples"


@pytest.mark.parametrize("name", ["a\x1b[31mb", "a\nb"])
def test_names_cannot_touch_the_terminal(name: str) -> None:
    shown = as_text(evaluation([[1, 0], [0, 1]], name, "c"))
    assert "\x1b" not in shown
    assert len(shown.splitlines()) == 9


EMPTY: dict[str, object] = {
    "accuracy": None,
    "exact_match": None,
    "mean_iou": None,
    "mae": None,
    "rmse": None,
    "r2": None,
    "nan": 0,
    "classes": [],
    "confusion": None,
    "labels": [],
    "values": [],
}


def test_json_has_a_fixed_form() -> None:
    plain = as_json(evaluation([[3, 1], [0, 0]], "cat", "dog", top5=1.0))
    cat = {"precision": 1.0, "recall": 0.75, "f1": 6 / 7, "iou": None}
    dog = {"precision": 0.0, "recall": None, "f1": 0.0, "iou": None}
    assert json.loads(json.dumps(plain)) == EMPTY | {
        "count": 4,
        "loss": 0.07123,
        "top1": 0.75,
        "top5": 1.0,
        "accuracy": 0.75,
        "classes": [
            {"index": 0, "class": "cat", "count": 4, "correct": 3, "accuracy": 0.75, **cat},
            {"index": 1, "class": "dog", "count": 0, "correct": 0, "accuracy": None, **dog},
        ],
        "confusion": [[3, 1], [0, 0]],
    }


def test_json_has_null_for_what_there_is_not() -> None:
    assert as_json(Evaluation(math.nan, 0.0, None, 12, nan=12)) == EMPTY | {
        "count": 12,
        "loss": None,
        "top1": 0.0,
        "top5": None,
        "accuracy": 0.0,
        "nan": 12,
    }


def test_json_has_labels_and_values() -> None:
    plain = as_json(Evaluation(0.25, None, None, 10, labels=LABELS[:2], exact_match=0.5))
    shares = {"accuracy": 0.9, "precision": 0.75, "recall": 1.0, "f1": 6 / 7, "iou": None}
    assert isinstance(plain["labels"], list)
    assert plain["labels"][0] == {
        "index": 0, "label": None, "count": 10, "positive": 3, "auc": 0.9375, **shares
    }  # fmt: skip
    assert plain["labels"][1]["auc"] is None
    assert (plain["accuracy"], plain["exact_match"], plain["top1"]) == (0.45, 0.5, None)
    values = (ValueScores(0.25, math.inf, None),)
    plain = as_json(Evaluation(0.25, None, None, 1, ("x",), values=values, mae=1, rmse=math.nan))
    assert plain["values"] == [{"index": 0, "name": "x", "mae": 0.25, "rmse": None, "r2": None}]
    assert (plain["mae"], plain["rmse"], plain["r2"]) == (1, None, None)


def test_classes_without_names_are_null_in_json() -> None:
    classes = as_json(evaluation([[1, 0], [0, 1]]))["classes"]
    assert isinstance(classes, list)
    assert [one["class"] for one in classes] == [None, None]
