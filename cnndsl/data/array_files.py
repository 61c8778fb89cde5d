"""Turns ``.npy`` and ``.npz`` files into samples, one by one, each prepared where it is wanted.

Python objects in them are never unpickled.
"""

from __future__ import annotations

import math
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import IO

import numpy

from cnndsl.data.arrays import check_elements, is_single, prepare_array
from cnndsl.data.arraysets import Column, demand_takable
from cnndsl.data.naming import array_names
from cnndsl.data.normalize import in_spec_order
from cnndsl.data.sources import Array, ModelInput, UnreadableError
from cnndsl.data.splits import Wanted
from cnndsl.diagnostics.model import UserError
from cnndsl.diagnostics.words import quoted
from cnndsl.files import open_regular
from cnndsl.graph.files import reason
from cnndsl.graph.npy import read_npy_header

__all__ = ["read_npy", "read_npz"]


def read_npy(
    path: str | os.PathLike[str], model_input: ModelInput
) -> Iterator[tuple[str, Callable[[], Array]]]:
    """The samples of a ``.npy`` file, each with a name, as calls that prepare them.

    Raises:
        UserError: CNN702 for a broken file, CNN703 for an array that the input does not take.
    """
    try:
        with open_regular(path) as file:
            yield from _Stored.open(file, str(path), model_input).samples()
    except OSError as error:
        raise _unreadable(str(path), reason(error)) from error


def read_npz(
    path: str | os.PathLike[str], inputs: Sequence[ModelInput]
) -> Iterator[tuple[str, Callable[[], dict[str, Array]]]]:
    """The samples of a ``.npz`` file, each with a name, as calls: an array for every input.

    Its arrays are named after the inputs; where there is one input and one array, the name does
    not matter. Of an archive of labelled samples, those are taken that ``eval`` takes, the same
    way: pictures get fitted.

    Raises:
        UserError: CNN702 for a broken file, CNN703 for arrays that the inputs do not take.
    """
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            yield from _members(archive, str(path), inputs)
    except OSError as error:
        raise _unreadable(str(path), reason(error)) from error
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        # RuntimeError: a member is encrypted; NotImplementedError: packed in an unknown way.
        raise _unreadable(str(path), f"it is not a whole `.npz` file ({error})") from error


def _members(
    archive: zipfile.ZipFile, path: str, inputs: Sequence[ModelInput]
) -> Iterator[tuple[str, Callable[[], dict[str, Array]]]]:
    names, labelled = _names(archive, path, inputs)
    files = [archive.open(name) for name in names]
    try:
        stored = [
            _Stored.open(file, _called(path, name, labelled, inputs), one, labelled=labelled)
            for file, name, one in zip(files, names, inputs, strict=True)
        ]
        if len({one.count for one in stored}) > 1:
            raise UserError(
                "CNN703",
                f"the arrays of `{path}` hold different numbers of samples:"
                f" {', '.join(f'`{one.input.name}` {one.count}' for one in stored)}",
                help="give every input as many samples",
            )
        samples = stored[0].names(stored[0].name if labelled else path)
        for name, arrays in zip(
            samples, zip(*(one.arrays() for one in stored), strict=True), strict=True
        ):
            calls = {one.input.name: take for one, take in zip(stored, arrays, strict=True)}
            yield name, partial(_taken, calls)
    finally:
        for file in files:
            file.close()


def _taken(calls: Mapping[str, Callable[[], Array]]) -> dict[str, Array]:
    return {name: take() for name, take in calls.items()}


def _names(
    archive: zipfile.ZipFile, path: str, inputs: Sequence[ModelInput]
) -> tuple[list[str], bool]:
    """The members to take for the inputs, and whether they are those of labelled samples."""
    members = {name.removesuffix(".npy"): name for name in archive.namelist()}
    if len(inputs) == 1 and len(members) == 1:
        return list(members.values()), False
    missing = [one.name for one in inputs if one.name not in members]
    if not missing:
        return [members[one.name] for one in inputs], False
    try:
        *samples, labels = array_names(members, path, Wanted(tuple(inputs), "test"))
        _ = members[labels]
        return [members[name] for name in samples], True
    except (UserError, KeyError) as error:
        raise UserError(
            "CNN703",
            f"`{path}` has no array called `{missing[0]}`",
            notes=[f"it has {quoted(members) or 'none'}"],
            help=f"name the arrays after the network's inputs: {quoted(i.name for i in inputs)}",
        ) from error


def _called(path: str, member: str, labelled: bool, inputs: Sequence[ModelInput]) -> str:
    several = labelled or len(inputs) > 1
    return f"{path}:{member.removesuffix('.npy')}" if several else path


@dataclass(frozen=True, slots=True)
class _Stored:
    """An array in a file whose header has been read; its data comes sample by sample."""

    file: IO[bytes]
    name: str
    input: ModelInput
    dtype: numpy.dtype[numpy.generic]
    sample: tuple[int, ...]
    count: int
    single: bool
    axes: tuple[int, ...] | None = None
    """How pictures lie that get fitted, as in :class:`Column`."""

    @classmethod
    def open(
        cls, file: IO[bytes], name: str, model_input: ModelInput, *, labelled: bool = False
    ) -> _Stored:
        shape, fortran, dtype = _read_header(file, name)
        check_elements(dtype, model_input, name)
        axes = demand_takable(shape, dtype, model_input, name) if labelled else None
        single = axes is None and is_single(shape, model_input, name)
        if fortran and math.prod(shape) > max(shape, default=1):
            raise _unreadable(
                name, "its numbers are in Fortran order", "save `numpy.ascontiguousarray(array)`"
            )
        sample = shape if single else shape[1:]
        return cls(file, name, model_input, dtype, sample, 1 if single else shape[0], single, axes)

    def names(self, path: str) -> Iterator[str]:
        return iter([path]) if self.single else (f"{path}[{at}]" for at in range(self.count))

    def arrays(self) -> Iterator[Callable[[], Array]]:
        size = math.prod(self.sample) * self.dtype.itemsize
        for number in range(self.count):
            try:
                data = self.file.read(size)
            except (zlib.error, EOFError) as error:
                raise _unreadable(self.name, f"its packed data is broken ({error})") from error
            if len(data) < size:
                raise _unreadable(self.name, f"it ends within sample {number + 1} of {self.count}")
            yield partial(self._prepared, data)

    def _prepared(self, data: bytes) -> Array:
        values = numpy.frombuffer(data, self.dtype).reshape(1, *self.sample)
        if self.axes is not None:
            column = Column(values, self.input, self.name, self.axes)
            taken: Array = column.take(numpy.zeros(1, numpy.int64))[0]
            return taken
        return prepare_array(in_spec_order(values, self.input)[0], self.input, 0, self.name)

    def samples(self) -> Iterator[tuple[str, Callable[[], Array]]]:
        return zip(self.names(self.name), self.arrays(), strict=True)


def _read_header(
    file: IO[bytes], name: str
) -> tuple[tuple[int, ...], bool, numpy.dtype[numpy.generic]]:
    """Shape, whether in Fortran order, and element type of the array that a file begins with.

    Raises:
        UserError: CNN702 where it does not begin with one.
    """
    try:
        return read_npy_header(file)
    except (ValueError, EOFError, zlib.error) as error:
        raise _unreadable(name, f"it is not an array file of NumPy ({error})") from error


def _unreadable(name: str, why: str, help: str = "save the array again") -> UnreadableError:
    return UnreadableError("CNN702", f"cannot read `{name}`: {why}", help=help)
