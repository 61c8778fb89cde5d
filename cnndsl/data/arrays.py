"""Turns ``.npy`` and ``.npz`` files, and arrays in memory, into prepared arrays.

An array holds one sample (``3x32x32``) or several (``N x 3x32x32``); an input of one channel may
leave the channel out. Arrays of whole numbers are raw data and get prepared like a picture's
values; arrays of floating-point numbers are prepared already, unless the input has a ``range``.
Files are read sample by sample; Python objects in them are never unpickled.
"""

from __future__ import annotations

import math
import os
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO

import numpy

from cnndsl.data.preparing import prepare_values
from cnndsl.data.raw import demand_range, needs_no_preparing, raw_values
from cnndsl.data.sources import Array, ModelInput
from cnndsl.diagnostics.model import UserError
from cnndsl.files import open_regular
from cnndsl.graph.files import reason
from cnndsl.graph.npy import read_npy_header
from cnndsl.types import DType, TensorType

__all__ = [
    "as_batch",
    "check_elements",
    "is_single",
    "prepare_array",
    "read_header",
    "read_npy",
    "read_npz",
]


# --- arrays in memory -------------------------------------------------------------------------


def as_batch(array: Array, model_input: ModelInput, name: str) -> tuple[Array, bool]:
    """An array as a prepared batch for an input, and whether it was a single sample.

    Raises:
        UserError: CNN703 for a shape or element type that the input does not take, and for
            numbers that are not finite.
    """
    single = is_single(array.shape, model_input, name)
    check_elements(array.dtype, model_input, name)
    count = 1 if single else array.shape[0]
    batch = array.reshape((count, *model_input.type.dims))
    prepared = prepare_array(batch, model_input, 1, name)
    if not numpy.isfinite(prepared).all():
        raise UserError(
            "CNN703",
            f"`{name}` holds numbers that are not finite",
            help="mend the numbers that are NaN, infinite or too large for float32",
        )
    return prepared, single


def prepare_array(values: Array, model_input: ModelInput, channel_axis: int, name: str) -> Array:
    """Numbers of an input's own shape as the network takes them.

    Raises:
        UserError: CNN703 for raw values outside of the input's range.
    """
    if model_input.type.dtype is DType.INT64:
        return values.astype(numpy.int64)
    if needs_no_preparing(values.dtype, model_input):
        with numpy.errstate(over="ignore"):  # What float32 cannot hold counts as broken.
            return values.astype(numpy.float32)
    raw = raw_values(values, model_input, name)
    return prepare_values(raw, model_input.preparation, channel_axis)


def is_single(shape: tuple[int, ...], model_input: ModelInput, name: str) -> bool:
    """Whether an array of this shape is one sample; otherwise it is several.

    Raises:
        UserError: CNN703 for a shape that the input does not take.
    """
    dims = model_input.type.dims
    forms = [dims, dims[1:]] if dims[0] == 1 and len(dims) > 1 else [dims]
    for form in forms:
        if shape == form:
            return True
        if len(shape) == len(form) + 1 and shape[1:] == form:
            if shape[0] == 0:
                raise UserError(
                    "CNN703", f"`{name}` holds no samples", help="give at least one sample"
                )
            return False
    raise UserError(
        "CNN703",
        f"`{name}` holds {_article(shape)} array, but the input `{model_input.name}` takes"
        f" {' or '.join(f'`{TensorType(form)}` or `Nx{TensorType(form)}`' for form in forms)}",
        help=_turned(shape, dims) or "give the array that shape",
    )


def _article(shape: tuple[int, ...]) -> str:
    return f"a `{TensorType(shape)}`" if shape else "a single number, not an"


def _turned(shape: tuple[int, ...], dims: tuple[int, ...]) -> str:
    """Help for the commonest mistake: the channels stand last."""
    if len(dims) < 2:
        return ""
    last = (*dims[1:], dims[0])
    if shape == last:
        axes = (len(dims) - 1, *range(len(dims) - 1))
    elif shape[1:] == last:
        axes = (0, len(dims), *range(1, len(dims)))
    else:
        return ""
    return f"put the channels first: `array.transpose{axes}`"


