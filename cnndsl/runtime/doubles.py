"""Computes a value of a graph in float64: what float32 rounds, and what lies within a kink, shows.

ONNX Runtime has no convolution in float64, so the graph is interpreted, by the reference evaluator
of the ``onnx`` package. Its convolutions and poolings go place by place; those here go over the
places of a kernel, each one product or comparison of whole feature maps.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import product
from typing import Any, TypeAlias

import numpy
import onnx
from numpy.typing import NDArray
from onnx.numpy_helper import from_array, to_array
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun
from typing_extensions import override

__all__ = [
    "AveragePool",
    "Conv",
    "ConvTranspose",
    "DoubleGraph",
    "Doubles",
    "Erf",
    "GlobalMaxPool",
    "LogSoftmax",
    "MaxPool",
]

Doubles: TypeAlias = NDArray[numpy.float64]

_FLOAT, _DOUBLE = onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE


class DoubleGraph:
    """A graph that is computed in float64, as far as one of its values needs it."""

    def __init__(self, model: onnx.ModelProto, value: str) -> None:
        self._value = value
        self._evaluator = ReferenceEvaluator(
            _for_value(model, value),
            new_ops=[*OPERATORS],
        )
        self._wanted = frozenset(self._evaluator.input_names)

    def __call__(self, feeds: Mapping[str, NDArray[Any]]) -> float:
        """The value, a single number, for these inputs."""
        given = {name: feeds[name] for name in self._wanted}
        doubles = {
            name: array.astype(numpy.float64) if array.dtype == numpy.float32 else array
            for name, array in given.items()
        }
        [result] = self._evaluator.run([self._value], doubles)
        return float(numpy.asarray(result))


def _for_value(model: onnx.ModelProto, value: str) -> onnx.ModelProto:
    """The part of a model that a value needs, with its casts and constants in float64."""
    part = onnx.ModelProto()
    part.CopyFrom(model)
    for field in ("node", "output", "value_info"):
        part.graph.ClearField(field)
    needed = {value}
    kept: list[onnx.NodeProto] = []
    for node in reversed(model.graph.node):
        if needed & set(node.output):
            needed |= set(node.input)
            kept.append(node)
    part.graph.node.extend(reversed(kept))
    part.graph.output.add(name=value)
    inputs = [one for one in part.graph.input if one.name in needed]
    del part.graph.input[:]
    part.graph.input.extend(inputs)
    for tensor in part.graph.initializer:
        _widen(tensor)
    for node in part.graph.node:
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == _FLOAT:
                attribute.i = _DOUBLE
            elif attribute.type == onnx.AttributeProto.TENSOR:
                _widen(attribute.t)
            elif node.op_type == "Constant" and attribute.name in ("value_float", "value_floats"):
                numbers = numpy.asarray(onnx.helper.get_attribute_value(attribute), numpy.float64)
                attribute.CopyFrom(onnx.helper.make_attribute("value", from_array(numbers)))
    return part


def _widen(tensor: onnx.TensorProto) -> None:
    if tensor.data_type == _FLOAT:
        tensor.CopyFrom(from_array(to_array(tensor).astype(numpy.float64), tensor.name))


# --- operators --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Windows:
    """Where a kernel lies on the feature maps: per spatial axis, as ONNX's attributes say."""

    kernel: Sequence[int]
    begin: Sequence[int]
    end: Sequence[int]
    strides: Sequence[int]
    dilations: Sequence[int]
    sizes: Sequence[int]

    @classmethod
    def of(
        cls,
        size: Sequence[int],
        kernel: Sequence[int],
        pads: Sequence[int] | None,
        strides: Sequence[int] | None,
        dilations: Sequence[int] | None,
        ceil: bool = False,
    ) -> _Windows:
        rank = len(kernel)
        pads, strides, dilations = (
            pads or [0] * 2 * rank,
            strides or [1] * rank,
            dilations or [1] * rank,
        )
        begin, end = pads[:rank], pads[rank:]
        sizes = []
        for axis in range(rank):
            reach = (kernel[axis] - 1) * dilations[axis] + 1
            room = size[axis] + begin[axis] + end[axis] - reach
            count = (-(-room // strides[axis]) if ceil else room // strides[axis]) + 1
            # No window begins behind the input and its front padding (ONNX MaxPool-19).
            if ceil and (count - 1) * strides[axis] >= size[axis] + begin[axis]:
                count -= 1
            sizes.append(count)
        return cls(kernel, begin, end, strides, dilations, sizes)

    def padded(self, x: Doubles, padding: float, beyond: float) -> Doubles:
        """The feature maps with their padding, and what rounding up reaches beyond it."""
        if any((*self.begin, *self.end)):
            around = [(0, 0), (0, 0), *zip(self.begin, self.end, strict=True)]
            x = numpy.pad(x, around, constant_values=padding)
        reach = [
            max(0, (count - 1) * stride + (kernel - 1) * dilation + 1 - size)
            for count, stride, kernel, dilation, size in zip(
                self.sizes, self.strides, self.kernel, self.dilations, x.shape[2:], strict=True
            )
        ]
        rest = [(0, 0), (0, 0), *((0, more) for more in reach)]
        return numpy.pad(x, rest, constant_values=beyond) if any(reach) else x

    def parts(self, x: Doubles) -> Iterator[tuple[tuple[int, ...], Doubles]]:
        """For each place of the kernel, what lies under it in all windows."""
        for place in product(*map(range, self.kernel)):
            steps = [
                slice(at * dilation, at * dilation + (count - 1) * stride + 1, stride)
                for at, dilation, count, stride in zip(
                    place, self.dilations, self.sizes, self.strides, strict=True
                )
            ]
            yield place, x[(slice(None), slice(None), *steps)]


class Conv(OpRun):
    """Conv-11."""

    op_domain = ""

    @override
    def _run(
        self, x: Doubles, w: Doubles, b: Doubles | None = None, **given: Any
    ) -> tuple[Doubles]:
        groups = given["group"] or 1
        windows = _Windows.of(
            x.shape[2:], w.shape[2:], given["pads"], given["strides"], given["dilations"]
        )
        kernels: Any = w.reshape(groups, len(w) // groups, *w.shape[1:])
        total: Any = None
        for place, part in windows.parts(windows.padded(x, 0.0, 0.0)):
            columns = part.reshape(len(x), groups, x.shape[1] // groups, -1)
            one = kernels[(..., *place)] @ columns
            total = one if total is None else numpy.add(total, one, out=total)
        result = total.reshape(len(x), len(w), *windows.sizes)
        if b is not None:
            result += b.reshape(-1, *[1] * len(windows.sizes))
        return (result,)


class ConvTranspose(OpRun):
    """ConvTranspose-11, with explicit padding; the reference evaluator's knows no groups."""

    op_domain = ""

    @override
    def _run(
        self, x: Doubles, w: Doubles, b: Doubles | None = None, **given: Any
    ) -> tuple[Doubles]:
        groups, rank = given["group"] or 1, x.ndim - 2
        ones, zeros = [1] * rank, [0] * rank
        strides, dilations = given["strides"] or ones, given["dilations"] or ones
        windows = _Windows(w.shape[2:], zeros, zeros, strides, dilations, x.shape[2:])
        columns = zip(x.shape[2:], w.shape[2:], strides, dilations, strict=True)
        reach = [
            (size - 1) * stride + (kernel - 1) * dilation + 1
            for size, kernel, stride, dilation in columns
        ]
        added = given["output_padding"] or zeros
        whole = numpy.zeros(
            (len(x), groups * w.shape[1], *(a + b for a, b in zip(reach, added, strict=True)))
        )
        kernels: Any = w.reshape(groups, len(w) // groups, *w.shape[1:]).swapaxes(1, 2)
        cells = x.reshape(len(x), groups, len(w) // groups, -1)
        for place, part in windows.parts(whole):  # views: what is added to them, the whole gets
            part += (kernels[(..., *place)] @ cells).reshape(part.shape)
        pads = given["pads"] or zeros * 2
        ends = zip(pads[:rank], pads[rank:], whole.shape[2:], strict=True)
        kept = (slice(before, size - after) for before, after, size in ends)
        result = whole[(slice(None), slice(None), *kept)]
        return (result if b is None else result + b.reshape(-1, *ones),)


class MaxPool(OpRun):
    """MaxPool-12, with the places of the maxima where they are asked for."""

    op_domain = ""

    @override
    def _run(self, x: Doubles, **given: Any) -> tuple[NDArray[Any], ...]:
        windows = _Windows.of(
            x.shape[2:], given["kernel_shape"], given["pads"], given["strides"],
            given["dilations"], bool(given["ceil_mode"]),
        )  # fmt: skip
        padded = windows.padded(x, -numpy.inf, -numpy.inf)
        if len(self.onnx_node.output) == 1:
            return (reduce(numpy.maximum, (part for _, part in windows.parts(padded))),)
        cells: Any = numpy.arange(x.size).reshape(x.shape)
        places = windows.padded(cells, -1, -1)
        found = [
            (part, where)
            for (_, part), (_, where) in zip(
                windows.parts(padded), windows.parts(places), strict=True
            )
        ]
        largest = found[0][0]
        at = found[0][1]
        for part, where in found[1:]:  # the first of the largest
            at = numpy.where(part > largest, where, at)
            largest = numpy.maximum(largest, part)
        return largest, at


class GlobalMaxPool(OpRun):
    """GlobalMaxPool-1; the reference evaluator's knows two dimensions only."""

    op_domain = ""

    @override
    def _run(self, x: Doubles) -> tuple[Doubles]:
        return (numpy.asarray(x.max(axis=tuple(range(2, x.ndim)), keepdims=True)),)


class AveragePool(OpRun):
    """AveragePool-11 and -19."""

    op_domain = ""

    @override
    def _run(self, x: Doubles, **given: Any) -> tuple[Doubles]:
        windows = _Windows.of(
            x.shape[2:], given["kernel_shape"], given["pads"], given["strides"],
            given.get("dilations"), bool(given["ceil_mode"]),
        )  # fmt: skip
        counted = float(bool(given["count_include_pad"]))
        ones = windows.padded(numpy.ones((1, 1, *x.shape[2:])), counted, 0.0)
        values = windows.padded(x, 0.0, 0.0)
        total, count = (
            reduce(numpy.add, (part for _, part in windows.parts(maps))) for maps in (values, ones)
        )
        return (total / count,)


class LogSoftmax(OpRun):
    """LogSoftmax-13; the reference evaluator's takes the logarithm of what has become 0."""

    op_domain = ""

    @override
    def _run(self, x: Doubles, **given: Any) -> tuple[Doubles]:
        axis = -1 if given["axis"] is None else given["axis"]
        beside = x - x.max(axis=axis, keepdims=True)
        total = numpy.log(numpy.exp(beside).sum(axis=axis, keepdims=True))
        return (numpy.asarray(beside - total),)


class Erf(OpRun):
    """Erf-13; the reference evaluator's gives float32."""

    op_domain = ""

    @override
    def _run(self, x: Doubles) -> tuple[Doubles]:
        return (numpy.vectorize(math.erf, otypes=[numpy.float64])(x),)


OPERATORS: tuple[type[OpRun], ...] = (
    AveragePool,
    Conv,
    ConvTranspose,
    Erf,
    GlobalMaxPool,
    LogSoftmax,
    MaxPool,
)
"""Those that the reference evaluator has wrong, in float32, or too slow."""
