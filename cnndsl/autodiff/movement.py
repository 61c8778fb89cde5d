"""The gradients of operators that only move numbers: each goes back to where it came from."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy
import onnx_ir

from cnndsl.autodiff.rules import Array, VjpContext, constant_of, dims_of, vjp
from cnndsl.graph.builder import LoweringError

__all__ = ["scattered"]

Parts = Sequence[onnx_ir.Value | None]


# --- shapes -----------------------------------------------------------------------------------


@vjp("Flatten", "Reshape", "Squeeze", "Unsqueeze")
def _reshape(context: VjpContext) -> Parts:
    part = _shaped(context, context.gradient, dims_of(context.inputs[0]))
    return (part, *[None for _ in context.inputs[1:]])


@vjp("Transpose")
def _transpose(context: VjpContext) -> Parts:
    rank = len(dims_of(context.gradient))
    perm = context.integers("perm", range(rank - 1, -1, -1))
    back = [perm.index(axis) for axis in range(rank)]
    return (context.op("Transpose", context.gradient, perm=back),)


# --- parts and joins --------------------------------------------------------------------------


@vjp("Concat")
def _concat(context: VjpContext) -> Parts:
    axis = context.integer("axis", 0) % len(dims_of(context.gradient))
    parts: list[onnx_ir.Value | None] = []
    start = 0
    for value, want in zip(context.inputs, context.needs_grad, strict=True):
        end = start + dims_of(value)[axis]
        parts.append(_sliced(context, context.gradient, axis, start, end) if want else None)
        start = end
    return parts


def _sliced(
    context: VjpContext, value: onnx_ir.Value, axis: int, start: int, end: int
) -> onnx_ir.Value:
    bounds = [context.emit.constant([number]) for number in (start, end, axis)]
    return context.op("Slice", value, *bounds)


@vjp("Slice")
def _slice(context: VjpContext) -> Parts:
    """Zeros around it, and between its numbers where the step is not 1."""
    dims, gradient = dims_of(context.inputs[0]), context.gradient
    taken = _taken(context)
    backwards = [axis for axis, places in enumerate(taken) if places.step < 0]
    if backwards:
        gradient = _reversed(context, gradient, backwards)
        taken = [places[::-1] if places.step < 0 else places for places in taken]
    steps = [places.step for places in taken]
    if any(step > 1 for step in steps):
        gradient = _spaced(context, gradient, steps)
    before = [places.start for places in taken]
    have = dims_of(gradient)
    after = [full - start - size for full, start, size in zip(dims, before, have, strict=True)]
    part = _padded(context, gradient, before, after)
    return (part, *[None for _ in context.inputs[1:]])


def _taken(context: VjpContext) -> list[range]:
    """The places that a Slice takes along each axis."""
    dims = dims_of(context.inputs[0])
    starts, ends, *more = [
        [int(number) for number in context.known(at)] for at in range(1, len(context.inputs))
    ]
    axes = more[0] if more else [*range(len(starts))]
    steps = more[1] if len(more) > 1 else [1] * len(starts)
    taken = [range(size) for size in dims]
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        taken[axis] = range(*slice(start, end, step).indices(dims[axis]))
    return taken


def _reversed(context: VjpContext, value: onnx_ir.Value, axes: Sequence[int]) -> onnx_ir.Value:
    last, beyond = [-1] * len(axes), [-(2**31)] * len(axes)
    bounds = [context.emit.constant(one) for one in (last, beyond, axes, last)]
    return context.op("Slice", value, *bounds)


def _spaced(context: VjpContext, value: onnx_ir.Value, steps: Sequence[int]) -> onnx_ir.Value:
    """Behind each number as many zeros as make it start a block of the step's size.

    Axes without a step are taken together: ONNX Runtime 1.23 takes no Pad of eight axes, whose
    amounts are as many as it keeps outside the graph.
    """
    dims = dims_of(value)
    columns: list[int] = []
    after: list[int] = []
    for at, (size, step) in enumerate(zip(dims, steps, strict=True)):
        if step > 1:
            columns += (size, 1)
            after += (0, step - 1)
        elif at and steps[at - 1] == 1:
            columns[-1] *= size
        else:
            columns.append(size)
            after.append(0)
    spaced = _padded(context, _shaped(context, value, tuple(columns)), [0] * len(after), after)
    return _shaped(
        context, spaced, tuple(size * step for size, step in zip(dims, steps, strict=True))
    )


@vjp("Pad")
def _pad(context: VjpContext) -> Parts:
    dims = dims_of(context.inputs[0])
    before, after = _amounts(context)
    mode = context.text("mode", "constant")
    if mode == "constant":
        if len(context.needs_grad) > 2 and context.needs_grad[2]:
            raise LoweringError(f"{context.origin}: the value that `Pad` adds has no gradient")
        part = _padded(
            context, context.gradient, [-size for size in before], [-size for size in after]
        )
        return (part, *[None for _ in context.inputs[1:]])
    if min(*before, *after) < 0:
        raise LoweringError(f"{context.origin}: `Pad` that cuts has no gradient in mode {mode}")
    part = context.gradient
    for axis, size in enumerate(dims):
        if before[axis] or after[axis]:
            margins = (before[axis], after[axis])
            indices = numpy.pad(numpy.arange(size), margins, mode=mode)  # type: ignore[call-overload]
            part = _gathered_back(context, part, axis, indices, size)
    return (part, *[None for _ in context.inputs[1:]])


def _amounts(context: VjpContext) -> tuple[list[int], list[int]]:
    """What a Pad adds before and after each axis."""
    rank = len(dims_of(context.inputs[0]))
    given = [int(number) for number in context.known(1)]
    before, after = [0] * rank, [0] * rank
    inputs = context.node.inputs
    axes = context.known(3) if len(inputs) > 3 and inputs[3] is not None else range(rank)
    for at, axis in enumerate(axes):
        before[int(axis)] = given[at]
        after[int(axis)] = given[at + len(given) // 2]
    return before, after


def _padded(
    context: VjpContext, value: onnx_ir.Value, before: Sequence[int], after: Sequence[int]
) -> onnx_ir.Value:
    """Zeros around a value; negative sizes cut it."""
    axes = [axis for axis, pair in enumerate(zip(before, after, strict=True)) if min(pair) < 0]
    if axes:
        starts = [max(0, -before[axis]) for axis in axes]
        ends = [dims_of(value)[axis] - max(0, -after[axis]) for axis in axes]
        bounds = [context.emit.constant(one) for one in (starts, ends, axes)]
        value = context.op("Slice", value, *bounds)
    amounts = [max(0, amount) for amount in (*before, *after)]
    return context.op("Pad", value, context.emit.constant(amounts)) if any(amounts) else value


# --- choices ----------------------------------------------------------------------------------


_LARGEST_MATRIX = 1 << 20
"""Numbers of a matrix of zeros and ones above which adding them up one by one is cheaper."""


@vjp("Gather")
def _gather(context: VjpContext) -> Parts:
    dims = dims_of(context.inputs[0])
    axis = context.integer("axis", 0) % len(dims)
    count = math.prod(dims_of(context.inputs[1]))
    indices = constant_of(context.inputs[1])
    if indices is None or dims[axis] * count > _LARGEST_MATRIX:
        return scattered(context, context.gradient, axis), None
    gradient = _shaped(context, context.gradient, (*dims[:axis], count, *dims[axis + 1 :]))
    return _gathered_back(context, gradient, axis, indices.reshape(-1), dims[axis]), None


def scattered(context: VjpContext, gradient: onnx_ir.Value, axis: int) -> onnx_ir.Value:
    """What each place of an axis gave, added up, also where the places are computed."""
    dims = dims_of(context.inputs[0])
    count = math.prod(dims_of(context.inputs[1]))
    given = _shaped(context, gradient, (*dims[:axis], count, *dims[axis + 1 :]))
    line = tuple(count if at == axis else 1 for at in range(len(dims)))
    return _added(context, dims, _shaped(context, context.inputs[1], line), given, axis)


def _added(
    context: VjpContext,
    dims: tuple[int, ...],
    places: onnx_ir.Value,
    gradient: onnx_ir.Value,
    axis: int,
) -> onnx_ir.Value:
    """Zeros of some dimensions, to which a gradient is added at places along an axis.

    By ScatterElements, for ONNX Runtime's ScatterND loses on the CPU what two threads add to the
    same row.
    """
    zero = context.scalar(0) if math.prod(dims) < _LARGE else _computed_zero(context, places)
    zeros = context.op("Expand", zero, context.emit.constant(list(dims)))
    shape = context.emit.constant(list(dims_of(gradient)))
    places = context.op("Expand", places, shape)
    return context.op("ScatterElements", zeros, places, gradient, axis=axis, reduction="add")


_LARGE = 2**20
"""So many zeros, 4 MiB of them, are made in each step and not kept between steps."""


def _computed_zero(context: VjpContext, places: onnx_ir.Value) -> onnx_ir.Value:
    """A zero that ONNX Runtime doesn't take for a constant, whose copies it would hold for good."""
    constant = context.emit.constant
    first = context.op("Reshape", places, constant([-1]))
    first = context.op("Slice", first, constant([0]), constant([1]))
    assert context.gradient.dtype is not None
    nothing = context.op("Sub", first, first)
    return context.op("Cast", nothing, to=context.gradient.dtype.value)


