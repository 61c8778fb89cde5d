"""Arithmetic: of two streams a join, of a stream and a constant a layer with that as weights."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy

from cnndsl.importers.networks.from_onnx.graph import OnnxNode
from cnndsl.importers.networks.from_onnx.operators.activations import clipped
from cnndsl.importers.networks.from_onnx.operators.shape import stretched
from cnndsl.importers.networks.from_onnx.translator import Translator, Unsaid, operator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cnndsl.elaborate.values import Value

    Array = NDArray[numpy.float32]

__all__ = ["absolute", "arithmetic", "mean", "multiplied", "neg", "negated", "power"]

_JOINS = {"Add": "add", "Sum": "add", "Mul": "multiply", "Max": "maximum", "Min": "minimum"}


@operator("Add", "Sum", "Mul", "Max", "Min", "Sub", "Div")
def arithmetic(t: Translator, node: OnnxNode) -> None:
    """Arithmetic of streams and constants."""
    constants = [at for at in range(len(node.inputs)) if t.is_constant(at)]
    streams = [at for at in range(len(node.inputs)) if at not in constants]
    if not constants:
        return t.give(_joined(t, node, [t.stream(at) for at in streams]))
    if len(streams) != 1 or len(constants) != 1:
        raise Unsaid("it reads several constants")
    numbers = t.weight(constants[0])
    value = t.stream(streams[0])
    first = streams[0] == 0
    match node.op:
        case "Add" | "Sum":
            return t.give(_shifted(t, value, numbers, constants[0]))
        case "Sub" if first:
            return t.give(_shifted(t, value, -numbers, constants[0]))
        case "Sub":
            return t.give(_shifted(t, negated(t, value), numbers, constants[0]))
        case "Mul":
            return t.give(_scaled(t, value, numbers, constants[0]))
        case "Div" if first:
            if not numbers.all():
                raise Unsaid("it divides by 0")
            return t.give(_scaled(t, value, numpy.reciprocal(numbers), constants[0]))
        case "Max" | "Min" if numbers.size == 1:
            bound = float(numbers.reshape(-1)[0])
            ends = (bound, math.inf) if node.op == "Max" else (-math.inf, bound)
            return clipped(t, value, *ends)
    raise Unsaid("no layer does this with a constant")


def _joined(t: Translator, node: OnnxNode, streams: list[str]) -> str:
    """A join; where shapes differ, streams of one place are stretched."""
    if len(streams) == 1:
        return streams[0]
    if node.op == "Div":
        raise Unsaid("no layer divides streams")
    if node.op == "Sub":
        streams[1] = negated(t, streams[1])
    keyword = _JOINS.get(node.op, "add")
    types = [t.type_of(one) for one in streams]
    largest = max(types, key=lambda one: (one.elements, len(one.dims)))
    if keyword == "multiply":
        flat = [_as_gate(t, one, largest.dims) for one in streams]
        flat.sort(key=lambda one: len(t.type_of(one).dims) == 1)
        return t.add(keyword, flat)
    return t.add(keyword, [stretched(t, one, largest.dims) for one in streams])


def _as_gate(t: Translator, value: str, dims: tuple[int, ...]) -> str:
    """A value that `multiply` takes beside maps of these sizes: like them, or a vector."""
    own = t.type_of(value).dims
    if own == dims:
        return value
    if len(dims) > 1 and math.prod(own) == dims[0] == own[0]:
        return t.reshaped(value, [dims[0]])
    return stretched(t, value, dims)


def negated(t: Translator, value: str) -> str:
    """A value with its sign turned, by a fixed filter of one cell."""
    return multiplied(t, value, -1.0)


def multiplied(t: Translator, value: str, factor: float) -> str:
    """A value times a number that does not learn: a fixed filter of one cell."""
    dims = t.type_of(value).dims
    if len(dims) > 3:
        raise Unsaid("`filter` takes maps of two dimensions, or signals")
    number: Value = int(factor) if float(factor).is_integer() else float(factor)
    source = value if len(dims) > 1 else t.reshaped(value, [1, *dims])
    kernels: Value = (number,) if len(t.type_of(source).dims) == 2 else ((number,),)
    made = t.add("filter", [source], {"kernels": kernels})
    return t.reshaped(made, dims)


def _shifted(t: Translator, value: str, numbers: Array, at: int) -> str:
    """A value plus constant numbers: one for each channel, or for each unit."""
    dims = t.type_of(value).dims
    learns = t.node.inputs[at] in t.graph.weights
    if not learns and not numbers.any():
        return value
    axis, flat = _spread(numbers, dims)
    if not learns:
        t.note("a constant that is added becomes a `bias`, which learns")
    if axis is None:
        settings: dict[str, Value] = {"over": "all"}
        return t.add("bias", [value], settings, weights={"bias": flat}, shared=[at])
    return _along(t, value, axis, "bias", {}, {"bias": flat}, at)


def _scaled(t: Translator, value: str, numbers: Array, at: int) -> str:
    """A value times constant numbers, one for each channel; a single one does not learn."""
    dims = t.type_of(value).dims
    if numbers.size == 1:
        factor = float(numbers.reshape(-1)[0])
        return value if factor == 1 else multiplied(t, value, factor)
    axis, flat = _spread(numbers, dims)
    if axis is None:
        raise Unsaid("it multiplies each unit by a number of its own, and `scale` each channel")
    return _along(t, value, axis, "scale", {"bias": False}, {"scale": flat}, at)


def _along(
    t: Translator,
    value: str,
    axis: int,
    keyword: str,
    settings: dict[str, Value],
    weights: dict[str, Array],
    at: int,
) -> str:
    """A layer of the channels, of another dimension: between transposes that bring that first."""
    rank = len(t.type_of(value).dims)
    order = [axis, *(one for one in range(rank) if one != axis)]
    front = t.transposed(value, order)
    made = t.add(keyword, [front], settings, weights=weights, shared=[at])
    return t.transposed(made, [order.index(one) for one in range(rank)])


def _spread(numbers: Array, dims: tuple[int, ...]) -> tuple[int | None, Array]:
    """The dimension along which numbers differ, with one for each place; None where along more."""
    shape = (1,) * (len(dims) + 1 - numbers.ndim) + numbers.shape
    if len(shape) > len(dims) + 1 or shape[0] != 1:
        raise Unsaid("its constant differs from sample to sample")
    if any(one not in (1, size) for one, size in zip(shape[1:], dims, strict=True)):
        raise Unsaid("its constant is larger than its input")
    whole = numbers.reshape(shape[1:])
    varying = [at for at, size in enumerate(whole.shape) if size > 1] or [0]
    if len(varying) > 1:
        return None, numpy.broadcast_to(whole, dims).copy()
    (axis,) = varying
    return axis, numpy.broadcast_to(whole.reshape(-1), (dims[axis],)).copy()


@operator("Neg")
def neg(t: Translator, node: OnnxNode) -> None:
    """The sign turned."""
    t.give(negated(t, t.stream()))


@operator("Abs")
def absolute(t: Translator, node: OnnxNode) -> None:
    """The larger of a number and its negative."""
    t.give(t.add("maximum", [t.stream(), negated(t, t.stream())]))


@operator("Pow")
def power(t: Translator, node: OnnxNode) -> None:
    """Squares."""
    exponent = t.constant(1)
    if exponent is None or exponent.size != 1 or float(exponent.reshape(-1)[0]) not in (1.0, 2.0):
        raise Unsaid("layers know squares, and no other powers")
    stream = t.stream()
    squared = float(exponent.reshape(-1)[0]) == 2
    t.give(t.add("multiply", [stream, stream]) if squared else stream)


@operator("Mean")
def mean(t: Translator, node: OnnxNode) -> None:
    """The mean of several streams: their sum, divided."""
    streams = [t.stream(at) for at in range(len(node.inputs))]
    t.give(multiplied(t, _joined(t, node, streams), 1 / len(streams)))
