"""Turns the gradient of a pooling's output into that of its input."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

import numpy
import onnx_ir

from cnndsl.autodiff.rules import Array, VjpContext, dims_of, vjp
from cnndsl.autodiff.windows import PoolWindow, pool_windows

__all__ = ["MAX_POOL_GRADIENT"]

Parts = Sequence[onnx_ir.Value | None]


MAX_POOL_GRADIENT = "MaxPoolGradient"
"""The composite, for `host`, of a MaxPool's input, its output and the gradient of that."""


def _windows(context: VjpContext) -> tuple[PoolWindow, ...]:
    assert context.text("auto_pad", "NOTSET") == "NOTSET"
    assert not context.integer("ceil_mode", 0)
    return pool_windows(context.node, context.inputs[0], context.output)


# --- means ------------------------------------------------------------------------------------


@vjp("AveragePool")
def _average_pool(context: VjpContext) -> Parts:
    """Each cell gets its share of every window that it lies in."""
    windows = _windows(context)
    if all(window.plain for window in windows):
        return [_spread(context, windows)]
    counts = bool(context.integer("count_include_pad", 0))
    result = context.gradient
    for window in reversed(windows):
        result = _times(context, result, _shares(window, counts=counts), window.axis)
    return [result]


def _spread(context: VjpContext, windows: Sequence[PoolWindow]) -> onnx_ir.Value:
    """Where windows lie side by side, an enlarged picture of the gradient.

    Resize took 0.14 ms at LeNet-5's first pooling (batch 64), the two matrices 0.34,
    a depthwise ConvTranspose 0.21, Concat 0.30, PyTorch's own kernel 0.86.
    """
    cells = math.prod(window.kernel for window in windows)
    share = context.op("Mul", context.gradient, context.scalar(1 / cells))
    scales = numpy.array([1, 1, *(window.kernel for window in windows)], numpy.float32)
    large = context.op(
        "Resize",
        share,
        None,
        context.emit.tensor(scales),
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )
    missing = [window.size - window.output * window.kernel for window in windows]
    if not any(missing):
        return large
    amounts = [0] * (2 + len(windows)) + [0, 0, *missing]
    return context.op("Pad", large, context.emit.constant(amounts))


def _shares(window: PoolWindow, *, counts: bool) -> Array:
    """A matrix from an axis of the output to that of the input: the cell's weight in each mean.

    The number of cells in a window is a product over the axes, also where padding does not count.
    """
    starts = numpy.arange(window.output)[:, None] * window.stride - window.before
    places = starts + numpy.arange(window.kernel) * window.dilation
    inside = (places >= 0) & (places < window.size)
    shares = numpy.zeros((window.output, window.size))
    for output, (row, seen) in enumerate(zip(places, inside, strict=True)):
        shares[output, row[seen]] = 1 / (window.kernel if counts else max(1, seen.sum()))
    return shares


def _times(context: VjpContext, value: onnx_ir.Value, matrix: Array, axis: int) -> onnx_ir.Value:
    """The product with a matrix [old size, new size] along an axis."""
    dims = dims_of(value)
    if axis == len(dims) - 1:
        return context.op("MatMul", value, context.tensor(matrix))
    turned = context.tensor(numpy.ascontiguousarray(matrix.T))
    if axis == len(dims) - 2:
        return context.op("MatMul", turned, value)
    shape = [*dims[:axis], dims[axis], math.prod(dims[axis + 1 :])]
    flat = context.op("Reshape", value, context.emit.constant(shape))
    product = context.op("MatMul", turned, flat)
    shape = [*dims[:axis], matrix.shape[1], *dims[axis + 1 :]]
    return context.op("Reshape", product, context.emit.constant(shape))


@vjp("GlobalAveragePool")
def _global_average_pool(context: VjpContext) -> Parts:
    """Every cell gets the same share."""
    spatial = dims_of(context.inputs[0])[2:]
    shares = numpy.full((1, 1, *spatial), 1 / math.prod(spatial))
    return [context.op("Mul", context.gradient, context.tensor(shares))]


# --- maxima -----------------------------------------------------------------------------------


