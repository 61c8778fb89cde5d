"""Unpacks a gzip file piece by piece: whatever is in it, a piece takes little memory and time.

Python's own module skips what follows a member byte by byte, and takes any number of members.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import BinaryIO

__all__ = ["Unpacker"]

_MAGIC = b"\x1f\x8b"
_GZIP = 16 + zlib.MAX_WBITS
"""The format of the header and of the checksum behind the data, which zlib verifies."""

_PACKED, _UNPACKED = 2**16, 2**20

_MOST_MEMBERS = 2**20


class Unpacker:
    """Reads what a gzip file holds, all its members one after another (RFC 1952, 2.2)."""

    def __init__(self, file: BinaryIO) -> None:
        self._pieces = _pieces(file)
        self._rest = b""

    def read(self, size: int) -> bytes:
        """So many bytes; fewer, or none, only at the end.

        Raises:
            EOFError: where the file is cut off.
            zlib.error: where it is no gzip file, is damaged, or something else follows.
        """
        parts = [self._rest]
        have = len(self._rest)
        while have < size and (piece := next(self._pieces, b"")):
            parts.append(piece)
            have += len(piece)
        whole = b"".join(parts)
        self._rest = whole[size:]
        return whole[:size]


def _more(file: BinaryIO) -> bytes:
    if data := file.read(_PACKED):
        return data
    raise EOFError("it ends too early")


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    data = file.read(_PACKED)
    for _ in range(_MOST_MEMBERS):
        member = zlib.decompressobj(_GZIP)
        while not member.eof:
            if not data:
                data = _more(file)
            if piece := member.decompress(data, _UNPACKED):
                yield piece
            data = member.unused_data or member.unconsumed_tail
        data = data.lstrip(b"\0")
        while not data and (more := file.read(_PACKED)):  # Zeros may fill up a block of a tape.
            data = more.lstrip(b"\0")
        if not data:
            return
        data += file.read(1)
        if not data.startswith(_MAGIC):
            raise zlib.error("something else follows the packed data")
    raise zlib.error("it has too many members")
