"""Reads the arrays of a ``.npz`` file: first what their headers say, then the numbers."""

from __future__ import annotations

import math
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy

from cnndsl.data.sources import Array
from cnndsl.data.splits import not_understood
from cnndsl.data.stores import MEMORY_LIMIT, Store, StoredArray, unpack
from cnndsl.files import open_regular
from cnndsl.graph.npy import read_npy_header

__all__ = ["Member"]

_LOCAL_HEADER = 30
"""The bytes of a member's header in a zip file before its name (APPNOTE.TXT, 4.3.7)."""

_AGAIN = "save the array again, as numbers"


@dataclass(frozen=True, slots=True)
class Member:
    """An array in an archive, as its header describes it."""

    archive: zipfile.ZipFile
    path: Path
    member: str
    name: str
    shape: tuple[int, ...]
    dtype: numpy.dtype[numpy.generic]
    is_fortran: bool
    offset: int

    @classmethod
    def open(cls, archive: zipfile.ZipFile, path: Path, member: str, name: str) -> Member:
        """Read the header alone.

        Raises:
            UserError: CNN801 where there is none, or the numbers cannot be where it says.
        """
        try:
            with archive.open(member) as file:
                shape, fortran, dtype = read_npy_header(file)
                offset = file.tell()
        except (ValueError, EOFError, zlib.error) as error:
            raise not_understood(f"cannot read `{name}`: {error}", _AGAIN) from error
        if dtype.hasobject:
            raise not_understood(f"cannot read `{name}`: Python objects are never loaded", _AGAIN)
        have, size = archive.getinfo(member).file_size - offset, math.prod(shape) * dtype.itemsize
        if have < size:
            raise not_understood(
                f"cannot read `{name}`: its numbers take {size} bytes, but there are {have}", _AGAIN
            )
        fortran = fortran and len(shape) > 1
        return cls(archive, path, member, name, shape or (1,), dtype, fortran, offset)

    def values(self) -> Array:
        """All the numbers, in memory; whoever asks has looked how many there are."""
        values = self._unpacked(math.prod(self.shape) * self.dtype.itemsize)
        assert isinstance(values, numpy.ndarray)
        return values

    def store(self) -> Store:
        """The numbers in memory; where they are many in a file, this one if it is not packed."""
        size = math.prod(self.shape) * self.dtype.itemsize
        info = self.archive.getinfo(self.member)
        if size <= MEMORY_LIMIT:
            return self._unpacked(MEMORY_LIMIT)
        if self.is_fortran:
            raise not_understood(
                f"cannot read `{self.name}`: its {size:,} bytes are in Fortran order, so that no"
                " sample stands in one piece",
                "save `numpy.ascontiguousarray(array)`",
            )
        if info.compress_type != zipfile.ZIP_STORED:
            return self._unpacked(MEMORY_LIMIT)
        with open_regular(self.path) as raw:
            raw.seek(info.header_offset + 26)
            lengths = struct.unpack("<HH", raw.read(4))
        offset = info.header_offset + _LOCAL_HEADER + sum(lengths) + self.offset
        return StoredArray(str(self.path), offset, self.shape, self.dtype)

    def _unpacked(self, in_memory: int) -> Store:
        shape = self.shape[::-1] if self.is_fortran else self.shape
        try:
            with self.archive.open(self.member) as file:
                read_npy_header(file)
                found = unpack(file.read, str(self.path), shape, self.dtype, self.name, in_memory)
        except MemoryError as error:
            raise not_understood(
                f"`{self.name}` is too large for the memory",
                "save it with `numpy.savez`, which does not pack: then it is read piece by piece",
            ) from error
        except (ValueError, EOFError, zlib.error) as error:
            raise not_understood(f"cannot read `{self.name}`: {error}", _AGAIN) from error
        return found.T if self.is_fortran and isinstance(found, numpy.ndarray) else found
