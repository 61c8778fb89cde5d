"""Reads Caffe's models (``.caffemodel``): protobuf messages of layers with their blobs.

Field numbers are those of Caffe's ``caffe.proto``: ``NetParameter`` holds ``layer`` (100) or, in
the form of 2014 and before, ``layers`` (2), and that of 2013 wraps each in a ``layer`` (1) of its
own. The numbers are not read before they are wanted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import BinaryIO

import numpy

from cnndsl.files import open_regular
from cnndsl.graph.protobuf import Field, ProtobufError, fields, numbers_of, size_of
from cnndsl.graph.weights import Numbers
from cnndsl.importers.weights.source import (
    LeftOut,
    Role,
    SourceLayer,
    SourceTensor,
    WeightsSource,
    broken,
    kernel_axes,
    opened,
)

__all__ = ["open_caffe"]

_NETWORK = {"name": 1, "layers": 2, "layer": 100}
_V1 = {"bottom": 2, "top": 3, "name": 4, "type": 5, "blobs": 6}
_V2 = {"name": 1, "type": 2, "bottom": 3, "top": 4, "blobs": 7}
_V0_INSIDE = 1
_V0 = {"name": 1, "type": 2, "blobs": 50}
_BLOB = {"sizes": (1, 2, 3, 4), "data": 5, "shape": 7, "double": 8}

_V1_TYPES = {
    2: "BNLL", 3: "Concat", 4: "Convolution", 5: "Data", 6: "Dropout", 8: "Flatten",
    14: "InnerProduct", 15: "LRN", 17: "Pooling", 18: "ReLU", 19: "Sigmoid", 20: "Softmax",
    21: "SoftmaxWithLoss", 22: "Split", 23: "TanH", 25: "Eltwise", 39: "Deconvolution",
}  # fmt: skip
"""Of the numbers for types of layers in 2014's form, those of layers that may matter here."""

_V0_TYPES = {"conv": "Convolution", "innerproduct": "InnerProduct"}

_KERNELS = {
    "Convolution": "OI*",
    "ConvolutionDepthwise": "OI*",
    "DepthwiseConvolution": "OI*",
    "Deconvolution": "IO*",
    "InnerProduct": "OI*",
}
"""The types with kernels, and the order of their axes."""

_LONGEST_NAME = 2**16
_MOST_LAYERS = 100_000
_MOST_DIMENSIONS = 32

_MOST_CONNECTED = 10_000
"""Of more layers with blobs it is not worked out what depends on what."""


@dataclass(frozen=True, slots=True)
class _Blob:
    """An array of numbers: where they stand, and their type."""

    shape: tuple[int, ...]
    pieces: tuple[tuple[int, int], ...]
    width: int


@dataclass(frozen=True, slots=True)
class _Layer:
    """A layer of a model, as the file has it."""

    name: str
    type: str
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    blobs: tuple[_Blob, ...]
    legacy: bool
    """Whether sizes are num, channels, height and width, however many there really are."""


def open_caffe(path: str) -> AbstractContextManager[WeightsSource]:
    """A model's layers that have blobs, in its order.

    BatchNorm's mean and variance are divided by its third blob, and a Scale behind it is the same
    layer's scale and bias. A BatchNorm that none follows scales by 1.

    Raises:
        UserError: CNN650 where it is no whole model.
    """
    return opened(path, "Caffe model", (), partial(_source, path))


def _source(path: str, stack: ExitStack) -> WeightsSource:
    file = stack.enter_context(open_regular(path))
    found = _layers(file)
    if not any(one.blobs for one in found):
        raise broken(
            path,
            "no layer in it has blobs" if found else "it is no whole Caffe model",
            help="give the `.caffemodel` that training wrote, not the solver's state",
        )
    layers, left = _Reader(path, file).layers(found)
    return WeightsSource(path, "Caffe model", tuple(layers), left_out=tuple(left))


# --- the messages -----------------------------------------------------------------------------


def _layers(file: BinaryIO) -> list[_Layer]:
    """All layers of an open model, of whatever form.

    Raises:
        ProtobufError: where it is no message.
    """
    found = []
    for field in fields(file, 0, size_of(file)):
        if not field.is_message or field.number not in (_NETWORK["layer"], _NETWORK["layers"]):
            continue
        found.append(_layer(file, field))
        if len(found) > _MOST_LAYERS:
            raise ValueError(f"more than {_MOST_LAYERS:,} layers")
    return found


