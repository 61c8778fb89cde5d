"""The gradient of a convolution's input, on feature maps whose channels lie in blocks.

It is a convolution of the gradient of the output by kernels turned around, filters and channels
exchanged. A stride s takes the input's cells apart into s phases along an axis, every s-th cell
each: what reaches a phase are the places of the kernel that lie a stride apart, so that each has a
convolution of its own, with a part of the kernel. Blocks of cells are dealt out at the end.

Time of all, with what blocks and unblocks, against ConvTranspose (Intel Xeon, Emerald Rapids,
AVX-512, 2 threads, in ms), 3x3 with a stride of 2:

=========================  =========    ========================  =========
8x64x56x56, 128 filters    4.1 (5.9)    4x96x112x112, depthwise   3.5 (6.2)
8x128x28x28, 256 filters   3.6 (4.9)    4x144x56x56, depthwise    1.3 (2.2)
8x256x14x14, 512 filters   3.9 (5.8)    4x192x28x28, depthwise    0.4 (0.8)
128x16x32x32, 32 filters   3.0 (5.3)    4x576x14x14, depthwise    0.4 (1.0)
128x32x16x16, 64 filters   1.8 (4.1)
=========================  =========    ========================  =========
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy
import onnx_ir

from cnndsl.autodiff.geometry import Geometry
from cnndsl.autodiff.rules import Array, dims_of
from cnndsl.training.host.blocked import added
from cnndsl.training.host.kernels import BLOCKED
from cnndsl.training.host.nodes import BlockedNodes

__all__ = ["can_take_phases", "in_turn", "input_gradient"]


@dataclass(frozen=True, slots=True)
class _Phase:
    """Every stride-th cell of the input along an axis: the convolution that gives its gradient.

    ``places`` are those of the kernel that ever stand on such a cell, the last one first; between
    them lie ``dilation`` cells of the output's gradient, which is padded (``before``, ``after``).
    """

    places: tuple[int, ...]
    dilation: int
    before: int
    after: int


def _phases(g: Geometry, axis: int) -> Sequence[_Phase]:
    """All phases along an axis, with as many cells each, if there are cells of all of them.

    Window o has cell s*(o + shift) + phase at a place, so that cell q of a phase gets what place
    and window q - shift have in common.
    """
    met: list[list[tuple[int, int]]] = [[] for _ in range(g.strides[axis])]
    for place in reversed(range(g.kernel[axis])):
        shift, phase = g.meeting(axis, place)
        met[phase].append((place, shift))
    count = g.cells_of_phase(axis, 0)
    found = []
    for pairs in met:
        places, shifts = zip(*pairs, strict=True) if pairs else ((), (0,))
        dilation = shifts[0] - shifts[1] if len(places) > 1 else 1
        after = count - g.outputs[axis] - shifts[-1]
        found.append(_Phase(places, dilation, shifts[0], after))
    return found


def can_take_phases(g: Geometry) -> bool:
    """Whether each phase of the input has places of the kernel, and no padding below 0."""
    phases = [phase for axis in range(g.rank) for phase in _phases(g, axis)]
    return all(phase.places and min(phase.before, phase.after) >= 0 for phase in phases)


def input_gradient(
    emit: BlockedNodes,
    g: Geometry,
    block: int,
    gradient: onnx_ir.Value,
    kernels: onnx_ir.Value,
    total: onnx_ir.Value | None = None,
) -> onnx_ir.Value:
    """That of the input, and a total; channels that fill no block are so many more on the way."""
    channels = g.channels if g.groups > 1 else -(-g.channels // block) * block
    gradient = emit.blocked(gradient)
    kernels = emit.padded(kernels, [0] * 4, [0, channels - g.channels, 0, 0])
    rows, order = _turned_kernels(emit, g, block, kernels)
    rank = range(g.rank)
    whole = channels == g.channels and math.prod(g.strides) == 1
    count = [g.cells_of_phase(axis, 0) for axis in rank]
    results = []
    for phases in product(*(_phases(g, axis) for axis in rank)):
        places = numpy.ravel_multi_index(
            numpy.ix_(*(numpy.array(phase.places) for phase in phases)), g.kernel
        )
        kernel = [len(phase.places) for phase in phases]
        some = _picked(emit, rows, order[..., places.ravel()])
        result = emit.op(
            "Conv",
            gradient,
            emit.shaped(some, channels, g.filters // g.groups, *kernel),
            *added(emit, None, total if whole else None),
            domain=BLOCKED,
            dims=(g.batch, channels, *count),
            kernel_shape=kernel,
            dilations=[phase.dilation for phase in phases],
            pads=[phase.before for phase in phases] + [phase.after for phase in phases],
            group=g.groups,
        )
        results.append(result)
    result = emit.plain(_dealt_out(emit, g, block, results), g.channels)
    if total is None or whole:
        return result
    return emit.op("Add", result, total, dims=dims_of(result))


def _turned_kernels(
    emit: BlockedNodes, g: Geometry, block: int, kernels: onnx_ir.Value
) -> tuple[onnx_ir.Value, Array]:
    """[M, C, kh, kw] as rows that stay together, and which of them are those of [C/b, M/b, places].

    A row is a square of b filters and b channels; where each channel has a filter of its own, a
    block.
    """
    filters, per_group, *kernel = dims_of(kernels)
    places, filters = math.prod(kernel), filters // block
    value = emit.turned(kernels, filters, block, per_group * places)
    if per_group == 1:
        order: Array = numpy.arange(filters * places).reshape(filters, places)
        return emit.shaped(value, filters * places, block), order
    channels = per_group // block
    value = emit.turned(value, filters * channels, block, places * block)
    order = numpy.arange(filters * channels * places)
    order = order.reshape(g.groups, filters // g.groups, channels, places).transpose(0, 2, 1, 3)
    return emit.shaped(value, order.size, block * block), order


def _picked(emit: BlockedNodes, rows: onnx_ir.Value, order: Array) -> onnx_ir.Value:
    """Some rows, in an order."""
    order = order.ravel().astype(numpy.int64)
    count, size = dims_of(rows)
    if numpy.array_equal(order, numpy.arange(count)):
        return rows
    return emit.op("Gather", rows, emit.constant(order), dims=(order.size, size))


def _dealt_out(
    emit: BlockedNodes, g: Geometry, block: int, phases: Sequence[onnx_ir.Value]
) -> onnx_ir.Value:
    """The phases' cells in turn along rows, then rows in turn; what is behind the input is cut."""
    batch, channels, height, width = dims_of(phases[0])
    (down, across), maps = g.strides, batch * channels // block
    rows = [
        in_turn(emit, phases[at : at + across], maps * height * width, block)
        for at in range(0, down * across, across)
    ]
    result = in_turn(emit, rows, maps * height, width * across * block)
    height, width = height * down, width * across
    if (height, width) != g.inputs:
        bounds = [(0, 0), (g.inputs[0], g.inputs[1] * block), (1, 2)]
        result = emit.op(
            "Slice",
            emit.shaped(result, maps, height, width * block),
            *(emit.integers(*bound) for bound in bounds),
            dims=(maps, *bounds[1]),
        )
    return emit.shaped(result, batch, channels, *g.inputs)


def in_turn(
    emit: BlockedNodes, values: Sequence[onnx_ir.Value], count: int, size: int
) -> onnx_ir.Value:
    """Values of ``count`` pieces of a size: a piece of each in turn."""
    if len(values) == 1:
        return values[0]
    pieces = [emit.shaped(value, count, 1, size) for value in values]
    return emit.op("Concat", *pieces, dims=(count, len(values), size), axis=1)
