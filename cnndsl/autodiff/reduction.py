"""The gradients of reductions: sums, means, norms and extremes over some axes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import onnx_ir

from cnndsl.autodiff.rules import NOT_DIFFERENTIABLE, VjpContext, constant_of, dims_of, vjp
from cnndsl.graph.builder import LoweringError

__all__ = ["reduced_axes"]

_TINY = 1e-30

NOT_DIFFERENTIABLE |= dict.fromkeys(
    ("ArgMax", "ArgMin", "NonZero", "OneHot", "Shape", "Size"), "its results are whole numbers"
)
NOT_DIFFERENTIABLE |= dict.fromkeys(
    ("Constant", "ConstantOfShape", "EyeLike", "Range"), "its numbers depend on no others"
)

Parts = Sequence[onnx_ir.Value | None]


@vjp("ReduceSum")
def _reduce_sum(context: VjpContext) -> Parts:
    return _parts(context, _stretched(context, context.gradient))


@vjp("ReduceMean")
def _reduce_mean(context: VjpContext) -> Parts:
    (source, *_), gradient = context.inputs, context.gradient
    share = math.prod(dims_of(gradient)) / math.prod(dims_of(source))
    scaled = context.op("Mul", gradient, context.scalar(share))
    return _parts(context, _stretched(context, scaled))


@vjp("ReduceSumSquare")
def _reduce_sum_square(context: VjpContext) -> Parts:
    double = context.op("Mul", context.gradient, context.scalar(2))
    return _parts(context, context.op("Mul", _aligned(context, double), context.inputs[0]))


@vjp("ReduceL1")
def _reduce_l1(context: VjpContext) -> Parts:
    signs = context.op("Sign", context.inputs[0])
    return _parts(context, context.op("Mul", _aligned(context, context.gradient), signs))


@vjp("ReduceL2")
def _reduce_l2(context: VjpContext) -> Parts:
    """x/|x|, and 0 where the norm is 0."""
    norm = context.op("Max", context.output, context.scalar(_TINY))
    share = _aligned(context, context.op("Div", context.gradient, norm))
    return _parts(context, context.op("Mul", share, context.inputs[0]))


@vjp("ReduceLogSumExp")
def _reduce_log_sum_exp(context: VjpContext) -> Parts:
    logits = context.op("Sub", context.inputs[0], _aligned(context, context.output))
    softmax = context.op("Exp", logits)
    return _parts(context, context.op("Mul", _aligned(context, context.gradient), softmax))


@vjp("ReduceMax", "ReduceMin")
def _reduce_extreme(context: VjpContext) -> Parts:
    """All places that hold the extreme get an equal share."""
    source, gradient = context.inputs[0], context.gradient
    extreme = _aligned(context, context.output)
    holds = context.op("Cast", context.op("Equal", source, extreme), to=_type(gradient))
    count = context.op("ReduceSum", holds, context.emit.constant([*_axes(context)]), keepdims=1)
    share = context.op("Div", _aligned(context, gradient), count)
    return _parts(context, context.op("Mul", holds, share))


def _parts(context: VjpContext, part: onnx_ir.Value) -> Parts:
    """The axes, where they are an input, have no gradient."""
    return (part, *[None for _ in context.inputs[1:]])


def reduced_axes(node: onnx_ir.Node) -> tuple[int, ...] | None:
    """The axes a node reduces over, counted from the front; None where they are not constant."""
    source, *more = node.inputs
    assert source is not None
    rank = len(dims_of(source))
    if not more:
        does_nothing = node.attributes.get("noop_with_empty_axes")
        is_whole = does_nothing is None or not does_nothing.as_int()
        return tuple(range(rank)) if is_whole else None
    known = constant_of(more[0])
    return None if known is None else tuple(sorted(axis % rank for axis in known.tolist()))


def _axes(context: VjpContext) -> tuple[int, ...]:
    axes = reduced_axes(context.node)
    if axes is None:
        raise LoweringError(f"{context.origin}: its axes must be constant, to have a gradient")
    return axes


def _aligned(context: VjpContext, value: onnx_ir.Value) -> onnx_ir.Value:
    """A value of the output's shape with the reduced axes as sizes of 1, so that it stretches."""
    sizes = list(dims_of(context.inputs[0]))
    for axis in _axes(context):
        sizes[axis] = 1
    if len(dims_of(value)) in (0, len(sizes)):
        return value
    return context.op("Reshape", value, context.emit.constant(sizes))


def _stretched(context: VjpContext, value: onnx_ir.Value) -> onnx_ir.Value:
    sizes = dims_of(context.inputs[0])
    aligned = _aligned(context, value)
    if dims_of(aligned) == sizes:
        return aligned
    return context.op("Expand", aligned, context.emit.constant(list(sizes)))


def _type(value: onnx_ir.Value) -> int:
    assert value.dtype is not None
    return value.dtype.value
