"""The gradient of kernels from tiles of feature maps, with channels beside each other in rows.

``nchwc.Conv`` has the most results of a row of a feature map at once where the row is long; the
gradient of a kernel has three to a row. So the channels of a block lie side by side in the rows of
the input, [C/b, H, W*b], and the gradient's cells stand at distances of a block: a row has k*b
results. Sums over cells are long, and what they go through, the gradient, is read again for each
few results: maps are cut into tiles that stay in a cache. Pictures and tiles take the place of
channels, in blocks as they are.

Cutting, with the order that the operator wants, is one Gather of vectors as long as a block, which
is as fast as a copy.

Time of all, with what blocks and cuts, against the swept form, pictures in blocks, and PyTorch's
kernels (Intel Xeon, Emerald Rapids, AVX-512, 2 threads, in ms):

===================================  ======================
8x64x56x56, 3x3                      9.6 (12.5, 24.1, 11.7)
8x128x28x28, 3x3                     6.7 (10.9, 11.0, 5.7)
8x256x14x14, 3x3                     6.0 (10.5, 7.0, 5.3)
8x512x7x7, 3x3                       8.9 (12.5, 9.1, 7.4)
128x16x32x32, 3x3                    6.0 (9.2, 8.4, 4.1)
128x32x16x16, 3x3                    3.1 (4.8, 4.9, 2.1)
128x64x8x8, 3x3                      2.5 (3.7, 2.7, 2.0)
8x64x56x56, 128 3x3, stride 2        4.5 (5.8, 7.8, 3.9)
8x128x28x28, 256 3x3, stride 2       3.7 (4.1, 4.6, 3.5)
8x3x224x224, 64 7x7, stride 2        13.0 (16.4, -, 9.2)
64x6x14x14, 16 5x5                   0.36 (0.54, 0.46, 0.43)
===================================  ======================

Maps that stay in blocks anyway are not blocked for it: in ResNet-18's step with 8 pictures it takes
100 ms less than pictures in blocks, 37 less than the swept form.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy
import onnx_ir

from cnndsl.autodiff.geometry import Geometry
from cnndsl.autodiff.rules import Array, dims_of
from cnndsl.training.host.kernels import BLOCKED
from cnndsl.training.host.nodes import BlockedNodes
from cnndsl.training.host.tiling import Tiling

__all__ = ["WIDE", "can_tile", "tiled_kernel_gradient"]

WIDE = 16
"""How many channels a block has where this form is taken: narrower ones keep up without it."""

_ITEMS = 32
"""Rows of results that threads share fairly; sums of fewer are taken apart, and added up behind."""


def can_tile(g: Geometry, block: int) -> bool:
    """Whether this form is taken: channels fill wide blocks, or there are fewer than one has.

    Rows have a kernel's columns one after the other, so none may be left out between two.
    """
    if block < WIDE or g.rank != 2 or g.groups > 1 or g.dilations[1] > 1 or g.filters % block:
        return False
    return g.channels < block or g.channels % block == 0


def tiled_kernel_gradient(
    emit: BlockedNodes,
    g: Geometry,
    block: int,
    tiles: Tiling,
    source: onnx_ir.Value,
    gradient: onnx_ir.Value,
) -> onnx_ir.Value:
    """That of the kernels [M, C, kh, kw], from the input and the gradient of the output."""
    inner = min(block, g.channels)
    outer, filters = g.channels // inner, g.filters // block
    sums = tiles.count * g.batch // block
    apart = _groups(outer * -(-filters // 4) * g.kernel[0], sums)
    y = emit.op(
        "Conv",
        _images(emit, g, block, tiles, source),
        _kernels(emit, g, block, tiles, gradient, apart),
        domain=BLOCKED,
        dims=(outer, apart * g.filters, g.kernel[0], g.kernel[1] * inner),
        kernel_shape=tiles.outputs,
        strides=(g.dilations[0], 1),
        dilations=(g.strides[0], g.strides[1] * inner),
        group=apart,
    )
    places = math.prod(g.kernel)
    if apart > 1:
        y = emit.shaped(y, outer, apart, filters * places * inner * block)
        y = emit.op("ReduceSum", y, emit.integers(1), dims=(outer, *dims_of(y)[2:]), keepdims=0)
    vectors = numpy.arange(outer * filters * places * inner)
    order = vectors.reshape(outer, filters, places, inner).transpose(1, 0, 3, 2)
    y = emit.gathered(emit.shaped(y, vectors.size, block), order)
    y = emit.shaped(y, 1, g.filters, g.channels * places, 1)
    return emit.shaped(emit.plain(y), g.filters, g.channels, *g.kernel)


def _groups(items: int, sums: int) -> int:
    """Into how many parts sums over blocks of tiles are taken, so that all threads have a share."""
    return next((n for n in range(1, sums) if sums % n == 0 and items * n >= _ITEMS), sums)


def _images(
    emit: BlockedNodes, g: Geometry, block: int, tiles: Tiling, source: onnx_ir.Value
) -> onnx_ir.Value:
    """The input as [C/b, tiles/b, rows, columns*b of C, b of tiles], with zeros around."""
    inner = min(block, g.channels)
    outer = g.channels // inner
    ends = [
        max(0, need - size - before)
        for need, size, before in zip(tiles.covered, g.inputs, g.before, strict=True)
    ]
    cells = _padded(emit, block, source, g.before, ends)
    height, width = (
        size + before + end for size, before, end in zip(g.inputs, g.before, ends, strict=True)
    )
    places = numpy.arange(g.batch * outer * height * width)
    seen = tiles.cut(places.reshape(g.batch, outer, height, width), tiles.inputs, tiles.steps)
    sums, area = tiles.count * g.batch // block, math.prod(tiles.inputs)
    order = seen.reshape(sums, block, outer, area).transpose(2, 0, 1, 3)
    cells = emit.gathered(emit.shaped(cells, places.size, inner), order)
    cells = emit.turned(cells, outer * sums, block, area * inner)
    return emit.shaped(cells, outer, sums * block, tiles.inputs[0], tiles.inputs[1] * inner)


def _kernels(
    emit: BlockedNodes,
    g: Geometry,
    block: int,
    tiles: Tiling,
    gradient: onnx_ir.Value,
    apart: int,
) -> onnx_ir.Value:
    """Its output's gradient, [parts, M/b, tiles/b, rows, columns, b of tiles, b of M]."""
    ends = [a * b - c for a, b, c in zip(tiles.counts, tiles.outputs, g.outputs, strict=True)]
    cells = _padded(emit, block, gradient, [0, 0], ends)
    filters, sums = g.filters // block, tiles.count * g.batch // block
    sizes = [a + b for a, b in zip(g.outputs, ends, strict=True)]
    places = numpy.arange(g.batch * filters * math.prod(sizes))
    seen = tiles.cut(places.reshape(g.batch, filters, *sizes), tiles.outputs, tiles.outputs)
    area = math.prod(tiles.outputs)
    order = seen.reshape(apart, sums // apart, block, filters, area).transpose(0, 3, 1, 4, 2)
    cells = emit.gathered(emit.shaped(cells, places.size, block), order)
    return emit.shaped(cells, apart * g.filters, sums // apart * block, *tiles.outputs)


def _padded(
    emit: BlockedNodes,
    block: int,
    value: onnx_ir.Value,
    before: Sequence[int],
    after: Sequence[int],
) -> onnx_ir.Value:
    """[N, C/b, H, W, b] with zeros around, or [N, H, W, C] where there are few channels.

    A depthwise convolution by ones copies on all threads, Pad on one.
    """
    batch, channels, *sizes = dims_of(value)
    if channels < block:
        value = emit.op("Transpose", value, dims=(batch, *sizes, channels), perm=[0, 2, 3, 1])
        return emit.padded(value, [0, *before, 0], [0, *after, 0])
    blocked = emit.blocked(value)
    if not any(before) and not any(after):
        return blocked
    ones: Array = numpy.ones((channels, 1, 1, 1), numpy.float32)
    return emit.op(
        "Conv",
        blocked,
        emit.constant(ones),
        domain=BLOCKED,
        dims=(batch, channels, *(a + b + c for a, b, c in zip(sizes, before, after, strict=True))),
        kernel_shape=[1, 1],
        pads=[*before, *after],
        group=channels,
    )
