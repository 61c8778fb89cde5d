"""Turns a network, its weights and labelled data into numbers: how good it is.

Evaluation has a session of its own, in which the weights are constants: ONNX Runtime folds them
into its fastest layouts, and the batch is free. The loss is that of the training step, computed
anew from the outputs in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy
from numpy.typing import NDArray

from cnndsl.data.head_labels import labelled_for
from cnndsl.data.labels import check_answers, encoder
from cnndsl.data.loader import Batch, feed, not_finite_error
from cnndsl.data.prefetch import in_order
from cnndsl.data.samples import Dataset, Indices
from cnndsl.data.sources import Array
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.graph.artifact import Artifact
from cnndsl.graph.manifest import Manifest
from cnndsl.recipe.losses.base import LabelKind, Loss
from cnndsl.recipe.recipe import Recipe
from cnndsl.runtime.batching import run_batch
from cnndsl.runtime.evaluation import Evaluation, OutputTally
from cnndsl.runtime.session import Session, with_outputs
from cnndsl.runtime.workers.agreement import agreed, led
from cnndsl.runtime.workers.communicator import ALONE, Communicator
from cnndsl.runtime.workers.dealing import dealt, in_turn
from cnndsl.typecheck.heads import asks_the_same, judged_outputs
from cnndsl.typecheck.scores import scores

__all__ = [
    "Evaluator",
    "Judge",
    "Judged",
    "Stopped",
    "evaluator_of",
    "measure",
    "scores_value",
]

Doubles: TypeAlias = NDArray[numpy.float64]


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
    workers: Communicator = ALONE,
) -> Evaluation:
    """How good a network's model is, for each worker; the network's recipe says what the loss is.

    Raises:
        UserError: CNN701 for a device that does not work, CNN705 without ONNX Runtime, CNN802 for
            labels that do not fit, and what reading the data raises.
    """
    evaluator = evaluator_of(network, model, device=device, threads=threads)
    return evaluator.run(dataset, batch=batch, workers=workers)


def evaluator_of(
    network: TypedNetwork,
    model: Artifact,
    recipe: Recipe | None = None,
    *,
    device: str = "auto",
    threads: int | None = None,
    at_once: int = 1,
) -> Evaluator:
    """What measures a network's model by the losses of its outputs.

    Heads that are no outputs are not in the model: they have no part in this.

    Raises:
        UserError: as :class:`Evaluator` does.
    """
    main, *others = judged_outputs(network.network, recipe)
    judges = [
        Judge(
            output=head.name,
            loss=head.loss,
            scores=scores_value(network, model.manifest, head.loss, head.position) or head.name,
            weight=head.weight,
            alike=asks_the_same(network, head, recipe),
        )
        for head in others
    ]
    taken = scores_value(network, model.manifest, main.loss)
    return Evaluator(
        model,
        main.loss,
        scores=taken,
        weight=main.weight,
        others=judges,
        device=device,
        threads=threads,
        at_once=at_once,
    )


def scores_value(
    network: TypedNetwork, manifest: Manifest, loss: Loss, output: int | None = None
) -> str:
    """The name of the model's value that the loss takes, as the training step does; or none.

    It is none where that is the output itself, the main one by default. A probability so small that
    it is zero in float32 has no logarithm.
    """
    output = network.network.main_output if output is None else output
    position = scores(network, loss, output)
    if position == output:
        return ""
    return manifest.value_of(network.network.nodes[position].name)


@dataclass(frozen=True, slots=True, eq=False)
class Judge:
    """An output and the loss that it is judged by.

    ``scores`` is the model's value that the loss takes. ``alike`` says that the output asks what
    the main output does, whose labels it may then take.
    """

    output: str
    loss: Loss
    scores: str
    weight: float = 1.0
    alike: bool = True

    @property
    def is_inner(self) -> bool:
        """Whether the loss takes what the output's last activation was given."""
        return self.scores != self.output


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """What a model gave for a batch: what the loss takes, and what a user sees of it.

    ``is_output`` says that the scores are the output's own numbers.
    """

    scores: Array
    output: Array
    is_output: bool


