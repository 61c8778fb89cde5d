"""Turns arrays, in memory or in a file, into a dataset: bytes become floats batch by batch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from types import MappingProxyType

import numpy
import numpy.typing
from typing_extensions import override

from cnndsl.data.arrays import check_elements, is_single, prepare_array
from cnndsl.data.batch_resize import fit_pictures, resamples
from cnndsl.data.images import MAX_PIXELS, check_size
from cnndsl.data.normalize import Floats, taken_values
from cnndsl.data.raw import needs_no_preparing, raw_values
from cnndsl.data.samples import Broken, BrokenSampleError, Dataset, Indices
from cnndsl.data.sources import Array, ModelInput
from cnndsl.data.stores import MEMORY_LIMIT, Store, StoredArray
from cnndsl.data.tokens import foreign_id
from cnndsl.diagnostics.model import UserError

__all__ = [
    "ArraySet",
    "Column",
    "as_column",
    "demand_pictures",
    "demand_takable",
    "pictures_column",
]

_CHUNK = 1024
_LARGE = 2**26


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
        if self.axes is not None:
            # Of large pictures not the whole batch at once.
            count = max(1, _LARGE // math.prod(self.store.shape[1:]))
            starts = range(0, max(1, len(indices)), count)
            fitted = [self._fit(self.store[indices[at : at + count]]) for at in starts]
            raw = fitted[0] if len(fitted) == 1 else numpy.concatenate(fitted)
            return taken_values(raw, self.input, channel_axis=1)
        values = self.store[indices].reshape(len(indices), *self.input.type.dims)
        if not self.is_raw:
            return prepare_array(values, self.input, 1, self.name)
        return taken_values(values, self.input, channel_axis=1)

    @property
    def may_break(self) -> bool:
        """Whether there can be numbers that are none (NaN, Inf), or ids of no token."""
        return self.store.dtype.kind == "f" or self.input.type.is_tokens

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
        UserError: CNN703 for numbers that are neither, CNN808 where there are none.
    """
    axes = demand_takable(store.shape, store.dtype, model_input, name)
    if axes is None:
        return Column(store, model_input, name)
    return pictures_column(store, model_input, name, axes)


def demand_takable(
    shape: tuple[int, ...],
    dtype: numpy.dtype[numpy.generic],
    model_input: ModelInput,
    name: str,
) -> tuple[int, ...] | None:
    """Whether an input takes such samples: how pictures lie, or None for its own shape.

    Raises:
        UserError: as :func:`as_column`.
    """
    dims = model_input.type.dims
    check_elements(dtype, model_input, name)
    sample = shape[1:]
    if sample == dims or (dims[0] == 1 and len(dims) > 1 and sample == dims[1:]):
        _demand_some(shape, name)
        return None
    layout = model_input.preparation.layout_for(model_input.type)
    prepared = needs_no_preparing(dtype, model_input)
    axes = _picture_axes(sample, name) if layout and not prepared else None
    if axes is None:
        if is_single(shape, model_input, name):  # Raises, save for one sample alone.
            raise UserError(
                "CNN703",
                f"`{name}` holds one sample without an axis that counts the samples",
                help="give the array one more dimension in front: `array[None]`",
            )
        raise AssertionError("an array of several samples is taken above")
    demand_pictures(shape, axes, model_input, name)
    return axes


def _demand_some(shape: tuple[int, ...], name: str) -> None:
    if shape[0] == 0:
        raise UserError(
            "CNN808", f"`{name}` holds no samples", help="give data with at least one sample"
        )


def demand_pictures(
    shape: tuple[int, ...], axes: tuple[int, ...], model_input: ModelInput, name: str
) -> None:
    """Refuse what are no pictures for an input; ``axes`` as in :class:`Column`.

    Raises:
        UserError: CNN703 where the input takes none, where they have no size or are beyond all
            limits; CNN808 where there are none.
    """
    if model_input.preparation.layout_for(model_input.type) is None:
        raise UserError(
            "CNN703",
            f"`{name}` holds pictures, but the input `{model_input.name}` takes"
            f" `{model_input.type}`",
            help="give the data as arrays of that shape in a `.npz` file",
        )
    check_size(model_input)
    _demand_some(shape, name)
    height, width = (shape[axis] for axis in axes[1:3])
    if not height * width:
        raise UserError(
            "CNN703",
            f"`{name}` holds pictures of {height}x{width} pixels (height x width): there is"
            " nothing in them",
            help="save the pictures again",
        )
    if height * width > MAX_PIXELS:
        raise UserError(
            "CNN703",
            f"`{name}` holds pictures of {height}x{width} pixels (height x width), more than"
            f" {MAX_PIXELS:,}",
            help="make the pictures smaller",
        )


def pictures_column(
    store: Store, model_input: ModelInput, name: str, axes: tuple[int, ...]
) -> Column:
    """Pictures that get fitted to an input; ``axes`` as in :class:`Column`.

    Raises:
        UserError: CNN703 where the input takes no pictures, only those of its own size, or where
            they have no size; CNN808 where there are none.
    """
    demand_pictures(store.shape, axes, model_input, name)
    column = Column(store, model_input, name, axes)
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


def _wrong_rows(values: Array, column: Column) -> Iterator[tuple[int, str]]:
    """The places in a batch of samples that are of no use, and why."""
    if column.input.type.is_tokens:
        for at, sample in enumerate(values):
            if stray := foreign_id(sample, column.input):
                yield at, stray
        return
    if not column.may_break or numpy.isfinite(values).all():
        return
    rows = values.reshape(len(values), -1)
    for at in numpy.flatnonzero(~numpy.isfinite(rows).all(axis=1)).tolist():
        what = "NaN" if numpy.isnan(rows[at]).any() else "an infinite number"
        yield at, f"it holds {what}"


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
        others: Mapping[str, Array] = MappingProxyType({}),
    ) -> None:
        self._columns = dict(columns)
        self._part = part or name
        inputs = [column.input for column in columns.values()]
        super().__init__(
            name,
            inputs,
            labels=labels,
            targets=targets,
            classes=classes,
            notes=notes,
            others=others,
        )

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
            for at, why in _wrong_rows(values, self._columns[name]):
                index = int(indices[at])
                found[index] = Broken(index, self.name_of(index), why)
        return list(found.values())

    @cached_property
    def _fingerprint(self) -> str:
        digest = blake2b(repr(self.classes).encode(), digest_size=16)
        answers = self.targets if self.labels is None else self.labels
        assert answers is not None
        digest.update(numpy.ascontiguousarray(answers).data)
        for name, own in self.others.items():
            digest.update(f"{name} {own.shape} {own.dtype}".encode())
            digest.update(numpy.ascontiguousarray(own).data)
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
