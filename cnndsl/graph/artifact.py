"""What compiling gives: an ONNX model, its weights, and its manifest."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import onnx
from google.protobuf.message import Message  # type: ignore[import-untyped]

from cnndsl.graph.checksum import sealed
from cnndsl.graph.files import write_atomically
from cnndsl.graph.manifest import MODEL_GRAPH, Manifest, read_artifact
from cnndsl.graph.protobuf import header
from cnndsl.graph.weights import Numbers, raw_bytes

__all__ = ["Artifact", "Manifest", "read_artifact"]

_GRAPH_INITIALIZER = 5
_TENSOR_RAW_DATA = 9
_LAST_FIELD = 2**29  # protobuf has no larger number


@dataclass(frozen=True, eq=False)
class Artifact:
    """A compiled model.

    ``graph_only`` is the model without the numbers of its weights, ``weights`` are those numbers
    by name: apart, because together they would be copied again and again. ``warnings`` are facts
    that whoever compiled it must be told.
    """

    manifest: Manifest
    graph_only: onnx.ModelProto
    weights: Mapping[str, Numbers]
    warnings: tuple[str, ...] = ()

    def chunks(self) -> Iterator[bytes | memoryview]:
        """The model's file in pieces; no weight is copied."""
        return sealed(self._content())

    def to_bytes(self) -> bytes:
        """The model's file, whole in memory."""
        return b"".join(self.chunks())

    def for_runtime(self) -> bytes:
        """The model without its checksum, whole in memory: nobody damages it there."""
        return b"".join(self._content())

    def _content(self) -> Iterator[bytes | memoryview]:
        """All fields but the checksum, in the order of their numbers."""
        before = _fields(self.graph_only, range(MODEL_GRAPH))
        after = _fields(self.graph_only, range(MODEL_GRAPH + 1, _LAST_FIELD))
        first = _fields(self.graph_only.graph, range(_GRAPH_INITIALIZER + 1))
        last = _fields(self.graph_only.graph, range(_GRAPH_INITIALIZER + 1, _LAST_FIELD))
        heads = {name: _tensor_head(name, array) for name, array in self.weights.items()}
        weights = sum(len(head) + self.weights[name].nbytes for name, head in heads.items())
        yield before + header(MODEL_GRAPH, len(first) + weights + len(last)) + first
        for name, head in heads.items():
            yield head
            yield raw_bytes(self.weights[name])
        yield last + after

    def checksum(self) -> str:
        """The checksum that the model's file has; all weights are read for it."""
        digest = hashlib.sha256()
        for piece in self._content():
            digest.update(piece)
        return digest.hexdigest()

    def to_proto(self) -> onnx.ModelProto:
        """The model as the ``onnx`` package has it."""
        proto: onnx.ModelProto = onnx.ModelProto.FromString(self.to_bytes())
        return proto

    def write(self, path: str | os.PathLike[str]) -> int:
        """Write the model's file, whole or not at all, and give its size in bytes.

        Raises:
            UserError: CNN603, where it cannot be written.
        """
        return write_atomically(path, self.chunks())


def _fields(message: Message, numbers: range) -> bytes:
    """Some of a message's fields, by their numbers."""
    part = type(message)()
    part.CopyFrom(message)
    for field in message.DESCRIPTOR.fields:
        if field.number not in numbers:
            part.ClearField(field.name)
    content: bytes = part.SerializeToString(deterministic=True)
    return content


def _tensor_head(name: str, array: Numbers) -> bytes:
    """All of an initializer but its numbers: the keys around them, its name, type and shape."""
    kind = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
    tensor = onnx.TensorProto(name=name, data_type=kind, dims=array.shape)
    head: bytes = tensor.SerializeToString(deterministic=True)
    head += header(_TENSOR_RAW_DATA, array.nbytes)
    return header(_GRAPH_INITIALIZER, len(head) + array.nbytes) + head
