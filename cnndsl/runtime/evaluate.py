"""Turns a network, its weights and labelled data into numbers: how good it is.

Evaluation has a session of its own, in which the weights are constants: ONNX Runtime folds them
into its fastest layouts, and the batch is free. The loss is that of the training step, computed
anew from the outputs in float64.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy
import onnx
from numpy.typing import NDArray

from cnndsl.data.feeding import evaluation_batches
from cnndsl.data.labels import check_labels, check_shares, encoder
from cnndsl.data.samples import Dataset
from cnndsl.data.sources import Array
from cnndsl.graph.artifact import Artifact
from cnndsl.graph.export import make_manifest, to_graph_only
from cnndsl.graph.lower import lower
from cnndsl.graph.manifest import LAYERS_KEY, Manifest
from cnndsl.runtime.session import Session
from cnndsl.semantics.canonical import canonical_text
from cnndsl.semantics.losses import BinaryCrossEntropy, CrossEntropy, Hinge
from cnndsl.semantics.network import TypedNetwork
from cnndsl.semantics.recipe import Recipe
from cnndsl.semantics.scores import main_output, scores
from cnndsl.semantics.settings import Loss

__all__ = [
    "Evaluation",
    "Evaluator",
    "Stopped",
    "evaluate",
    "inference_model",
    "sample_losses",
    "scores_value",
]

Doubles: TypeAlias = NDArray[numpy.float64]

_TOP = 5
_MOST_CLASSES = 5000
"""Of more classes, a confusion matrix would take more memory than it is worth."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How good a network is on a data set of ``count`` samples.

    ``top1`` and ``top5`` are the shares of answers that are right (as the training step counts
    them), and right among the first five; None where there are no more than five classes.
    Rows of ``confusion`` are the true classes, columns the answers; None where there are none.
    """

    loss: float
    top1: float
    top5: float | None
    count: int
    classes: tuple[str, ...] = ()
    confusion: NDArray[numpy.int64] | None = None

    @property
    def class_accuracy(self) -> tuple[float | None, ...]:
        """The share of right answers for each class; None for a class without samples."""
        if self.confusion is None:
            return ()
        return tuple(
            int(row[at]) / int(row.sum()) if row.any() else None
            for at, row in enumerate(self.confusion)
        )


class Stopped(Exception):  # noqa: N818  # no error: it was asked for
    """An evaluation was given up because ``stop`` said so."""


def evaluate(
    network: TypedNetwork,
    weights: Mapping[str, Array],
    dataset: Dataset,
    *,
    device: str = "auto",
    threads: int | None = None,
    batch: int = 64,
) -> Evaluation:
    """How good a network is with these weights; its recipe says what the loss is.

    Raises:
        UserError: CNN701 for a device that does not work, CNN705 without ONNX Runtime, CNN802 for
            labels that do not fit, and what reading the data raises.
    """
    recipe = network.network.recipe or Recipe()
    model = replace(inference_model(network), weights=weights)
    taken = scores_value(network, model.manifest, recipe.loss)
    evaluator = Evaluator(model, recipe.loss, scores=taken, device=device, threads=threads)
    return evaluator.run(dataset, batch=batch)


def scores_value(network: TypedNetwork, manifest: Manifest, loss: Loss) -> str:
    """The name of the model's value that the loss takes, as the training step does; or none.

    It is none where that is the output itself. A probability so small that it is zero in float32
    has no logarithm.
    """
    position = scores(network, loss)
    if position == main_output(network):
        return ""
    return manifest.value_of(network.network.nodes[position].name)


def inference_model(network: TypedNetwork) -> Artifact:
    """The model that answers, yet without the numbers of its weights."""
    model = lower(network)
    layers = json.loads(model.metadata_props.get(LAYERS_KEY, "{}"))
    manifest = make_manifest(network, canonical_text(network.network), None, layers)
    return Artifact(manifest, to_graph_only(model, manifest), {})


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
        proto = onnx.ModelProto()
        proto.CopyFrom(model.graph_only)
        self._output = proto.graph.output[0].name
        self._scores = scores or self._output
        if self._scores not in (output.name for output in proto.graph.output):
            # Its type is inferred by ONNX Runtime.
            proto.graph.output.add(name=self._scores)
        whole = replace(model, graph_only=proto).for_runtime()
        self._session = Session(whole, device, threads=threads)
        shape = self._session.outputs[0].shape
        self._dims = tuple(size for size in shape[1:] if isinstance(size, int))

    def run(
        self, dataset: Dataset, *, batch: int = 64, stop: Callable[[], bool] = lambda: False
    ) -> Evaluation:
        """Go through all samples.

        Raises:
            Stopped: as soon as ``stop`` gives true.
            UserError: CNN802 for labels that do not fit, and what reading the data raises.
        """
        whole = isinstance(self.loss, CrossEntropy | Hinge)
        dims = self._dims[1:] if whole else self._dims
        labels = encoder(dataset, numpy.int64 if whole else numpy.float32, dims, learnt=False)
        if whole:
            check_labels(dataset, self._dims[0], learnt=False)
        elif isinstance(self.loss, BinaryCrossEntropy):
            check_shares(dataset)
        tally = _Tally(self._dims, self.loss, dataset)
        with closing(evaluation_batches(dataset, batch, labels=labels)) as batches:
            for one in batches:
                if stop():
                    raise Stopped
                found = self._session.run(one.inputs, [self._scores])[self._scores]
                tally.add(found.reshape(len(found), *self._dims), one.labels)
        return tally.evaluation(dataset.classes or self._classes)


# --- losses -----------------------------------------------------------------------------------


def sample_losses(loss: Loss, output: Array, labels: Array) -> Doubles:
    """The loss of each answer, in float64; their mean is what the training step gives.

    ``output`` are logits for the cross-entropies. There is one answer per sample, or per place
    where the network answers for every place.
    """
    x = numpy.asarray(output, numpy.float64)
    if isinstance(loss, CrossEntropy):
        x = x - x.max(axis=1, keepdims=True)
        logs = x - numpy.log(numpy.exp(x).sum(axis=1, keepdims=True))
        right = numpy.take_along_axis(logs, labels[:, None], 1)[:, 0]
        smooth = loss.smoothing
        return numpy.asarray(-(1 - smooth) * right - smooth * logs.mean(axis=1))
    if isinstance(loss, Hinge):
        right = numpy.take_along_axis(x, labels[:, None], 1)
        wrong = numpy.maximum(0.0, loss.margin + x - right)
        # The right class's own term is the margin.
        return numpy.asarray(wrong.sum(axis=1) - loss.margin)
    targets = numpy.asarray(labels, numpy.float64)
    if isinstance(loss, BinaryCrossEntropy):
        return numpy.asarray(
            numpy.maximum(x, 0) - x * targets + numpy.log1p(numpy.exp(-numpy.abs(x)))
        )
    return numpy.asarray((x - targets) ** 2)


class _Tally:
    """What the batches so far add up to; what is right is as the training step counts it."""

    def __init__(self, dims: tuple[int, ...], loss: Loss, dataset: Dataset) -> None:
        self.loss = loss
        self.samples = 0
        self.numbers = 0
        self.answers = 0
        self.total = 0.0
        self.right = 0
        self.near = 0
        self.whole = isinstance(loss, CrossEntropy | Hinge)
        self.binary = isinstance(loss, BinaryCrossEntropy)
        vector = not self.whole and not self.binary and len(dims) == 1 and dims[0] > 1
        self.one_hot = vector and dataset.labels is not None
        self.largest = self.whole or vector
        classes = 2 if self.binary and dims == (1,) else dims[0]
        counts = self.whole or self.one_hot or (self.binary and dims == (1,))
        self.ranked = (self.whole or self.one_hot) and classes > _TOP
        self.confusion = (
            numpy.zeros((classes, classes), numpy.int64)
            if counts and classes <= _MOST_CLASSES
            else None
        )

    def add(self, output: Array, labels: Array) -> None:
        losses = sample_losses(self.loss, output, labels)
        self.samples += len(output)
        self.numbers += losses.size
        self.total += float(losses.sum())
        if self.largest:
            self._classify(output, labels if self.whole else labels.argmax(axis=1))
            return
        if self.binary:
            # The probability 0.5 is the logit 0.
            answers, truths = output > 0, labels > 0.5
            right = answers == truths
            self._confuse(truths, answers)
        else:
            right = numpy.abs(output - labels) < 0.5
        self.right += int(right.reshape(len(right), -1).all(axis=1).sum())
        self.answers += len(right)

    def evaluation(self, classes: tuple[str, ...]) -> Evaluation:
        return Evaluation(
            loss=self.total / self.numbers,
            top1=self.right / self.answers,
            top5=self.near / self.answers if self.ranked else None,
            count=self.samples,
            classes=classes,
            confusion=self.confusion,
        )

    def _classify(self, output: Array, labels: Array) -> None:
        answers = output.argmax(axis=1)
        self.right += int((answers == labels).sum())
        self.answers += labels.size
        self._confuse(labels, answers)
        if self.ranked:
            score = numpy.take_along_axis(output, labels[:, None], 1)
            before = (output > score).sum(axis=1)
            # Of equal scores the first class wins, as in argmax.
            places = numpy.arange(output.shape[1]).reshape(1, -1, *([1] * (output.ndim - 2)))
            before += ((output == score) & (places < labels[:, None])).sum(axis=1)
            self.near += int((before < _TOP).sum())

    def _confuse(self, truths: Array, answers: Array) -> None:
        if self.confusion is not None:
            pairs: tuple[Any, ...] = (truths.ravel().astype(int), answers.ravel().astype(int))
            numpy.add.at(self.confusion, pairs, 1)
