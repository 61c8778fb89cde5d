"""Turns arrays, in memory or in a file, into a dataset: bytes become floats batch by batch."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from typing import BinaryIO, Protocol

import numpy
import numpy.typing
from typing_extensions import override

from cnndsl.data.arrays import check_elements, is_single, prepare_array
from cnndsl.data.fitting import fit_pictures, resamples
from cnndsl.data.preparing import Floats, prepare_values
from cnndsl.data.raw import needs_no_preparing, raw_values
from cnndsl.data.samples import Broken, BrokenSampleError, Dataset, Indices
from cnndsl.data.sources import Array, ModelInput
from cnndsl.diagnostics.model import UserError
from cnndsl.files import open_regular
from cnndsl.graph.files import reason

__all__ = [
    "MEMORY_LIMIT",
    "ArraySet",
    "Column",
    "Store",
    "StoredArray",
    "as_column",
    "pictures_column",
]

MEMORY_LIMIT = 2**28
"""Arrays of more bytes are read from their file sample by sample where that is possible."""

_CHUNK = 1024


# --- where the numbers are --------------------------------------------------------------------


class Store(Protocol):
    """The samples of one input: an array, or something in a file that can be indexed like one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of samples, then the sizes of each."""
        ...

    @property
    def dtype(self) -> numpy.dtype[numpy.generic]:
        """The type of the elements."""
        ...

    def __getitem__(self, indices: Indices, /) -> Array: ...


@dataclass(slots=True)
class StoredArray:
    """An array that stays in its file, from ``offset`` on; only the samples asked for are read.

    The file is not mapped into memory: where somebody cuts it off while it is mapped, the system
    kills the process.
    """

    path: str
    offset: int
    shape: tuple[int, ...]
    dtype: numpy.dtype[numpy.generic]
    _file: BinaryIO = field(init=False)
    _state: tuple[int, int] = field(init=False)
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._file = open_regular(self.path, buffering=0)
        self._state = self._look()

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self._file.close()

    @property
    def state(self) -> tuple[int, int]:
        """The file's size and time when it was opened."""
        return self._state

    def __getitem__(self, indices: Indices, /) -> Array:
        rows = numpy.empty((len(indices), *self.shape[1:]), self.dtype)
        size = math.prod(self.shape[1:]) * self.dtype.itemsize
        flat = rows.reshape(len(indices), -1).view(numpy.uint8)
        try:
            with self._lock:
                for row, index in zip(flat, indices.tolist(), strict=True):
                    self._file.seek(self.offset + index * size)
                    self._fill(row.data)
                if self._look() != self._state:
                    raise self._changed("its size or its time is another one")
        except OSError as error:
            raise self._changed(reason(error)) from error
        return rows

    def _fill(self, buffer: memoryview) -> None:
        while buffer:
            count = self._file.readinto(buffer)  # type: ignore[attr-defined]
            if not count:
                raise self._changed("it has become shorter")
            buffer = buffer[count:]

    def _look(self) -> tuple[int, int]:
        status = os.fstat(self._file.fileno())
        return status.st_size, status.st_mtime_ns

    def _changed(self, how: str) -> UserError:
        return UserError(
            "CNN804",
            f"`{self.path}` changed after it was opened: {how}",
            help="put the file back as it was, or start again",
        )


# --- how they become inputs -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Column:
    """One input's samples: the numbers, and how they become what the network takes.

    ``axes`` makes ``[n, height, width, …]`` of pictures stored in another order; it is None for
    numbers that have the input's own shape. Where ``is_raw``, these are 0 to 255 already.
    """

    store: Store
    input: ModelInput
    name: str
    axes: tuple[int, ...] | None = None
    is_raw: bool = False

    def take(self, indices: Indices) -> Array:
        """Prepared samples, ``[n, *dims]``."""
        values = self.store[indices]
        if self.axes is None:
            values = values.reshape(len(indices), *self.input.type.dims)
            if not self.is_raw:
                return prepare_array(values, self.input, 1, self.name)
            return prepare_values(values, self.input.preparation, channel_axis=1)
        return prepare_values(self._fit(values), self.input.preparation, channel_axis=1)

    @property
    def may_break(self) -> bool:
        """Whether there can be numbers that are none: NaN, Inf."""
        return self.store.dtype.kind == "f"

    def fitted(self) -> Column:
        """The same column, its pictures fitted for good where that saves time and fits memory."""
        if self.axes is None or not isinstance(self.store, numpy.ndarray):
            return self
        height, width = (self.store.shape[axis] for axis in self.axes[1:3])
        count = self.store.shape[0]
        width_of = 1 if self.store.dtype.itemsize == 1 else 4
        size = count * math.prod(self.input.type.dims) * width_of
        if not resamples((height, width), self.input) or size > MEMORY_LIMIT:
            return self
        everything = numpy.arange(count)
        pieces = [
            self._fit(self.store[everything[at : at + _CHUNK]]) for at in range(0, count, _CHUNK)
        ]
        return Column(numpy.concatenate(pieces), self.input, self.name, is_raw=True)

    def _fit(self, values: Array) -> Array:
        assert self.axes is not None
        turned = values.transpose(self.axes)
        if turned.shape[3:] == (1,):
            turned = turned[..., 0]
        return fit_pictures(raw_values(turned, self.input, self.name), self.input, self.name)


