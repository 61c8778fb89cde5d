"""Turns the gradient of a pooling's output into that of its input."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy
import onnx_ir

from cnndsl.autodiff.rules import Array, Backward, dims_of, vjp

__all__: list[str] = []

Parts = Sequence[onnx_ir.Value | None]


@dataclass(frozen=True)
class _Window:
    """How a pooling's window moves along one axis of its input."""

    axis: int
    size: int
    output: int
    kernel: int
    stride: int
    dilation: int
    before: int
    after: int

    @property
    def plain(self) -> bool:
        """Whether windows lie side by side, without padding."""
        return self.kernel == self.stride and self.dilation == 1 and not self.before + self.after


def _windows(backward: Backward) -> tuple[_Window, ...]:
    assert backward.text("auto_pad", "NOTSET") == "NOTSET"
    assert not backward.integer("ceil_mode", 0)
    kernel = backward.integers("kernel_shape")
    ones = (1,) * len(kernel)
    pads = backward.integers("pads", (0, 0) * len(kernel))
    columns = zip(
        range(2, 2 + len(kernel)),
        dims_of(backward.inputs[0])[2:],
        dims_of(backward.output)[2:],
        kernel,
        backward.integers("strides", ones),
        backward.integers("dilations", ones),
        pads[: len(kernel)],
        pads[len(kernel) :],
        strict=True,
    )
    return tuple(_Window(*column) for column in columns)


# --- means ------------------------------------------------------------------------------------


@vjp("AveragePool")
def _average_pool(backward: Backward) -> Parts:
    """Each cell gets its share of every window that it lies in."""
    windows = _windows(backward)
    if all(window.plain for window in windows):
        return [_spread(backward, windows)]
    counts = bool(backward.integer("count_include_pad", 0))
    result = backward.gradient
    for window in reversed(windows):
        result = _times(backward, result, _shares(window, counts=counts), window.axis)
    return [result]


def _spread(backward: Backward, windows: Sequence[_Window]) -> onnx_ir.Value:
    """Where windows lie side by side, an enlarged picture of the gradient.

    Resize took 0.14 ms at LeNet-5's first pooling (batch 64), the two matrices 0.34,
    a depthwise ConvTranspose 0.21, Concat 0.30, PyTorch's own kernel 0.86.
    """
    cells = math.prod(window.kernel for window in windows)
    share = backward.op("Mul", backward.gradient, backward.scalar(1 / cells))
    scales = numpy.array([1, 1, *(window.kernel for window in windows)], numpy.float32)
    large = backward.op(
        "Resize",
        share,
        None,
        backward.emit.tensor(scales),
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )
    missing = [window.size - window.output * window.kernel for window in windows]
    if not any(missing):
        return large
    amounts = [0] * (2 + len(windows)) + [0, 0, *missing]
    return backward.op("Pad", large, backward.emit.constant(amounts))


def _shares(window: _Window, *, counts: bool) -> Array:
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


def _times(
    backward: Backward, value: onnx_ir.Value, matrix: Array, axis: int
) -> onnx_ir.Value:
    """The product with a matrix [old size, new size] along an axis."""
    dims = dims_of(value)
    if axis == len(dims) - 1:
        return backward.op("MatMul", value, backward.tensor(matrix))
    turned = backward.tensor(numpy.ascontiguousarray(matrix.T))
    if axis == len(dims) - 2:
        return backward.op("MatMul", turned, value)
    shape = [*dims[:axis], dims[axis], math.prod(dims[axis + 1 :])]
    flat = backward.op("Reshape", value, backward.emit.constant(shape))
    product = backward.op("MatMul", turned, flat)
    shape = [*dims[:axis], matrix.shape[1], *dims[axis + 1 :]]
    return backward.op("Reshape", product, backward.emit.constant(shape))


@vjp("GlobalAveragePool")
def _global_average_pool(backward: Backward) -> Parts:
    """Every cell gets the same share."""
    spatial = dims_of(backward.inputs[0])[2:]
    shares = numpy.full((1, 1, *spatial), 1 / math.prod(spatial))
    return [backward.op("Mul", backward.gradient, backward.tensor(shares))]


# --- maxima -----------------------------------------------------------------------------------


@vjp("MaxPool")
def _max_pool(backward: Backward) -> Parts:
    """The first of a window's largest cells, row by row, gets its gradient.

    A window's maximum is the maximum of its rows' maxima, and its first largest cell lies in the
    first row that has it. So the pooling is undone axis by axis, the first axis first: k + k cells
    of a window are compared instead of k*k, the first k at a part of the input's size. MaxPool's
    own output of places is not used: with it, ONNX Runtime's MaxPool takes thirteen times as long.
    """
    windows = _windows(backward)
    stages = [backward.inputs[0]]
    for window in reversed(windows[1:]):
        stages.append(_pooled(backward, stages[-1], window))
    stages.append(backward.output)
    gradient = backward.gradient
    for window, source, result in zip(windows, stages[-2::-1], stages[:0:-1], strict=True):
        gradient = _unpooled(backward, window, source, result, gradient)
    return [gradient]


def _pooled(backward: Backward, source: onnx_ir.Value, window: _Window) -> onnx_ir.Value:
    """The maxima along one axis."""
    rank = len(dims_of(source)) - 2
    at = window.axis - 2

    def along(number: int, other: int) -> list[int]:
        return [number if axis == at else other for axis in range(rank)]

    return backward.op(
        "MaxPool",
        source,
        kernel_shape=along(window.kernel, 1),
        strides=along(window.stride, 1),
        dilations=along(window.dilation, 1),
        pads=along(window.before, 0) + along(window.after, 0),
    )


