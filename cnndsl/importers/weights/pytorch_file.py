"""Reads PyTorch's checkpoints (``.pt``, ``.pth``, ``.bin``): zip files of tensors, and older ones.

A checkpoint is a pickle and the numbers beside it. The pickle is read as data (``pickles``): so
nothing in it can run, PyTorch need not be installed, and numbers are read tensor by tensor.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any, BinaryIO, TypeAlias
from zipfile import ZIP_STORED, ZipFile

import numpy

from cnndsl.diagnostics.model import UserError
from cnndsl.files import open_regular
from cnndsl.graph.archives import ZIP_ERRORS
from cnndsl.graph.protobuf import size_of
from cnndsl.graph.weights import Numbers, from_bfloat16
from cnndsl.importers.weights.pickles import (
    BoundedFile,
    Call,
    Name,
    PickleError,
    UnsafePickleError,
    read_pickle,
)
from cnndsl.importers.weights.source import WeightsSource, broken, opened
from cnndsl.importers.weights.state_dict import BETWEEN, Entry, state_dict_source
from cnndsl.limits import Limits

__all__ = ["open_pytorch"]

_MAGIC = 0x1950A86A20F9469CFC6C
"""The first pickle of the form of 2019 and before."""

_PICKLE = 2**27
"""The bytes of the longest pickle that is read of a zip file."""

_LONGEST_NAME = 2_000
_DEEPEST = 16

_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "Float": "float32",
        "Double": "float64",
        "Half": "float16",
        "BFloat16": "bfloat16",
        "Long": "int64",
        "Int": "int32",
        "Short": "int16",
        "Char": "int8",
        "Byte": "uint8",
        "Bool": "bool",
    }
)
"""The types of numbers, by the storages that are named after them."""

_REBUILD = frozenset(
    {
        "torch._utils._rebuild_tensor",
        "torch._utils._rebuild_tensor_v2",
        "torch._utils._rebuild_parameter",
        "torch._utils._rebuild_parameter_with_state",
        "torch.nn.parameter.Parameter",
    }
)

_INERT = frozenset(
    {
        *("collections.OrderedDict", "collections.defaultdict", "collections.Counter"),
        *("builtins.set", "builtins.frozenset", "builtins.bytearray", "builtins.complex"),
        *("builtins.slice", "builtins.dict", "builtins.list", "builtins.int", "builtins.float"),
        *("__builtin__.set", "__builtin__.dict", "__builtin__.list", "__builtin__.bytearray"),
        *("_codecs.encode", "argparse.Namespace", "torch.Size", "torch.device", "torch.dtype"),
        *("pathlib.Path", "pathlib.PosixPath", "pathlib.WindowsPath", "pathlib.PurePosixPath"),
        *("numpy.dtype", "numpy.ndarray", "numpy.core.multiarray.scalar"),
        *("numpy._core.multiarray.scalar", "numpy.core.multiarray._reconstruct"),
        *("numpy._core.multiarray._reconstruct", "datetime.datetime", "datetime.timedelta"),
    }
)
"""Names of what stands beside the tensors of many a checkpoint: settings, counts, dates."""


def _allowed(name: str) -> bool:
    """Whether a name may stand in a checkpoint; whatever it is, nothing is called."""
    package, _, last = name.rpartition(".")
    storage = package in ("torch", "torch.cuda", "torch.storage") and last.endswith("Storage")
    dtype = package == "torch" and last.rstrip("0123456789") in _DTYPES
    return name in _REBUILD or name in _INERT or storage or dtype


ReadStorage: TypeAlias = "Callable[[_Storage], memoryview]"
"""Gives a storage's bytes."""

_DTYPES = frozenset({"float", "bfloat", "int", "uint", "bool", "double", "half", "long", "short"})


def open_pytorch(path: str, key: str | None = None) -> AbstractContextManager[WeightsSource]:
    """The state dict in a checkpoint, wherever in it that stands, or the one that a key names.

    Raises:
        UserError: CNN651 for a pickle that holds more than tensors and settings, CNN650 where it is
            no whole checkpoint, or has no state dict.
    """
    kinds = (*ZIP_ERRORS, KeyError, IndexError, TypeError, OverflowError)
    return opened(path, "PyTorch checkpoint", kinds, partial(_opened, path, key))


