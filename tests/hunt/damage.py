"""Ways in which files get damaged: bytes flipped, lost, doubled, and numbers that lie."""

from __future__ import annotations

import random
from collections.abc import Callable

__all__ = ["damaged"]

_NUMBERS = (
    b"\x00\x00\x00\x00",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\x7f",
    b"\x00\x00\x00\x80",
    b"\xff" * 8,
    b"\x00" * 64,
)


def damaged(data: bytes, chance: random.Random) -> bytes:
    """The same bytes with one to a few faults."""
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        data = chance.choice(_KINDS)(data, chance)
    return data


def _flip(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(max(1, len(data)))
    return (
        data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :] if data else b""
    )


def _replace(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(max(1, len(data)))
    number = chance.choice(_NUMBERS)
    return data[:at] + number + data[at + len(number) :]


def _header(data: bytes, chance: random.Random) -> bytes:
    """A number among the first bytes, where sizes stand."""
    at = chance.randrange(max(1, min(64, len(data))))
    number = chance.choice(_NUMBERS)
    return data[:at] + number + data[at + len(number) :]


def _truncate(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def _cut(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + data[at + chance.choice((1, 2, 8, 100)) :]


def _insert(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + chance.randbytes(chance.choice((1, 4, 50))) + data[at:]


def _double(data: bytes, chance: random.Random) -> bytes:
    return data + data


_KINDS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _flip,
    _flip,
    _replace,
    _header,
    _truncate,
    _cut,
    _insert,
    _double,
)
