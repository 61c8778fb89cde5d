"""The gradients of operators that work number by number: arithmetic, activations, choices."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy
import onnx_ir

from cnndsl.autodiff.rules import NOT_DIFFERENTIABLE, Backward, vjp
from cnndsl.graph.emitter import LoweringError

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
def _passed_on(backward: Backward) -> Parts:
    return [backward.gradient if want else None for want in backward.wants]


@vjp("Sub")
def _sub(backward: Backward) -> Parts:
    gradient = backward.gradient
    return gradient, backward.op("Neg", gradient) if backward.wants[1] else None


@vjp("Mul")
def _mul(backward: Backward) -> Parts:
    gradient, (left, right) = backward.gradient, backward.inputs
    if left is right:
        double = backward.op("Mul", gradient, backward.scalar(2))
        return backward.op("Mul", double, left), None
    return [
        backward.op("Mul", gradient, other) if want else None
        for other, want in zip((right, left), backward.wants, strict=True)
    ]


@vjp("Div")
def _div(backward: Backward) -> Parts:
    """The divisor's: -g/b * a/b."""
    dividend = backward.op("Div", backward.gradient, backward.inputs[1])
    if not backward.wants[1]:
        return dividend, None
    return dividend, backward.op("Neg", backward.op("Mul", dividend, backward.output))


@vjp("Neg")
def _neg(backward: Backward) -> Parts:
    return (backward.op("Neg", backward.gradient),)


@vjp("Abs")
def _abs(backward: Backward) -> Parts:
    return (backward.op("Mul", backward.gradient, backward.op("Sign", backward.inputs[0])),)


@vjp("Reciprocal")
def _reciprocal(backward: Backward) -> Parts:
    square = backward.op("Mul", backward.output, backward.output)
    return (backward.op("Neg", backward.op("Mul", backward.gradient, square)),)


@vjp("Sqrt")
def _sqrt(backward: Backward) -> Parts:
    half = backward.op("Mul", backward.gradient, backward.scalar(0.5))
    return (backward.op("Div", half, backward.output),)


@vjp("Pow")
def _pow(backward: Backward) -> Parts:
    """A constant exponent c: c x^(c - 1)."""
    if len(backward.wants) > 1 and backward.wants[1]:
        raise LoweringError(f"{backward.origin}: the exponent of `Pow` has no gradient")
    base, gradient = backward.inputs[0], backward.gradient
    exponent = backward.known(1)
    if numpy.all(exponent == 2):
        return backward.op("Mul", backward.op("Mul", gradient, backward.scalar(2)), base), None
    slope = backward.op("Pow", base, backward.tensor(exponent - 1))
    return backward.op("Mul", backward.op("Mul", gradient, backward.tensor(exponent)), slope), None


@vjp("Exp")
def _exp(backward: Backward) -> Parts:
    return (backward.op("Mul", backward.gradient, backward.output),)


@vjp("Log")
def _log(backward: Backward) -> Parts:
    return (backward.op("Div", backward.gradient, backward.inputs[0]),)


@vjp("Erf")
def _erf(backward: Backward) -> Parts:
    """2/sqrt(pi) exp(-x^2)."""
    square = backward.op("Mul", backward.inputs[0], backward.inputs[0])
    bell = backward.op("Exp", backward.op("Neg", square))
    scaled = backward.op("Mul", backward.gradient, backward.scalar(2 / math.sqrt(math.pi)))
    return (backward.op("Mul", scaled, bell),)


@vjp("Cast")
def _cast(backward: Backward) -> Parts:
    return (backward.op("Cast", backward.gradient, to=_type(backward.inputs[0])),)


# --- activations ------------------------------------------------------------------------------


@vjp("Relu")
def _relu(backward: Backward) -> Parts:
    """0 at 0. Where would take three passes over memory; a bool and a Cast one more."""
    return (backward.op("Mul", backward.gradient, _step(backward, backward.output)),)


@vjp("LeakyRelu")
def _leaky_relu(backward: Backward) -> Parts:
    """The slope at 0."""
    slope, gradient = backward.number("alpha", 0.01), backward.gradient
    if slope <= 1:
        factor = backward.op("Max", _step(backward, backward.inputs[0]), backward.scalar(slope))
        return (backward.op("Mul", gradient, factor),)
    steep = backward.op("Mul", gradient, backward.scalar(slope))
    return (backward.op("Where", _positive(backward), gradient, steep),)


@vjp("PRelu")
def _prelu(backward: Backward) -> Parts:
    (source, slope), gradient = backward.inputs, backward.gradient
    parts: list[onnx_ir.Value | None] = [None, None]
    if backward.wants[0]:
        flat = backward.op("Mul", gradient, slope)
        parts[0] = backward.op("Where", _positive(backward), gradient, flat)
    if backward.wants[1]:
        below = backward.op("Min", source, backward.scalar(0))
        parts[1] = backward.op("Mul", gradient, below)
    return parts


@vjp("Tanh")
def _tanh(backward: Backward) -> Parts:
    """1 - y^2."""
    square = backward.op("Mul", backward.output, backward.output)
    lost = backward.op("Mul", backward.gradient, square)
    return (backward.op("Sub", backward.gradient, lost),)