def _opened(path: str, key: str | None, stack: ExitStack) -> WeightsSource:
    file = stack.enter_context(open_regular(path))
    is_zip = file.read(4) == b"PK\x03\x04"
    file.seek(0)
    try:
        if is_zip:
            zipped = _Zipped(stack.enter_context(ZipFile(file)))
            return _source(path, zipped.content(), zipped.read, "zip", key)
        legacy = _Legacy(file, size_of(file))
        return _source(path, legacy.content(), legacy.read, "before 2020", key)
    except UnsafePickleError as error:
        raise _unsafe(path, error.name) from error


_SAVE = (
    "where you trust it, load it with PyTorch, and save its tensors:"
    " `torch.save(model.state_dict(), …)`"
)


def _unsafe(path: str, name: str) -> UserError:
    if name == "__torch__":
        why = "it is a script, which has the code of its module"
        return UserError("CNN651", f"`{path}` is no file of tensors alone: {why}", help=_SAVE)
    # Modules are named by their classes, those of scripts of TorchScript by `__torch__`.
    if name.startswith(("torch.nn.modules.", "torchvision.", "timm.", "__main__.", "__torch__.")):
        why = f"it holds a whole module (`{name}`), which only its own code can make again"
    else:
        why = f"it wants `{name}`, which is no part of a state dict; nothing was run"
    return UserError(
        "CNN651",
        f"`{path}` is no file of tensors alone: {why}",
        help=_SAVE,
    )


def _source(
    path: str, content: Any, read: ReadStorage, form: str, key: str | None
) -> WeightsSource:
    entries: dict[str, Entry] = {}
    # Containers may be nested without end, and stand in each other: an own stack, and each once.
    waiting: list[tuple[str, Any, int]] = [("", content, 0)]
    seen: set[int] = set()
    while waiting:
        name, value, depth = waiting.pop()
        if len(name) > _LONGEST_NAME:
            raise PickleError(f"a name is longer than {_LONGEST_NAME:,} characters")
        if isinstance(value, Call) and value.name in _REBUILD:
            entries[name] = _entry(name, value, read)
        elif isinstance(value, dict | list | tuple) and id(value) not in seen and depth < _DEEPEST:
            seen.add(id(value))
            items = [
                (f"{name}{BETWEEN}{label}" if name else str(label), one, depth + 1)
                for label, one in _items(value)
                if isinstance(one, dict | list | tuple | Call)
            ]
            waiting += reversed(items)
    if not entries:
        raise broken(path, "there is no tensor in it by a name", help="give a state dict")
    return state_dict_source(path, f"PyTorch state dict ({form})", entries, key=key)


def _items(value: Mapping[Any, Any] | Sequence[Any]) -> Iterable[tuple[Any, Any]]:
    """What a container holds by what names: lists hold tensors too, or pairs of names and these."""
    if isinstance(value, Mapping):
        return value.items()
    if all(isinstance(one, tuple) and len(one) == 2 and isinstance(one[0], str) for one in value):
        return ((one[0], one[1]) for one in value)
    return enumerate(value)


def _entry(name: str, call: Call, read: ReadStorage) -> Entry:
    """A tensor, of which only where it lies is known yet."""
    while call.name.endswith(("_parameter", "_parameter_with_state", "Parameter")):
        inner = call.arguments[0] if call.arguments else None
        if not isinstance(inner, Call) or inner.name not in _REBUILD:
            raise PickleError(f"`{name}` is no tensor")
        call = inner
    storage, offset, sizes, strides, *_ = call.arguments
    if not isinstance(storage, _Storage):
        raise PickleError(f"`{name}` has no storage")
    shape = tuple(_number(one) for one in sizes)
    steps = tuple(_number(one) for one in strides)
    first = _number(offset)
    last = first + sum((n - 1) * step for n, step in zip(shape, steps, strict=True))
    if 0 not in shape and last >= storage.count:
        raise PickleError(f"`{name}` reaches beyond its storage")
    width = storage.size // max(storage.count, 1)
    if width * math.prod(shape) > max(Limits.current().unpacked, storage.size):
        raise PickleError(f"`{name}` repeats its numbers too often")
    return Entry(shape, storage.dtype, partial(_numbers, read, storage, first, shape, steps))


def _number(value: Any) -> int:
    if not isinstance(value, int) or value < 0 or value >= 2**48:
        raise PickleError("a tensor's sizes are no numbers")
    return value


@dataclass(frozen=True, slots=True)
class _Storage:
    """Where numbers lie: a key, their type, and how many there are."""

    key: str
    dtype: str
    count: int

    @property
    def size(self) -> int:
        """Its bytes."""
        return self.count * (2 if self.dtype == "bfloat16" else numpy.dtype(self.dtype).itemsize)