def check_elements(dtype: numpy.dtype[numpy.generic], model_input: ModelInput, name: str) -> None:
    """Raise CNN703 for elements that the input does not take."""
    tokens = model_input.type.dtype is DType.INT64
    if dtype.kind in ("ui" if tokens else "uibf"):
        if not tokens and not needs_no_preparing(dtype, model_input):
            demand_range(dtype, model_input, name)
        return
    wanted = "whole numbers, for they are token ids" if tokens else "numbers"
    held = "Python objects, which are never loaded" if dtype.hasobject else f"`{dtype}`"
    raise UserError(
        "CNN703",
        f"`{name}` holds {held}; the input `{model_input.name}` takes {wanted}",
        help=f"save it as `{'int64' if tokens else 'float32'}`",
    )


# --- files ------------------------------------------------------------------------------------


def read_npy(path: str | os.PathLike[str], model_input: ModelInput) -> Iterator[tuple[str, Array]]:
    """The samples of a ``.npy`` file, each with a name.

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
) -> Iterator[tuple[str, dict[str, Array]]]:
    """The samples of a ``.npz`` file, each with a name and an array for every input.

    Its arrays are named after the inputs; where there is one input and one array, the name does
    not matter.

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
) -> Iterator[tuple[str, dict[str, Array]]]:
    members = {name.removesuffix(".npy"): name for name in archive.namelist()}
    if len(inputs) == 1 and len(members) == 1:
        members = {inputs[0].name: archive.namelist()[0]}
    missing = [one.name for one in inputs if one.name not in members]
    if missing:
        raise UserError(
            "CNN703",
            f"`{path}` has no array called `{missing[0]}`",
            notes=[f"it has {_quoted(list(members)) or 'none'}"],
            help=f"name the arrays after the network's inputs: {_quoted([i.name for i in inputs])}",
        )
    files = [archive.open(members[one.name]) for one in inputs]
    try:
        stored = [
            _Stored.open(file, f"{path}:{one.name}" if len(inputs) > 1 else path, one)
            for file, one in zip(files, inputs, strict=True)
        ]
        if len({one.count for one in stored}) > 1:
            raise UserError(
                "CNN703",
                f"the arrays of `{path}` hold different numbers of samples:"
                f" {', '.join(f'`{one.input.name}` {one.count}' for one in stored)}",
                help="give every input as many samples",
            )
        names = stored[0].names(path)
        for name, arrays in zip(
            names, zip(*(one.arrays() for one in stored), strict=True), strict=True
        ):
            yield name, {one.input.name: array for one, array in zip(stored, arrays, strict=True)}
    finally:
        for file in files:
            file.close()


@dataclass(frozen=True, slots=True)
class _Stored:
    """An array in a file whose header has been read; its data comes sample by sample."""

    file: IO[bytes]
    name: str
    input: ModelInput
    dtype: numpy.dtype[numpy.generic]
    count: int
    single: bool

    @classmethod
    def open(cls, file: IO[bytes], name: str, model_input: ModelInput) -> _Stored:
        shape, fortran, dtype = read_header(file, name)
        check_elements(dtype, model_input, name)
        single = is_single(shape, model_input, name)
        if fortran and math.prod(shape) > max(shape, default=1):
            raise _unreadable(
                name, "its numbers are in Fortran order", "save `numpy.ascontiguousarray(array)`"
            )
        return cls(file, name, model_input, dtype, 1 if single else shape[0], single)

    def names(self, path: str) -> Iterator[str]:
        return iter([path]) if self.single else (f"{path}[{at}]" for at in range(self.count))

    def arrays(self) -> Iterator[Array]:
        dims = self.input.type.dims
        size = math.prod(dims) * self.dtype.itemsize
        for number in range(self.count):
            try:
                data = self.file.read(size)
            except (zlib.error, EOFError) as error:
                raise _unreadable(self.name, f"its packed data is broken ({error})") from error
            if len(data) < size:
                raise _unreadable(self.name, f"it ends within sample {number + 1} of {self.count}")
            values = numpy.frombuffer(data, self.dtype).reshape(dims)
            yield prepare_array(values, self.input, 0, self.name)

    def samples(self) -> Iterator[tuple[str, Array]]:
        return zip(self.names(self.name), self.arrays(), strict=True)


def read_header(
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


def _unreadable(name: str, why: str, help: str = "save the array again") -> UserError:
    return UserError("CNN702", f"cannot read `{name}`: {why}", help=help)


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
