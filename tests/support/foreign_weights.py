"""Writes weights as other tools do, from the descriptions of their formats and not by our readers.

Caffe's messages are made by protobuf itself, from descriptors with the numbers of `caffe.proto`.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # type: ignore[import-untyped]
from numpy.typing import NDArray

__all__ = ["CaffeBlobs", "caffe_model", "darknet_weights", "drawn"]

Array = NDArray[numpy.float32]
CaffeBlobs = Sequence[tuple[str, str, Sequence[Array]]]
"""Layers: name, type, blobs. In a chain, each reads the one before."""


def drawn(*shape: int, seed: int = 0) -> Array:
    """Random numbers."""
    rng = numpy.random.default_rng([seed, *shape])
    return rng.standard_normal(shape).astype(numpy.float32)


_FIELDS: Mapping[str, Sequence[tuple[str, int, str]]] = {
    "Shape": [("dim", 1, "packed int64")],
    "Blob": [
        *((name, number, "int64") for number, name in enumerate("nchw", 1)),
        ("data", 5, "packed float"),
        ("diff", 6, "packed float"),
        ("shape", 7, "Shape"),
        ("double_data", 8, "packed double"),
    ],
    "V0Layer": [("name", 1, "string"), ("type", 2, "string"), ("blobs", 50, "many Blob")],
    "V1Layer": [
        ("layer", 1, "V0Layer"),
        ("bottom", 2, "many string"),
        ("top", 3, "many string"),
        ("name", 4, "string"),
        ("type", 5, "int64"),
        ("blobs", 6, "many Blob"),
    ],
    "Layer": [
        ("name", 1, "string"),
        ("type", 2, "string"),
        ("bottom", 3, "many string"),
        ("top", 4, "many string"),
        ("blobs", 7, "many Blob"),
    ],
    "Net": [("name", 1, "string"), ("layers", 2, "many V1Layer"), ("layer", 100, "many Layer")],
}


@cache
def _net() -> Any:
    types = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="caffe_test.proto", syntax="proto2")
    for message, fields in _FIELDS.items():
        made = file.message_type.add(name=message)
        for name, number, kind in fields:
            *how, word = kind.split()
            field = made.field.add(name=name, number=number)
            field.label = types.LABEL_REPEATED if how else types.LABEL_OPTIONAL
            if word in _FIELDS:
                field.type, field.type_name = types.TYPE_MESSAGE, word
            else:
                field.type = getattr(types, f"TYPE_{word.upper()}")
            field.options.packed = "packed" in how
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("Net"))


_V1_TYPES = {"Convolution": 4, "InnerProduct": 14, "Deconvolution": 39, "ReLU": 18, "Data": 5}
_V0_TYPES = {"Convolution": "conv", "InnerProduct": "innerproduct", "ReLU": "relu"}


def caffe_model(
    path: Path, layers: CaffeBlobs, *, form: int = 2, double: bool = False, diffs: bool = False
) -> Path:
    """A ``.caffemodel`` of the form of 2013 (0), 2014 (1) or since (2)."""
    net = _net()(name="net")
    top = "data"
    for name, kind, blobs in layers:
        if form == 2:
            layer = net.layer.add(name=name, type=kind)
        else:
            layer = net.layers.add()
            if form == 1:
                layer.name, layer.type = name, _V1_TYPES[kind]
        layer.bottom.append(top)
        layer.top.append(name)
        top = name
        holder = layer
        if form == 0:
            holder = layer.layer
            holder.name, holder.type = name, _V0_TYPES[kind]
        for array in blobs:
            blob = holder.blobs.add()
            if form == 2:
                blob.shape.dim.extend(array.shape)
            else:
                sizes = (1,) * (4 - array.ndim) + array.shape
                blob.n, blob.c, blob.h, blob.w = sizes
            (blob.double_data if double else blob.data).extend(array.reshape(-1).tolist())
            if diffs:
                blob.diff.extend([0.5] * array.size)
    path.write_bytes(net.SerializeToString())
    return path


def darknet_weights(
    path: Path, arrays: Sequence[Array], *, version: tuple[int, int, int] = (0, 2, 5)
) -> Path:
    """A ``.weights`` file: the header of a version, then numbers in their order."""
    major, minor, _ = version
    wide = major * 10 + minor >= 2 and major < 1000 and minor < 1000
    header = struct.pack("<iii", *version) + struct.pack("<q" if wide else "<i", 32013312)
    numbers = b"".join(array.astype("<f4").tobytes() for array in arrays)
    path.write_bytes(header + numbers)
    return path
