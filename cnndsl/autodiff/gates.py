"""The gradients of smooth gates, x times a share of it: composites with closed forms."""

from __future__ import annotations

import math
from collections.abc import Sequence

import onnx_ir

from cnndsl.autodiff.rules import VjpContext, vjp_of_composite

__all__: list[str] = []

Parts = Sequence[onnx_ir.Value | None]


@vjp_of_composite("Silu")
def _silu(context: VjpContext) -> Parts:
    """With y = x s, s = sigmoid(x): s + (y - y s)."""
    value, share = context.node.outputs
    return (_times(context, context.op("Add", share, _steepness(context, value, share))),)


@vjp_of_composite("TanhGelu")
def _tanh_gelu(context: VjpContext) -> Parts:
    """With y = x s, s = sigmoid(a x + b x^3): s + (y - y s) (a + 3 b x^2)."""
    (source,), (value, share) = context.inputs, context.node.outputs
    square = context.op("Mul", source, source)
    curved = context.op("Mul", square, context.scalar(3 * context.number("bend", 0.0)))
    slope = context.op("Add", curved, context.scalar(context.number("slope", 0.0)))
    steep = context.op("Mul", _steepness(context, value, share), slope)
    return (_times(context, context.op("Add", share, steep)),)


@vjp_of_composite("Gelu")
def _gelu(context: VjpContext) -> Parts:
    """The normal distribution at x plus x times its density; twice the first is at hand."""
    (source,), (_, twice) = context.inputs, context.node.outputs
    square = context.op("Mul", source, source)
    bell = context.op("Exp", context.op("Mul", square, context.scalar(-0.5)))
    density = context.op("Mul", bell, context.scalar(1 / math.sqrt(2 * math.pi)))
    steep = context.op("Mul", source, density)
    half = context.op("Mul", twice, context.scalar(0.5))
    return (_times(context, context.op("Add", half, steep)),)


@vjp_of_composite("Mish")
def _mish(context: VjpContext) -> Parts:
    """With t = tanh(softplus(x)): t + x (1 - t^2) sigmoid(x)."""
    (source,), (_, share) = context.inputs, context.node.outputs
    fall = context.op("Sub", context.scalar(1), context.op("Mul", share, share))
    steep = context.op("Mul", fall, context.op("Sigmoid", source))
    return (_times(context, context.op("Add", share, context.op("Mul", source, steep))),)


def _steepness(context: VjpContext, value: onnx_ir.Value, share: onnx_ir.Value) -> onnx_ir.Value:
    """That of x s by way of a sigmoid s: x s (1 - s)."""
    return context.op("Sub", value, context.op("Mul", value, share))


def _times(context: VjpContext, slope: onnx_ir.Value) -> onnx_ir.Value:
    return context.op("Mul", context.gradient, slope)