def as_column(store: Store, model_input: ModelInput, name: str) -> Column:
    """Samples for an input: numbers of its own shape, or pictures that get fitted.

    Raises:
        UserError: CNN703 for numbers that are neither.
    """
    dims = model_input.type.dims
    check_elements(store.dtype, model_input, name)
    sample = store.shape[1:]
    if sample == dims or (dims[0] == 1 and len(dims) > 1 and sample == dims[1:]):
        return Column(store, model_input, name)
    layout = model_input.preparation.layout_for(model_input.type)
    prepared = needs_no_preparing(store.dtype, model_input)
    axes = _picture_axes(sample, name) if layout and not prepared else None
    if axes is None:
        if is_single(store.shape, model_input, name):  # Raises, save for one sample alone.
            raise UserError(
                "CNN703",
                f"`{name}` holds one sample without an axis that counts the samples",
                help="give the array one more dimension in front: `array[None]`",
            )
        raise AssertionError("an array of several samples is taken above")
    return pictures_column(store, model_input, name, axes)


def pictures_column(
    store: Store, model_input: ModelInput, name: str, axes: tuple[int, ...]
) -> Column:
    """Pictures that get fitted to an input; ``axes`` as in :class:`Column`.

    Raises:
        UserError: CNN703 where the input takes no pictures, or only those of its own size.
    """
    if model_input.preparation.layout_for(model_input.type) is None:
        raise UserError(
            "CNN703",
            f"`{name}` holds pictures, but the input `{model_input.name}` takes"
            f" `{model_input.type}`",
            help="give the data as arrays of that shape in a `.npz` file",
        )
    column = Column(store, model_input, name, axes)
    if store.shape[0]:
        column.take(numpy.zeros(1, numpy.int64))  # Refuses at once what is never taken.
    return column.fitted()


def _picture_axes(sample: tuple[int, ...], name: str) -> tuple[int, ...] | None:
    """How pictures of this shape lie: gray, colours last, or colours first; None if not at all."""
    if len(sample) == 2:
        return (0, 1, 2)
    if len(sample) != 3:
        return None
    first, last = sample[0] in (1, 3), sample[2] in (1, 3)
    if first and last:
        raise UserError(
            "CNN801",
            f"`{name}` holds samples of {'x'.join(map(str, sample))}, where the colours may stand"
            " first or last",
            help="give arrays of the input's own shape, channels first",
        )
    if first:
        return (0, 2, 3, 1)
    return (0, 1, 2, 3) if last else None


# --- the dataset ------------------------------------------------------------------------------


class ArraySet(Dataset):
    """A dataset of arrays: one column for every input."""

    def __init__(
        self,
        name: str,
        columns: Mapping[str, Column],
        *,
        labels: Indices | None = None,
        targets: Floats | None = None,
        classes: Sequence[str] = (),
        part: str = "",
        notes: Sequence[str] = (),
    ) -> None:
        self._columns = dict(columns)
        self._part = part or name
        inputs = [column.input for column in columns.values()]
        super().__init__(name, inputs, labels=labels, targets=targets, classes=classes, notes=notes)

    @override
    def name_of(self, index: int) -> str:
        return f"{self._part}[{index}]"

    @override
    def load(self, indices: Indices) -> dict[str, Array]:
        arrays = {name: column.take(indices) for name, column in self._columns.items()}
        for broken in self._faults(arrays, indices):
            raise BrokenSampleError(broken)
        return arrays

    @override
    def faults(self, indices: Indices) -> list[Broken]:
        arrays = {
            name: column.take(indices) for name, column in self._columns.items() if column.may_break
        }
        return self._faults(arrays, indices)

    def _faults(self, arrays: Mapping[str, Array], indices: Indices) -> list[Broken]:
        found: dict[int, Broken] = {}
        for name, values in arrays.items():
            if not self._columns[name].may_break or numpy.isfinite(values).all():
                continue
            rows = values.reshape(len(values), -1)
            for at in numpy.flatnonzero(~numpy.isfinite(rows).all(axis=1)).tolist():
                what = "NaN" if numpy.isnan(rows[at]).any() else "an infinite number"
                index = int(indices[at])
                found[index] = Broken(index, self.name_of(index), f"it holds {what}")
        return list(found.values())

    @cached_property
    def _fingerprint(self) -> str:
        digest = blake2b(repr(self.classes).encode(), digest_size=16)
        answers = self.targets if self.labels is None else self.labels
        assert answers is not None
        digest.update(numpy.ascontiguousarray(answers).data)
        for name, column in self._columns.items():
            store = column.store
            digest.update(f"{name} {store.shape} {store.dtype}".encode())
            if isinstance(store, StoredArray):
                digest.update(repr(store.state).encode())
            else:
                everything = numpy.arange(store.shape[0])
                for at in range(0, len(everything), _CHUNK):
                    rows = store[everything[at : at + _CHUNK]]
                    digest.update(numpy.ascontiguousarray(rows).data)
        return digest.hexdigest()

    @property
    @override
    def fingerprint(self) -> str:
        return self._fingerprint
