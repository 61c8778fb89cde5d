"""Turns files of weights into the weights of a network: safetensors, `.npz`, compiled models.

Numbers of other floating-point types become float32, and that is said.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias
from zipfile import ZipFile

import numpy
from numpy.lib import format as npy
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from cnndsl.diagnostics.model import UserError
from cnndsl.diagnostics.words import abridged_lines
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.files import check_regular, open_regular
from cnndsl.graph.archives import ZIP_ERRORS
from cnndsl.graph.files import reason
from cnndsl.graph.lower import network_weights
from cnndsl.graph.manifest import read_artifact
from cnndsl.graph.npy import read_npy_header
from cnndsl.graph.onnx_weights import numbers_of, read_model, refuse_rounded
from cnndsl.graph.weight_checksum import verify_weights
from cnndsl.graph.weights import (
    SHOWN,
    Array,
    as_float32,
    compare_classes,
    from_bfloat16,
    quoted,
    refuse_not_finite,
)

__all__ = [
    "FLOATS",
    "StoredTensor",
    "WeightsFile",
    "classes_of_weights",
    "open_weights",
    "read_weights",
]

Tell: TypeAlias = Callable[[str], None]

FLOATS: Mapping[str, str] = {
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "F64": "float64",
}
"""The types whose numbers are read, by their names in safetensors."""


def _to_nobody(text: str) -> None:
    """Pass over what should be known."""


def read_weights(
    path: str | os.PathLike[str],
    typed: TypedNetwork,
    tell: Tell = _to_nobody,
    *,
    heads: Sequence[int] = (),
    verify: bool = True,
) -> dict[str, Array]:
    """The network's weights from a safetensors or ``.npz`` file or a compiled model, by full names.

    Every tensor must be there, with its shape, and no other; those of layers that no output
    depends on may be there, and must where they are needed by the positions of ``heads``. All that
    does not fit is found before any number is read. ``tell``
    learns of numbers that are converted, and of other names of classes. With ``verify``, the file's
    checksum is compared first, where it has one.

    Raises:
        UserError: CNN601, where the file does not fit, with all that is wrong, where its classes
            stand in another order, and where a number is not finite; CNN602, where it cannot be
            read, CNN604 for a model that is none of ours, CNN607 for a file that was damaged.
    """
    with open_weights(path, verify=verify) as file:
        misfits = _compare(typed, file.stored, heads)
        if misfits.any:
            raise misfits.error(os.fspath(path), typed.name)
        compare_classes(file.classes, typed.network.classes, path, tell)
        names = network_weights(typed, heads)
        if note := file.conversion(names):
            tell(note)
        weights = {name: file.read(name) for name in names}
    refuse_not_finite(weights, path)
    return weights


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor in a file, as its header describes it."""

    shape: tuple[int, ...]
    dtype: str

    @property
    def is_readable(self) -> bool:
        """Whether its numbers can be those of a weight."""
        return self.dtype in FLOATS


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """An open file of tensors: what it holds by its headers, and the way to the numbers.

    ``classes`` are the names of the classes that they were trained for, where the file says it.
    """

    path: str
    stored: Mapping[str, StoredTensor]
    classes: tuple[str, ...]
    _numbers: Callable[[str], NDArray[Any]]

    def read(self, name: str) -> Array:
        """The numbers of a tensor of any floating-point type.

        Raises:
            UserError: CNN601 where float32 cannot hold one.
        """
        return as_float32(self._numbers(name), f"the weight {quoted(name)}", self.path)

    def conversion(self, names: Iterable[str]) -> str:
        """What should be said of these tensors where they are not float32; empty otherwise."""
        kinds = Counter(self.stored[name].dtype for name in names)
        others = [f"{kinds[one]} as {FLOATS[one]}" for one in FLOATS if one != "F32" if kinds[one]]
        if not others:
            return ""
        return (
            f"`{self.path}` holds weights in other types ({', '.join(others)}): they become float32"
        )


# --- files ------------------------------------------------------------------------------------


@contextmanager
def open_weights(path: str | os.PathLike[str], *, verify: bool = True) -> Iterator[WeightsFile]:
    """A safetensors or ``.npz`` file or a compiled model, whatever it holds.

    With ``verify``, its checksum is compared first, where it has one.

    Raises:
        UserError: CNN602, where it cannot be read, CNN604 for a model that is none of ours,
            CNN607 for a file that was damaged.
    """
    name = os.fspath(path)
    suffix = os.path.splitext(name)[1].lower()
    opened = {".npz": _opened_npz, ".onnx": _opened_model}.get(suffix, _opened_safetensors)
    try:
        # The system's own words for a file that cannot be opened are better than the library's.
        check_regular(path)
        with opened(name, verify) as file:
            yield file
    except ZIP_ERRORS as error:
        raise _unreadable(path, f"it is not a whole `.npz` file ({error})") from error
    except SafetensorError as error:
        raise _unreadable(path, f"it is not a whole safetensors file ({error})") from error
    except (OSError, ValueError) as error:
        why = reason(error) if isinstance(error, OSError) else str(error)
        raise _unreadable(path, why) from error


