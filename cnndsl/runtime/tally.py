"""Adds up what batches of answers and labels say: one tally for each kind of answer.

Of classes, each sample or place has one; of labels, several may hold at once; of values, each is
to be met. An answer that is no number is wrong, whatever is asked.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy
from numpy.typing import NDArray

from cnndsl.data.sources import Array

__all__ = [
    "ClassScores",
    "ClassTally",
    "LabelScores",
    "LabelTally",
    "ValueScores",
    "ValueTally",
    "area_under_curve",
    "class_scores",
]

Counts: TypeAlias = NDArray[numpy.int64]
Doubles: TypeAlias = NDArray[numpy.float64]

_TOP = 5
_MOST_CLASSES = 5000
"""Of more classes, a confusion matrix would take more memory than it is worth."""

_FEW_CLASSES = 256
"""Of no more, all pairs of a batch are counted in an array as large as the matrix."""

_MOST_KEPT = 50_000_000
"""Probabilities kept for the areas under the curves; of more there are none."""


@dataclass(frozen=True, slots=True)
class ClassScores:
    """How well one class is told from the others; None where a share is one of nothing.

    ``count`` are the samples (or places) of the class, ``correct`` those that are taken for it.
    ``iou`` is the share of those that belong to it, or are taken for it, that are both.
    """

    count: int
    correct: int
    precision: float | None
    recall: float | None
    f1: float | None
    iou: float | None


@dataclass(frozen=True, slots=True)
class LabelScores:
    """How well it is told whether a label holds; a share of nothing is None.

    ``hits`` are rightly held true, ``false`` wrongly, ``missed`` are true but not held so, and
    ``rest`` are neither. ``auc`` is the area under the receiver operating characteristic: None
    where all samples are alike, or answer for places.
    """

    hits: int
    false: int
    missed: int
    rest: int
    auc: float | None = None

    @property
    def count(self) -> int:
        """The samples (or places)."""
        return self.hits + self.false + self.missed + self.rest

    @property
    def positive(self) -> int:
        """Those for which the label holds."""
        return self.hits + self.missed

    @property
    def accuracy(self) -> float:
        """The share of right answers."""
        return (self.hits + self.rest) / self.count

    @property
    def precision(self) -> float | None:
        """Of those that are held true, the share that are."""
        return _share(self.hits, self.hits + self.false)

    @property
    def recall(self) -> float | None:
        """Of those that are true, the share that are held true."""
        return _share(self.hits, self.positive)

    @property
    def f1(self) -> float | None:
        """The harmonic mean of precision and recall."""
        return _share(2 * self.hits, 2 * self.hits + self.false + self.missed)

    @property
    def iou(self) -> float | None:
        """Of those that are true or held true, the share that are both."""
        return _share(self.hits, self.hits + self.false + self.missed)


@dataclass(frozen=True, slots=True)
class ValueScores:
    """How near one channel's values come: ``r2`` is None where all its targets are the same."""

    mae: float
    rmse: float
    r2: float | None


# --- classes ------------------------------------------------------------------------------------


class ClassTally:
    """Answers that are one of several classes: the highest score's, of several the first.

    Rows of ``confusion`` are the true classes, columns the answers; it is None where there are too
    many classes. ``lost`` counts the answers that are no numbers, by their true classes.
    """

    def __init__(self, classes: int) -> None:
        self.answers = 0
        self.right = 0
        self.near = 0
        self.ranked = classes > _TOP
        square = classes if classes <= _MOST_CLASSES else 0
        self._confusion = numpy.zeros((square, square), numpy.int64)
        self.lost = numpy.zeros(classes, numpy.int64)

    @property
    def confusion(self) -> Counts | None:
        """What was taken for what."""
        return self._confusion if self._confusion.size else None

    def add(self, scores: Array, labels: Array, broken: Array) -> None:
        """Count a batch: scores [n, classes, …], labels [n, …]; broken answers are no numbers."""
        self.add_answers(scores.argmax(axis=1), labels, broken)
        if self.ranked:
            score = numpy.take_along_axis(scores, labels[:, None], 1)
            before = (scores > score).sum(axis=1)
            # Of equal scores the first class wins, as in argmax.
            places = numpy.arange(scores.shape[1]).reshape(1, -1, *([1] * (scores.ndim - 2)))
            before += ((scores == score) & (places < labels[:, None])).sum(axis=1)
            self.near += int(((before < _TOP) & ~broken).sum())

    def add_answers(self, answers: Array, labels: Array, broken: Array) -> None:
        """Count answers that are decided already."""
        whole = ~broken
        self.answers += labels.size
        self.right += int(((answers == labels) & whole).sum())
        numpy.add.at(self.lost, labels[broken].astype(numpy.int64), 1)
        classes = len(self._confusion)
        if not classes:
            return
        truths, found = labels[whole].astype(numpy.int64), answers[whole].astype(numpy.int64)
        if classes <= _FEW_CLASSES:
            pairs = numpy.bincount(truths * classes + found, minlength=classes * classes)
            self._confusion += pairs.reshape(classes, classes)
        else:
            numpy.add.at(self._confusion, (truths, found), 1)


def class_scores(confusion: Counts, lost: Counts) -> tuple[ClassScores, ...]:
    """The numbers of each class; ``lost`` are the answers of its samples that are no numbers."""
    counts = confusion.sum(axis=1) + lost
    answered = confusion.sum(axis=0)
    return tuple(
        ClassScores(
            count=count,
            correct=correct,
            precision=_share(correct, answers),
            recall=_share(correct, count),
            f1=_share(2 * correct, count + answers),
            iou=_share(correct, count + answers - correct),
        )
        for count, answers, correct in zip(
            counts.tolist(), answered.tolist(), confusion.diagonal().tolist(), strict=True
        )
    )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