def _layer(file: BinaryIO, message: Field) -> _Layer:
    numbers = _V2 if message.number == _NETWORK["layer"] else _V1
    inside = list(fields(file, message.body, message.stop))
    texts: dict[str, list[str]] = {name: [] for name in numbers}
    kind, blobs = "", []
    for one in inside:
        if one.number == numbers["type"] and numbers is _V1 and not one.is_message:
            number = _number(file, one)
            kind = _V1_TYPES.get(number, f"type {number}")
        elif not one.is_message:
            continue
        elif one.number == numbers["blobs"]:
            blobs.append(_blob(file, one))
        elif numbers is _V1 and one.number == _V0_INSIDE:
            return _oldest(file, one, inside)
        else:
            for name in ("name", "type", "bottom", "top"):
                if one.number == numbers[name]:
                    texts[name].append(_text(file, one))
    return _Layer(
        name=(texts["name"] or [""])[-1],
        type=kind or (texts["type"] or [""])[-1],
        bottoms=tuple(texts["bottom"]),
        tops=tuple(texts["top"]),
        blobs=tuple(blobs),
        legacy=numbers is _V1,
    )


def _oldest(file: BinaryIO, message: Field, outside: Sequence[Field]) -> _Layer:
    """A layer of 2013's form, whose connections stand around it."""
    texts, blobs = {"name": "", "type": ""}, []
    for one in fields(file, message.body, message.stop):
        if one.is_message and one.number == _V0["blobs"]:
            blobs.append(_blob(file, one))
        for name in texts:
            if one.is_message and one.number == _V0[name]:
                texts[name] = _text(file, one)
    connected = {
        name: tuple(_text(file, one) for one in outside if one.number == _V1[name])
        for name in ("bottom", "top")
    }
    kind = _V0_TYPES.get(texts["type"], texts["type"])
    return _Layer(
        texts["name"], kind, connected["bottom"], connected["top"], tuple(blobs), legacy=True
    )


def _blob(file: BinaryIO, message: Field) -> _Blob:
    sizes, shape, singles, doubles = [1, 1, 1, 1], None, [], []
    legacy = False
    for one in fields(file, message.body, message.stop):
        if one.number in _BLOB["sizes"] and not one.is_message:  # type: ignore[operator]
            sizes[one.number - 1], legacy = _number(file, one), True
        elif one.number == _BLOB["shape"] and one.is_message:
            shape = _shape(file, one)
        elif one.number == _BLOB["data"]:
            singles.append((one.body, one.stop))
        elif one.number == _BLOB["double"]:
            doubles.append((one.body, one.stop))
    pieces, width = (doubles, 8) if doubles else (singles, 4)
    count = sum(stop - start for start, stop in pieces) // width
    if shape is None:
        shape = tuple(sizes) if legacy else (count,)
    if math.prod(shape) != count:
        said = "x".join(map(str, shape)) or "1"
        raise ValueError(f"a blob of {said} has {count:,} numbers")
    return _Blob(shape, _joined(pieces), width)


