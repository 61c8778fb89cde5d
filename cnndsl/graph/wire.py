"""Reads and writes a protobuf message piece by piece, without holding its large fields in memory.

A network's weights are nearly all of its ONNX file. Written through a ``ModelProto`` they would be
in memory three times; read through one, ``cnndsl show`` would load them to print a page of text.
The wire format is fixed and small: a field is a key, then a number or a length and that many
bytes (https://protobuf.dev/programming-guides/encoding/).
"""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import BinaryIO

__all__ = ["WireError", "header", "read_without"]

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


class WireError(ValueError):
    """The bytes are no protobuf message."""


def header(field: int, length: int) -> bytes:
    r"""What stands in front of a field of ``length`` bytes.

    >>> header(7, 300)
    b':\xac\x02'
    """
    return _varint(field << 3 | _LENGTH) + _varint(length)


def read_without(file: BinaryIO, skipped: Collection[int], limit: int) -> bytes:
    """The bytes of a message without some of its fields, which are passed over unread.

    Raises:
        WireError: where the file is no message, is cut short, or the rest exceeds ``limit``.
    """
    end = os.fstat(file.fileno()).st_size
    kept = bytearray()
    while (start := file.tell()) < end:
        key = _read_varint(file)
        field, kind = key >> 3, key & 7
        body = file.tell()
        length = _length(file, kind)
        stop = file.tell() + length
        if field == 0 or stop > end:
            raise WireError("the file is cut short" if field else "no message")
        if field in skipped:
            file.seek(stop)
            continue
        if len(kept) + stop - start > limit:
            raise WireError("the file's head is too large")
        kept += _varint(key)
        file.seek(body)
        kept += file.read(stop - body)
    return bytes(kept)


def _length(file: BinaryIO, kind: int) -> int:
    """How many bytes follow for a field of this kind."""
    if kind == _VARINT:
        _read_varint(file)
        return 0
    if kind == _LENGTH:
        return _read_varint(file)
    if kind in (_FIXED64, _FIXED32):
        return 8 if kind == _FIXED64 else 4
    raise WireError("no message")


def _varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first; the top bit says that more follow."""
    result = bytearray()
    while number > 0x7F:
        result.append(number & 0x7F | 0x80)
        number >>= 7
    result.append(number)
    return bytes(result)


def _read_varint(file: BinaryIO) -> int:
    number = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            raise WireError("the file is cut short")
        number |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return number
    raise WireError("no message")