# --- labels -------------------------------------------------------------------------------------


class LabelTally:
    """Answers that say of each label whether it holds: where its score is above a threshold.

    ``exact`` counts the samples all of whose labels are right.
    """

    def __init__(self, dims: tuple[int, ...], threshold: float = 0.0) -> None:
        self.samples = 0
        self.exact = 0
        self._threshold = threshold
        self._count = 0
        self._hits, self._false, self._missed = numpy.zeros((3, dims[0]), numpy.int64)
        self._kept: list[tuple[Array, Array]] = []
        self._room = _MOST_KEPT if len(dims) == 1 else 0

    def add(self, scores: Array, probabilities: Array, labels: Array, broken: Array) -> None:
        """Count a batch, all of it [n, labels, …]."""
        truths = labels > 0.5
        # What is no number is wrong: held to hold where it does not, and the other way round.
        answers = numpy.where(broken, ~truths, scores > self._threshold)
        across = (0, *range(2, truths.ndim))
        self._hits += (answers & truths).sum(axis=across)
        self._false += (answers & ~truths).sum(axis=across)
        self._missed += (~answers & truths).sum(axis=across)
        self._count += truths.size // truths.shape[1]
        self.samples += len(truths)
        self.exact += int((answers == truths).reshape(len(truths), -1).all(axis=1).sum())
        if truths.size <= self._room:
            self._room -= truths.size
            self._kept.append((probabilities.astype(numpy.float32), truths))
        else:
            self._room = 0
            self._kept.clear()

    @property
    def answers(self) -> int:
        """How many answers there were."""
        return self._count * len(self._hits)

    @property
    def right(self) -> int:
        """How many of them were right."""
        return self.answers - int(self._false.sum() + self._missed.sum())

    def scores(self) -> tuple[LabelScores, ...]:
        """The numbers of each label."""
        kept = bool(self._kept)
        probabilities = numpy.concatenate([one for one, _ in self._kept]) if kept else None
        truths = numpy.concatenate([one for _, one in self._kept]) if kept else None
        return tuple(
            LabelScores(
                hits=hits,
                false=false,
                missed=missed,
                rest=self._count - hits - false - missed,
                auc=None
                if probabilities is None or truths is None
                else area_under_curve(probabilities[:, at], truths[:, at]),
            )
            for at, (hits, false, missed) in enumerate(
                zip(self._hits.tolist(), self._false.tolist(), self._missed.tolist(), strict=True)
            )
        )


def area_under_curve(scores: Array, truths: Array) -> float | None:
    """How often a sample for which a label holds has the higher score than one for which not.

    Equal scores count half. It is None where there are no such pairs, or a score is no number.
    """
    positive = int(truths.sum())
    negative = len(truths) - positive
    if not positive or not negative or numpy.isnan(scores).any():
        return None
    _, places, counts = numpy.unique(scores, return_inverse=True, return_counts=True)
    # The rank of equal scores is the mean of the places that they take in order (Mann & Whitney).
    ranks = numpy.cumsum(counts) - (counts - 1) / 2
    total = float(ranks[places.reshape(-1)][truths].sum())
    return (total - positive * (positive + 1) / 2) / (positive * negative)


# --- values -------------------------------------------------------------------------------------


class ValueTally:
    """Values that are to be met, by channel: errors, and how much the targets vary."""

    def __init__(self, channels: int) -> None:
        self._count = 0
        self._absolute, self._squared = numpy.zeros((2, channels))
        self._mean, self._spread = numpy.zeros((2, channels))
        self._low, self._high = numpy.full(channels, math.inf), numpy.full(channels, -math.inf)

    def add(self, output: Array, targets: Array) -> None:
        """Take a batch; both are [n, channels, …]."""
        targets = _by_channel(targets)
        errors = _by_channel(output) - targets
        with numpy.errstate(over="ignore"):
            self._absolute += numpy.abs(errors).sum(axis=0)
            self._squared += (errors**2).sum(axis=0)
        self._low = numpy.minimum(self._low, targets.min(axis=0))
        self._high = numpy.maximum(self._high, targets.max(axis=0))
        # Chan, Golub & LeVeque 1979: the spread of two parts together.
        count, mean = len(targets), targets.mean(axis=0)
        both, shift = self._count + count, mean - self._mean
        self._spread += ((targets - mean) ** 2).sum(axis=0) + shift**2 * self._count * count / both
        self._mean += shift * count / both
        self._count = both

    @property
    def mae(self) -> float:
        """The mean of all absolute errors."""
        return float(self._absolute.mean() / self._count)

    @property
    def rmse(self) -> float:
        """The root of the mean of all squared errors."""
        return math.sqrt(self._squared.mean() / self._count)

    def scores(self) -> tuple[ValueScores, ...]:
        """The numbers of each channel."""
        count = self._count
        return tuple(
            ValueScores(
                mae=absolute / count,
                rmse=math.sqrt(squared / count),
                # Whoever says the mean of the targets has 0, whoever meets all of them 1.
                r2=1 - squared / spread if varies and math.isfinite(squared) else None,
            )
            for absolute, squared, spread, varies in zip(
                self._absolute.tolist(),
                self._squared.tolist(),
                self._spread.tolist(),
                (self._low < self._high).tolist(),
                strict=True,
            )
        )


def _by_channel(array: Array) -> Doubles:
    """[n, channels, …] as rows of channels, in float64."""
    return numpy.moveaxis(array, 1, -1).reshape(-1, array.shape[1]).astype(numpy.float64)
