"""Several models that answer together: the mean of what they give."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import PurePath

from numpy.typing import ArrayLike
from typing_extensions import override

from cnndsl.data.sources import Array
from cnndsl.data.views import Crops, Views
from cnndsl.diagnostics.model import UserError
from cnndsl.diagnostics.words import count
from cnndsl.runtime.agreement import Said, check_answers, check_inputs, check_sizes
from cnndsl.runtime.averages import Average
from cnndsl.runtime.inference import Member, Paths, ask
from cnndsl.runtime.model import Model
from cnndsl.runtime.prediction import Prediction
from cnndsl.runtime.workers.communicator import ALONE, Communicator
from cnndsl.typecheck.answers import Answers

__all__ = ["Ensemble"]


class Ensemble:
    """Models that answer together: of probabilities, scores or values the mean counts.

    Their classes and the kinds of their inputs must be the same. The sizes of their inputs may
    differ: each prepares its own.

    >>> import cnndsl
    >>> network = cnndsl.load("lenet5")
    >>> models = [network.compile(seed=seed, device="cpu") for seed in (1, 2)]
    >>> cnndsl.Ensemble(models)
    <Ensemble of 2 models: lenet5, lenet5>

    Args:
        models: models, or the paths of compiled ones.
        names: what errors call the models; by default their paths, or their networks' names.
        device: where those of paths run, as for :class:`~cnndsl.runtime.model.Model`.
        threads: how many threads one operator of those may use.
        verify: whether to compare the checksums of files with their content.

    Raises:
        UserError: CNN604 and CNN607 as for one model, CNN710 for a model that differs.
        ValueError: where there are no models.
    """

    def __init__(
        self,
        models: Sequence[Model | str | os.PathLike[str]],
        *,
        names: Sequence[str] = (),
        device: str = "auto",
        threads: int | None = None,
        verify: bool = True,
    ) -> None:
        if not models:
            raise ValueError("an ensemble has at least one model")
        self.models: tuple[Model, ...] = tuple(
            one
            if isinstance(one, Model)
            else Model(one, device=device, threads=threads, verify=verify)
            for one in models
        )
        self.names: tuple[str, ...] = _told_apart(names or models, self.models)
        first = self.models[0]
        for name, model in zip(self.names[1:], self.models[1:], strict=True):
            check_answers(
                Said(self.names[0], first.classes, first.meaning),
                Said(name, model.classes, model.meaning),
            )

    @override
    def __repr__(self) -> str:
        networks = ", ".join(model.manifest.network for model in self.models)
        return f"<Ensemble of {count(len(self.models), 'model')}: {networks}>"

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the main output; empty where it has none."""
        return self.models[0].classes

    @property
    def meaning(self) -> Answers:
        """What the main output's numbers are: probabilities, scores or values."""
        return self.models[0].meaning

    def run(self, *arrays: ArrayLike | Mapping[str, ArrayLike], **named: ArrayLike) -> Array:
        """The mean of the main outputs for an array, as :meth:`Model.run` takes it.

        Raises:
            UserError: as :meth:`Model.run` does, and CNN710 where the sizes of outputs differ.
        """
        self._members()
        mean = Average()
        for model in self.models:
            mean.add({"": model.run(*arrays, **named)})
        return mean.means()[""]

    def predict(
        self,
        paths: Paths,
        *,
        crops: Crops = 1,
        flip: bool = False,
        batch: int = 32,
        on_broken: Callable[[UserError], None] | None = None,
        tell: Callable[[str], None] = lambda note: None,
        workers: Communicator = ALONE,
    ) -> Iterator[Prediction]:
        """The mean of what the models give for every sample, as :meth:`Model.predict` says.

        The main outputs have a mean; further outputs where all models have them in the same size.

        Raises:
            UserError: as :meth:`Model.predict` does, and CNN710 for a model that differs.
            ValueError: for a batch below 1, and another number of crops.
        """
        members, views = self._members(), Views(crops, flip)
        names = _shared(members)
        yield from ask(
            members,
            paths,
            views,
            names,
            batch=batch,
            on_broken=on_broken,
            tell=tell,
            workers=workers,
        )

    def _members(self) -> list[Member]:
        """The models, seen to take and give the same."""
        members = [model.member() for model in self.models]
        first = members[0]
        for name, member in zip(self.names[1:], members[1:], strict=True):
            check_inputs(self.names[0], name, first.inputs, member.inputs)
            sizes = (one.outputs[0].shape[1:] for one in (first, member))
            check_sizes(self.names[0], name, *sizes)
        return members


def _shared(members: Sequence[Member]) -> list[dict[str, str]]:
    """For each member which outputs have a mean, and under which names: those of the first."""
    first = members[0]
    main = first.outputs[0].name
    further = [
        name
        for name, dims in list(first.dims.items())[1:]
        if all(dims == member.dims.get(name) for member in members)
        and all(name != member.outputs[0].name for member in members)
    ]
    return [
        {member.outputs[0].name: main, **{name: name for name in further}} for member in members
    ]


def _told_apart(
    given: Sequence[Model | str | os.PathLike[str]], models: Sequence[Model]
) -> tuple[str, ...]:
    """What to call the models: their paths, or what was compiled, with numbers where alike."""
    names = [
        model.manifest.network if isinstance(one, Model) else str(PurePath(one))
        for one, model in zip(given, models, strict=True)
    ]
    return tuple(
        name if names.count(name) == 1 else f"{name} ({at})"
        for at, name in enumerate(names, start=1)
    )