@vjp("GatherND")
def _gather_nd(context: VjpContext) -> Parts:
    """Of single numbers as indices: along one axis, behind those that count batches."""
    dims, index_dims = dims_of(context.inputs[0]), dims_of(context.inputs[1])
    axis = context.integer("batch_dims", 0)
    if index_dims[-1] != 1:
        raise LoweringError(f"{context.origin}: `GatherND` along several axes has no gradient")
    count = math.prod(index_dims[axis:])
    rest = math.prod(dims[axis + 1 :])
    places = _shaped(context, context.inputs[1], (*dims[:axis], count, 1))
    gradient = _shaped(context, context.gradient, (*dims[:axis], count, rest))
    part = _added(context, (*dims[: axis + 1], rest), places, gradient, axis)
    return _shaped(context, part, dims), None


def _gathered_back(
    context: VjpContext, gradient: onnx_ir.Value, axis: int, indices: Array, size: int
) -> onnx_ir.Value:
    """What each place of an axis gave, added up: a product with a matrix of zeros and ones."""
    matrix = numpy.zeros((size, len(indices)))
    matrix[indices, numpy.arange(len(indices))] = 1
    return _mixed_back(context, gradient, axis, matrix)


def _mixed_back(
    context: VjpContext, gradient: onnx_ir.Value, axis: int, matrix: Array
) -> onnx_ir.Value:
    """The product of a matrix and the numbers along an axis, as one MatMul of large matrices."""
    dims = dims_of(gradient)
    before, behind = math.prod(dims[:axis]), math.prod(dims[axis + 1 :])
    if behind == 1:
        rows = _shaped(context, gradient, (before, dims[axis]))
        product = context.op("MatMul", rows, context.tensor(matrix.T.copy()))
    else:
        stack = _shaped(context, gradient, (before, dims[axis], behind))
        product = context.op("MatMul", context.tensor(matrix), stack)
    return _shaped(context, product, (*dims[:axis], len(matrix), *dims[axis + 1 :]))


