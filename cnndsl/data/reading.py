"""Turns files into samples, each by its kind: a picture, ``.npy``, ``.npz``, or numbers as text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy

from cnndsl.data.array_files import read_npy, read_npz
from cnndsl.data.images import read_picture
from cnndsl.data.number_files import read_numbers
from cnndsl.data.sources import Array, ModelInput, Sample, UnreadableError
from cnndsl.data.tokens import FOREIGN_HELP, foreign_id
from cnndsl.diagnostics.model import UserError
from cnndsl.diagnostics.words import quoted

__all__ = ["Unread", "list_samples", "read_samples"]


@dataclass(frozen=True, slots=True, eq=False)
class Unread:
    """A place in the files where a sample should be: ``read`` gives it as each model takes it.

    What is wrong with it, ``read`` raises; ``name`` tells it from all others.
    """

    name: str
    read: Callable[[], tuple[Sample, ...]]


def list_samples(files: Iterable[Path], inputs: Sequence[Sequence[ModelInput]]) -> Iterator[Unread]:
    """The places of the samples in files, in order, each to be read or passed over.

    Pictures and files of numbers are not even opened before they are read. Which places there are
    does not depend on what is read: of a file that breaks, the last one is where it does. A network
    of several inputs takes ``.npz`` files only, with one array for each.
    """
    for file in files:
        readers = [_samples_of(file, one) for one in inputs]
        at = 0
        while (place := _next_of_each(readers, inputs, f"{file}[{at}]")) is not None:
            at += 1
            yield place


def read_samples(
    files: Iterable[Path],
    inputs: Sequence[Sequence[ModelInput]],
    on_broken: Callable[[UserError], None] | None = None,
) -> Iterator[tuple[Sample, ...]]:
    """The samples in files, in order, each prepared for the inputs of one or more models.

    One at a time is in memory. Where there is an ``on_broken``, it learns of each broken sample,
    which is left out; of a broken file, so are the samples behind the place where it breaks.

    Raises:
        UserError: CNN702 for a broken file, and one whose numbers are not finite; CNN703 for data
            that the inputs do not take.
    """
    for place in list_samples(files, inputs):
        try:
            samples = place.read()
        except UnreadableError as error:
            if on_broken is None:
                raise
            on_broken(error)
        else:
            yield samples


_Waiting: TypeAlias = tuple[str, Callable[[], Sample]]
"""A sample's name, and what reads it."""


def _next_of_each(
    readers: Sequence[Iterator[_Waiting]], inputs: Sequence[Sequence[ModelInput]], otherwise: str
) -> Unread | None:
    """The next place of a file, as each model takes it; None at its end, or behind its break."""
    try:
        found = [next(reader, None) for reader in readers]
    except UserError as error:
        return Unread(otherwise, partial(_broken, error))
    waiting = [one for one in found if one is not None]
    if len(waiting) < len(readers):
        return None

    def read() -> tuple[Sample, ...]:
        samples = tuple(take() for _, take in waiting)
        for sample, taken in zip(samples, inputs, strict=True):
            _demand_finite(sample)
            _demand_known(sample, taken)
        return samples

    return Unread(waiting[0][0], read)


def _broken(error: UserError) -> tuple[Sample, ...]:
    raise error


def _demand_finite(sample: Sample) -> None:
    """Raise CNN702 for a sample that holds a NaN or an infinity."""
    for array in sample.arrays.values():
        if not numpy.isfinite(array).all():
            raise UnreadableError(
                "CNN702",
                f"`{sample.name}` holds numbers that are not finite",
                help="mend the numbers that are NaN, infinite or too large for float32",
            )


def _demand_known(sample: Sample, inputs: Sequence[ModelInput]) -> None:
    """Raise CNN703 for a sample with token ids that the vocabulary does not have."""
    for one in inputs:
        if stray := foreign_id(sample.arrays[one.name], one):
            what = f"`{sample.name}` does not fit: {stray}"
            raise UnreadableError("CNN703", what, help=FOREIGN_HELP)


def _samples_of(file: Path, inputs: Sequence[ModelInput]) -> Iterator[_Waiting]:
    suffix = file.suffix.lower()
    if suffix == ".npz":
        for name, take in read_npz(file, inputs):
            yield name, partial(_sample, name, file, take)
        return
    if len(inputs) > 1:
        raise _one_for_several(file, inputs)
    for name, take_one in _arrays_of(file, inputs[0]):
        yield name, partial(_sample, name, file, partial(_named, inputs[0].name, take_one))


def _arrays_of(file: Path, only: ModelInput) -> Iterator[tuple[str, Callable[[], Array]]]:
    """The samples of a file that has arrays for one input, each with a name."""
    suffix = file.suffix.lower()
    if suffix == ".npy":
        return read_npy(file, only)
    read = read_numbers if suffix == ".txt" else read_picture
    return iter([(str(file), partial(read, file, only))])


def _sample(name: str, file: Path, take: Callable[[], dict[str, Array]]) -> Sample:
    return Sample(name, file, take())


def _named(name: str, take: Callable[[], Array]) -> dict[str, Array]:
    return {name: take()}


def _one_for_several(file: Path, inputs: Sequence[ModelInput]) -> UserError:
    names = quoted(one.name for one in inputs)
    return UserError(
        "CNN703",
        f"`{file}` gives one input, but the network has {len(inputs)}: {names}",
        help=f"put the arrays of one or more samples into a `.npz` file, named {names}",
    )