def _storage(identity: Any) -> _Storage:
    """What ``('storage', type, key, location, items)`` names."""
    if not isinstance(identity, tuple) or len(identity) < 5 or identity[0] != "storage":
        raise PickleError("a tensor has no storage")
    if len(identity) > 5 and identity[5] is not None:
        raise PickleError("a tensor's storage is a part of another, as before PyTorch 0.4")
    kind, key, count = identity[1], identity[2], _number(identity[4])
    name = kind.text.rpartition(".")[2] if isinstance(kind, Name) else ""
    dtype = _TYPES.get(name.removesuffix("Storage"))
    if dtype is None:
        raise PickleError(f"a tensor is of a type that is not known: {name or kind}")
    return _Storage(str(key), dtype, count)


def _numbers(
    read: ReadStorage,
    storage: _Storage,
    first: int,
    shape: tuple[int, ...],
    steps: tuple[int, ...],
) -> Numbers:
    half = storage.dtype == "bfloat16"
    dtype = numpy.dtype("<u2") if half else numpy.dtype(storage.dtype).newbyteorder("<")
    stored = numpy.frombuffer(read(storage), dtype)[first:]
    view = numpy.lib.stride_tricks.as_strided(
        stored, shape, tuple(dtype.itemsize * step for step in steps), writeable=False
    )
    if not half:
        return view.copy()
    return from_bfloat16(view)


# --- where the numbers are --------------------------------------------------------------------


@dataclass(eq=False)
class _Zipped:
    """A zip file with ``data.pkl``, and a member for each storage."""

    archive: ZipFile
    folder: str = ""
    kept: tuple[str, bytes] = ("", b"")

    def content(self) -> Any:
        """What the pickle stands for."""
        names = self.archive.namelist()
        pickled = [name for name in names if name.rpartition("/")[2] == "data.pkl"]
        if len(pickled) != 1:
            raise ValueError("it has no `data.pkl`")
        self.folder = pickled[0].removesuffix("data.pkl")
        if any(name.startswith(f"{self.folder}code/") for name in names):
            raise UnsafePickleError("__torch__")
        order = f"{self.folder}byteorder"
        if order in names and self._member(order, 16) != b"little":
            raise ValueError("its numbers are big-endian")
        return read_pickle(io.BytesIO(self._member(pickled[0], _PICKLE)), _allowed, _storage)

    def _member(self, name: str, most: int) -> bytes:
        with self.archive.open(name) as file:
            content = file.read(most + 1)
        if len(content) > most:
            raise ValueError(f"`{name}` has more than {most:,} bytes")
        return content

    def read(self, storage: _Storage) -> memoryview:
        """A storage's bytes; those of the last one are kept, since many tensors may share it."""
        if self.kept[0] != storage.key:
            info = self.archive.getinfo(f"{self.folder}data/{storage.key}")
            most = info.file_size if info.compress_type == ZIP_STORED else Limits.current().unpacked
            self.kept = storage.key, self._member(info.filename, most)
        if len(self.kept[1]) < storage.size:
            raise ValueError(f"the storage {storage.key} is cut short")
        return memoryview(self.kept[1])[: storage.size]


@dataclass(eq=False)
class _Legacy:
    """Pickles one behind the other, then the storages in the order of their keys."""

    file: BinaryIO
    size: int
    places: dict[str, int] = field(default_factory=dict)

    def content(self) -> Any:
        """What the pickle of the tensors stands for."""
        bounded = BoundedFile(self.file, self.size)
        if read_pickle(bounded, _allowed) != _MAGIC:
            raise ValueError("it does not begin as one")
        storages: dict[str, _Storage] = {}

        def known(identity: Any) -> _Storage:
            found = _storage(identity)
            return storages.setdefault(found.key, found)

        read_pickle(bounded, _allowed)  # the version of the form
        # Sizes and byte order, which only old machines had otherwise.
        read_pickle(bounded, _allowed)
        content = read_pickle(bounded, _allowed, known)
        at = 0
        keys = read_pickle(bounded, _allowed)
        start = self.file.tell()
        for key in map(str, keys):
            self.places[key] = start + at
            at += 8 + storages[key].size
        if start + at > self.size:
            raise ValueError("its numbers are cut short")
        return content

    def read(self, storage: _Storage) -> memoryview:
        """A storage's bytes, which stand behind the number of its items."""
        self.file.seek(self.places[storage.key])
        if int.from_bytes(self.file.read(8), "little") != storage.count:
            raise ValueError(f"the storage {storage.key} is not where it should be")
        return memoryview(self.file.read(storage.size))