@vjp("Resize")
def _resize(context: VjpContext) -> Parts:
    """Of nearest by whole factors each number gets the sum of the block that it filled.

    Of linear, along one axis after the other, what it got of each number that was mixed of it.
    """
    dims, sizes = dims_of(context.inputs[0]), dims_of(context.gradient)
    if context.text("mode", "nearest") == "linear":
        part = context.gradient
        for axis, (size, made) in enumerate(zip(dims, sizes, strict=True)):
            if size != made:
                part = _mixed_back(context, part, axis, _shares(context, size, made))
        return (part, *[None for _ in context.inputs[1:]])
    if not _fills_blocks(context):
        raise LoweringError(
            f"{context.origin}: `Resize` has a gradient only for linear, and for nearest by whole"
            " factors"
        )
    factors = [after // before for before, after in zip(dims, sizes, strict=True)]
    pairs = list(zip(dims, factors, strict=True))
    blocks = _shaped(context, context.gradient, tuple(size for pair in pairs for size in pair))
    axes = context.emit.constant([2 * at + 1 for at in range(len(dims))])
    part = context.op("ReduceSum", blocks, axes, keepdims=0)
    return (part, *[None for _ in context.inputs[1:]])


def _shares(context: VjpContext, size: int, made: int) -> Array:
    """Which share of each number along an axis (a row) is in each that is made of them."""
    coordinates = context.text("coordinate_transformation_mode", "half_pixel")
    if coordinates not in ("half_pixel", "align_corners") or context.integer("antialias", 0):
        raise LoweringError(
            f"{context.origin}: linear `Resize` has a gradient only for half_pixel and"
            " align_corners, without antialias"
        )
    positions = numpy.arange(made)
    if coordinates == "half_pixel":
        places = (2 * positions + 1) * size / (2 * made) - 0.5
    else:
        places = positions * (size - 1) / max(1, made - 1)
    places = places.clip(0, size - 1)
    first = numpy.floor(places).astype(int)
    matrix = numpy.zeros((size, made))
    numpy.add.at(matrix, (first, positions), 1 - (places - first))
    numpy.add.at(matrix, ((first + 1).clip(max=size - 1), positions), places - first)
    return matrix


def _fills_blocks(context: VjpContext) -> bool:
    """Whether each number of the input fills a block of the output."""
    dims, sizes = dims_of(context.inputs[0]), dims_of(context.gradient)
    places = context.text("coordinate_transformation_mode", "half_pixel")
    rounding = context.text("nearest_mode", "round_prefer_floor")
    return (
        context.text("mode", "nearest") == "nearest"
        and (places == "half_pixel" or (places, rounding) == ("asymmetric", "floor"))
        and all(after % before == 0 for before, after in zip(dims, sizes, strict=True))
    )


def _shaped(context: VjpContext, value: onnx_ir.Value, dims: tuple[int, ...]) -> onnx_ir.Value:
    if dims_of(value) == dims:
        return value
    return context.op("Reshape", value, context.emit.constant(list(dims)))


@vjp("ScatterElements")
def _scatter_elements(context: VjpContext) -> Parts:
    """What was added at places gets the gradient from there; the data keep theirs."""
    axis, reduction = context.integer("axis", 0), context.text("reduction", "none")
    if reduction != "add":
        raise LoweringError(
            f"{context.origin}: `ScatterElements` has a gradient only where it adds"
        )
    places = context.inputs[1]
    updates = None
    if context.needs_grad[2]:
        updates = context.op("GatherElements", context.gradient, places, axis=axis)
    return context.gradient if context.needs_grad[0] else None, None, updates