@contextmanager
def _opened_npz(path: str, verify: bool) -> Iterator[WeightsFile]:
    # Every member of a zip file has a checksum, which is compared as it is unpacked.
    del verify
    with open_regular(path) as file, ZipFile(file) as archive:
        members = {name.removesuffix(".npy"): name for name in archive.namelist()}
        found = {name: _npz_tensor(archive, member) for name, member in members.items()}
        # The numbers stay packed until somebody wants an array of that shape.
        yield WeightsFile(path, found, (), lambda name: _npz_array(archive, members[name]))


def _npz_tensor(archive: ZipFile, member: str) -> StoredTensor:
    with archive.open(member) as file:
        shape, _, dtype = read_npy_header(file)
    names = {"float32": "F32", "float64": "F64", "float16": "F16", "int64": "I64"}
    return StoredTensor(shape, names.get(dtype.name, dtype.name))


def _npz_array(archive: ZipFile, member: str) -> NDArray[Any]:
    with archive.open(member) as file:
        array: NDArray[Any] = npy.read_array(file, allow_pickle=False)
    return array


@contextmanager
def _opened_model(path: str, verify: bool) -> Iterator[WeightsFile]:
    """A compiled model: its initializers are the weights, and nothing else."""
    manifest = read_artifact(path, verify=verify)
    refuse_rounded(manifest, path)
    tensors = {one.name: one for one in read_model(path).graph.initializer}
    arrays = {name: numbers_of(tensor) for name, tensor in tensors.items()}
    found = {
        name: StoredTensor(tuple(tensors[name].dims), "another type" if array is None else "F32")
        for name, array in arrays.items()
    }

    def numbers(name: str) -> Array:
        array = arrays[name]
        assert array is not None
        return array

    yield WeightsFile(path, found, manifest.classes, numbers)


@contextmanager
def _opened_safetensors(path: str, verify: bool) -> Iterator[WeightsFile]:
    with safe_open(path, framework="numpy") as file:
        if verify:
            verify_weights(path)
        slices = {name: file.get_slice(name) for name in list(file.keys())}
        found = {
            name: StoredTensor(tuple(part.get_shape()), part.get_dtype())
            for name, part in slices.items()
        }
        read = {"BF16": partial(_bfloat16, path)}

        def numbers(name: str) -> NDArray[Any]:
            array: NDArray[Any] = read.get(found[name].dtype, file.get_tensor)(name)
            return array

        yield WeightsFile(path, found, _class_names(file.metadata() or {}), numbers)


def classes_of_weights(path: str | os.PathLike[str]) -> tuple[str, ...] | None:
    """The names of the classes that weights were trained for; None where nothing is known.

    No checksum is compared: whoever takes the numbers does it.

    Raises:
        UserError: as :func:`open_weights` does.
    """
    if os.fspath(path).lower().endswith(".onnx"):
        return read_artifact(path, verify=False).classes
    with open_weights(path, verify=False) as file:
        return file.classes or None


def _bfloat16(path: str, name: str) -> Array:
    """A tensor of bfloat16."""
    with open_regular(path) as file:
        length = int.from_bytes(file.read(8), "little")
        tensor = json.loads(file.read(length))[name]
        begin, end = tensor["data_offsets"]
        file.seek(8 + length + begin)
        halves = numpy.frombuffer(file.read(end - begin), "<u2")
    return from_bfloat16(halves).reshape(tensor["shape"])


def _class_names(metadata: Mapping[str, str]) -> tuple[str, ...]:
    """The names of the classes in the metadata of weights that a run of ours wrote."""
    try:
        names = json.loads(metadata.get("classes", "[]"))
    except (ValueError, RecursionError):
        return ()
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return ()
    return tuple(names)


# --- what does not fit ------------------------------------------------------------------------


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
        notes = [
            f"{kind}: {item}" for found, kind in kinds for item in abridged_lines(found, SHOWN)
        ]
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
            return "save the weights as floating-point numbers"
        return "save the file without the surplus tensors"


def _compare(
    typed: TypedNetwork, stored: Mapping[str, StoredTensor], heads: Sequence[int]
) -> _Misfits:
    expected = network_weights(typed, heads)
    known = {name for position in range(len(typed.weights)) for name in typed.weights_of(position)}
    pairs = [
        (quoted(name), weight, stored[name]) for name, weight in expected.items() if name in stored
    ]
    return _Misfits(
        missing=tuple(quoted(name) for name in expected if name not in stored),
        surplus=tuple(quoted(name) for name in stored if name not in known),
        shapes=tuple(
            f"{name} is {_sizes(found.shape)} in the file, {_sizes(weight.shape)} in the spec"
            for name, weight, found in pairs
            if found.shape != weight.shape
        ),
        dtypes=tuple(
            f"{name} is {found.dtype} in the file, F32 in the spec"
            for name, _, found in pairs
            if not found.is_readable
        ),
    )


def _sizes(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "a single number"


def _unreadable(path: str | os.PathLike[str], why: str) -> UserError:
    return UserError(
        "CNN602",
        f"cannot read the weights in `{os.fspath(path)}`: {why}",
        help="give a file that the safetensors library or `numpy.savez` wrote",
    )
