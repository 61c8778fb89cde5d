"""Turns several views of labelled data, and several models, into how good their mean is.

And how good less would be: each model alone, and one view. The mean is that of what a user sees;
where the loss takes what stands before a softmax or sigmoid, the probabilities are averaged, as
logarithms in float64, and their loss is that of the mean.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy
from numpy.typing import NDArray

from cnndsl.data.loader import Batch, feed, not_finite_error
from cnndsl.data.samples import Dataset
from cnndsl.data.sources import Array, ModelInput
from cnndsl.data.training_data import inputs_of
from cnndsl.data.views import ONE, View, Views
from cnndsl.diagnostics.model import UserError
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.graph.artifact import Artifact
from cnndsl.runtime.agreement import Said, check_answers, check_inputs, check_sizes
from cnndsl.runtime.averages import check_outputs, facing_right
from cnndsl.runtime.evaluation import Evaluation, Part
from cnndsl.runtime.evaluator import Evaluator, Judged, evaluator_of, scores_value
from cnndsl.runtime.workers.agreement import agreed, led
from cnndsl.runtime.workers.communicator import ALONE, Communicator
from cnndsl.runtime.workers.dealing import dealt, in_turn
from cnndsl.typecheck.answers import Answers
from cnndsl.typecheck.heads import judged_outputs

__all__ = ["Asked", "measure_together"]

Doubles: TypeAlias = NDArray[numpy.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A model that is measured together with others, and its data.

    ``plain`` has a picture as one view sees it; ``larger`` is what crops are cut out of, the same
    where there are none.
    """

    name: str
    network: TypedNetwork
    model: Artifact
    plain: Dataset
    larger: Dataset


def measure_together(
    asked: Sequence[Asked],
    views: Views,
    *,
    device: str = "auto",
    threads: int | None = None,
    batch: int = 64,
    workers: Communicator = ALONE,
) -> Evaluation:
    """How good the mean of several models is, by all views, as the first one's recipe measures.

    Of one model all outputs that have losses are measured, of several the main ones. Each worker
    computes some of the batches, and has what all of them come to.

    Raises:
        UserError: CNN709 where views have no mean, CNN710 for a model that differs, and what
            measuring one model raises.
    """
    members = [_member(one, asked, device, threads) for one in asked]
    first = members[0]
    for other in members[1:]:
        _check_alike(first, other)
    for member in members:
        check_outputs(member.evaluator.dims, member.answers, views)
    whole = _Whole(members, views)
    labelled = first.evaluator.labelled(first.asked.plain)
    tallies = {key: first.evaluator.tallies() for key in whole.keys}
    with closing(_answered(whole, labelled, batch, workers)) as answered:
        for means, truths in answered:
            for key, found in means.items():
                for name, one in found.items():
                    tallies[key][name].add(one.scores, one.output, truths[name])

    def evaluation() -> Evaluation:
        every = {key: first.evaluator.evaluation(one, labelled) for key, one in tallies.items()}
        parts = [Part(*whole.said(key), every[key]) for key in whole.keys if key != whole.all]
        return replace(every[whole.all], parts=tuple(parts))

    return led(workers, evaluation)


_Answered: TypeAlias = "tuple[dict[_Key, dict[str, Judged]], Mapping[str, Array]]"
"""What is said to a batch, by each mean and output, and what is true."""


def _answered(
    whole: _Whole, labelled: Mapping[str, Dataset], batch: int, workers: Communicator
) -> Generator[_Answered, None, None]:
    """What there is of each batch, for the worker that leads."""
    evaluator = whole.members[0].evaluator
    labels = agreed(workers, lambda: evaluator.labels(labelled))
    datasets = list({id(one): one for one in whole.datasets}.values())
    count = len(datasets[0])
    order = dealt(count, batch, workers.worker)
    with ExitStack() as stack:
        readers = [
            stack.enter_context(closing(feed(one, order, batch, labels=labels, drop_last=False)))
            for one in datasets
        ]

        def answer(at: int) -> _Answered:
            found = {}
            for dataset, reader in zip(datasets, readers, strict=True):
                read = found[id(dataset)] = next(reader)
                if error := not_finite_error(dataset, read):
                    raise error
            means = whole.answers(found)
            first = found[id(datasets[0])]
            names = {name for one in means.values() for name in one}
            return means, {name: first.labels_of(name) for name in names}

        yield from in_turn(workers, range(0, count, batch), answer)


@dataclass(frozen=True, slots=True, eq=False)
class _Member:
    asked: Asked
    inputs: tuple[ModelInput, ...]
    evaluator: Evaluator

    @property
    def answers(self) -> Mapping[str, Answers]:
        return self.asked.model.manifest.answers

    def judged(self, batch: Batch, view: View) -> dict[str, Judged]:
        """What the model gives for a view of a batch, mirrored back."""
        found = self.evaluator.answers(view.of(batch.inputs, self.inputs))
        all_scores = {name: one.scores for name, one in found.items()}
        all_outputs = {name: one.output for name, one in found.items()}
        scores, outputs = (
            facing_right(them, self.answers, view) for them in (all_scores, all_outputs)
        )
        return {
            name: Judged(scores[name], outputs[name], one.is_output) for name, one in found.items()
        }


def _member(one: Asked, every: Sequence[Asked], device: str, threads: int | None) -> _Member:
    inputs = inputs_of(one.network)
    if len(every) == 1:
        evaluator = evaluator_of(one.network, one.model, device=device, threads=threads)
        return _Member(one, inputs, evaluator)
    loss = judged_outputs(every[0].network.network)[0].loss
    taken = scores_value(one.network, one.model.manifest, loss)
    evaluator = Evaluator(one.model, loss, scores=taken, device=device, threads=threads)
    return _Member(one, inputs, evaluator)


