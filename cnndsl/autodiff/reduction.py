"""The gradients of reductions: sums, means, norms and extremes over some axes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import onnx_ir

from cnndsl.autodiff.rules import NOT_DIFFERENTIABLE, Backward, constant_of, dims_of, vjp
from cnndsl.graph.emitter import LoweringError

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
def _reduce_sum(backward: Backward) -> Parts:
    return _parts(backward, _stretched(backward, backward.gradient))


@vjp("ReduceMean")
def _reduce_mean(backward: Backward) -> Parts:
    (source, *_), gradient = backward.inputs, backward.gradient
    share = math.prod(dims_of(gradient)) / math.prod(dims_of(source))
    scaled = backward.op("Mul", gradient, backward.scalar(share))
    return _parts(backward, _stretched(backward, scaled))


@vjp("ReduceSumSquare")
def _reduce_sum_square(backward: Backward) -> Parts:
    double = backward.op("Mul", backward.gradient, backward.scalar(2))
    return _parts(backward, backward.op("Mul", _aligned(backward, double), backward.inputs[0]))


@vjp("ReduceL1")
def _reduce_l1(backward: Backward) -> Parts:
    signs = backward.op("Sign", backward.inputs[0])
    return _parts(backward, backward.op("Mul", _aligned(backward, backward.gradient), signs))


@vjp("ReduceL2")
def _reduce_l2(backward: Backward) -> Parts:
    """x/|x|, and 0 where the norm is 0."""
    norm = backward.op("Max", backward.output, backward.scalar(_TINY))
    share = _aligned(backward, backward.op("Div", backward.gradient, norm))
    return _parts(backward, backward.op("Mul", share, backward.inputs[0]))


@vjp("ReduceLogSumExp")
def _reduce_log_sum_exp(backward: Backward) -> Parts:
    logits = backward.op("Sub", backward.inputs[0], _aligned(backward, backward.output))
    softmax = backward.op("Exp", logits)
    return _parts(backward, backward.op("Mul", _aligned(backward, backward.gradient), softmax))


@vjp("ReduceMax", "ReduceMin")
def _reduce_extreme(backward: Backward) -> Parts:
    """All places that hold the extreme get an equal share."""
    source, gradient = backward.inputs[0], backward.gradient
    extreme = _aligned(backward, backward.output)
    holds = backward.op("Cast", backward.op("Equal", source, extreme), to=_type(gradient))
    count = backward.op("ReduceSum", holds, backward.emit.constant([*_axes(backward)]), keepdims=1)
    share = backward.op("Div", _aligned(backward, gradient), count)
    return _parts(backward, backward.op("Mul", holds, share))


def _parts(backward: Backward, part: onnx_ir.Value) -> Parts:
    """The axes, where they are an input, have no gradient."""
    return (part, *[None for _ in backward.inputs[1:]])


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


def _axes(backward: Backward) -> tuple[int, ...]:
    axes = reduced_axes(backward.node)
    if axes is None:
        raise LoweringError(f"{backward.origin}: its axes must be constant, to have a gradient")
    return axes


def _aligned(backward: Backward, value: onnx_ir.Value) -> onnx_ir.Value:
    """A value of the output's shape with the reduced axes as sizes of 1, so that it stretches."""
    sizes = list(dims_of(backward.inputs[0]))
    for axis in _axes(backward):
        sizes[axis] = 1
    if len(dims_of(value)) in (0, len(sizes)):
        return value
    return backward.op("Reshape", value, backward.emit.constant(sizes))


def _stretched(backward: Backward, value: onnx_ir.Value) -> onnx_ir.Value:
    sizes = dims_of(backward.inputs[0])
    aligned = _aligned(backward, value)
    if dims_of(aligned) == sizes:
        return aligned
    return backward.op("Expand", aligned, backward.emit.constant(list(sizes)))


def _type(value: onnx_ir.Value) -> int:
    assert value.dtype is not None
    return value.dtype.value
