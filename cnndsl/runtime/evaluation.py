"""What an evaluation says: how good a network is, added up from batches of answers and labels."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy
from numpy.typing import NDArray
from typing_extensions import override

from cnndsl.data.sources import Array
from cnndsl.diagnostics.model import UserError
from cnndsl.diagnostics.words import count
from cnndsl.recipe.losses.base import LabelKind, Loss
from cnndsl.runtime.tally import (
    ClassScores,
    ClassTally,
    LabelScores,
    LabelTally,
    ValueScores,
    ValueTally,
    class_scores,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Evaluation", "OutputTally", "Part"]

Doubles: TypeAlias = NDArray[numpy.float64]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How good a network is on a data set of ``count`` samples; the loss decides what there is.

    ``top1`` is the share of answers whose class is the right one, ``top5`` that of those whose
    class is among the first five (None for five classes or fewer). Rows of ``confusion`` are the
    true classes, columns the answers; ``lost`` counts, by true classes, the answers that are no
    numbers. All that is None or empty where answers are no classes, as are ``labels`` and
    ``exact_match`` (the share of samples all of whose labels are right) where they are no labels,
    and ``mae``, ``rmse``, ``r2`` and ``values`` (by channel) where they are no values.

    With ``places``, each place of a sample has an answer. ``nan`` counts the answers that are no
    numbers: they are wrong.

    Where several outputs have losses, ``outputs`` has what each of them is worth, by name: its own
    loss, before its weight. ``loss`` is then their weighted sum, and all else the main output's.

    Where answers are means of several models or views, ``parts`` say what less of them is worth:
    each model alone, and one view.
    """

    loss: float
    top1: float | None
    top5: float | None
    count: int
    classes: tuple[str, ...] = ()
    confusion: NDArray[numpy.int64] | None = None
    lost: tuple[int, ...] = ()
    labels: tuple[LabelScores, ...] = ()
    exact_match: float | None = None
    values: tuple[ValueScores, ...] = ()
    mae: float | None = None
    rmse: float | None = None
    places: bool = False
    nan: int = 0
    outputs: Mapping[str, Evaluation] = field(default_factory=dict)
    parts: tuple[Part, ...] = ()

    @override
    def __repr__(self) -> str:
        shares = {
            "top1": self.top1,
            "top5": self.top5,
            "accuracy": None if self.top1 is not None else self.accuracy,
            "mae": self.mae,
            "rmse": self.rmse,
        }
        known = "".join(f", {name} {one:.4g}" for name, one in shares.items() if one is not None)
        samples = count(self.count, "sample", commas=True)
        return f"<Evaluation of {samples}: loss {self.loss:.4g}{known}>"

    @property
    def class_names(self) -> tuple[str, ...]:
        """A name for each row of the confusion matrix: its number where there is none.

        A single output tells one class from all else.
        """
        count = 0 if self.confusion is None else len(self.confusion)
        if len(self.classes) == 1 and count == 2:
            return f"not {self.classes[0]}", self.classes[0]
        return _names(self.classes, count)

    @property
    def label_names(self) -> tuple[str, ...]:
        """A name for each of the labels: its number where there is none."""
        return _names(self.classes, len(self.labels))

    @property
    def value_names(self) -> tuple[str, ...]:
        """A name for each channel of values: its number where there is none."""
        return _names(self.classes, len(self.values))

    @property
    def accuracy(self) -> float | None:
        """The share of right answers, as the training step counts them; of labels, each is one."""
        if self.top1 is not None or not self.labels:
            return self.top1
        return sum(one.accuracy for one in self.labels) / len(self.labels)

    @property
    def class_accuracy(self) -> tuple[float | None, ...]:
        """The share of right answers for each class; None for a class without samples."""
        return tuple(one.recall for one in self.class_scores)

    def draw_confusion(self, path: str | os.PathLike[str], title: str = "") -> None:
        """Draw what is mistaken for what into a file: true classes down, answers across.

        Raises:
            UserError: CNN609 where the path does not end in ``.png``, ``.svg`` or ``.pdf``,
                CNN603 where the file cannot be written.
            ValueError: where answers are no classes that exclude each other.
        """
        from cnndsl.plots.figure import save_figure

        save_figure(path, self.confusion_figure(title))

    def confusion_figure(self, title: str = "") -> Figure:
        """What is mistaken for what: a figure, true classes down, answers across.

        Raises:
            ValueError: where answers are no classes that exclude each other.
        """
        from cnndsl.plots.confusion_matrix import draw_confusion

        if self.confusion is None:
            raise ValueError("there is no confusion matrix: answers are not one class of several")
        return draw_confusion(self.confusion, self.class_names, title)

    def _repr_html_(self) -> str:
        from cnndsl.display.results import evaluation_html

        facts = {"loss": self.loss, "top1": self.top1, "top5": self.top5}
        facts |= {"accuracy": None if self.top1 is not None else self.accuracy}
        facts |= {"MAE": self.mae, "RMSE": self.rmse, "R2": self.r2}
        figure = None if self.confusion is None else self.confusion_figure()
        title = f"Evaluation of {count(self.count, 'sample', commas=True)}"
        own = evaluation_html(title, facts, self.class_names, self.class_scores, figure)
        return own + "".join(one._repr_html_() for one in self.outputs.values())

    @property
    def class_scores(self) -> tuple[ClassScores, ...]:
        """Precision, recall and F1 of each class; empty where there is no confusion matrix."""
        if self.confusion is None:
            return ()
        lost = numpy.array(self.lost or [0] * len(self.confusion), numpy.int64)
        return class_scores(self.confusion, lost)

    @property
    def mean_iou(self) -> float | None:
        """Of answers for places: the mean over all classes, or labels, that there are anywhere."""
        scores = self.class_scores or self.labels
        found = [one.iou for one in scores if one.iou is not None]
        return sum(found) / len(found) if self.places and found else None

    @property
    def r2(self) -> float | None:
        """The mean of the channels' shares of explained variance; None where none has any."""
        found = [one.r2 for one in self.values if one.r2 is not None]
        return sum(found) / len(found) if found else None


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """How good some of several models are together, by so many views of each sample."""

    models: tuple[str, ...]
    views: int
    evaluation: Evaluation


