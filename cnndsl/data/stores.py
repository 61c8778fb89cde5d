"""Holds the samples of one input: in memory where they are small, else in a file.

What is packed is unpacked piece by piece, and never more of it than its header says and the limits
allow: a small file can unpack to any size.
"""

from __future__ import annotations

import math
import os
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol

import numpy

from cnndsl.data.samples import Indices
from cnndsl.data.sources import Array
from cnndsl.data.splits import not_understood
from cnndsl.diagnostics.model import UserError
from cnndsl.files import open_regular
from cnndsl.graph.files import reason
from cnndsl.limits import Limits

__all__ = ["MEMORY_LIMIT", "Store", "StoredArray", "demand_few_labels", "unpack"]

MEMORY_LIMIT = 2**28
"""Arrays of more bytes are read from their file sample by sample."""

_PIECE = 2**22


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
    unpacked: BinaryIO | None = None
    """What the file of ``path`` was unpacked into, where it is packed."""
    _file: BinaryIO = field(init=False)
    _state: tuple[int, int] = field(init=False)
    _data: BinaryIO = field(init=False)
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._file = open_regular(self.path, buffering=0)
        self._state = self._look()
        self._data = self.unpacked or self._file

    def __del__(self) -> None:
        for name in ("_file", "unpacked"):
            if (file := getattr(self, name, None)) is not None:
                file.close()

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
                    self._data.seek(self.offset + index * size)
                    self._fill(row.data)
                if self._look() != self._state:
                    raise self._changed("its size or its time is another one")
        except OSError as error:
            raise self._changed(reason(error)) from error
        return rows

    def _fill(self, buffer: memoryview) -> None:
        while buffer:
            count = self._data.readinto(buffer)  # type: ignore[attr-defined]
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


# --- unpacking --------------------------------------------------------------------------------


def unpack(
    read: Callable[[int], bytes],
    path: str,
    shape: tuple[int, ...],
    dtype: numpy.dtype[numpy.generic],
    name: str,
    in_memory: int = MEMORY_LIMIT,
    what: str = "its numbers",
    help: str = "save the array again, as numbers",
) -> Store:
    """The numbers that ``read`` gives piece by piece; where they are many, in a file without name.

    Args:
        read: gives at most so many bytes, and none at the end.
        path: the file that is unpacked.
        shape: as its header says.
        dtype: as its header says.
        name: what messages call it.
        in_memory: how many bytes are held in memory.
        what: what messages call its content.
        help: what to do about a file that is cut off.

    Raises:
        UserError: CNN801 where there are fewer or more numbers, CNN906 where there are too many.
    """
    size = math.prod(shape) * dtype.itemsize
    _demand_few(size, name)
    if size <= in_memory:
        content = bytearray()
        _copy(read, content.extend, size, f"cannot read `{name}`: {what}", help)
        values: Array = numpy.frombuffer(content, dtype).reshape(shape)
        return values
    try:
        file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
        _copy(read, file.write, size, f"cannot read `{name}`: {what}", help)
    except OSError as error:
        raise not_understood(
            f"cannot unpack `{name}`, which takes {size:,} bytes, into"
            f" `{tempfile.gettempdir()}`: {reason(error)}",
            "make room there, name another folder in TMPDIR, or save the data unpacked",
        ) from error
    return StoredArray(path, 0, shape, dtype, file)


def _copy(
    read: Callable[[int], bytes],
    write: Callable[[bytes], object],
    size: int,
    what: str,
    help: str,
) -> None:
    left = size
    while left and (piece := read(min(_PIECE, left))):
        write(piece)
        left -= len(piece)
    if left or read(1):
        have = f"there are {size - left}" if left else "there are more"
        raise not_understood(f"{what} take {size} bytes, but {have}", help)


def _demand_few(size: int, name: str) -> None:
    limit = Limits.current().unpacked
    if size > limit:
        raise UserError(
            "CNN906",
            f"`{name}` unpacks to {size:,} bytes, more than {limit:,}",
            help="save it unpacked (`numpy.savez`, idx without `.gz`), then it is read piece by"
            f" piece; or raise the limit: CNNDSL_LIMITS=unpacked={size}",
        )


def demand_few_labels(shape: tuple[int, ...], name: str) -> None:
    """Refuse labels that would not fit memory.

    Raises:
        UserError: CNN906.
    """
    count, limit = math.prod(shape), Limits.current().labels
    if count > limit:
        raise UserError(
            "CNN906",
            f"`{name}` holds {count:,} numbers, more than {limit:,} labels",
            help=f"take fewer samples, or raise the limit: CNNDSL_LIMITS=labels={count}",
        )
