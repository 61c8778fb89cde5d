"""Turns weights into safetensors files, and judges weights that are read from files."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy
from numpy.typing import NDArray

from cnndsl.diagnostics.model import UserError
from cnndsl.diagnostics.words import abridged_lines
from cnndsl.graph.files import write_atomically
from cnndsl.graph.weight_checksum import WEIGHTS_CHECKSUM_KEY, checksum_of_weights

__all__ = [
    "SHOWN",
    "Array",
    "Numbers",
    "as_float32",
    "compare_classes",
    "from_bfloat16",
    "not_finite",
    "quoted",
    "raw_bytes",
    "refuse_not_finite",
    "safetensors_chunks",
    "write_weights",
]

Array: TypeAlias = NDArray[numpy.float32]

Numbers: TypeAlias = NDArray[Any]
"""Those of a tensor of a model, of whatever type it holds them in."""

_NAMES = {"float32": "F32", "int64": "I64"}
"""What safetensors calls the types that are written."""

SHOWN = 10
"""How many names of one kind an error lists; the rest is counted."""


def write_weights(
    path: str | os.PathLike[str], arrays: Mapping[str, Array], metadata: Mapping[str, str]
) -> int:
    """Write a safetensors file, whole or not at all, and give its size in bytes.

    Its checksum comes into its metadata. The same arrays and metadata give the same bytes, and no
    array is copied.

    Raises:
        UserError: CNN603, where it cannot be written.
    """
    names = sorted(arrays)
    checksum = checksum_of_weights(
        metadata,
        [(name, "F32", arrays[name].shape) for name in names],
        (raw_bytes(arrays[name]) for name in names),
    )
    entries = {**metadata, WEIGHTS_CHECKSUM_KEY: checksum}
    return write_atomically(path, safetensors_chunks(arrays, entries))


def raw_bytes(array: Numbers) -> memoryview:
    """The numbers of a weight as ONNX and safetensors store them: little-endian, row by row."""
    flat = numpy.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(-1)
    return flat.view(numpy.uint8).data


def as_float32(numbers: Numbers, what: str, path: str | os.PathLike[str]) -> Array:
    """Numbers of any floating-point type that were read from a file; those of float32 as they are.

    Args:
        numbers: of a tensor.
        what: the tensor, in words.
        path: the file.

    Raises:
        UserError: CNN601 where float32 cannot hold one.
    """
    with numpy.errstate(over="ignore"):
        converted: Array = numpy.asarray(numbers).astype(numpy.float32, copy=False)
    if (
        numbers.dtype.itemsize > 4
        and not (numpy.isfinite(converted) | ~numpy.isfinite(numbers)).all()
    ):
        raise UserError(
            "CNN601",
            f"{what} in `{os.fspath(path)}` holds numbers that are too large for float32: up to"
            f" {numpy.abs(numbers).max():.3g}",
            help="give weights of a run that did not diverge",
        )
    return converted


def from_bfloat16(halves: NDArray[numpy.uint16]) -> Array:
    """Numbers of bfloat16, which NumPy does not know: the upper halves of float32."""
    numbers: Array = (halves.astype(numpy.uint32) << numpy.uint32(16)).view(numpy.float32)
    return numbers


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
    first, *others = map(quoted, broken)
    raise UserError(
        "CNN601",
        f"the weight {first} in `{os.fspath(path)}` holds numbers that are not finite",
        notes=[f"so do {', '.join(abridged_lines(others, SHOWN))}"] if others else (),
        help="give weights of a run that did not diverge",
    )


def compare_classes(
    stored: Sequence[str],
    wanted: Sequence[str],
    path: str | os.PathLike[str],
    tell: Callable[[str], None] = lambda text: None,
) -> None:
    """Hold the classes that weights in a file were trained for against those of a network.

    Nothing is known of classes without names. ``tell`` learns of other names: they may be
    translations.

    Raises:
        UserError: CNN601 where they are the same in another order: every answer would be wrong.
    """
    if not stored or not wanted or tuple(stored) == tuple(wanted):
        return
    pairs = enumerate(zip(stored, wanted, strict=False))
    at = next((at for at, (theirs, ours) in pairs if theirs != ours), 0)
    theirs, ours = quoted(stored[at]), quoted(wanted[at])
    if sorted(stored) == sorted(wanted):
        raise UserError(
            "CNN601",
            f"the weights in `{os.fspath(path)}` were trained for the network's classes in another"
            f" order: class {at} is {theirs} in the file, {ours} in the spec",
            help="write the spec's `classes` in the order of the file",
        )
    tell(
        f"the weights in `{os.fspath(path)}` were trained for other classes: class {at} is"
        f" {theirs} in the file, {ours} in the spec"
    )


def safetensors_chunks(
    arrays: Mapping[str, Numbers], metadata: Mapping[str, str]
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
        dtype = _NAMES[arrays[name].dtype.name]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # The numbers begin at a multiple of eight.
    yield len(text).to_bytes(8, "little") + text
    for name in names:
        yield raw_bytes(arrays[name])


# --- names for people -------------------------------------------------------------------------


def quoted(name: str) -> str:
    """A name that may come from anybody's file."""
    printable = name if name.isprintable() else ascii(name)[1:-1]
    return f"`{printable[:80]}…`" if len(printable) > 80 else f"`{printable}`"
