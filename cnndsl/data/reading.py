"""Turns files into samples, each by its kind: a picture, ``.npy``, ``.npz``, or numbers as text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy

from cnndsl.data.array_files import read_npy, read_npz
from cnndsl.data.images import read_picture
from cnndsl.data.number_files import read_numbers
from cnndsl.data.sources import ModelInput, Sample, UnreadableError
from cnndsl.data.tokens import FOREIGN_HELP, foreign_id
from cnndsl.diagnostics.model import UserError
from cnndsl.diagnostics.words import quoted

__all__ = ["read_samples"]


def read_samples(
    files: Iterable[Path],
    inputs: Sequence[Sequence[ModelInput]],
    on_broken: Callable[[UserError], None] | None = None,
) -> Iterator[tuple[Sample, ...]]:
    """The samples in files, in order, each prepared for the inputs of one or more models.

    One at a time is in memory. A network of several inputs takes ``.npz`` files only, with one
    array for each. Where there is an ``on_broken``, it learns of each broken sample, which is left
    out; of a broken file, so are the samples behind the place where it breaks.

    Raises:
        UserError: CNN702 for a broken file, and one whose numbers are not finite; CNN703 for data
            that the inputs do not take.
    """
    for file in files:
        readers = [_samples_of(file, one) for one in inputs]
        while (samples := _next_of_each(readers, on_broken)) is not None:
            try:
                for sample, taken in zip(samples, inputs, strict=True):
                    _demand_finite(sample)
                    _demand_known(sample, taken)
            except UnreadableError as error:
                _tell(error, on_broken)
            else:
                yield samples


def _next_of_each(
    readers: Sequence[Iterator[Sample]], on_broken: Callable[[UserError], None] | None
) -> tuple[Sample, ...] | None:
    """The next sample of a file, as each model takes it; None at its end, or where it breaks."""
    try:
        found = [next(reader, None) for reader in readers]
    except UnreadableError as error:
        _tell(error, on_broken)
        return None
    samples = tuple(sample for sample in found if sample is not None)
    return samples if len(samples) == len(readers) else None


def _tell(error: UnreadableError, on_broken: Callable[[UserError], None] | None) -> None:
    if on_broken is None:
        raise error
    on_broken(error)


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


def _samples_of(file: Path, inputs: Sequence[ModelInput]) -> Iterator[Sample]:
    suffix = file.suffix.lower()
    if suffix == ".npz":
        for name, arrays in read_npz(file, inputs):
            yield Sample(name, file, arrays)
        return
    if len(inputs) > 1:
        raise _one_for_several(file, inputs)
    only = inputs[0]
    if suffix == ".npy":
        for name, array in read_npy(file, only):
            yield Sample(name, file, {only.name: array})
    elif suffix == ".txt":
        yield Sample(str(file), file, {only.name: read_numbers(file, only)})
    else:
        yield Sample(str(file), file, {only.name: read_picture(file, only)})


def _one_for_several(file: Path, inputs: Sequence[ModelInput]) -> UserError:
    names = quoted(one.name for one in inputs)
    return UserError(
        "CNN703",
        f"`{file}` gives one input, but the network has {len(inputs)}: {names}",
        help=f"put the arrays of one or more samples into a `.npz` file, named {names}",
    )