def _check_alike(first: _Member, other: _Member) -> None:
    """Raise CNN710 where two models do not take and give the same, or have other labels."""
    said = []
    for member in (first, other):
        manifest, main = member.asked.model.manifest, member.evaluator.judges[0].output
        said.append(Said(member.asked.name, manifest.classes, manifest.answers[main]))
    check_answers(*said)
    names = first.asked.name, other.asked.name
    check_inputs(*names, first.inputs, other.inputs)
    sizes = (one.evaluator.dims[one.evaluator.judges[0].output] for one in (first, other))
    check_sizes(*names, *sizes)
    mine, theirs = (
        one.asked.plain.targets if one.asked.plain.labels is None else one.asked.plain.labels
        for one in (first, other)
    )
    if mine is None or theirs is None or not numpy.array_equal(mine, theirs):
        raise UserError(
            "CNN710",
            f"`{names[1]}` reads other labels than `{names[0]}`: they have no mean",
            help="take models that were trained on the same data",
        )


# --- means of which answers -----------------------------------------------------------------------

_Key: TypeAlias = tuple[tuple[int, ...], int]
"""The members of a mean, and how many views of each."""


@dataclass(frozen=True, eq=False)
class _Whole:
    """All models and views, and the parts of them that are measured too."""

    members: Sequence[_Member]
    views: Views

    @property
    def all(self) -> _Key:
        return tuple(range(len(self.members))), len(self.views.each)

    @property
    def keys(self) -> list[_Key]:
        """What is measured: each model and all, by one view, all crops as they are, and all."""
        everyone, most = self.all
        upright = sum(not view.is_mirrored for view in self.views.each)
        groups = [(at,) for at in everyone] if len(everyone) > 1 else []
        counts = sorted({1, upright, most})
        return [(group, count) for group in (*groups, everyone) for count in counts]

    @property
    def datasets(self) -> Iterator[Dataset]:
        for member in self.members:
            yield member.asked.plain
            yield member.asked.larger

    def said(self, key: _Key) -> tuple[tuple[str, ...], int]:
        """The names of the models of a mean, and how many views."""
        return tuple(self.members[at].asked.name for at in key[0]), key[1]

    def answers(self, found: Mapping[int, Batch]) -> dict[_Key, dict[str, Judged]]:
        """The means over a batch of every dataset."""
        means = {key: _Mean() for key in self.keys}
        main = self.members[0].evaluator.judges[0].output
        for at, member in enumerate(self.members):
            for number, (batch, view) in enumerate(self._seen(member, found)):
                judged = member.judged(batch, view)
                if len(self.members) > 1:
                    judged = {main: next(iter(judged.values()))}
                for (group, count), mean in means.items():
                    if at in group and self._counts(number, view, count):
                        mean.add(judged, self.members[0].evaluator)
        return {key: mean.means() for key, mean in means.items()}

    def _counts(self, number: int, view: View, count: int) -> bool:
        """Whether one of the views, the first of which is plain, is among so many."""
        if count == 1:
            return number == 0
        # The plain view is none of several crops.
        is_asked = number > 0 or self.views.crops == 1
        return is_asked and (count == len(self.views.each) or not view.is_mirrored)

    def _seen(self, member: _Member, found: Mapping[int, Batch]) -> Iterator[tuple[Batch, View]]:
        """The plain view of a batch, then all others."""
        yield found[id(member.asked.plain)], ONE.each[0]
        views = self.views.each if self.views.crops > 1 else self.views.each[1:]
        for view in views:
            yield found[id(member.asked.larger)], view


# --- means of scores ------------------------------------------------------------------------------


@dataclass(eq=False)
class _Mean:
    """The mean of what some views and models gave, for each output that is judged."""

    count: int = 0
    found: dict[str, list[Array]] = field(default_factory=dict)
    is_output: dict[str, bool] = field(default_factory=dict)

    def add(self, judged: Mapping[str, Judged], evaluator: Evaluator) -> None:
        self.count += 1
        activations = {one.output: one.loss.activation for one in evaluator.judges}
        for name, one in judged.items():
            kind = "" if one.is_output else activations[name]
            parts = [one.output.astype(numpy.float64), *_parts(one.scores, kind)]
            if name not in self.found:
                self.found[name], self.is_output[name] = parts, not kind
                continue
            held = self.found[name]
            held[0] += parts[0]
            with numpy.errstate(invalid="ignore", over="ignore"):
                for at, part in enumerate(parts[1:], start=1):
                    held[at] = numpy.logaddexp(held[at], part) if kind else held[at] + part

    def means(self) -> dict[str, Judged]:
        return {name: self._mean(name) for name in self.found}

    def _mean(self, name: str) -> Judged:
        output, *parts = self.found[name]
        if self.is_output[name]:
            [total] = parts
            return Judged(total / self.count, output / self.count, is_output=True)
        with numpy.errstate(invalid="ignore"):
            # Divided by their number, both logarithms of a label would lose the same.
            scores = parts[0] - parts[1] if len(parts) > 1 else parts[0] - numpy.log(self.count)
        return Judged(scores, output / self.count, is_output=False)


def _parts(scores: Array, activation: str) -> list[Doubles]:
    """The logarithms of the probabilities that scores stand for; the scores where there are none.

    Of labels these are two: that it holds, and that it does not.
    """
    x = numpy.asarray(scores, numpy.float64)
    with numpy.errstate(invalid="ignore", over="ignore"):
        if activation == "softmax":
            x = x - x.max(axis=1, keepdims=True)
            return [x - numpy.log(numpy.exp(x).sum(axis=1, keepdims=True))]
        if activation == "sigmoid":
            return [-numpy.logaddexp(0, -x), -numpy.logaddexp(0, x)]
    return [x]
