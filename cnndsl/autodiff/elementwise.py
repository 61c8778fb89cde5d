"""The gradients of operators that work number by number: arithmetic, activations, choices."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy
import onnx_ir

from cnndsl.autodiff.rules import NOT_DIFFERENTIABLE, VjpContext, vjp, vjp_of_composite
from cnndsl.graph.builder import LoweringError

__all__: list[str] = []

_STEEP = 3.4028234663852886e38
"""The largest float32. HardSigmoid with this slope is the unit step: 1 above 0, else 0."""

NOT_DIFFERENTIABLE |= dict.fromkeys(
    ("And", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Not", "Or", "Xor"),
    "its results are true or false",
)
NOT_DIFFERENTIABLE |= dict.fromkeys(
    ("Ceil", "Floor", "Round", "Sign"), "it is constant between its jumps"
)

Parts = Sequence[onnx_ir.Value | None]


# --- arithmetic -------------------------------------------------------------------------------


@vjp("Add", "Sum", "Expand", "Identity")
def _passed_on(context: VjpContext) -> Parts:
    return [context.gradient if want else None for want in context.needs_grad]


@vjp("Sub")
def _sub(context: VjpContext) -> Parts:
    gradient = context.gradient
    return gradient, context.op("Neg", gradient) if context.needs_grad[1] else None


@vjp("Mul")
def _mul(context: VjpContext) -> Parts:
    gradient, (left, right) = context.gradient, context.inputs
    if left is right:
        double = context.op("Mul", gradient, context.scalar(2))
        return context.op("Mul", double, left), None
    return [
        context.op("Mul", gradient, other) if want else None
        for other, want in zip((right, left), context.needs_grad, strict=True)
    ]


@vjp("Div")
def _div(context: VjpContext) -> Parts:
    """The divisor's: -g/b * a/b."""
    dividend = context.op("Div", context.gradient, context.inputs[1])
    if not context.needs_grad[1]:
        return dividend, None
    return dividend, context.op("Neg", context.op("Mul", dividend, context.output))


@vjp("Neg")
def _neg(context: VjpContext) -> Parts:
    return (context.op("Neg", context.gradient),)


@vjp("Abs")
def _abs(context: VjpContext) -> Parts:
    return (context.op("Mul", context.gradient, context.op("Sign", context.inputs[0])),)


@vjp("Reciprocal")
def _reciprocal(context: VjpContext) -> Parts:
    square = context.op("Mul", context.output, context.output)
    return (context.op("Neg", context.op("Mul", context.gradient, square)),)


@vjp("Sqrt")
def _sqrt(context: VjpContext) -> Parts:
    half = context.op("Mul", context.gradient, context.scalar(0.5))
    return (context.op("Div", half, context.output),)


@vjp("Pow")
def _pow(context: VjpContext) -> Parts:
    """A constant exponent c: c x^(c - 1)."""
    if len(context.needs_grad) > 1 and context.needs_grad[1]:
        raise LoweringError(f"{context.origin}: the exponent of `Pow` has no gradient")
    base, gradient = context.inputs[0], context.gradient
    exponent = context.known(1)
    if numpy.all(exponent == 2):
        return context.op("Mul", context.op("Mul", gradient, context.scalar(2)), base), None
    slope = context.op("Pow", base, context.tensor(exponent - 1))
    return context.op("Mul", context.op("Mul", gradient, context.tensor(exponent)), slope), None


@vjp("Exp")
def _exp(context: VjpContext) -> Parts:
    return (context.op("Mul", context.gradient, context.output),)


@vjp("Log")
def _log(context: VjpContext) -> Parts:
    return (context.op("Div", context.gradient, context.inputs[0]),)


@vjp("Erf")
def _erf(context: VjpContext) -> Parts:
    """2/sqrt(pi) exp(-x^2)."""
    square = context.op("Mul", context.inputs[0], context.inputs[0])
    bell = context.op("Exp", context.op("Neg", square))
    scaled = context.op("Mul", context.gradient, context.scalar(2 / math.sqrt(math.pi)))
    return (context.op("Mul", scaled, bell),)


@vjp("Cast")
def _cast(context: VjpContext) -> Parts:
    if context.gradient.dtype is context.inputs[0].dtype:
        return (context.gradient,)
    return (context.op("Cast", context.gradient, to=_type(context.inputs[0])),)


# --- activations ------------------------------------------------------------------------------


@vjp("Relu")
def _relu(context: VjpContext) -> Parts:
    """0 at 0. Where would take three passes over memory; a bool and a Cast one more."""
    return (context.op("Mul", context.gradient, _step(context, context.output)),)


