"""Asks one or more models about the samples in files, one or more times each.

Of several answers the mean counts. Memory stays flat: a batch of samples is read once, and cut,
mirrored and run view by view.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from cnndsl.data.reading import Unread, list_samples
from cnndsl.data.sources import (
    Array,
    ModelInput,
    Sample,
    UnreadableError,
    batches,
    find_files,
    stack,
)
from cnndsl.data.views import Views
from cnndsl.diagnostics.model import UserError
from cnndsl.graph.artifact import Artifact
from cnndsl.runtime.averages import Average, check_outputs, facing_right
from cnndsl.runtime.batching import fixed_batch, run_batch
from cnndsl.runtime.fingerprint import check_alike, model_fingerprint
from cnndsl.runtime.prediction import Prediction
from cnndsl.runtime.session import Port, Session
from cnndsl.runtime.workers.communicator import ALONE, Communicator
from cnndsl.runtime.workers.dealing import in_turn
from cnndsl.typecheck.answers import Answers

__all__ = ["Member", "Paths", "ask", "check_classes", "one_or_more"]

Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]
"""A path, or several."""


@dataclass(frozen=True, slots=True)
class Member:
    """A model that is asked: its session, inputs and outputs, and what it says of them.

    ``source`` is what ``compile`` made, or a file of it; ``layers`` are the values of the layers
    that are wanted too, by the layers' names.
    """

    source: Artifact | str | os.PathLike[str]
    session: Session
    inputs: tuple[ModelInput, ...]
    outputs: tuple[Port, ...]
    answers: Mapping[str, Answers]
    classes: tuple[str, ...]
    layers: Mapping[str, str] = field(default_factory=dict)

    @property
    def dims(self) -> dict[str, tuple[object, ...]]:
        """The sizes of each output, without the batch."""
        return {port.name: port.shape[1:] for port in self.outputs}


def one_or_more(paths: Paths) -> Iterable[str | os.PathLike[str]]:
    """Several paths, where one may have been given."""
    return [paths] if isinstance(paths, str | os.PathLike) else paths


def ask(
    members: Sequence[Member],
    paths: Paths,
    views: Views,
    outputs: Sequence[Mapping[str, str]],
    *,
    batch: int,
    on_broken: Callable[[UserError], None] | None = None,
    tell: Callable[[str], None] = lambda note: None,
    workers: Communicator = ALONE,
) -> Iterator[Prediction]:
    """The mean of what the members give for all views of every sample.

    ``outputs`` says for each member which of its outputs have a mean, and under which names. Of
    several workers each answers for some of the batches, and all come out of the one that leads.

    Raises:
        UserError: CNN702, CNN703 and CNN706 for what the paths hold, CNN708 and CNN709 where there
            are no such views, CNN878 where workers ask different models or find different files.
        ValueError: for a batch below 1.
    """
    if batch < 1:
        raise ValueError(f"`batch` must be 1 or more, not {batch}")
    if workers.worker.count > 1:
        facts = {
            f"the fingerprint of model {at}": model_fingerprint(member.source)
            for at, member in enumerate(members, start=1)
        }
        check_alike(workers, facts, "asks another model")
    first = members[0]
    for member in members:
        check_classes(member)
        check_outputs(member.dims, member.answers, views)
    larger = [views.larger(member.inputs) for member in members]
    # Models that take the same samples share them.
    kinds = list(dict.fromkeys(larger))
    asked = _Asked(
        members, outputs, [kinds.index(one) for one in larger], views, skips=on_broken is not None
    )
    size = (fixed_batch(first.session) if len(members) == 1 else None) or batch
    files = find_files(one_or_more(paths), tell if workers.worker.leads else lambda note: None)
    places = batches(list_samples(files, kinds), size)
    for answered in in_turn(workers, places, asked.answer, name=lambda group: group[0].name):
        for error in answered.broken:
            assert on_broken is not None, "else it would have been raised"
            on_broken(error)
        yield from answered.predictions


@dataclass(frozen=True, slots=True)
class _Answered:
    """What came of a batch: predictions, and the errors of samples that are left out."""

    predictions: list[Prediction]
    broken: list[UserError]


@dataclass(frozen=True, slots=True)
class _Asked:
    """Models that are asked together; ``kind_of`` says which form of each sample a model takes.

    With ``skips``, samples that cannot be read are left out.
    """

    members: Sequence[Member]
    outputs: Sequence[Mapping[str, str]]
    kind_of: Sequence[int]
    views: Views
    skips: bool

    def answer(self, places: Sequence[Unread]) -> _Answered:
        """What the models give for the samples of a batch, as far as these can be read."""
        first = self.members[0]
        group, broken = _read(places, self.views, first.inputs, skips=self.skips)
        if not group:
            return _Answered([], broken)
        stacked = [stack(samples) for samples in zip(*group, strict=True)]
        mean = Average()
        for member, renamed, at in zip(self.members, self.outputs, self.kind_of, strict=True):
            for one in _each(member, renamed, stacked[at], self.views):
                mean.add(one)
        means = mean.means()
        names = list(self.outputs[0].values())
        predictions = [
            Prediction(
                sample.name,
                sample.source,
                {name: means[name][row] for name in names},
                {layer: means[value][row] for layer, value in first.layers.items()},
                first.classes,
                first.answers,
            )
            for row, (sample, *_) in enumerate(group)
        ]
        return _Answered(predictions, broken)


def _each(
    member: Member, renamed: Mapping[str, str], batch: Mapping[str, Array], views: Views
) -> Iterator[dict[str, Array]]:
    """What a member gives for each view of a batch, by the names of the mean."""
    wanted = list(dict.fromkeys([*renamed, *member.layers.values()]))
    for view in views.each:
        given = run_batch(member.session, view.of(batch, member.inputs), wanted)
        for name, array in facing_right(given, member.answers, view).items():
            given[name] = array
        yield {renamed.get(name, name): array for name, array in given.items()}


def _read(
    places: Sequence[Unread], views: Views, inputs: Sequence[ModelInput], *, skips: bool
) -> tuple[list[tuple[Sample, ...]], list[UserError]]:
    """The samples of a batch, and where ``skips`` the errors of those that cannot be read.

    Whoever gives some of the wrong size learns how large crops are read.
    """
    found: list[tuple[Sample, ...]] = []
    broken: list[UserError] = []
    for place in places:
        try:
            found.append(place.read())
        except UnreadableError as error:
            if not skips:
                raise
            broken.append(error)
        except UserError as error:
            if views.crops == 1:
                raise
            raise error.amended(notes=[views.note(inputs)]) from error
    return found, broken


def check_classes(member: Member) -> None:
    """Raise CNN707 where a model names other classes than its main output has."""
    main = member.outputs[0]
    size = main.shape[1] if len(main.shape) == 2 else None
    if member.classes and isinstance(size, int) and size != len(member.classes):
        raise UserError(
            "CNN707",
            f"the model names {len(member.classes)} classes, but its output has {size} values",
            help="compile the model again from its spec",
        )