def _unpooled(
    backward: Backward,
    window: _Window,
    source: onnx_ir.Value,
    result: onnx_ir.Value,
    gradient: onnx_ir.Value,
) -> onnx_ir.Value:
    """The gradient of the input of a pooling along one axis.

    Each place of the window takes the gradient where it is the maximum, and leaves what it does
    not take to those behind it; what is left at the last place is the last place's.
    """
    if window.before or window.after:
        source = _bordered(backward, source, window)
    taken = []
    for place in range(window.kernel - 1):
        cells = _strided(backward, source, window, place * window.dilation)
        mask = backward.op("Equal", cells, result)
        # A product with 0 and 1 took 1.2 ms where a Where took 2.1.
        assert gradient.dtype is not None
        part = backward.op(
            "Mul", backward.op("Cast", mask, to=gradient.dtype.value), gradient
        )
        taken.append(part)
        gradient = backward.op("Sub", gradient, part)
    return _joined(backward, [*taken, gradient], window)


def _bordered(backward: Backward, source: onnx_ir.Value, window: _Window) -> onnx_ir.Value:
    rank = len(dims_of(source))
    amounts = [0] * (2 * rank)
    amounts[window.axis], amounts[rank + window.axis] = window.before, window.after
    lowest = backward.scalar(-math.inf)
    return backward.op("Pad", source, backward.emit.constant(amounts), lowest)


def _strided(
    backward: Backward, source: onnx_ir.Value, window: _Window, start: int
) -> onnx_ir.Value:
    """The cells that stand at one place of every window."""
    constant = backward.emit.constant
    end = start + (window.output - 1) * window.stride + 1
    if start == 0 and end == dims_of(source)[window.axis]:
        return source
    return backward.op(
        "Slice",
        source,
        constant([start]),
        constant([end]),
        constant([window.axis]),
        constant([window.stride]),
    )


def _joined(
    backward: Backward, parts: Sequence[onnx_ir.Value], window: _Window
) -> onnx_ir.Value:
    """The sum of parts that belong to the places of a window, each cell where it came from.

    Cell q*stride + phase of the padded input is cell q - shift of the parts whose place is
    shift*stride + phase: parts of one phase are moved and added, then the phases are interleaved.
    """
    stride, before = window.stride, window.before
    first = before // stride  # Cells before that lie in the padding.
    count = -(-(before + window.size) // stride) - first
    phases = []
    for phase in range(stride):
        moved = [
            _moved(backward, part, window.axis, place * window.dilation // stride - first, count)
            for place, part in enumerate(parts)
            if place * window.dilation % stride == phase
        ]
        phases.append(_sum(backward, moved))
    return _interleaved(backward, phases, window, before - first * stride, count)


def _sum(backward: Backward, values: Sequence[onnx_ir.Value]) -> onnx_ir.Value | None:
    if len(values) < 2:
        return values[0] if values else None
    return backward.op("Add" if len(values) == 2 else "Sum", *values)


def _moved(
    backward: Backward, part: onnx_ir.Value, axis: int, shift: int, count: int
) -> onnx_ir.Value:
    """A part moved along an axis and made ``count`` long; what comes in is zero."""
    constant = backward.emit.constant
    size = dims_of(part)[axis]
    start, end = max(0, -shift), min(size, count - shift)
    if (start, end) != (0, size):
        part = backward.op("Slice", part, constant([start]), constant([end]), constant([axis]))
    before, after = max(0, shift), count - max(0, shift) - (end - start)
    if before or after:
        amounts = [0] * (2 * len(dims_of(part)))
        amounts[axis], amounts[len(amounts) // 2 + axis] = before, after
        part = backward.op("Pad", part, constant(amounts))
    return part


def _interleaved(
    backward: Backward,
    phases: Sequence[onnx_ir.Value | None],
    window: _Window,
    start: int,
    count: int,
) -> onnx_ir.Value:
    """Phases dealt out in turn along an axis; then the input's part of it."""
    constant = backward.emit.constant
    like = next(phase for phase in phases if phase is not None)
    dims = list(dims_of(like))
    axis, stride = window.axis, len(phases)
    result = like
    if stride > 1:
        inner = math.prod(dims[axis + 1 :])
        shape = constant([math.prod(dims[: axis + 1]), 1, inner])
        zeros: onnx_ir.Value | None = None
        planes = []
        for phase in phases:
            if phase is None:  # No window reaches these cells.
                zeros = zeros or backward.tensor(numpy.zeros((math.prod(dims[: axis + 1]), 1, inner)))
                planes.append(zeros)
            else:
                planes.append(backward.op("Reshape", phase, shape))
        dims[axis] *= stride
        result = backward.op("Reshape", backward.op("Concat", *planes, axis=1), constant(dims))
    if (start, window.size) == (0, dims[axis]):
        return result
    end = start + window.size
    return backward.op("Slice", result, constant([start]), constant([end]), constant([axis]))


@vjp("GlobalMaxPool")
def _global_max_pool(backward: Backward) -> Parts:
    """The first of the largest cells gets the gradient: ArgMax gives the first."""
    batch, channels, *spatial = dims_of(backward.inputs[0])
    constant, cells = backward.emit.constant, math.prod(spatial)
    flat = backward.op("Reshape", backward.inputs[0], constant([batch, channels, cells]))
    place = backward.op("ArgMax", flat, axis=2, keepdims=1)
    mask = backward.op("Equal", place, constant(range(cells)))
    assert backward.gradient.dtype is not None
    ones = backward.op("Cast", mask, to=backward.gradient.dtype.value)
    gradient = backward.op("Reshape", backward.gradient, constant([batch, channels, 1]))
    product = backward.op("Mul", ones, gradient)
    return [backward.op("Reshape", product, constant([batch, channels, *spatial]))]
