"""Turns a network, its weights and labelled data into numbers: how good it is.

Evaluation has a session of its own, in which the weights are constants: ONNX Runtime folds them
into its fastest layouts, and the batch is free. The loss is that of the training step, computed
anew from the outputs in float64.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import TypeAlias

import numpy
from numpy.typing import NDArray
from typing_extensions import override

from cnndsl.data.labels import check_answers, encoder
from cnndsl.data.loader import evaluation_batches, not_finite_error
from cnndsl.data.samples import Dataset
from cnndsl.data.sources import Array
from cnndsl.diagnostics.words import count
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.graph.artifact import Artifact
from cnndsl.graph.manifest import Manifest
from cnndsl.recipe.losses.base import LabelKind, Loss
from cnndsl.recipe.recipe import Recipe
from cnndsl.runtime.session import Session, with_outputs
from cnndsl.runtime.tally import (
    ClassScores,
    ClassTally,
    LabelScores,
    LabelTally,
    ValueScores,
    ValueTally,
    class_scores,
)
from cnndsl.typecheck.scores import scores

__all__ = [
    "Evaluation",
    "Evaluator",
    "Stopped",
    "measure",
    "scores_value",
]

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
        from cnndsl.plots.confusion_matrix import draw_confusion
        from cnndsl.plots.figure import save_figure

        if self.confusion is None:
            raise ValueError("there is no confusion matrix: answers are not one class of several")
        save_figure(path, draw_confusion(self.confusion, self.class_names, title))

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


def _names(names: tuple[str, ...], count: int) -> tuple[str, ...]:
    return names if len(names) == count else tuple(map(str, range(count)))


class Stopped(Exception):  # noqa: N818  # no error: it was asked for
    """An evaluation was given up because ``stop`` said so."""


def measure(
    network: TypedNetwork,
    model: Artifact,
    dataset: Dataset,
    *,
    device: str = "auto",
    threads: int | None = None,
    batch: int = 64,
) -> Evaluation:
    """How good a network's model is; the network's recipe says what the loss is.

    Raises:
        UserError: CNN701 for a device that does not work, CNN705 without ONNX Runtime, CNN802 for
            labels that do not fit, and what reading the data raises.
    """
    recipe = network.network.recipe or Recipe()
    taken = scores_value(network, model.manifest, recipe.loss)
    evaluator = Evaluator(model, recipe.loss, scores=taken, device=device, threads=threads)
    return evaluator.run(dataset, batch=batch)


def scores_value(network: TypedNetwork, manifest: Manifest, loss: Loss) -> str:
    """The name of the model's value that the loss takes, as the training step does; or none.

    It is none where that is the output itself. A probability so small that it is zero in float32
    has no logarithm.
    """
    position = scores(network, loss)
    if position == network.network.main_output:
        return ""
    return manifest.value_of(network.network.nodes[position].name)


class Evaluator:
    """A model that is measured on labelled data.

    Args:
        model: the model, with its weights.
        loss: what its training makes small.
        scores: the value that the loss takes, where that is not the output.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        threads: how many threads one operator may use; by default ONNX Runtime decides.

    Raises:
        UserError: CNN701 for a device that does not work, CNN705 without ONNX Runtime.
    """

    def __init__(
        self,
        model: Artifact,
        loss: Loss,
        *,
        scores: str = "",
        device: str = "auto",
        threads: int | None = None,
    ) -> None:
        self.loss = loss
        self._classes = model.manifest.classes
        self._output = model.graph_only.graph.output[0].name
        self._scores = scores or self._output
        whole = with_outputs(model, [self._scores]).for_runtime()
        self._session = Session(whole, device, threads=threads)
        shape = self._session.outputs[0].shape
        self._dims = tuple(size for size in shape[1:] if isinstance(size, int))

    def run(
        self, dataset: Dataset, *, batch: int = 64, stop: Callable[[], bool] = lambda: False
    ) -> Evaluation:
        """Go through all samples.

        Raises:
            Stopped: as soon as ``stop`` gives true.
            UserError: CNN802 for labels that do not fit, CNN803 for samples with numbers that are
                not finite, and what reading the data raises.
        """
        kind, dims = self.loss.labels, self.loss.label_dims((1, *self._dims))[1:]
        labels = encoder(dataset, kind.dtype, dims, learnt=False)
        check_answers(dataset, kind, self._dims[0], learnt=False)
        tally = _Tally(self._dims, self.loss)
        # Areas under curves are those of the probabilities, as a user has them.
        answer = self._output if kind is LabelKind.SHARE else self._scores
        wanted = list(dict.fromkeys((self._scores, answer)))
        with closing(evaluation_batches(dataset, batch, labels=labels)) as batches:
            for one in batches:
                if stop():
                    raise Stopped
                if error := not_finite_error(dataset, one):
                    raise error
                found = self._session.run(one.inputs, wanted)
                scores = found[self._scores].reshape(len(one.indices), *self._dims)
                tally.add(scores, found[answer], one.labels)
        return tally.evaluation(dataset.classes or self._classes)


# --- what batches add up to ----------------------------------------------------------------------


class _Tally:
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
        with numpy.errstate(invalid="ignore", over="ignore"):
            losses = self.loss.of_answers(scores, labels)
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

    def evaluation(self, classes: tuple[str, ...]) -> Evaluation:
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
