"""Turns files into samples, each file by its kind: a picture, a ``.npy`` or a ``.npz``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy

from cnndsl.data.array_files import read_npy, read_npz
from cnndsl.data.images import read_picture
from cnndsl.data.sources import ModelInput, Sample, UnreadableError
from cnndsl.diagnostics.model import UserError
from cnndsl.diagnostics.words import quoted

__all__ = ["read_samples"]


def read_samples(
    files: Iterable[Path],
    inputs: Sequence[ModelInput],
    on_broken: Callable[[UserError], None] | None = None,
) -> Iterator[Sample]:
    """The samples in files, in order, prepared for a model's inputs; one at a time in memory.

    A network of several inputs takes ``.npz`` files only, with one array for each. Where there is
    an ``on_broken``, it learns of each broken sample, which is left out; of a broken file, so are
    the samples behind the place where it breaks.

    Raises:
        UserError: CNN702 for a broken file, and one whose numbers are not finite; CNN703 for data
            that the inputs do not take.
    """
    for file in files:
        samples = _samples_of(file, inputs)
        while True:
            try:
                sample = next(samples, None)
                if sample is None:
                    break
                _demand_finite(sample)
            except UnreadableError as error:
                if on_broken is None:
                    raise
                on_broken(error)  # A generator that has raised an error is at its end.
            else:
                yield sample


def _demand_finite(sample: Sample) -> None:
    """Raise CNN702 for a sample that holds a NaN or an infinity."""
    for array in sample.arrays.values():
        if not numpy.isfinite(array).all():
            raise UnreadableError(
                "CNN702",
                f"`{sample.name}` holds numbers that are not finite",
                help="mend the numbers that are NaN, infinite or too large for float32",
            )


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
    else:
        yield Sample(str(file), file, {only.name: read_picture(file, only)})


def _one_for_several(file: Path, inputs: Sequence[ModelInput]) -> UserError:
    names = quoted(one.name for one in inputs)
    return UserError(
        "CNN703",
        f"`{file}` gives one input, but the network has {len(inputs)}: {names}",
        help=f"put the arrays of one or more samples into a `.npz` file, named {names}",
    )
