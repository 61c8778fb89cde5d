"""Turns safetensors files into the weights of a network, and weights into safetensors files."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias
from zipfile import BadZipFile, is_zipfile

import numpy
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from cnndsl.diagnostics.model import UserError
from cnndsl.files import check_regular, open_regular
from cnndsl.graph.files import reason, write_atomically
from cnndsl.graph.lower import network_weights
from cnndsl.semantics.network import TypedNetwork

__all__ = [
    "Array",
    "StoredTensor",
    "WeightsFile",
    "not_finite",
    "open_weights",
    "raw_bytes",
    "read_weights",
    "refuse_not_finite",
    "safetensors_chunks",
    "write_weights",
]

Array: TypeAlias = NDArray[numpy.float32]

_SHOWN = 10
"""How many names of one kind an error lists; the rest is counted."""


def read_weights(path: str | os.PathLike[str], typed: TypedNetwork) -> dict[str, Array]:
    """The network's weights from a safetensors or ``.npz`` file, by their full names.

    Every tensor must be there, with its shape, as float32, and no other; those of layers that no
    output depends on may be there. All that does not fit is found before any number is read.

    Raises:
        UserError: CNN601, where the file does not fit, with all that is wrong, and where a number
            is not finite; CNN602, where it cannot be read.
    """
    with open_weights(path) as file:
        misfits = _compare(typed, file.stored)
        if misfits.any:
            raise misfits.error(os.fspath(path), typed.name)
        weights = {name: file.read(name) for name in network_weights(typed)}
    refuse_not_finite(weights, path)
    return weights


@contextmanager
def open_weights(path: str | os.PathLike[str]) -> Iterator[WeightsFile]:
    """A safetensors or ``.npz`` file, whatever it holds.

    Raises:
        UserError: CNN602, where it cannot be read.
    """
    try:
        # The system's own words for a file that cannot be opened are better than the library's.
        check_regular(path)
        if os.fspath(path).lower().endswith(".onnx"):
            raise UserError(
                "CNN602",
                f"`{os.fspath(path)}` is a model: its weights cannot be taken from there",
                help="give the file of weights beside it, such as `best.safetensors`",
            )
        with _opened(path) as file:
            yield file
    except BadZipFile as error:
        raise _unreadable(path, f"it is not a whole `.npz` file ({error})") from error
    except SafetensorError as error:
        raise _unreadable(path, f"it is not a whole safetensors file ({error})") from error
    except (OSError, ValueError) as error:
        why = reason(error) if isinstance(error, OSError) else str(error)
        raise _unreadable(path, why) from error


def write_weights(
    path: str | os.PathLike[str], arrays: Mapping[str, Array], metadata: Mapping[str, str]
) -> int:
    """Write a safetensors file, whole or not at all, and give its size in bytes.

    The same arrays and metadata give the same bytes, and no array is copied.

    Raises:
        UserError: CNN603, where it cannot be written.
    """
    return write_atomically(path, safetensors_chunks(arrays, metadata))


def raw_bytes(array: Array) -> memoryview:
    """The numbers of a weight as ONNX and safetensors store them: little-endian, row by row."""
    flat = numpy.ascontiguousarray(array, "<f4").reshape(-1)
    return flat.view(numpy.uint8).data


def not_finite(weights: Mapping[str, Array]) -> tuple[str, ...]:
    """The names of the weights that hold a NaN or an infinity."""
    with numpy.errstate(invalid="ignore"):
        # The extremes carry a NaN along, and cost no copy of the size of the weight.
        return tuple(
            name
            for name, array in weights.items()
            if not (numpy.isfinite(array.min()) and numpy.isfinite(array.max()))
        )


def refuse_not_finite(weights: Mapping[str, Array], path: str | os.PathLike[str]) -> None:
    """Raise CNN601 for weights from a file of which one holds a NaN or an infinity."""
    broken = not_finite(weights)
    if not broken:
        return
    first, *others = map(_quoted, broken)
    raise UserError(
        "CNN601",
        f"the weight {first} in `{os.fspath(path)}` holds numbers that are not finite",
        notes=[f"so do {', '.join(_capped(tuple(others)))}"] if others else (),
        help="give weights of a run that did not diverge",
    )


def safetensors_chunks(
    arrays: Mapping[str, Array], metadata: Mapping[str, str]
) -> Iterator[bytes | memoryview]:
    """The pieces of a safetensors file; the same arrays and metadata give the same bytes."""
    # The safetensors package writes the metadata in an order that differs from run to run, and
    # needs all the bytes at once. The format is a length, a header in JSON, and the numbers.
    names = sorted(arrays)
    header: dict[str, object] = {}
    if metadata:
        header["__metadata__"] = {key: metadata[key] for key in sorted(metadata)}
    offset = 0
    for name in names:
        end = offset + arrays[name].nbytes
        shape = list(arrays[name].shape)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # The numbers begin at a multiple of eight.
    yield len(text).to_bytes(8, "little") + text
    for name in names:
        yield raw_bytes(arrays[name])


# --- files of weights -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """An open file of tensors: what it holds by its headers, and the way to the numbers."""

    stored: Mapping[str, StoredTensor]
    read: Callable[[str], Array]


@contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[WeightsFile]:
    if os.fspath(path).lower().endswith(".npz"):
        with open_regular(path) as file:
            if not is_zipfile(file):
                raise BadZipFile("no archive")
            file.seek(0)
            with numpy.load(file, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
        names = {"float32": "F32", "float64": "F64", "float16": "F16", "int64": "I64"}
        found = {
            name: StoredTensor(array.shape, names.get(array.dtype.name, array.dtype.name))
            for name, array in arrays.items()
        }
        yield WeightsFile(found, arrays.__getitem__)
        return
    with safe_open(os.fspath(path), framework="numpy") as file:
        slices = {name: file.get_slice(name) for name in list(file.keys())}
        found = {
            name: StoredTensor(tuple(part.get_shape()), part.get_dtype())
            for name, part in slices.items()
        }
        yield WeightsFile(found, file.get_tensor)


# --- what does not fit ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor in a file, as its header describes it."""

    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, slots=True)
