"""Reads and writes a protobuf message piece by piece, without holding its large fields in memory.

A network's weights are nearly all of its ONNX file. Written through a ``ModelProto`` they would be
in memory three times; read through one, ``cnndsl show`` would load them to print a page of text.
The wire format is fixed and small: a field is a key, then a number or a length and that many
bytes (https://protobuf.dev/programming-guides/encoding/).
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import BinaryIO

__all__ = ["Field", "ProtobufError", "fields", "header", "numbers_of", "read_without", "size_of"]

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


class ProtobufError(ValueError):
    """The bytes are no protobuf message."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a message in a file: its number, and where its key, content and end are."""

    number: int
    start: int
    body: int
    stop: int
    is_message: bool
    """Whether it has a length, as messages, texts and bytes do."""


def header(field: int, length: int) -> bytes:
    r"""What stands in front of a field of ``length`` bytes.

    >>> header(7, 300)
    b':\xac\x02'
    """
    return _varint(field << 3 | _LENGTH) + _varint(length)


def size_of(file: BinaryIO) -> int:
    """How many bytes an open file has."""
    return os.fstat(file.fileno()).st_size


def fields(file: BinaryIO, start: int, stop: int) -> Iterator[Field]:
    """The fields of the message between two places in a file, in their order; none is read.

    Raises:
        ProtobufError: where that is no message.
    """
    while start < stop:
        file.seek(start)
        key = _read_varint(file)
        number, kind = key >> 3, key & 7
        length = None if kind == _VARINT else _length(file, kind)
        if length is None:
            body = file.tell()
            _read_varint(file)
            end = file.tell()
        else:
            body = file.tell()
            end = body + length
        if number == 0 or end > stop:
            raise ProtobufError("the file is cut short" if number else "no message")
        yield Field(number, start, body, end, kind == _LENGTH)
        start = end


def numbers_of(file: BinaryIO, field: Field) -> Iterator[int]:
    """The whole numbers of a field: one, or several that are packed into it.

    Raises:
        ProtobufError: where it holds anything else.
    """
    at = field.body
    while at < field.stop:
        file.seek(at)
        number = _read_varint(file)
        at = file.tell()
        if at > field.stop:
            raise ProtobufError("no message")
        yield number


def read_without(file: BinaryIO, skipped: Collection[int], limit: int) -> bytes:
    """The bytes of a message without some of its fields, which are passed over unread.

    Raises:
        ProtobufError: where the file is no message, is cut short, or the rest exceeds ``limit``.
    """
    kept = bytearray()
    for field in fields(file, 0, size_of(file)):
        if field.number in skipped:
            continue
        if len(kept) + field.stop - field.start > limit:
            raise ProtobufError("the file's head is too large")
        file.seek(field.start)
        kept += file.read(field.stop - field.start)
    return bytes(kept)


def _length(file: BinaryIO, kind: int) -> int:
    """How many bytes follow for a field of this kind."""
    if kind == _LENGTH:
        return _read_varint(file)
    if kind in (_FIXED64, _FIXED32):
        return 8 if kind == _FIXED64 else 4
    raise ProtobufError("no message")


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
            raise ProtobufError("the file is cut short")
        number |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return number
    raise ProtobufError("no message")