@vjp("MaxPool")
def _max_pool(context: VjpContext) -> Parts:
    """The first of a window's largest cells, row by row, gets its gradient.

    A window's maximum is the maximum of its rows' maxima, and its first largest cell lies in the
    first row that has it. So the pooling is undone axis by axis, the first axis first: k + k cells
    of a window are compared instead of k*k, the first k at a part of the input's size. MaxPool's
    own output of places is not used: with it, ONNX Runtime's MaxPool takes thirteen times as long.
    """
    windows = _windows(context)

    def body(
        source: onnx_ir.Value, result: onnx_ir.Value, gradient: onnx_ir.Value
    ) -> Sequence[onnx_ir.Value]:
        found = _undone(context, windows, source, result, gradient)
        # What a function gives is none of its inputs.
        return [context.op("Identity", found) if found is gradient else found]

    inputs = context.inputs[0], context.output, context.gradient
    if context.target != "host":
        return [_undone(context, windows, *inputs)]
    return context.emit.composite(
        MAX_POOL_GRADIENT,
        body,
        *inputs,
        kernel_shape=[window.kernel for window in windows],
        strides=[window.stride for window in windows],
        dilations=[window.dilation for window in windows],
        pads=[window.before for window in windows] + [window.after for window in windows],
    )


def _undone(
    context: VjpContext,
    windows: Sequence[PoolWindow],
    source: onnx_ir.Value,
    result: onnx_ir.Value,
    gradient: onnx_ir.Value,
) -> onnx_ir.Value:
    """The gradient of the source, in standard operators."""
    windows = [window for window in windows if window.kernel * window.stride > 1]
    maxima = {len(windows): source, 0: result}

    def along(at: int) -> onnx_ir.Value:
        """The maxima along all axes from this one on."""
        if at not in maxima:
            maxima[at] = _pooled(context, along(at + 1), windows[at])
        return maxima[at]

    for at, window in enumerate(windows):
        parts = {window.places[-1]: gradient}
        if len(window.places) > 1:
            parts = _shared_out(context, window, along(at + 1), along(at), gradient)
        gradient = _joined(context, parts, window)
    return gradient


def _pooled(context: VjpContext, source: onnx_ir.Value, window: PoolWindow) -> onnx_ir.Value:
    """The maxima along one axis."""
    rank = len(dims_of(source)) - 2
    at = window.axis - 2

    def along(number: int, other: int) -> list[int]:
        return [number if axis == at else other for axis in range(rank)]

    return context.op(
        "MaxPool",
        source,
        kernel_shape=along(window.kernel, 1),
        strides=along(window.stride, 1),
        dilations=along(window.dilation, 1),
        pads=along(window.before, 0) + along(window.after, 0),
    )


def _shared_out(
    context: VjpContext,
    window: PoolWindow,
    source: onnx_ir.Value,
    result: onnx_ir.Value,
    gradient: onnx_ir.Value,
) -> dict[int, onnx_ir.Value]:
    """The parts of a gradient that the places of a window get, along one axis.

    Each place takes the gradient where it is the maximum, and leaves what it does not take to
    those behind it; what is left at the last place is the last place's.
    """
    *places, final = window.places
    parts = {}
    for place, cells in _cells(context, source, window, places).items():
        mask = context.op("Equal", cells, result)
        # A product with 0 and 1 took 1.2 ms where a Where took 2.1.
        parts[place] = context.op("Mul", _number(context, mask), gradient)
        gradient = context.op("Sub", gradient, parts[place])
    return parts | {final: gradient}


