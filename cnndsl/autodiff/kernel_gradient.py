"""Turns the gradient of a convolution's output into that of its kernels, in several ways."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy
import onnx_ir

from cnndsl.autodiff.geometry import Convolved, Geometry
from cnndsl.autodiff.rules import dims_of

__all__ = [
    "can_shift",
    "can_sweep",
    "channels_last",
    "columns",
    "depthwise",
    "pointwise",
    "shifted",
    "swept",
]


def swept(convolved: Convolved) -> onnx_ir.Value:
    """One Conv of the input with the gradient as its kernels, channels last.

    The sum over the batch is Conv's own sum over channels. The input's channels lie side by side
    in its rows, [1, N, H, W*C], so that the kernel of a row, W cells, stands at distances of C,
    and moving it by one meets the next channel, after C of them the next column:
    dK[m, i, j*C + c] = sum over n, h, w of dy[m, n, h, w] * x[n, h + i, (w + j)*C + c].
    A stride of the convolution is a dilation here, a dilation a stride; within a row, where a
    stride would skip channels, :func:`_without_dilation` takes it away first. No im2col of the
    input exists outside of Conv's own buffer, which is smaller than the gradient and has contiguous
    rows to be copied.

    Ratios to PyTorch's time on one AVX2 core: 0.66-0.95 for ResNet-18's 3x3 of stride 1, 0.7-1.0
    for those of stride 2, 0.8 at AlexNet's first convolution. There columns have 0.74-1.4, 0.9-1.5
    and 1.6, Conv of x^T and dy^T 1.2-2.2, 1.5-1.8 and 0.9, the same row by row 0.7-1.6, 1.2-1.6
    and 1.4.
    """
    if convolved.geometry.dilations[-1] > 1 and convolved.geometry.per_group > 1:
        convolved = _without_dilation(convolved)
    g = convolved.geometry
    last = g.rank + 1
    ends = [after - rest for after, rest in zip(g.after, g.unreached, strict=True)]
    sizes = [size + min(0, end) for size, end in zip(g.inputs, ends, strict=True)]
    planes = convolved.cut(convolved.source, [0] * g.rank, sizes)
    if g.per_group == 1:
        planes = convolved.transposed(planes, 1, 0, *range(2, last + 1))
    else:
        planes = convolved.transposed(planes, 0, *range(2, last + 1), 1)
        if g.groups > 1:
            cells = g.batch * math.prod(sizes)
            planes = convolved.shaped(planes, cells, g.groups, g.per_group)
            planes = convolved.transposed(planes, 1, 0, 2)
    *rows, width = sizes
    result = convolved.op(
        "Conv",
        convolved.shaped(planes, 1, g.groups * g.batch, *rows, width * g.per_group),
        convolved.transposed(convolved.gradient, 1, 0, *range(2, last + 1)),
        strides=g.dilations,
        dilations=[*g.strides[:-1], g.strides[-1] * g.per_group],
        pads=[
            pad * each
            for side in (g.before, [max(0, end) for end in ends])
            for pad, each in zip(side, [1] * (g.rank - 1) + [g.per_group], strict=True)
        ],
        group=g.groups,
    )
    result = convolved.shaped(result, g.filters, *g.kernel, g.per_group)
    return convolved.transposed(result, 0, last, *range(1, last))


def can_sweep(geometry: Geometry) -> bool:
    """Whether there is a swept form: else all of the input is cut off, and Conv takes no empty one.

    The gradient is zero there.
    """
    return geometry.meets_input


def _without_dilation(convolved: Convolved) -> Convolved:
    """The same gradient as that of a convolution without dilation along the last axis.

    With a dilation d, a stride s and c = gcd(s, d), every (d/c)-th window meets the same cells of
    the padded input, those at distances of d. Each of the d/c sets of windows is a convolution of
    its own, of stride s/c; since the sums over all of them are wanted, they are more pictures.
    """
    g = convolved.geometry
    stride, dilation, kernel = g.strides[-1], g.dilations[-1], g.kernel[-1]
    sets = dilation // math.gcd(stride, dilation)
    step = stride * sets // dilation
    count = -(-g.outputs[-1] // sets)
    width = step * (count - 1) + kernel
    before, still = g.before[-1], [0] * (g.rank - 1)
    missing = stride * (sets - 1) + dilation * (width - 1) + 1 - before - g.inputs[-1]
    source = convolved.padded(convolved.source, [*still, before], [*still, max(0, missing)])
    gradient = convolved.padded(
        convolved.gradient, [*still, 0], [*still, sets * count - g.outputs[-1]]
    )
    ones = [1] * (g.rank - 1)
    sources, gradients = [], []
    for at in range(sets):
        sizes, steps = [*g.inputs[:-1], width], [*ones, dilation]
        sources.append(convolved.cut(source, [*still, stride * at], sizes, steps))
        sizes, steps = [*g.outputs[:-1], count], [*ones, sets]
        gradients.append(convolved.cut(gradient, [*still, at], sizes, steps))
    geometry = replace(
        g,
        batch=g.batch * sets,
        inputs=(*g.inputs[:-1], width),
        outputs=(*g.outputs[:-1], count),
        strides=(*g.strides[:-1], step),
        dilations=(*g.dilations[:-1], 1),
        before=(*g.before[:-1], 0),
        after=(*g.after[:-1], 0),
    )
    return replace(
        convolved,
        geometry=geometry,
        source=convolved.joined(sources, 0),
        gradient=convolved.joined(gradients, 0),
    )


def columns(convolved: Convolved) -> onnx_ir.Value:
    """MatMul of the gradient with the input as each place of the kernel sees it: right for all.

    The columns of as many places as ``COLUMNS`` allows are multiplied at once.
    """
    g = convolved.geometry
    spatial = range(2, g.rank + 2)
    filters = g.filters // g.groups
    gradient = convolved.transposed(convolved.gradient, 1, 0, *spatial)
    gradient = convolved.shaped(gradient, g.groups, filters, g.cells)
    source = convolved.transposed(convolved.source, 1, 0, *spatial)
    source = convolved.padded(source, g.before, g.after)
    places = [*numpy.ndindex(*g.kernel)]
    at_once = max(1, COLUMNS // (g.channels * g.cells))
    products = []
    for first in range(0, len(places), at_once):
        seen = []
        for place in places[first : first + at_once]:
            starts = [at * step for at, step in zip(place, g.dilations, strict=True)]
            cells = convolved.cut(source, starts, g.outputs, g.strides)
            seen.append(convolved.shaped(cells, g.groups, g.per_group, g.cells))
        stacked = convolved.joined(seen, 1)
        stacked = convolved.op("Transpose", stacked, perm=[0, 2, 1])
        products.append(convolved.op("MatMul", gradient, stacked))
    result = convolved.joined(products, 2)
    result = convolved.shaped(result, g.filters, len(places), g.per_group)
    result = convolved.transposed(result, 0, 2, 1)
    return convolved.shaped(result, g.filters, g.per_group, *g.kernel)


COLUMNS = 2**25
"""How many numbers the columns of one product may have: 128 MiB of float32."""


def pointwise(convolved: Convolved) -> onnx_ir.Value:
    """For kernels of one cell: MatMul of every picture's gradient with its input, then their sum.

    Nothing is transposed: ONNX Runtime fuses a Transpose before a MatMul with it.
    """
    g = convolved.geometry
    source = convolved.padded(convolved.source, g.before, g.after)
    source = convolved.cut(source, [0] * g.rank, g.outputs, g.strides)
    cells = math.prod(g.outputs)
    source = convolved.shaped(source, g.batch, g.groups, g.per_group, cells)
    filters = g.filters // g.groups
    gradient = convolved.shaped(convolved.gradient, g.batch, g.groups, filters, cells)
    result = convolved.op("MatMul", gradient, convolved.op("Transpose", source, perm=[0, 1, 3, 2]))
    return convolved.shaped(_of_all_pictures(result, convolved), g.filters, g.per_group, *g.kernel)


def depthwise(convolved: Convolved) -> onnx_ir.Value:
    """For one filter on each channel: at each place of the kernel, products and their sum."""
    g = convolved.geometry
    constant = convolved.context.emit.constant
    source = convolved.padded(convolved.source, g.before, g.after)
    sums = []
    for place in numpy.ndindex(*g.kernel):
        starts = [at * step for at, step in zip(place, g.dilations, strict=True)]
        cells = convolved.cut(source, starts, g.outputs, g.strides)
        product = convolved.op("Mul", cells, convolved.gradient)
        axes = constant([0, *range(2, g.rank + 2)])
        sums.append(
            convolved.shaped(convolved.op("ReduceSum", product, axes, keepdims=0), g.filters, 1)
        )
    result = convolved.joined(sums, 1)
    return convolved.shaped(result, g.filters, 1, *g.kernel)


def channels_last(convolved: Convolved) -> onnx_ir.Value:
    """For one filter on each channel: the same with channels last, which suits small maps.

    Rows of a few cells are slow to cut out, those of all channels are not. The sum is a product
    with ones, which ONNX Runtime spreads over threads: ReduceSum took up to 1.8 times as long.
    """
    g = convolved.geometry
    last = [0, *range(2, g.rank + 2), 1]
    still = [0]
    source = convolved.transposed(convolved.source, *last)
    source = convolved.padded(source, [*g.before, 0], [*g.after, 0])
    gradient = convolved.transposed(convolved.gradient, *last)
    ones = convolved.context.tensor(numpy.ones((1, g.cells)))
    sums = []
    for place in numpy.ndindex(*g.kernel):
        starts = [at * step for at, step in zip(place, g.dilations, strict=True)]
        sizes, steps = [*g.outputs, g.channels], [*g.strides, 1]
        cells = convolved.cut(source, starts + still, sizes, steps)
        product = convolved.shaped(convolved.op("Mul", cells, gradient), g.cells, g.channels)
        sums.append(convolved.op("MatMul", ones, product))
    result = convolved.transposed(convolved.joined(sums, 0), 1, 0)
    return convolved.shaped(result, g.filters, 1, *g.kernel)


def shifted(convolved: Convolved) -> onnx_ir.Value:
    """MatMul of the gradient, moved along the first axis, with the input, moved along the others.

    A kernel of k x k cells needs k copies of each, where columns need k*k of the input. Along an
    axis of stride s, place k of window o meets the cell s*o + d*k - p = s*(o + shift) + phase.
    """
    if convolved.geometry.rank == 1 and convolved.geometry.filters == convolved.geometry.groups:
        convolved = _with_rows(convolved)
    g = convolved.geometry
    rest = math.prod(g.outputs[1:])
    gradient = convolved.shaped(convolved.gradient, g.batch, g.filters, g.outputs[0] * rest)
    by_phase: dict[int, dict[int, int]] = {}
    for place in range(g.kernel[0]):
        shift, phase = g.meeting(0, place)
        by_phase.setdefault(phase, {})[place] = shift
    products: list[onnx_ir.Value] = []
    for phase, shifts in by_phase.items():
        rows = g.cells_of_phase(0, phase)
        moved = [
            convolved.padded(gradient, [shift * rest], [(rows - g.outputs[0] - shift) * rest])
            for shift in shifts.values()
        ]
        products += _products(convolved, moved, _moved_input(convolved, phase))
    result = _of_all_pictures(convolved.joined(products, 2), convolved)
    order = [place for shifts in by_phase.values() for place in shifts]
    if order != sorted(order):
        places = convolved.context.emit.constant([order.index(at) for at in range(len(order))])
        result = convolved.shaped(result, g.filters, g.kernel[0], -1)
        result = convolved.op("Gather", result, places, axis=1)
    others = math.prod(g.kernel[1:])
    result = convolved.shaped(result, g.filters, g.kernel[0], g.per_group, others)
    result = convolved.transposed(result, 0, 2, 1, 3)
    return convolved.shaped(result, *dims_of(convolved.kernels))


def _with_rows(convolved: Convolved) -> Convolved:
    """The same for pictures of one row: a matrix and a vector are multiplied faster than two."""
    g = convolved.geometry
    geometry = replace(
        g,
        inputs=(1, *g.inputs),
        outputs=(1, *g.outputs),
        kernel=(1, *g.kernel),
        strides=(1, *g.strides),
        dilations=(1, *g.dilations),
        before=(0, *g.before),
        after=(0, *g.after),
    )
    return replace(
        convolved,
        geometry=geometry,
        source=convolved.shaped(convolved.source, g.batch, g.channels, 1, *g.inputs),
        gradient=convolved.shaped(convolved.gradient, g.batch, g.filters, 1, *g.outputs),
    )


def _moved_input(convolved: Convolved, phase: int) -> onnx_ir.Value:
    """The input's rows of a phase, at each place of the kernel along the other axes, stacked.

    Its dimensions are [N, groups, channels of a group x places, rows x cells of the output's].
    """
    g = convolved.geometry
    rows = g.cells_of_phase(0, phase)
    planes: dict[tuple[int, ...], onnx_ir.Value] = {}
    seen = []
    for place in numpy.ndindex(*g.kernel[1:]):
        meetings = [g.meeting(axis, at) for axis, at in enumerate(place, 1)]
        phases = (phase, *(one for _, one in meetings))
        sizes = [g.cells_of_phase(axis, one) for axis, one in enumerate(phases)]
        if phases not in planes:
            planes[phases] = convolved.cut(convolved.source, phases, sizes, g.strides)
        before = [-shift for shift, _ in meetings]
        after = [
            output + shift - size
            for output, (shift, _), size in zip(g.outputs[1:], meetings, sizes[1:], strict=True)
        ]
        moved = convolved.padded(planes[phases], [0, *before], [0, *after])
        seen.append(
            convolved.shaped(moved, g.batch, g.channels, 1, rows * math.prod(g.outputs[1:]))
        )
    stacked = convolved.joined(seen, 2)
    return convolved.shaped(
        stacked, g.batch, g.groups, g.per_group * len(seen), dims_of(seen[0])[-1]
    )


def _products(
    convolved: Convolved, gradients: Sequence[onnx_ir.Value], source: onnx_ir.Value
) -> Sequence[onnx_ir.Value]:
    """The sums over cells of [N, M, cells] gradients times an input, [N, M, gradients, places]."""
    g = convolved.geometry
    cells, places = dims_of(source)[-1], dims_of(source)[-2]
    filters = g.filters // g.groups
    if filters == 1:  # The gradient is one vector for each matrix.
        vectors = [convolved.shaped(one, g.batch, g.groups, cells, 1) for one in gradients]
        products = [convolved.op("MatMul", source, vector) for vector in vectors]
        return [convolved.shaped(one, g.batch, g.filters, 1, places) for one in products]
    rows = [convolved.shaped(one, g.batch, g.filters, 1, cells) for one in gradients]
    matrix = convolved.joined(rows, 2)
    matrix = convolved.shaped(matrix, g.batch, g.groups, filters * len(rows), cells)
    product = convolved.op("MatMul", matrix, convolved.op("Transpose", source, perm=[0, 1, 3, 2]))
    return [convolved.shaped(product, g.batch, g.filters, len(rows), places)]


def _of_all_pictures(result: onnx_ir.Value, convolved: Convolved) -> onnx_ir.Value:
    """The sum over the first axis, the batch."""
    if convolved.geometry.batch == 1:
        return result
    return convolved.op("ReduceSum", result, convolved.context.emit.constant([0]), keepdims=0)


def can_shift(geometry: Geometry) -> bool:
    """Whether there is a shifted form: each place of the kernel meets a cell of the input.

    For the others, Pad would take away more cells than there are, of which ONNX says nothing.
    """
    g = geometry
    meetings = (
        (g.outputs[axis], *g.meeting(axis, place), axis)
        for axis, size in enumerate(g.kernel)
        for place in range(size)
    )
    return all(
        max(0, shift) < min(g.cells_of_phase(axis, phase), shift + output)
        for output, shift, phase, axis in meetings
    )