@vjp("LeakyRelu")
def _leaky_relu(context: VjpContext) -> Parts:
    """The slope at 0."""
    slope, gradient = context.number("alpha", 0.01), context.gradient
    if slope <= 1:
        factor = context.op("Max", _step(context, context.inputs[0]), context.scalar(slope))
        return (context.op("Mul", gradient, factor),)
    steep = context.op("Mul", gradient, context.scalar(slope))
    return (context.op("Where", _positive(context), gradient, steep),)


@vjp("PRelu")
def _prelu(context: VjpContext) -> Parts:
    (source, slope), gradient = context.inputs, context.gradient
    parts: list[onnx_ir.Value | None] = [None, None]
    if context.needs_grad[0]:
        flat = context.op("Mul", gradient, slope)
        parts[0] = context.op("Where", _positive(context), gradient, flat)
    if context.needs_grad[1]:
        below = context.op("Min", source, context.scalar(0))
        parts[1] = context.op("Mul", gradient, below)
    return parts


@vjp("Tanh")
def _tanh(context: VjpContext) -> Parts:
    """1 - y^2; where that has few digits, (1 - y)(1 + y), which loses none near 1."""
    if _is_short(context.output):
        one = context.scalar(1)
        less, more = context.op("Sub", one, context.output), context.op("Add", one, context.output)
        return (context.op("Mul", context.gradient, context.op("Mul", less, more)),)
    square = context.op("Mul", context.output, context.output)
    lost = context.op("Mul", context.gradient, square)
    return (context.op("Sub", context.gradient, lost),)


@vjp("Sigmoid")
def _sigmoid(context: VjpContext) -> Parts:
    """The slope is y (1 - y), computed so where y - y^2 has few digits."""
    if _is_short(context.output):
        rest = context.op("Sub", context.scalar(1), context.output)
        return (context.op("Mul", context.gradient, context.op("Mul", context.output, rest)),)
    square = context.op("Mul", context.output, context.output)
    slope = context.op("Sub", context.output, square)
    return (context.op("Mul", context.gradient, slope),)


@vjp("Softplus")
def _softplus(context: VjpContext) -> Parts:
    slope = context.op("Sigmoid", context.inputs[0])
    return (context.op("Mul", context.gradient, slope),)


@vjp("Softsign")
def _softsign(context: VjpContext) -> Parts:
    """(1 - |y|)^2."""
    rest = context.op("Sub", context.scalar(1), context.op("Abs", context.output))
    return (context.op("Mul", context.gradient, context.op("Mul", rest, rest)),)


@vjp("Elu", "Selu")
def _elu(context: VjpContext) -> Parts:
    """Above 0 gamma, below y + alpha gamma, as y = alpha gamma (exp(x) - 1)."""
    is_selu = context.node.op_type == "Selu"
    gamma = context.number("gamma", 1.0507009873554805) if is_selu else 1.0
    alpha = context.number("alpha", 1.6732632423543772 if is_selu else 1.0)
    slope = context.op("Add", context.output, context.scalar(alpha * gamma))
    if alpha == gamma == 1:  # then the slope is below 1 just where x is below 0
        slope = context.op("Min", slope, context.scalar(1))
        return (context.op("Mul", context.gradient, slope),)
    slope = context.op("Where", _positive(context), context.scalar(gamma), slope)
    return (context.op("Mul", context.gradient, slope),)


@vjp("HardSigmoid")
def _hard_sigmoid(context: VjpContext) -> Parts:
    """The slope between 0 and 1; 0 where either is reached.

    Here and below, Where would take four times as long as a Cast of the condition.
    """
    above = context.op("Greater", context.output, context.scalar(0))
    below = context.op("Less", context.output, context.scalar(1))
    inside = context.op("Cast", context.op("And", above, below), to=_type(context.gradient))
    slope = context.scalar(context.number("alpha", 0.2))
    return (context.op("Mul", context.op("Mul", context.gradient, slope), inside),)


@vjp("HardSwish")
def _hard_swish(context: VjpContext) -> Parts:
    """0 up to -3, x/3 + 1/2 between, 1 from 3 on; with h = x/6 + 1/2 the middle is 2h - 1/2."""
    source, half = context.inputs[0], context.scalar(0.5)
    share = context.op("HardSigmoid", source, alpha=1 / 6, beta=0.5)
    inside = context.op("Less", context.op("Abs", source), context.scalar(3))
    inside = context.op("Cast", inside, to=_type(context.gradient))
    more = context.op("Mul", inside, context.op("Sub", share, half))
    return (context.op("Mul", context.gradient, context.op("Add", share, more)),)