def _cells(
    context: VjpContext, source: onnx_ir.Value, window: PoolWindow, places: Sequence[int]
) -> dict[int, onnx_ir.Value]:
    """The cells that stand at places of every window; those of the padding are minus infinity.

    Cell q*stride + phase of the source is cell q of that phase's plane. What reaches over the
    border is padded after cutting: it is a part of the input's size.
    """
    met = {place: divmod(window.offset(place), window.stride) for place in places}
    count = window.size // window.stride
    if any(window.standing(place)[-1] + shift >= count for place, (shift, _) in met.items()):
        count = -(-window.size // window.stride)
    phases = {phase for _, phase in met.values()}
    planes = _planes(context, source, window, count, phases)
    return {
        place: _moved(context, planes[phase], window.axis, -shift, window.output, -math.inf)
        for place, (shift, phase) in met.items()
    }


def _planes(
    context: VjpContext,
    source: onnx_ir.Value,
    window: PoolWindow,
    count: int,
    phases: AbstractSet[int],
) -> dict[int, onnx_ir.Value]:
    """Every stride-th cell along an axis, ``count`` of them, from the cell of each phase on.

    Split takes 2.5 ms for the 8x64x112x112 cells before ResNet-18's pooling, a Slice with a step
    7.5 for each plane (AVX-512, 2 threads).
    """
    axis, stride = window.axis, window.stride
    source = _moved(context, source, axis, 0, count * stride, -math.inf)
    if stride == 1:
        return {0: source}
    constant, dims = context.emit.constant, list(dims_of(source))
    rows = constant([*dims[:axis], count, stride, *dims[axis + 1 :]])
    sizes = constant([1] * stride)
    planes = context.emit.several(
        "Split", stride, context.op("Reshape", source, rows), sizes, axis=axis + 1
    )
    dims[axis] = count
    return {phase: context.op("Reshape", planes[phase], constant(dims)) for phase in phases}


def _number(context: VjpContext, value: onnx_ir.Value) -> onnx_ir.Value:
    assert context.gradient.dtype is not None
    return context.op("Cast", value, to=context.gradient.dtype.value)


def _padded(
    context: VjpContext, value: onnx_ir.Value, axis: int, margins: tuple[int, int], number: float
) -> onnx_ir.Value:
    if not any(margins):
        return value
    rank = len(dims_of(value))
    amounts = [0] * (2 * rank)
    amounts[axis], amounts[rank + axis] = margins
    given = [context.scalar(number)] if number else []
    return context.op("Pad", value, context.emit.constant(amounts), *given)


def _joined(
    context: VjpContext, parts: Mapping[int, onnx_ir.Value], window: PoolWindow
) -> onnx_ir.Value:
    """The sum of the parts of a window's places, each cell where it came from, along one axis.

    Cell q*stride + phase of the input is cell q - shift of the parts whose place lies at
    shift*stride + phase: parts of one phase are moved and added, then the phases are interleaved.
    """
    count = -(-window.size // window.stride)
    phases: list[list[onnx_ir.Value]] = [[] for _ in range(window.stride)]
    for place, part in parts.items():
        shift, phase = divmod(window.offset(place), window.stride)
        phases[phase].append(_moved(context, part, window.axis, shift, count))
    result = _interleaved(context, [_sum(context, phase) for phase in phases], window.axis)
    if dims_of(result)[window.axis] == window.size:
        return result
    bounds = [[0], [window.size], [window.axis]]
    return context.op("Slice", result, *(context.emit.constant(bound) for bound in bounds))


def _sum(context: VjpContext, values: Sequence[onnx_ir.Value]) -> onnx_ir.Value | None:
    """One by one: Sum of three takes five times an Add, on one thread."""
    total = None
    for value in values:
        total = value if total is None else context.op("Add", total, value)
    return total


def _moved(
    context: VjpContext,
    part: onnx_ir.Value,
    axis: int,
    shift: int,
    count: int,
    number: float = 0,
) -> onnx_ir.Value:
    """A part moved along an axis and made ``count`` long; what comes in is a number.

    Both at once by amounts below 0, but on CUDA, whose Pad is not asked for that.
    """
    size = dims_of(part)[axis]
    if context.target != "cuda":
        return _padded(context, part, axis, (shift, count - size - shift), number)
    constant = context.emit.constant
    start, end = max(0, -shift), min(size, count - shift)
    if (start, end) != (0, size):
        part = context.op("Slice", part, constant([start]), constant([end]), constant([axis]))
    before = max(0, shift)
    return _padded(context, part, axis, (before, count - before - (end - start)), number)


def _interleaved(
    context: VjpContext, phases: Sequence[onnx_ir.Value | None], axis: int
) -> onnx_ir.Value:
    """Phases dealt out in turn along an axis; None is one of zeros, which no window reaches."""
    present = [phase for phase in phases if phase is not None]
    if len(phases) == 1:
        return present[0]
    constant = context.emit.constant
    dims = list(dims_of(present[0]))
    shape = [math.prod(dims[: axis + 1]), 1, math.prod(dims[axis + 1 :])]
    planes: dict[onnx_ir.Value | None, onnx_ir.Value] = {
        phase: context.op("Reshape", phase, constant(shape)) for phase in present
    }
    if len(present) < len(phases):
        planes[None] = _number(context, context.op("ConstantOfShape", constant(shape)))
    joined = context.op("Concat", *(planes[phase] for phase in phases), axis=1)
    dims[axis] *= len(phases)
    return context.op("Reshape", joined, constant(dims))


@vjp("GlobalMaxPool")
def _global_max_pool(context: VjpContext) -> Parts:
    """The first of the largest cells gets the gradient: ArgMax gives the first."""
    batch, channels, *spatial = dims_of(context.inputs[0])
    constant, cells = context.emit.constant, math.prod(spatial)
    flat = context.op("Reshape", context.inputs[0], constant([batch, channels, cells]))
    place = context.op("ArgMax", flat, axis=2, keepdims=1)
    mask = context.op("Equal", place, constant([*range(cells)]))
    gradient = context.op("Reshape", context.gradient, constant([batch, channels, 1]))
    product = context.op("Mul", _number(context, mask), gradient)
    return [context.op("Reshape", product, constant([batch, channels, *spatial]))]
