"""Reads Darknet's weights (``.weights``): numbers in the order of the network's layers, no names.

Nothing in such a file says where a layer's numbers begin, so the layers must be known: from a
``.cfg``, or from a spec. For each convolution there are its biases; where it is normalised, the
scales, means and variances; then the kernels. A connected layer has its kernels second.

Source: ``load_weights_upto`` and what it calls, in Darknet's ``parser.c``.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO, Literal

import numpy

from cnndsl.files import open_regular
from cnndsl.graph.protobuf import size_of
from cnndsl.graph.weights import Numbers
from cnndsl.importers.weights.source import (
    Role,
    SourceLayer,
    SourceTensor,
    WeightsSource,
    broken,
    kernel_axes,
    opened,
)

__all__ = ["DarknetHeader", "DarknetLayer", "open_darknet", "read_darknet_header"]

_ODD = 1000
"""From this version on, numbers of connected layers stand the other way around."""


@dataclass(frozen=True, slots=True)
class DarknetLayer:
    """What must be known of a layer to find its numbers.

    Attributes:
        name: what to call it, and its normalisation ``norm`` where that has another name.
        kind: the section of a ``.cfg`` that it is.
        outputs: its filters or units; of a ``local`` layer, the numbers that it gives.
        shape: its kernel's, in our order: (filters, channels/groups, height, width) or (units,
            inputs); of ``local`` (places, filters, channels, height, width). A ``batchnorm`` has
            none.
        normalised: whether ``batch_normalize`` is set.
        flipped: whether ``flipped`` is set: kernels stand cell by cell, filters last.
    """

    name: str
    kind: Literal["convolutional", "deconvolutional", "connected", "local", "batchnorm"]
    outputs: int
    shape: tuple[int, ...] = ()
    normalised: bool = False
    norm: str = ""
    flipped: bool = False

    @property
    def count(self) -> int:
        """How many numbers it has."""
        if self.kind == "batchnorm":
            return 3 * self.outputs
        return math.prod(self.shape) + self.outputs * (4 if self.normalised else 1)


@dataclass(frozen=True, slots=True)
class DarknetHeader:
    """What stands before the numbers: the version, and how many pictures were seen."""

    version: tuple[int, int, int]
    seen: int
    size: int

    @property
    def transposed(self) -> bool:
        """Whether numbers of connected layers stand input by input."""
        return self.version[0] > _ODD or self.version[1] > _ODD


def read_darknet_header(file: BinaryIO) -> DarknetHeader:
    """The header of an open file.

    Raises:
        ValueError: where it is cut short, or no version that there is.
    """
    major, minor, revision = struct.unpack("<iii", _exactly(file, 12))
    if min(major, minor, revision) < 0:
        raise ValueError(f"version {major}.{minor}.{revision}")
    wide = 10 * major + minor >= 2 and major < _ODD and minor < _ODD
    seen = int.from_bytes(_exactly(file, 8 if wide else 4), "little")
    return DarknetHeader((major, minor, revision), seen, 20 if wide else 16)


def _exactly(file: BinaryIO, size: int) -> bytes:
    content = file.read(size)
    if len(content) < size:
        raise ValueError("its header is cut short")
    return content


def open_darknet(
    path: str, layers: Sequence[DarknetLayer]
) -> AbstractContextManager[WeightsSource]:
    """The numbers of known layers; each has the names that they are given.

    Raises:
        UserError: CNN650 where the file has more or fewer numbers than these layers.
    """
    return opened(path, "Darknet file", (struct.error,), partial(_source, path, layers))


def _source(path: str, layers: Sequence[DarknetLayer], stack: ExitStack) -> WeightsSource:
    file = stack.enter_context(open_regular(path))
    header = read_darknet_header(file)
    there, odd = divmod(size_of(file) - header.size, 4)
    needed = sum(one.count for one in layers)
    if there != needed or odd:
        raise broken(
            path,
            f"it holds {there:,} numbers{' and a part of one' if odd else ''}, and the"
            f" {len(layers)} layers of the network have {needed:,}",
            help="give the weights of this network: the whole file, not a part (`partial`)",
        )
    version = ".".join(map(str, header.version))
    return WeightsSource(path, f"Darknet weights {version}", tuple(_layers(file, layers, header)))


def _layers(
    file: BinaryIO, layers: Sequence[DarknetLayer], header: DarknetHeader
) -> Iterator[SourceLayer]:
    at = header.size
    for one in layers:
        found: dict[Role, SourceTensor] = {}
        for role, shape in _parts(one):
            found[role] = _tensor(file, one, role, shape, at, header.transposed)
            at += 4 * math.prod(shape)
        norm = (Role.SCALE, Role.BIAS, Role.MEAN, Role.VARIANCE)
        if one.kind == "batchnorm":
            yield SourceLayer(one.name, one.kind, tuple(found.values()))
            continue
        own = (Role.KERNEL,) if one.normalised else (Role.KERNEL, Role.BIAS)
        yield SourceLayer(one.name, one.kind, tuple(found[role] for role in own))
        if one.normalised:
            yield SourceLayer(
                one.norm or f"{one.name}.batchnorm",
                "batchnorm",
                tuple(found[role] for role in norm),
            )


def _parts(layer: DarknetLayer) -> Iterator[tuple[Role, tuple[int, ...]]]:
    """What a layer's numbers are, in the file's order, as they stand there."""
    vector = (layer.outputs,)
    norm = ((Role.SCALE, vector), (Role.MEAN, vector), (Role.VARIANCE, vector))
    if layer.kind == "batchnorm":
        yield from norm
        return
    yield Role.BIAS, vector
    if layer.kind == "connected":
        yield Role.KERNEL, layer.shape
    if layer.normalised:
        yield from norm
    if layer.kind != "connected":
        yield Role.KERNEL, layer.shape


_WORDS = {
    Role.BIAS: "biases",
    Role.SCALE: "scales",
    Role.MEAN: "rolling_mean",
    Role.VARIANCE: "rolling_variance",
    Role.KERNEL: "weights",
}


def _tensor(
    file: BinaryIO,
    layer: DarknetLayer,
    role: Role,
    shape: tuple[int, ...],
    at: int,
    transposed: bool,
) -> SourceTensor:
    name = f"{layer.name}.{_WORDS[role]}"
    axes = ""
    if role is Role.KERNEL and layer.kind == "connected":
        axes = "IO" if transposed else "OI"
        shape = shape[::-1] if transposed else shape
    elif role is Role.KERNEL and layer.kind == "deconvolutional":
        axes = kernel_axes("IO*", len(shape))
    elif role is Role.KERNEL and layer.kind == "convolutional":
        axes = kernel_axes("OI*", len(shape))
        if layer.flipped:
            axes, shape = f"{axes[1:]}O", (*shape[1:], shape[0])
    return SourceTensor(name, role, shape, "float32", partial(_numbers, file, at, shape), axes)


def _numbers(file: BinaryIO, at: int, shape: tuple[int, ...]) -> Numbers:
    file.seek(at)
    return numpy.frombuffer(file.read(4 * math.prod(shape)), "<f4").reshape(shape)
