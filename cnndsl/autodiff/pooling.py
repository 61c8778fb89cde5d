"""Turns the gradient of a pooling's output into that of its input."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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

    @property
    def places(self) -> tuple[int, ...]:
        """The places of the window at which it ever stands on a cell of the input."""
        return tuple(place for place in range(self.kernel) if self.standing(place))

    def standing(self, place: int) -> range:
        """The windows that have a cell of the input, not of the padding, at a place."""
        offset = self.offset(place)
        first = max(0, -(offset // self.stride))
        return range(first, min(self.output, (self.size - 1 - offset) // self.stride + 1))

    def offset(self, place: int) -> int:
        """Where the first window has a place: the cell's number."""
        return place * self.dilation - self.before


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


def _times(backward: Backward, value: onnx_ir.Value, matrix: Array, axis: int) -> onnx_ir.Value:
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
    windows = [window for window in _windows(backward) if window.kernel * window.stride > 1]
    maxima = {len(windows): backward.inputs[0], 0: backward.output}

    def along(at: int) -> onnx_ir.Value:
        """The maxima along all axes from this one on."""
        if at not in maxima:
            maxima[at] = _pooled(backward, along(at + 1), windows[at])
        return maxima[at]

    gradient = backward.gradient
    for at, window in enumerate(windows):
        parts = {window.places[-1]: gradient}
        if len(window.places) > 1:
            parts = _shared_out(backward, window, along(at + 1), along(at), gradient)
        gradient = _joined(backward, parts, window)
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


def _shared_out(
    backward: Backward,
    window: _Window,
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
    for place in places:
        mask = backward.op("Equal", _cells(backward, source, window, place), result)
        # A product with 0 and 1 took 1.2 ms where a Where took 2.1.
        parts[place] = backward.op("Mul", _number(backward, mask), gradient)
        gradient = backward.op("Sub", gradient, parts[place])
    return parts | {final: gradient}


def _cells(backward: Backward, source: onnx_ir.Value, window: _Window, place: int) -> onnx_ir.Value:
    """The cells that stand at one place of every window; those of the padding are minus infinity.

    What reaches over the border is padded after cutting: it is a part of the input's size.
    """
    constant, stride = backward.emit.constant, window.stride
    standing = window.standing(place)
    start = standing[0] * stride + window.offset(place)
    end = standing[-1] * stride + window.offset(place) + 1
    if (start, end, stride) != (0, window.size, 1):
        bounds = [[start], [end], [window.axis], [stride]]
        source = backward.op("Slice", source, *(constant(bound) for bound in bounds))
    margins = standing.start, window.output - standing.stop
    return _padded(backward, source, window.axis, margins, -math.inf)


def _number(backward: Backward, value: onnx_ir.Value) -> onnx_ir.Value:
    assert backward.gradient.dtype is not None
    return backward.op("Cast", value, to=backward.gradient.dtype.value)


def _padded(
    backward: Backward, value: onnx_ir.Value, axis: int, margins: tuple[int, int], number: float
) -> onnx_ir.Value:
    if not any(margins):
        return value
    rank = len(dims_of(value))
    amounts = [0] * (2 * rank)
    amounts[axis], amounts[rank + axis] = margins
    given = [backward.scalar(number)] if number else []
    return backward.op("Pad", value, backward.emit.constant(amounts), *given)


def _joined(
    backward: Backward, parts: Mapping[int, onnx_ir.Value], window: _Window
) -> onnx_ir.Value:
    """The sum of the parts of a window's places, each cell where it came from, along one axis.

    Cell q*stride + phase of the input is cell q - shift of the parts whose place lies at
    shift*stride + phase: parts of one phase are moved and added, then the phases are interleaved.
    """
    count = -(-window.size // window.stride)
    phases: list[list[onnx_ir.Value]] = [[] for _ in range(window.stride)]
    for place, part in parts.items():
        shift, phase = divmod(window.offset(place), window.stride)
        phases[phase].append(_moved(backward, part, window.axis, shift, count))
    result = _interleaved(backward, [_sum(backward, phase) for phase in phases], window.axis)
    if dims_of(result)[window.axis] == window.size:
        return result
    bounds = [[0], [window.size], [window.axis]]
    return backward.op("Slice", result, *(backward.emit.constant(bound) for bound in bounds))


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
    before = max(0, shift)
    return _padded(backward, part, axis, (before, count - before - (end - start)), 0)


def _interleaved(
    backward: Backward, phases: Sequence[onnx_ir.Value | None], axis: int
) -> onnx_ir.Value:
    """Phases dealt out in turn along an axis; None is one of zeros, which no window reaches."""
    present = [phase for phase in phases if phase is not None]
    if len(phases) == 1:
        return present[0]
    constant = backward.emit.constant
    dims = list(dims_of(present[0]))
    shape = [math.prod(dims[: axis + 1]), 1, math.prod(dims[axis + 1 :])]
    planes: dict[onnx_ir.Value | None, onnx_ir.Value] = {
        phase: backward.op("Reshape", phase, constant(shape)) for phase in present
    }
    if len(present) < len(phases):
        planes[None] = _number(backward, backward.op("ConstantOfShape", constant(shape)))
    joined = backward.op("Concat", *(planes[phase] for phase in phases), axis=1)
    dims[axis] *= len(phases)
    return backward.op("Reshape", joined, constant(dims))


@vjp("GlobalMaxPool")
def _global_max_pool(backward: Backward) -> Parts:
    """The first of the largest cells gets the gradient: ArgMax gives the first."""
    batch, channels, *spatial = dims_of(backward.inputs[0])
    constant, cells = backward.emit.constant, math.prod(spatial)
    flat = backward.op("Reshape", backward.inputs[0], constant([batch, channels, cells]))
    place = backward.op("ArgMax", flat, axis=2, keepdims=1)
    mask = backward.op("Equal", place, constant([*range(cells)]))
    gradient = backward.op("Reshape", backward.gradient, constant([batch, channels, 1]))
    product = backward.op("Mul", _number(backward, mask), gradient)
    return [backward.op("Reshape", product, constant([batch, channels, *spatial]))]