@vjp("Sigmoid")
def _sigmoid(backward: Backward) -> Parts:
    """The slope is y (1 - y)."""
    square = backward.op("Mul", backward.output, backward.output)
    slope = backward.op("Sub", backward.output, square)
    return (backward.op("Mul", backward.gradient, slope),)


@vjp("Softplus")
def _softplus(backward: Backward) -> Parts:
    slope = backward.op("Sigmoid", backward.inputs[0])
    return (backward.op("Mul", backward.gradient, slope),)


@vjp("Elu", "Selu")
def _elu(backward: Backward) -> Parts:
    """Above 0 gamma, below y + alpha gamma, as y = alpha gamma (exp(x) - 1)."""
    is_selu = backward.node.op_type == "Selu"
    gamma = backward.number("gamma", 1.0507009873554805) if is_selu else 1.0
    alpha = backward.number("alpha", 1.6732632423543772 if is_selu else 1.0)
    slope = backward.op("Add", backward.output, backward.scalar(alpha * gamma))
    slope = backward.op("Where", _positive(backward), backward.scalar(gamma), slope)
    return (backward.op("Mul", backward.gradient, slope),)


@vjp("HardSigmoid")
def _hard_sigmoid(backward: Backward) -> Parts:
    """The slope between 0 and 1; 0 where either is reached."""
    above = backward.op("Greater", backward.output, backward.scalar(0))
    below = backward.op("Less", backward.output, backward.scalar(1))
    slope = backward.scalar(backward.number("alpha", 0.2))
    factor = backward.op("Where", backward.op("And", above, below), slope, backward.scalar(0))
    return (backward.op("Mul", backward.gradient, factor),)


@vjp("HardSwish")
def _hard_swish(backward: Backward) -> Parts:
    """0 up to -3, x/3 + 1/2 between, 1 from 3 on."""
    source, three = backward.inputs[0], backward.scalar(3)
    line = backward.op("Add", backward.op("Div", source, three), backward.scalar(0.5))
    inside = backward.op("Less", backward.op("Abs", source), three)
    factor = backward.op("Where", inside, line, _step(backward, source))
    return (backward.op("Mul", backward.gradient, factor),)


def _step(backward: Backward, value: onnx_ir.Value) -> onnx_ir.Value:
    return backward.op("HardSigmoid", value, alpha=_STEEP, beta=0.0)


def _type(value: onnx_ir.Value) -> int:
    assert value.dtype is not None
    return value.dtype.value


def _positive(backward: Backward) -> onnx_ir.Value:
    return backward.op("Greater", backward.inputs[0], backward.scalar(0))


# --- over an axis -----------------------------------------------------------------------------


@vjp("Softmax")
def _softmax(backward: Backward) -> Parts:
    """That is y (g - sum(g y))."""
    total = _axis_sum(backward, backward.op("Mul", backward.gradient, backward.output))
    difference = backward.op("Sub", backward.gradient, total)
    return (backward.op("Mul", backward.output, difference),)


@vjp("LogSoftmax")
def _log_softmax(backward: Backward) -> Parts:
    """That is g - exp(y) sum(g)."""
    total = _axis_sum(backward, backward.gradient)
    share = backward.op("Mul", backward.op("Exp", backward.output), total)
    return (backward.op("Sub", backward.gradient, share),)


def _axis_sum(backward: Backward, value: onnx_ir.Value) -> onnx_ir.Value:
    axis = backward.emit.constant([backward.integer("axis", -1)])
    return backward.op("ReduceSum", value, axis, keepdims=1)


# --- choices ----------------------------------------------------------------------------------


@vjp("Where")
def _where(backward: Backward) -> Parts:
    condition, gradient, zero = backward.inputs[0], backward.gradient, backward.scalar(0)
    _, wants_left, wants_right = backward.wants
    return (
        None,
        backward.op("Where", condition, gradient, zero) if wants_left else None,
        backward.op("Where", condition, zero, gradient) if wants_right else None,
    )


@vjp("Max", "Min")
def _extreme(backward: Backward) -> Parts:
    """The first input that holds the extreme gets all of the gradient."""
    *others, _ = backward.inputs
    rest, parts = backward.gradient, list[onnx_ir.Value | None]()
    for at, value in enumerate(others):
        if not any(backward.wants[at:]):
            break
        holds = backward.op("Equal", value, backward.output)
        mask = backward.op("Cast", holds, to=_type(rest))
        taken = backward.op("Mul", rest, mask)
        parts.append(taken)
        if any(backward.wants[at + 1 :]):
            rest = backward.op("Sub", rest, taken)
    # The last one gets the rest: who else?
    return [*parts, rest, *[None for _ in others[len(parts) :]]]


@vjp("Clip")
def _clip(backward: Backward) -> Parts:
    """Numbers on a bound count as inside, as in PyTorch."""
    if any(backward.wants[1:]):
        raise LoweringError(f"{backward.origin}: the bounds of `Clip` have no gradient")
    inside = backward.op("Equal", backward.inputs[0], backward.output)
    part = backward.op("Where", inside, backward.gradient, backward.scalar(0))
    return (part, *[None for _ in backward.wants[1:]])