def _joined(pieces: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Numbers that are not packed stand one by one, a key before each."""
    if len(pieces) > 2**22:
        raise ValueError("a blob's numbers are not packed")
    return tuple(pieces)


def _shape(file: BinaryIO, message: Field) -> tuple[int, ...]:
    dims: list[int] = []
    for one in fields(file, message.body, message.stop):
        if one.number != 1:
            continue
        for size in numbers_of(file, one):
            dims.append(size)
            if len(dims) > _MOST_DIMENSIONS:
                raise ValueError("a blob has too many dimensions")
    return tuple(dims)


def _number(file: BinaryIO, field: Field) -> int:
    number, *more = numbers_of(file, field)
    if more:
        raise ProtobufError("no message")
    return number


def _text(file: BinaryIO, field: Field) -> str:
    if field.stop - field.body > _LONGEST_NAME:
        raise ValueError("a name is too long")
    file.seek(field.body)
    return file.read(field.stop - field.body).decode(errors="backslashreplace")


# --- the layers -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Reader:
    path: str
    file: BinaryIO

    def layers(self, found: Sequence[_Layer]) -> tuple[list[SourceLayer], list[LeftOut]]:
        """The layers with blobs, a Scale behind a BatchNorm being part of that."""
        layers: list[SourceLayer] = []
        left: list[LeftOut] = []
        # By position: the scale that is part of a normalisation stands behind it.
        filled = [at for at, one in enumerate(found) if one.blobs]
        scales = {
            first: found[second]
            for first, second in pairwise(filled)
            if found[second].type == "Scale" and _is_part_of(found[first], found[second])
        }
        parts = {id(one) for one in scales.values()}
        places = _places(found, [at for at in filled if id(found[at]) not in parts])
        names: dict[str, int] = {}
        for at, (place, before) in places.items():
            one = found[at]
            number = names[one.name] = names.get(one.name, 0) + 1
            name = one.name if number == 1 else f"{one.name}#{number}"
            tensors = tuple(self._tensors(one, name, scales.get(at)))
            layers.append(SourceLayer(name, one.type, tensors, place=place, before=before))
            if one.type == "BatchNorm" and len(one.blobs) > 2:
                left.append(LeftOut(f"{name}[2]", "what mean and variance are divided by"))
        return layers, left

    def _tensors(self, layer: _Layer, name: str, scale: _Layer | None) -> Iterator[SourceTensor]:
        if layer.type == "BatchNorm" and len(layer.blobs) in (2, 3):
            for at, role in enumerate((Role.MEAN, Role.VARIANCE)):
                yield self._statistics(layer, name, at, role)
            if scale is not None:
                for at, role in enumerate((Role.SCALE, Role.BIAS)):
                    yield self._vector(scale, scale.name, at, role)
            return
        roles = {
            "Scale": (Role.SCALE, Role.BIAS),
            "Bias": (Role.BIAS,),
            "PReLU": (Role.SLOPE,),
            "BN": (Role.SCALE, Role.BIAS, Role.MEAN, Role.VARIANCE),
        }.get(layer.type)
        if roles is not None and len(layer.blobs) <= len(roles):
            for at, role in enumerate(roles[: len(layer.blobs)]):
                yield self._vector(layer, name, at, role)
        elif layer.type == "Embed":
            yield self._kernel(layer, name, "")
            for at in range(1, len(layer.blobs)):
                yield self._vector(layer, name, at, Role.BIAS)
        elif layer.type in _KERNELS and len(layer.blobs) in (1, 2):
            yield self._kernel(layer, name, _KERNELS[layer.type])
            for at in range(1, len(layer.blobs)):
                yield self._vector(layer, name, at, Role.BIAS)
        else:
            for at in range(len(layer.blobs)):
                blob = layer.blobs[at]
                yield self._tensor(blob, f"{name}[{at}]", Role.OTHER, blob.shape)

    def _kernel(self, layer: _Layer, name: str, order: str) -> SourceTensor:
        shape = layer.blobs[0].shape
        if layer.type in ("InnerProduct", "Embed") and len(shape) > 2:
            shape = tuple(shape[-2:]) if all(one == 1 for one in shape[:-2]) else shape
        axes = kernel_axes(order, len(shape))
        return self._tensor(layer.blobs[0], f"{name}[0]", Role.KERNEL, shape, axes)

    def _vector(self, layer: _Layer, name: str, at: int, role: Role) -> SourceTensor:
        blob = layer.blobs[at]
        return self._tensor(blob, f"{name}[{at}]", role, (math.prod(blob.shape),))

    def _statistics(self, layer: _Layer, name: str, at: int, role: Role) -> SourceTensor:
        blob = layer.blobs[at]

        def read() -> Numbers:
            numbers = self._numbers(blob, (math.prod(blob.shape),))
            if len(layer.blobs) == 2:
                return numbers
            factor = self._numbers(layer.blobs[2], (math.prod(layer.blobs[2].shape),))
            # Caffe divides by nothing where the factor is 0: nothing was ever measured.
            by = float(factor[0]) if factor.size and factor[0] else 0.0
            scaled = numbers.astype(numpy.float64) * (1 / by if by else 0.0)
            return numpy.asarray(scaled.astype(numpy.float32))

        shape = (math.prod(blob.shape),)
        return SourceTensor(f"{name}[{at}]", role, shape, f"float{8 * blob.width}", read)

    def _tensor(
        self, blob: _Blob, name: str, role: Role, shape: tuple[int, ...], axes: str = ""
    ) -> SourceTensor:
        def read() -> Numbers:
            return self._numbers(blob, shape)

        return SourceTensor(name, role, shape, f"float{8 * blob.width}", read, axes)

    def _numbers(self, blob: _Blob, shape: tuple[int, ...]) -> Numbers:
        parts = []
        for start, stop in blob.pieces:
            self.file.seek(start)
            parts.append(self.file.read(stop - start))
        content = parts[0] if len(parts) == 1 else b"".join(parts)
        return numpy.frombuffer(content, f"<f{blob.width}").reshape(shape)


def _places(found: Sequence[_Layer], chosen: Sequence[int]) -> dict[int, tuple[int, int | None]]:
    """The positions of chosen layers among these, and of those that they depend on, as bits."""
    places = {at: place for place, at in enumerate(chosen)}
    known = len(places) <= _MOST_CONNECTED
    before: dict[int, tuple[int, int | None]] = {}
    depends: dict[str, int] = {}
    for at, one in enumerate(found):
        bits = 0
        for bottom in one.bottoms:
            bits |= depends.get(bottom, 0)
        if at in places:
            before[at] = places[at], bits if known else None
            bits |= 1 << places[at] if known else 0
        # A layer may write over what it reads: what a blob depends on is as of by now.
        depends |= dict.fromkeys(one.tops, bits)
    return before


def _is_part_of(norm: _Layer, scale: _Layer) -> bool:
    """Whether a Scale does for a BatchNorm what that leaves out."""
    reads = norm.type == "BatchNorm" and norm.tops[:1] == scale.bottoms[:1]
    return reads and len(scale.blobs) == 2