class _Misfits:
    missing: tuple[str, ...]
    surplus: tuple[str, ...]
    shapes: tuple[str, ...]
    dtypes: tuple[str, ...]

    @property
    def any(self) -> bool:
        return bool(self.missing or self.surplus or self.shapes or self.dtypes)

    def error(self, path: str, network: str) -> UserError:
        kinds = (
            (self.missing, "missing"),
            (self.surplus, "surplus"),
            (self.shapes, "wrongly shaped"),
            (self.dtypes, "of another type"),
        )
        counts = ", ".join(f"{len(found)} {kind}" for found, kind in kinds if found)
        notes = [f"{kind}: {item}" for found, kind in kinds for item in _capped(found)]
        return UserError(
            "CNN601",
            f"the weights in `{path}` do not fit the network `{network}`: {counts}",
            notes=notes,
            help=self._help(),
        )

    def _help(self) -> str:
        if self.shapes:
            return "give the spec the sizes that these weights were trained with"
        if self.missing:
            return f"name every tensor after its layer in the spec, as {self.missing[0]}"
        if self.dtypes:
            return "save the weights as float32"
        return "save the file without the surplus tensors"


def _compare(typed: TypedNetwork, stored: Mapping[str, StoredTensor]) -> _Misfits:
    expected = network_weights(typed)
    known = {
        f"{node.name}.{weight.name}"
        for node, weights in zip(typed.network.nodes, typed.weights, strict=True)
        for weight in weights
    }
    pairs = [
        (_quoted(name), weight, stored[name]) for name, weight in expected.items() if name in stored
    ]
    return _Misfits(
        missing=tuple(_quoted(name) for name in expected if name not in stored),
        surplus=tuple(_quoted(name) for name in stored if name not in known),
        shapes=tuple(
            f"{name} is {_sizes(found.shape)} in the file, {_sizes(weight.shape)} in the spec"
            for name, weight, found in pairs
            if found.shape != weight.shape
        ),
        dtypes=tuple(
            f"{name} is {found.dtype} in the file, F32 in the spec"
            for name, _, found in pairs
            if found.dtype != "F32"
        ),
    )


def _capped(items: tuple[str, ...]) -> list[str]:
    rest = len(items) - _SHOWN
    return [*items[:_SHOWN], f"and {rest} more"] if rest > 0 else list(items)


def _quoted(name: str) -> str:
    """A name that may come from anybody's file."""
    printable = name if name.isprintable() else ascii(name)[1:-1]
    return f"`{printable[:80]}…`" if len(printable) > 80 else f"`{printable}`"


def _sizes(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "a single number"


def _unreadable(path: str | os.PathLike[str], why: str) -> UserError:
    return UserError(
        "CNN602",
        f"cannot read the weights in `{os.fspath(path)}`: {why}",
        help="give a file that the safetensors library or `numpy.savez` wrote",
    )
