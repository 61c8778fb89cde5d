"""Convolutions and their gradients on feature maps whose channels lie in blocks.

A blocked feature map is [N, C/b, H, W, b]: the channels of a block side by side, as many as a
vector of the CPU holds, so that no im2col is needed. ``nchwc.Conv`` takes its kernels as
[M/b, C/b, kh, kw, b of C, b of M]. Feature maps and kernels come and go in the plain layout; what
is blocked on the way is blocked while the step runs. ``b`` is :attr:`Host.block`.

Time of all, with what blocks and unblocks, against the standard forms and PyTorch's kernels (AMD
EPYC, Zen 3, AVX2, 2 threads, in ms):

===================  ==================  ==================  ==================
                     forward             of the input        of the kernels
8x64x56x56, 3x3      11.6 (16.4, 14.3)   12.2 (15.8, 14.5)   14.0 (23.6, 15.6)
8x128x28x28, 3x3     11.7 (20.7, 13.6)   10.7 (13.2, 13.2)   12.2 (18.7, 23.4)
8x256x14x14, 3x3     12.2 (19.6, 12.9)   10.9 (14.5, 10.2)   12.0 (19.4, 18.4)
8x512x7x7, 3x3       16.1 (21.7, 13.4)   13.5 (21.8, 12.3)   12.2 (20.5, 17.0)
128x16x32x32, 3x3    5.9 (13.8, 6.3)     5.7 (7.7, 5.2)      9.7 (13.6, 8.9)
128x32x16x16, 3x3    4.7 (11.5, 5.6)     4.7 (7.7, 5.5)      6.3 (12.4, 6.0)
128x64x8x8, 3x3      4.4 (10.9, 6.2)     4.3 (6.8, 5.1)      5.5 (10.7, 6.6)
===================  ==================  ==================  ==================
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import onnx_ir

from cnndsl.autodiff.geometry import Geometry
from cnndsl.training.host.depthwise import depthwise_kernel_gradient
from cnndsl.training.host.kernels import BLOCKED
from cnndsl.training.host.nodes import BlockedNodes
from cnndsl.training.host.tiled import can_tile, tiled_kernel_gradient
from cnndsl.training.host.tiling import tiling_of

__all__ = ["added", "convolved", "forward", "kernel_gradient", "pictures_in_blocks"]


def forward(
    emit: BlockedNodes,
    g: Geometry,
    block: int,
    source: onnx_ir.Value,
    kernels: onnx_ir.Value,
    bias: onnx_ir.Value | None = None,
    total: onnx_ir.Value | None = None,
) -> onnx_ir.Value:
    """The convolution itself, added to a total; few channels, less than a block, stay plain."""
    blocks = source if g.channels < block else emit.blocked(source)
    return emit.plain(convolved(emit, g, block, blocks, kernels, *added(emit, bias, total)))


def convolved(
    emit: BlockedNodes,
    g: Geometry,
    block: int,
    source: onnx_ir.Value,
    kernels: onnx_ir.Value,
    *more: onnx_ir.Value | None,
) -> onnx_ir.Value:
    """The same from blocks to blocks: of plain kernels, a bias, and a total in blocks."""
    return emit.op(
        "Conv",
        source,
        _kernels(emit, g, block, kernels),
        *more,
        domain=BLOCKED,
        dims=(g.batch, g.filters, *g.outputs),
        kernel_shape=g.kernel,
        strides=g.strides,
        dilations=g.dilations,
        pads=[*g.before, *g.after],
        group=g.groups,
    )


def added(
    emit: BlockedNodes, bias: onnx_ir.Value | None, total: onnx_ir.Value | None
) -> Sequence[onnx_ir.Value | None]:
    """What nchwc.Conv adds to its products, behind its other inputs."""
    if total is not None:
        return bias, emit.blocked(total)
    return [] if bias is None else [bias]


def _kernels(emit: BlockedNodes, g: Geometry, block: int, kernels: onnx_ir.Value) -> onnx_ir.Value:
    """[M, C, kh, kw] as [M/b, C/b, kh, kw, b of C, b of M]; few channels are in no blocks."""
    value, places = kernels, math.prod(g.kernel)
    if g.per_group >= block:
        value = emit.turned(value, g.filters * g.per_group // block, block, places)
    value = emit.turned(value, g.filters // block, block, g.per_group * places)
    return emit.shaped(value, g.filters, g.per_group, *g.kernel)


def kernel_gradient(
    emit: BlockedNodes, g: Geometry, block: int, source: onnx_ir.Value, gradient: onnx_ir.Value
) -> onnx_ir.Value:
    """That of the kernels: of each channel alone, from tiles, or with the batch in blocks."""
    if g.groups > 1:
        return depthwise_kernel_gradient(emit, g, source, gradient)
    if can_tile(g, block):
        return tiled_kernel_gradient(emit, g, block, tiling_of(g, block), source, gradient)
    return pictures_in_blocks(emit, g, block, source, gradient)


def pictures_in_blocks(
    emit: BlockedNodes, g: Geometry, block: int, source: onnx_ir.Value, gradient: onnx_ir.Value
) -> onnx_ir.Value:
    """A convolution of the input by the gradient, large as its kernels are.

    The batch takes the place of channels, which it is summed over, and channels that of the batch;
    strides are dilations and the other way round. Where the batch is no multiple of a block,
    pictures are cut into slices of rows, as many as make it one.
    """
    slices = block // math.gcd(block, g.batch)
    if slices > 1:
        source, gradient, g = _sliced(emit, g, slices, source, gradient)
    batch, places = g.batch // block, math.prod(g.kernel)
    kernels = emit.turned(gradient, batch, block, g.filters * math.prod(g.outputs))
    squares = math.prod(g.outputs) * block
    kernels = emit.turned(kernels, batch * g.filters // block, block, squares)
    kernels = emit.exchanged(kernels, batch, g.filters // block, squares * block)
    planes, top, bottom = _planes(emit, g, block, source)
    result = emit.op(
        "Conv",
        planes,
        emit.shaped(kernels, g.filters, g.batch, *g.outputs),
        domain=BLOCKED,
        dims=(g.channels, g.filters, *g.kernel),
        kernel_shape=g.outputs,
        strides=g.dilations,
        dilations=g.strides,
        pads=[top, 0, bottom, 0],
    )
    result = emit.exchanged(result, g.channels, g.filters // block, places * block)
    result = emit.shaped(result, 1, g.filters, g.channels * places, 1)
    return emit.shaped(emit.plain(result), g.filters, g.channels, *g.kernel)


def _planes(
    emit: BlockedNodes, g: Geometry, block: int, source: onnx_ir.Value
) -> tuple[onnx_ir.Value, int, int]:
    """The input as [C, N/b, H, W, b], and the padding that its rows still need.

    Its columns have theirs: at the borders, ``nchwc.Conv`` goes from result to result, and a row
    of these has nothing else.
    """
    (height, width), batch = g.inputs, g.batch // block
    (top, left), (bottom, right) = g.before, g.after
    below, beside = g.unreached
    bottom, right = bottom - below, right - beside
    planes = emit.turned(source, batch, block, g.channels * height * width)
    planes = emit.shaped(planes, batch * g.channels, height, width * block)
    cut = min(0, bottom)
    planes = emit.padded(planes, [0, 0, left * block], [0, cut, right * block])
    height, width = height + cut, left + width + right
    planes = emit.exchanged(planes, batch, g.channels, height * width * block)
    return emit.shaped(planes, g.channels, g.batch, height, width), top, max(0, bottom)


def _sliced(
    emit: BlockedNodes, g: Geometry, slices: int, source: onnx_ir.Value, gradient: onnx_ir.Value
) -> tuple[onnx_ir.Value, onnx_ir.Value, Geometry]:
    """The same convolution of slices of rows: as many more pictures as there are slices.

    Each slice of the input has the rows that its own of the result see, some of them in two slices.
    Rows of the gradient that no slice would fill up are zeros.
    """
    height, width = g.outputs
    rows = -(-height // slices)
    gradient = emit.padded(gradient, [0] * 4, [0, 0, rows * slices - height, 0])
    gradient = emit.exchanged(gradient, g.batch * g.filters, slices, rows * width)
    gradient = emit.shaped(gradient, slices * g.batch, g.filters, rows, width)
    tall = (rows - 1) * g.strides[0] + (g.kernel[0] - 1) * g.dilations[0] + 1
    step = rows * g.strides[0]
    bottom = (slices - 1) * step + tall - g.inputs[0] - g.before[0]
    source = emit.padded(source, [0, 0, g.before[0], 0], [0, 0, max(0, bottom), 0])
    parts = [emit.rows(source, at * step, tall) for at in range(slices)]
    dims = (slices * g.batch, g.channels, tall, g.inputs[1])
    source = emit.op("Concat", *parts, dims=dims, axis=0)
    left, right = g.before[1], g.after[1]
    sliced = replace(
        g,
        batch=slices * g.batch,
        inputs=(tall, g.inputs[1]),
        outputs=(rows, width),
        before=(0, left),
        after=(0, right),
    )
    return source, gradient, sliced