class Evaluator:
    """A model that is measured on labelled data.

    Args:
        model: the model, with its weights.
        loss: what its training makes small.
        scores: the value that the loss takes, where that is not the output.
        weight: what the loss of the main output is multiplied by.
        others: further outputs that have losses.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        threads: how many threads one operator may use; by default ONNX Runtime decides.
        at_once: how many batches are answered at the same time.

    Raises:
        UserError: CNN701 for a device that does not work, CNN705 without ONNX Runtime.
    """

    def __init__(
        self,
        model: Artifact,
        loss: Loss,
        *,
        scores: str = "",
        weight: float = 1.0,
        others: Sequence[Judge] = (),
        device: str = "auto",
        threads: int | None = None,
        at_once: int = 1,
    ) -> None:
        self.loss = loss
        self._at_once = at_once
        self._classes = model.manifest.classes
        main = str(model.graph_only.graph.output[0].name)
        self.judges = (Judge(main, loss, scores or main, weight), *others)
        taken = [one.scores for one in self.judges]
        whole = with_outputs(model, taken).for_runtime()
        self._session = Session(whole, device, threads=threads)
        shapes = {one.name: one.shape for one in self._session.outputs}
        self._dims = {
            one.output: tuple(size for size in shapes[one.output][1:] if isinstance(size, int))
            for one in self.judges
        }

    def run(
        self,
        dataset: Dataset,
        *,
        batch: int = 64,
        stop: Callable[[], bool] = lambda: False,
        workers: Communicator = ALONE,
    ) -> Evaluation:
        """Go through all samples.

        Of several workers each computes some of the batches, and the one that leads adds up, in
        the order of the samples, what all of them give: all have the same numbers as one alone.

        Raises:
            Stopped: as soon as ``stop`` gives true, in the worker that leads.
            UserError: CNN802 for labels that do not fit, CNN803 for samples with numbers that are
                not finite, CNN845 where an output has no labels, and what reading the data raises.
        """
        data = self.labelled(dataset)
        tallies = self.tallies()
        asked = stop if workers.worker.leads else lambda: False
        for answers, truths in self._shared(dataset, data, batch, asked, workers):
            for name, found in answers.items():
                tallies[name].add(found.scores, found.output, truths[name])
        return led(workers, lambda: self.evaluation(tallies, data))

    def _shared(
        self,
        dataset: Dataset,
        data: Mapping[str, Dataset],
        batch: int,
        stop: Callable[[], bool],
        workers: Communicator,
    ) -> Iterator[tuple[dict[str, Judged], Mapping[str, Array]]]:
        """What the workers' models say to each batch, and what is true, for the one that leads."""
        labels = agreed(workers, lambda: self.labels(data))
        order = dealt(len(dataset), batch, workers.worker)
        with closing(feed(dataset, order, batch, labels=labels, drop_last=False)) as batches:
            own = self._answered(dataset, batches, stop)
            yield from in_turn(workers, range(0, len(dataset), batch), lambda at: next(own))

    def _answered(
        self, dataset: Dataset, batches: Iterator[Batch], stop: Callable[[], bool]
    ) -> Iterator[tuple[dict[str, Judged], Mapping[str, Array]]]:
        """What the model says to each batch, and what is true."""

        def answer(one: Batch) -> tuple[dict[str, Judged], Mapping[str, Array]]:
            if stop():
                raise Stopped
            if error := not_finite_error(dataset, one):
                raise error
            truths = {judge.output: one.labels_of(judge.output) for judge in self.judges}
            return self.answers(one.inputs), truths

        if self._at_once == 1:
            yield from map(answer, batches)
        else:
            yield from in_order(answer, batches, threads=self._at_once, ahead=self._at_once)

    # --- the parts of a run, for whoever asks several times ---

    def labelled(self, dataset: Dataset) -> dict[str, Dataset]:
        """The dataset with the labels of each output that is judged."""
        return {
            one.output: labelled_for(dataset, one.output, alike=one.alike) for one in self.judges
        }

    def labels(self, data: Mapping[str, Dataset]) -> Callable[[Indices], Mapping[str, Array]]:
        """What gives the labels of samples, for each output as its loss takes them."""
        return _together({one.output: self._labels(one, data[one.output]) for one in self.judges})

    def tallies(self) -> dict[str, OutputTally]:
        """What batches are added up in, for each output."""
        return {one.output: OutputTally(self._dims[one.output], one.loss) for one in self.judges}

    def answers(self, inputs: Mapping[str, Array]) -> dict[str, Judged]:
        """What the model gives for a batch, by its outputs' names."""
        wanted = list(dict.fromkeys(name for one in self.judges for name in _values(one)))
        found = run_batch(self._session, inputs, wanted)
        size = len(next(iter(inputs.values())))
        judged = {}
        for judge in self.judges:
            taken, answer = (found[name] for name in _values(judge))
            judged[judge.output] = Judged(
                taken.reshape(size, *self._dims[judge.output]), answer, is_output=not judge.is_inner
            )
        return judged

    def evaluation(
        self, tallies: Mapping[str, OutputTally], data: Mapping[str, Dataset]
    ) -> Evaluation:
        """What all outputs come to: the main output's numbers, with the sum of the losses."""
        found = {
            name: tally.evaluation(data[name].classes or self._classes)
            for name, tally in tallies.items()
        }
        total = sum(one.weight * found[one.output].loss for one in self.judges)
        main = found[self.judges[0].output]
        return replace(main, loss=total, outputs=found if len(found) > 1 else {})

    @property
    def dims(self) -> Mapping[str, tuple[int, ...]]:
        """The sizes of each output that is judged, without the batch."""
        return self._dims

    def _labels(self, judge: Judge, dataset: Dataset) -> Callable[[Indices], Array]:
        """The labels of an output as its loss takes them, seen to be such."""
        kind, dims = judge.loss.labels, self._dims[judge.output]
        labels = encoder(dataset, kind.dtype, judge.loss.label_dims((1, *dims))[1:], learnt=False)
        check_answers(dataset, kind, dims[0], learnt=False)
        return labels


def _values(judge: Judge) -> tuple[str, str]:
    """The model's values that an output is judged by: scores, and what a user sees of them."""
    # Areas under curves are those of the probabilities, as a user has them.
    return judge.scores, judge.output if judge.loss.labels is LabelKind.SHARE else judge.scores


def _together(
    labels: Mapping[str, Callable[[Indices], Array]],
) -> Callable[[Indices], Mapping[str, Array]]:
    return lambda indices: {name: take(indices) for name, take in labels.items()}
