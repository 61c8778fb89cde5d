"""What networks do with blocked feature maps between convolutions, by operators on blocks.

A blocked map [N, C/b, H, W, b] has the places of a channel apart from each other, so that standard
operators can neither scale channels nor sum over them as fast as memory gives them. Three forms do:

* ``y = relu(slope x + shift + addend)`` is one depthwise ``nchwc.Conv`` with kernels of one cell;
* the mean over places is ``nchwc.GlobalAveragePool``;
* sums of products over places are a depthwise ``nchwc.Conv`` of each map by its fellow, which lies
  as the kernel of that size does.

Each takes a map as rows of at most :data:`LONGEST` cells: a row's sum is added to the others', so
that rounding stays that of short sums, and threads have enough to share.

In ms, plain and blocked (Intel, Emerald Rapids, AVX-512, 2 threads, ONNX Runtime 1.31.1):

=============================  ==============  ============
                               128x16x32x32    128x64x8x8
mean                           0.38, 0.32      0.10, 0.09
sums of products               0.59, 0.53      0.34, 0.12
scaling and relu               0.73, 0.68      0.37, 0.14
scaling alone                  1.30, 0.68      0.23, 0.14
scaling, addition, relu        2.57, 1.50      0.61, 0.35
blocking; unblocking           0.69; 0.61      0.16; 0.14
=============================  ==============  ============
"""

from __future__ import annotations

import math

import numpy
import onnx_ir

from cnndsl.autodiff.rules import dims_of
from cnndsl.training.host.kernels import BLOCKED
from cnndsl.training.host.nodes import BlockedNodes

__all__ = ["LONGEST", "scaled", "sums", "sums_of_products"]

LONGEST = 256
"""The most cells of a row.

Rows of 64 took 1.1 times as long to sum, and were no nearer: of 128x16x32x32, 1.2e-6 of the sum off
and not 5e-7, since more rows are added one after another.
"""


def _rows(places: int) -> tuple[int, int]:
    """Numbers of rows and of cells in one, whose product is the places of a map."""
    count = next(n for n in range(1, places + 1) if places % n == 0 and places // n <= LONGEST)
    return count, places // count


def scaled(
    emit: BlockedNodes,
    value: onnx_ir.Value,
    slope: onnx_ir.Value,
    shift: onnx_ir.Value | None = None,
    addend: onnx_ir.Value | None = None,
    **attributes: str,
) -> onnx_ir.Value:
    """Channels of blocked maps [N, C, H, W] times numbers [C], plus others [C] and other maps.

    The result is in blocks again; attributes are of the convolution that makes it.
    """
    dims = dims_of(value)
    batch, channels, *places = dims
    rows = (batch, channels, *_rows(math.prod(places)))
    inputs = [emit.shaped(value, *rows), emit.shaped(slope, channels, 1, 1, 1)]
    more = [
        None if shift is None else emit.shaped(shift, channels),
        None if addend is None else emit.shaped(addend, *rows),
    ]
    while more and more[-1] is None:
        more.pop()
    result = emit.op(
        "Conv",
        *inputs,
        *more,
        domain=BLOCKED,
        dims=rows,
        kernel_shape=(1, 1),
        group=channels,
        **attributes,
    )
    return emit.shaped(result, *dims)


def sums(
    emit: BlockedNodes, value: onnx_ir.Value, block: int, factor: float, *, samples: bool
) -> onnx_ir.Value:
    """The sums over the places of blocked maps [N, C, H, W], times a factor.

    They are [N, C], or [C] where they go over ``samples`` too.
    """
    batch, channels, *places = dims_of(value)
    rows, cells = _rows(math.prod(places))
    count = batch * channels // block * rows
    means = emit.op(
        "GlobalAveragePool",
        emit.shaped(value, count, block, cells, 1),
        domain=BLOCKED,
        dims=(count, block, 1, 1),
    )
    total = _of_rows(emit, means, (batch, channels // block, rows, block), samples=samples)
    return _times(emit, total, factor * cells)


def sums_of_products(
    emit: BlockedNodes,
    one: onnx_ir.Value,
    other: onnx_ir.Value,
    block: int,
    factor: float,
    *,
    samples: bool,
) -> onnx_ir.Value:
    """The same of the products of two blocked maps."""
    batch, channels, *places = dims_of(one)
    rows, cells = _rows(math.prod(places))
    count = batch * channels * rows
    products = emit.op(
        "Conv",
        emit.shaped(one, 1, count, 1, cells),
        emit.shaped(other, count, 1, 1, cells),
        domain=BLOCKED,
        dims=(1, count, 1, 1),
        kernel_shape=(1, cells),
        group=count,
    )
    total = _of_rows(emit, products, (batch, channels // block, rows, block), samples=samples)
    return _times(emit, total, factor)


def _of_rows(
    emit: BlockedNodes, value: onnx_ir.Value, dims: tuple[int, int, int, int], *, samples: bool
) -> onnx_ir.Value:
    """Numbers [N, C/b, rows, b] added up over rows, and over samples."""
    batch, blocks, rows, block = dims
    axes = [axis for axis, size in ((0, batch), (2, rows)) if size > 1 and (axis or samples)]
    value = emit.shaped(value, *dims)
    if axes:
        kept = [size for axis, size in enumerate(dims) if axis not in axes]
        value = emit.op("ReduceSum", value, emit.integers(*axes), dims=kept, keepdims=0)
    channels = blocks * block
    return emit.shaped(value, channels) if samples else emit.shaped(value, batch, channels)


def _times(emit: BlockedNodes, value: onnx_ir.Value, factor: float) -> onnx_ir.Value:
    if factor == 1:
        return value
    number = emit.constant(numpy.full([1] * len(dims_of(value)), factor, numpy.float32))
    return emit.op("Mul", value, number, dims=dims_of(value))
