"""The checksum of a compiled model: a damaged weight, node or setting is noticed before it answers.

The last property of a model, ``cnndsl.sha256``, is the SHA-256 of the file without that property:
of all weights, the graph and the manifest. A tool that only loads and saves a model may write the
fields of its messages in another order; so the model's and the graph's fields are taken in the
order of their numbers, which is the order that cnndsl writes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import BinaryIO

import onnx

from cnndsl.graph.protobuf import Field, ProtobufError, fields, header, size_of

__all__ = ["CHECKSUM_KEY", "checksum_of", "sealed", "stored_checksum"]

CHECKSUM_KEY = "cnndsl.sha256"
"""The property of a model that holds its checksum."""

_MODEL_GRAPH = 7
_MODEL_PROPERTY = 14
_LARGEST_PROPERTY = 256
"""Bytes of a property that may be the checksum; it has 83."""

_MOST_RUNS = 10_000
_PIECE = 2**20


def sealed(pieces: Iterable[bytes | memoryview]) -> Iterator[bytes | memoryview]:
    """The pieces of a model's file, and behind them its checksum.

    The model's fields, and the graph's, must stand in the order of their numbers.
    """
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
        yield piece
    entry = onnx.StringStringEntryProto(key=CHECKSUM_KEY, value=digest.hexdigest())
    content: bytes = entry.SerializeToString(deterministic=True)
    yield header(_MODEL_PROPERTY, len(content)) + content


def checksum_of(file: BinaryIO) -> str:
    """The checksum that a model's file should have; its memory does not grow with the file's.

    Raises:
        ProtobufError: where the file is no model.
    """
    digest = hashlib.sha256()
    for run in _in_order(file, 0, size_of(file)):
        if run.number != _MODEL_GRAPH or not run.is_message:
            _feed(digest, file, run.start, run.stop)
            continue
        _feed(digest, file, run.start, run.body)
        for inner in _in_order(file, run.body, run.stop):
            _feed(digest, file, inner.start, inner.stop)
    return digest.hexdigest()


def stored_checksum(file: BinaryIO) -> str | None:
    """The checksum that a model's file carries; None where it carries none.

    Raises:
        ProtobufError: where the file is no model.
    """
    entries = [
        entry
        for field in fields(file, 0, size_of(file))
        if (entry := _checksum_entry(file, field)) is not None
    ]
    if len(entries) > 1:
        raise ProtobufError("it has two checksums")
    return entries[0] if entries else None


def _in_order(file: BinaryIO, start: int, stop: int) -> list[Field]:
    """The fields of a message by their numbers, without the checksum.

    Neighbours of one number are one; but graphs stay apart, for they are looked into.
    """
    outermost = start == 0
    runs: list[Field] = []
    for field in fields(file, start, stop):
        if outermost and _checksum_entry(file, field) is not None:
            continue
        last = runs[-1] if runs else None
        graph = outermost and field.number == _MODEL_GRAPH
        if last and not graph and last.number == field.number and last.stop == field.start:
            runs[-1] = replace(last, stop=field.stop)
        else:
            runs.append(field)
        if len(runs) > _MOST_RUNS:
            raise ProtobufError("its parts stand in no order")
    return sorted(runs, key=lambda run: run.number)


def _checksum_entry(file: BinaryIO, field: Field) -> str | None:
    """The checksum, where a field of a model is the property that holds it."""
    size = field.stop - field.body
    if field.number != _MODEL_PROPERTY or not field.is_message or size > _LARGEST_PROPERTY:
        return None
    file.seek(field.body)
    content = file.read(size)
    key = header(1, len(CHECKSUM_KEY)) + CHECKSUM_KEY.encode()
    value = header(2, 64)
    if not content.startswith(key + value) or size != len(key) + len(value) + 64:
        return None
    return content[-64:].decode("ascii", errors="replace")


def _feed(digest: hashlib._Hash, file: BinaryIO, start: int, stop: int) -> None:
    file.seek(start)
    while start < stop:
        piece = file.read(min(_PIECE, stop - start))
        if not piece:
            raise ProtobufError("the file is cut short")
        digest.update(piece)
        start += len(piece)
