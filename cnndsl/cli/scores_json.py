"""From an evaluation to plain data; ``docs/train-command.md`` says what each key is."""

from __future__ import annotations

from typing import TYPE_CHECKING, NotRequired

from typing_extensions import TypedDict

from cnndsl.cli.gains import finite

if TYPE_CHECKING:
    from cnndsl.runtime.evaluation import Evaluation

__all__ = [
    "AskedJson",
    "ClassJson",
    "EvalJson",
    "EvaluationJson",
    "LabelJson",
    "PartJson",
    "ValueJson",
    "as_json",
    "matrix_of",
]

_LISTED_JSON = 10_000
"""Of more labels or values, JSON has only the means."""

ClassJson = TypedDict(
    "ClassJson",
    {
        "index": int,
        "class": str | None,
        "count": int,
        "correct": int,
        "accuracy": float | None,
        "precision": float | None,
        "recall": float | None,
        "f1": float | None,
        "iou": float | None,
    },
)
"""How well a class is told from the others; a share of nothing is null."""


class LabelJson(TypedDict):
    """How well it is told whether a label holds; a share of nothing is null."""

    index: int
    label: str | None
    count: int
    positive: int
    accuracy: float
    precision: float | None
    recall: float | None
    f1: float | None
    auc: float | None
    iou: float | None


class ValueJson(TypedDict):
    """How near one channel's values come."""

    index: int
    name: str | None
    mae: float | None
    rmse: float | None
    r2: float | None


class PartJson(TypedDict):
    """How good some of several models are together, by so many views of each sample."""

    models: list[str]
    views: int
    loss: float | None
    top1: float | None
    top5: float | None
    accuracy: float | None
    mean_iou: float | None
    mae: float | None
    rmse: float | None


class EvaluationJson(TypedDict):
    """How good a network is, or one of its outputs; the loss decides what is not null or empty."""

    count: int
    loss: float | None
    top1: float | None
    top5: float | None
    accuracy: float | None
    exact_match: float | None
    mean_iou: float | None
    mae: float | None
    rmse: float | None
    r2: float | None
    nan: int
    classes: list[ClassJson]
    confusion: list[list[int]] | None
    labels: list[LabelJson]
    values: list[ValueJson]
    outputs: NotRequired[dict[str, EvaluationJson]]
    parts: NotRequired[list[PartJson]]


class AskedJson(TypedDict):
    """Which models were asked about which data; ``valid`` is the share kept aside."""

    model: str
    data: str
    split: str
    valid: float | None
    models: NotRequired[list[str]]


class EvalJson(AskedJson, EvaluationJson):
    """What ``cnndsl eval --format json`` prints."""


def as_json(evaluation: Evaluation) -> EvaluationJson:
    """The numbers as plain data."""
    matrix = matrix_of(evaluation)
    data: EvaluationJson = {
        "count": evaluation.count,
        "loss": finite(evaluation.loss),
        "top1": evaluation.top1,
        "top5": evaluation.top5,
        "accuracy": evaluation.accuracy,
        "exact_match": evaluation.exact_match,
        "mean_iou": evaluation.mean_iou,
        "mae": finite(evaluation.mae),
        "rmse": finite(evaluation.rmse),
        "r2": finite(evaluation.r2),
        "nan": evaluation.nan,
        "classes": _classes(evaluation),
        "confusion": matrix or None,
        "labels": _labels(evaluation),
        "values": _values(evaluation),
    }
    if evaluation.outputs:
        data["outputs"] = {name: as_json(one) for name, one in evaluation.outputs.items()}
    if evaluation.parts:
        data["parts"] = _parts(evaluation)
    return data


def _classes(evaluation: Evaluation) -> list[ClassJson]:
    # A single output has the name of one class of two.
    named = len(evaluation.classes) in {1, len(evaluation.class_names)}
    return [
        {
            "index": index,
            "class": name if named else None,
            "count": one.count,
            "correct": one.correct,
            "accuracy": one.recall,
            "precision": one.precision,
            "recall": one.recall,
            "f1": one.f1,
            "iou": one.iou if evaluation.places else None,
        }
        for index, (name, one) in enumerate(
            zip(evaluation.class_names, evaluation.class_scores, strict=True)
        )
    ]


def _labels(evaluation: Evaluation) -> list[LabelJson]:
    labels = evaluation.labels
    named = len(labels) == len(evaluation.classes)
    if len(labels) > _LISTED_JSON:
        return []
    return [
        {
            "index": index,
            "label": evaluation.classes[index] if named else None,
            "count": one.count,
            "positive": one.positive,
            "accuracy": one.accuracy,
            "precision": one.precision,
            "recall": one.recall,
            "f1": one.f1,
            "auc": one.auc,
            "iou": one.iou if evaluation.places else None,
        }
        for index, one in enumerate(labels)
    ]


def _values(evaluation: Evaluation) -> list[ValueJson]:
    values = evaluation.values
    named = len(values) == len(evaluation.classes)
    if len(values) > _LISTED_JSON:
        return []
    return [
        {
            "index": index,
            "name": evaluation.classes[index] if named else None,
            "mae": finite(one.mae),
            "rmse": finite(one.rmse),
            "r2": finite(one.r2),
        }
        for index, one in enumerate(values)
    ]


def _parts(evaluation: Evaluation) -> list[PartJson]:
    """How good less would be, where answers are means of several models or views."""
    return [
        {
            "models": list(part.models),
            "views": part.views,
            "loss": finite(part.evaluation.loss),
            "top1": part.evaluation.top1,
            "top5": part.evaluation.top5,
            "accuracy": part.evaluation.accuracy,
            "mean_iou": part.evaluation.mean_iou,
            "mae": finite(part.evaluation.mae),
            "rmse": finite(part.evaluation.rmse),
        }
        for part in evaluation.parts
    ]


def matrix_of(evaluation: Evaluation) -> list[list[int]]:
    """The confusion matrix; empty where there is none."""
    matrix = evaluation.confusion
    return [] if matrix is None else [[int(cell) for cell in row] for row in matrix]
