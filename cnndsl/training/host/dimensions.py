"""Convolutions of one and three dimensions as blocked ones of two, and their gradients.

One dimension is two, of which one has size 1. Three are a sum: for each place of the kernel along
the depth, a convolution in two of the planes that lie under it, each a picture of the batch. What
was added up so far is what the next of them begins with, and planes are picked in blocks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy
import onnx_ir

from cnndsl.autodiff.geometry import Geometry
from cnndsl.autodiff.rules import Array, dims_of
from cnndsl.training.host import blocked
from cnndsl.training.host.input_gradient import input_gradient as flat_input_gradient
from cnndsl.training.host.kernels import Part
from cnndsl.training.host.nodes import BlockedNodes

__all__ = ["forward", "in_two", "input_gradient", "kernel_gradient"]


def in_two(part: Part, g: Geometry) -> Geometry | None:
    """The convolution of two dimensions that a part of another consists of; None for none."""
    if g.rank == 2:
        return g
    if g.rank == 1:
        return _spatial(g, lambda of, fill: (fill, *of))
    if g.rank != 3 or g.groups > 1:
        return None
    flat = _spatial(g, lambda of, _: of[1:])
    if part != "input gradient":
        return replace(flat, batch=g.batch * g.outputs[0])
    return replace(flat, batch=g.batch * g.inputs[0]) if g.strides[0] == 1 else None


def _spatial(g: Geometry, changed: Callable[[tuple[int, ...], int], tuple[int, ...]]) -> Geometry:
    """With all its tuples changed, given what a dimension of one cell has there."""
    return replace(
        g,
        inputs=changed(g.inputs, 1),
        outputs=changed(g.outputs, 1),
        kernel=changed(g.kernel, 1),
        strides=changed(g.strides, 1),
        dilations=changed(g.dilations, 1),
        before=changed(g.before, 0),
        after=changed(g.after, 0),
    )


def forward(
    emit: BlockedNodes,
    g: Geometry,
    block: int,
    source: onnx_ir.Value,
    kernels: onnx_ir.Value,
    bias: onnx_ir.Value | None = None,
) -> onnx_ir.Value:
    """The convolution: of [N, C, …] by [M, C/groups, …], [N, M, …]."""
    flat = _flat("forward", g)
    if g.rank < 3:
        source = emit.shaped(source, flat.batch, flat.channels, *flat.inputs)
        kernels = emit.shaped(kernels, flat.filters, flat.per_group, *flat.kernel)
        result = blocked.forward(emit, flat, block, source, kernels, bias)
        return emit.shaped(result, g.batch, g.filters, *g.outputs)
    planes = _picked(emit, g, block, source, _seen(g))
    total = None
    for seen, kernel in zip(planes, _by_place(emit, kernels), strict=True):
        total = blocked.forward(emit, flat, block, seen, kernel, bias, total)
        bias = None
    assert total is not None
    return _volumes(emit, g, total, g.outputs[0])


def input_gradient(
    emit: BlockedNodes, g: Geometry, block: int, gradient: onnx_ir.Value, kernels: onnx_ir.Value
) -> onnx_ir.Value:
    """That of the input, [N, C, …]."""
    flat = _flat("input gradient", g)
    if g.rank < 3:
        gradient = emit.shaped(gradient, flat.batch, flat.filters, *flat.outputs)
        kernels = emit.shaped(kernels, flat.filters, flat.per_group, *flat.kernel)
        result = flat_input_gradient(emit, flat, block, gradient, kernels)
        return emit.shaped(result, g.batch, g.channels, *g.inputs)
    windows = numpy.arange(g.inputs[0]) + g.before[0] - _places(g)
    planes = _picked(emit, g, block, gradient, windows)
    total = None
    for seen, kernel in zip(planes, _by_place(emit, kernels), strict=True):
        total = flat_input_gradient(emit, flat, block, seen, kernel, total)
    assert total is not None
    return _volumes(emit, g, total, g.inputs[0])


def kernel_gradient(
    emit: BlockedNodes, g: Geometry, block: int, source: onnx_ir.Value, gradient: onnx_ir.Value
) -> onnx_ir.Value:
    """That of the kernels, [M, C/groups, …]."""
    flat = _flat("kernel gradient", g)
    if g.rank < 3:
        source = emit.shaped(source, flat.batch, flat.channels, *flat.inputs)
        gradient = emit.shaped(gradient, flat.batch, flat.filters, *flat.outputs)
        result = blocked.kernel_gradient(emit, flat, block, source, gradient)
        return emit.shaped(result, g.filters, g.per_group, *g.kernel)
    gradient = _planes(emit, gradient)
    parts = []
    for seen in _picked(emit, g, block, source, _seen(g)):
        part = blocked.kernel_gradient(emit, flat, block, seen, gradient)
        parts.append(emit.shaped(part, g.filters, g.channels, 1, *g.kernel[1:]))
    return emit.op("Concat", *parts, dims=(g.filters, g.channels, *g.kernel), axis=2)


def _flat(part: Part, g: Geometry) -> Geometry:
    flat = in_two(part, g)
    assert flat is not None
    return flat


def _places(g: Geometry) -> Array:
    """How far along the depth the places of a kernel lie, [places, 1]."""
    return numpy.arange(g.kernel[0])[:, None] * g.dilations[0]


def _seen(g: Geometry) -> Array:
    """The planes of the input that those of the output see, [places, depth]."""
    return numpy.arange(g.outputs[0]) * g.strides[0] - g.before[0] + _places(g)


def _by_place(emit: BlockedNodes, kernels: onnx_ir.Value) -> Sequence[onnx_ir.Value]:
    """[M, C, D, H, W] as [M, C, H, W] for each place along the depth."""
    filters, channels, places, *size = dims_of(kernels)
    kernels = _ordered(emit, kernels, (2, 0, 1, 3, 4))
    dims = (filters, channels, *size)
    return [
        emit.op("Gather", kernels, emit.constant(numpy.array(place, numpy.int64)), dims=dims)
        for place in range(places)
    ]


def _planes(emit: BlockedNodes, volumes: onnx_ir.Value) -> onnx_ir.Value:
    """[N, C, D, H, W] as [N*D, C, H, W]."""
    batch, channels, depth, *size = dims_of(volumes)
    value = _ordered(emit, volumes, (0, 2, 1, 3, 4))
    return emit.shaped(value, batch * depth, channels, *size)


def _volumes(emit: BlockedNodes, g: Geometry, planes: onnx_ir.Value, depth: int) -> onnx_ir.Value:
    """The way back."""
    _, channels, *size = dims_of(planes)
    value = emit.shaped(planes, g.batch, depth, channels, *size)
    return _ordered(emit, value, (0, 2, 1, 3, 4))


def _picked(
    emit: BlockedNodes, g: Geometry, block: int, volumes: onnx_ir.Value, which: Array
) -> Sequence[onnx_ir.Value]:
    """Planes of [N, C, D, H, W] by their depths, [places, L]; for each place [N*L, C, H, W].

    Outside of a volume there are zeros. Planes are picked in blocks where their channels fill them.
    """
    planes = _planes(emit, volumes)
    _, channels, depth, *size = dims_of(volumes)
    numbers, (places, length) = channels * math.prod(size), which.shape
    if places == 1 and numpy.array_equal(which[0], numpy.arange(depth)):
        return [planes]
    fills = channels % block == 0
    value = emit.blocked(planes) if fills else planes
    value = emit.shaped(value, g.batch, depth, numbers)
    outside = (which < 0) | (which >= depth)
    if outside.any():
        value = emit.padded(value, [0, 0, 0], [0, 1, 0])
    which = numpy.where(outside, depth, which).astype(numpy.int64)
    found = []
    for order in which:
        dims = (g.batch, length, numbers)
        one = emit.op("Gather", value, emit.constant(order), dims=dims, axis=1)
        one = emit.shaped(one, g.batch * length, channels, *size)
        found.append(emit.plain(one) if fills else one)
    return found


def _ordered(emit: BlockedNodes, value: onnx_ir.Value, perm: tuple[int, ...]) -> onnx_ir.Value:
    """The axes in another order; where only axes of size 1 move, no number does."""
    dims = dims_of(value)
    moved = tuple(dims[axis] for axis in perm)
    moving = [axis for axis in perm if dims[axis] > 1]
    if moving == sorted(moving):
        return emit.shaped(value, *moved)
    return emit.op("Transpose", value, dims=moved, perm=perm)