def _is_short(value: onnx_ir.Value) -> bool:
    return value.dtype in (onnx_ir.DataType.FLOAT16, onnx_ir.DataType.BFLOAT16)


def _step(context: VjpContext, value: onnx_ir.Value) -> onnx_ir.Value:
    if _is_short(value):  # which cannot hold the slope
        above = context.op("Greater", value, context.scalar(0))
        return context.op("Cast", above, to=_type(context.gradient))
    return context.op("HardSigmoid", value, alpha=_STEEP, beta=0.0)


def _type(value: onnx_ir.Value) -> int:
    assert value.dtype is not None
    return value.dtype.value


def _positive(context: VjpContext) -> onnx_ir.Value:
    return context.op("Greater", context.inputs[0], context.scalar(0))


# --- over an axis -----------------------------------------------------------------------------


@vjp("Softmax")
def _softmax(context: VjpContext) -> Parts:
    """That is y (g - sum(g y))."""
    total = _axis_sum(context, context.op("Mul", context.gradient, context.output))
    difference = context.op("Sub", context.gradient, total)
    return (context.op("Mul", context.output, difference),)


@vjp("LogSoftmax")
def _log_softmax(context: VjpContext) -> Parts:
    """That is g - exp(y) sum(g)."""
    total = _axis_sum(context, context.gradient)
    share = context.op("Mul", context.op("Exp", context.output), total)
    return (context.op("Sub", context.gradient, share),)


def _axis_sum(context: VjpContext, value: onnx_ir.Value) -> onnx_ir.Value:
    axis = context.emit.constant([context.integer("axis", -1)])
    return context.op("ReduceSum", value, axis, keepdims=1)


# --- choices ----------------------------------------------------------------------------------


@vjp("Where")
def _where(context: VjpContext) -> Parts:
    condition, gradient, zero = context.inputs[0], context.gradient, context.scalar(0)
    _, wants_left, wants_right = context.needs_grad
    return (
        None,
        context.op("Where", condition, gradient, zero) if wants_left else None,
        context.op("Where", condition, zero, gradient) if wants_right else None,
    )


@vjp("Max", "Min")
def _extreme(context: VjpContext) -> Parts:
    """The first input that holds the extreme gets all of the gradient."""
    *others, _ = context.inputs
    rest, parts = context.gradient, list[onnx_ir.Value | None]()
    for at, value in enumerate(others):
        if not any(context.needs_grad[at:]):
            break
        holds = context.op("Equal", value, context.output)
        mask = context.op("Cast", holds, to=_type(rest))
        taken = context.op("Mul", rest, mask)
        parts.append(taken)
        if any(context.needs_grad[at + 1 :]):
            rest = context.op("Sub", rest, taken)
    # The last one gets the rest: who else?
    return [*parts, rest, *[None for _ in others[len(parts) :]]]


@vjp_of_composite("Ramp")
def _ramp(context: VjpContext) -> Parts:
    """1 between the ends, 0 on them and beyond."""
    least, most = (context.number(name, 0.0) for name in ("least", "most"))
    (value,) = context.node.outputs
    if not _is_short(value):
        above = context.op("Mul", context.gradient, _beyond(context, value, least, 1))
        return (context.op("Mul", above, _beyond(context, value, most, -1)),)
    above = context.op("Greater", value, context.scalar(least))
    below = context.op("Less", value, context.scalar(most))
    inside = context.op("Cast", context.op("And", above, below), to=_type(context.gradient))
    return (context.op("Mul", context.gradient, inside),)


def _beyond(context: VjpContext, value: onnx_ir.Value, bound: float, side: int) -> onnx_ir.Value:
    """1 above a bound (or below it, where the side is -1) and 0 on it and behind.

    A slope that is a power of two makes no rounding error; it is so steep that the next number has
    1. Comparisons, And and Cast take twice as long, the last of them on one thread.
    """
    end = float(numpy.float32(bound))
    _, exponent = math.frexp(end)
    slope = side * (2.0 ** min(25 - exponent, 127) if end else _STEEP)
    return context.op("HardSigmoid", value, alpha=slope, beta=-slope * end if end else 0.0)


@vjp("Clip")
def _clip(context: VjpContext) -> Parts:
    """Numbers on a bound count as inside, as in PyTorch."""
    if any(context.needs_grad[1:]):
        raise LoweringError(f"{context.origin}: the bounds of `Clip` have no gradient")
    inside = context.op("Equal", context.inputs[0], context.output)
    inside = context.op("Cast", inside, to=_type(context.gradient))
    part = context.op("Mul", context.gradient, inside)
    return (part, *[None for _ in context.needs_grad[1:]])