def _names(names: tuple[str, ...], count: int) -> tuple[str, ...]:
    return names if len(names) == count else tuple(map(str, range(count)))


# --- what batches add up to ----------------------------------------------------------------------


class OutputTally:
    """What the batches so far add up to; what is right is as the training step counts it."""

    def __init__(self, dims: tuple[int, ...], loss: Loss) -> None:
        self.loss = loss
        self.samples = self.numbers = self.nan = 0
        self.total = 0.0
        self.places = len(dims) > 1
        self.classes: ClassTally | None = None
        self.labels: LabelTally | None = None
        self.values: ValueTally | None = None
        match loss.labels:
            case LabelKind.CLASS:
                self.classes = ClassTally(dims[0])
            case LabelKind.SHARE:
                self.labels = LabelTally(dims, loss.threshold)
                self.classes = ClassTally(2) if dims[0] == 1 else None
            case LabelKind.VALUE:
                self.values = ValueTally(dims[0])

    def add(self, scores: Array, output: Array, labels: Array) -> None:
        """Take a batch: what the loss takes, what a user sees of it, and the labels."""
        with numpy.errstate(invalid="ignore", over="ignore"):
            losses = self._losses(scores, labels)
            self.total += float(losses.sum())
            broken = self.loss.broken(scores)
        self.samples += len(scores)
        self.numbers += losses.size
        self.nan += int(broken.sum())
        if self.values is not None:
            self.values.add(scores, labels)
        if self.labels is not None:
            self.labels.add(scores, output, labels, broken)
            if self.classes is not None:
                answers = numpy.asarray(scores > self.loss.threshold)
                truths = numpy.asarray(labels > 0.5)
                self.classes.add_answers(answers, truths, broken)
        elif self.classes is not None:
            self.classes.add(scores, labels, broken)

    def _losses(self, scores: Array, labels: Array) -> Array:
        """The loss of each answer.

        Raises:
            UserError: CNN809 for a loss, perhaps of another package, that gives another number.
        """
        found = numpy.asarray(self.loss.of_answers(scores, labels))
        answers = labels.size if self.loss.labels is LabelKind.CLASS else scores.size
        if found.size != answers or found.dtype.kind != "f":
            raise UserError(
                "CNN809",
                f"the loss `{self.loss.keyword}` gives {found.size} of {found.dtype} for"
                f" {answers} answers",
                help="let its `of_answers` give a floating-point number for each answer",
            )
        return found

    def evaluation(self, classes: tuple[str, ...]) -> Evaluation:
        """What they come to."""
        found, labels, values = self.classes, self.labels, self.values
        ranked = found is not None and found.ranked
        return Evaluation(
            loss=self.total / self.numbers,
            top1=found.right / found.answers if found else None,
            top5=found.near / found.answers if found and ranked else None,
            count=self.samples,
            classes=classes,
            confusion=found.confusion if found else None,
            lost=tuple(found.lost.tolist()) if found else (),
            labels=labels.scores() if labels else (),
            exact_match=labels.exact / labels.samples if labels else None,
            values=values.scores() if values else (),
            mae=values.mae if values else None,
            rmse=values.rmse if values else None,
            places=self.places,
            nan=self.nan,
        )
