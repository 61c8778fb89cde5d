"""The gradients of normalisations: by given statistics, over a layer, or neighbouring channels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy
import onnx_ir

from cnndsl.autodiff.rules import VjpContext, dims_of, vjp

__all__ = ["channel_sum", "column", "spread_of", "through_normalizing"]

Parts = Sequence[onnx_ir.Value | None]


# --- by given statistics ------------------------------------------------------------------------


@vjp("BatchNormalization")
def _batch_normalization(context: VjpContext) -> Parts:
    """With statistics that are inputs; over the batch's own it is a composite."""
    source, scale, _, mean, variance = context.inputs
    wants_source, wants_scale, wants_bias, wants_mean, wants_variance = context.needs_grad
    gradient, parts = context.gradient, list[onnx_ir.Value | None]([None] * 5)
    if wants_bias or wants_mean:
        parts[2] = channel_sum(context, gradient)
    if not (wants_source or wants_scale or wants_mean or wants_variance):
        return parts
    spread = spread_of(context, variance)
    if wants_scale or wants_variance:
        centred = context.op("Sub", source, column(context, mean))
        moment = channel_sum(context, context.op("Mul", gradient, centred))
        parts[1] = context.op("Div", moment, spread)
    if not (wants_source or wants_mean or wants_variance):
        return parts
    slope = context.op("Div", scale, spread)
    if wants_source:
        parts[0] = context.op("Mul", gradient, column(context, slope))
    if wants_mean:
        assert parts[2] is not None
        parts[3] = context.op("Neg", context.op("Mul", parts[2], slope))
    if wants_variance:
        assert parts[1] is not None
        share = context.op("Div", context.op("Mul", parts[1], slope), spread)
        parts[4] = context.op("Mul", share, context.scalar(-0.5))
    return parts


def spread_of(context: VjpContext, variance: onnx_ir.Value) -> onnx_ir.Value:
    """The standard deviation."""
    epsilon = context.scalar(context.number("epsilon", 1e-5))
    return context.op("Sqrt", context.op("Add", variance, epsilon))


def channel_sum(context: VjpContext, value: onnx_ir.Value) -> onnx_ir.Value:
    """The sum over all that is in a channel."""
    axes = context.emit.constant([0, *range(2, len(dims_of(value)))])
    return context.op("ReduceSum", value, axes, keepdims=0)


def column(context: VjpContext, value: onnx_ir.Value) -> onnx_ir.Value:
    """One number for each channel, in a shape that stretches over feature maps."""
    channels, *spatial = dims_of(context.inputs[0])[1:]
    if not spatial:
        return value
    return context.op("Reshape", value, context.emit.constant([channels, *[1] * len(spatial)]))


# --- over a layer or an instance --------------------------------------------------------------


@vjp("LayerNormalization")
def _layer_normalization(context: VjpContext) -> Parts:
    source, scale, *_ = context.inputs
    rank = len(dims_of(source))
    axes = list(range(context.integer("axis", -1) % rank, rank))
    parts: list[onnx_ir.Value | None] = [None, None, context.gradient]
    if context.needs_grad[0] or context.needs_grad[1]:
        normal, spread = _normalized(context, axes)
        if context.needs_grad[0]:
            scaled = context.op("Mul", context.gradient, scale)
            parts[0] = through_normalizing(context, scaled, normal, spread, axes)
        if context.needs_grad[1]:
            parts[1] = context.op("Mul", context.gradient, normal)
    return parts[: len(context.inputs)]


@vjp("InstanceNormalization")
def _instance_normalization(context: VjpContext) -> Parts:
    source, scale, _ = context.inputs
    axes = list(range(2, len(dims_of(source))))
    parts: list[onnx_ir.Value | None] = [None, None, None]
    if context.needs_grad[0] or context.needs_grad[1]:
        normal, spread = _normalized(context, axes)
        if context.needs_grad[0]:
            scaled = context.op("Mul", context.gradient, column(context, scale))
            parts[0] = through_normalizing(context, scaled, normal, spread, axes)
        if context.needs_grad[1]:
            parts[1] = channel_sum(context, context.op("Mul", context.gradient, normal))
    if context.needs_grad[2]:
        parts[2] = channel_sum(context, context.gradient)
    return parts


def _normalized(context: VjpContext, axes: list[int]) -> tuple[onnx_ir.Value, onnx_ir.Value]:
    """The input with mean 0 and variance 1 over some axes, and the deviation it had."""
    source = context.inputs[0]
    centred = context.op("Sub", source, _mean(context, source, axes))
    variance = _mean(context, context.op("Mul", centred, centred), axes)
    spread = spread_of(context, variance)
    return context.op("Div", centred, spread), spread


def through_normalizing(
    context: VjpContext,
    scaled: onnx_ir.Value,
    normal: onnx_ir.Value,
    spread: onnx_ir.Value,
    axes: list[int],
) -> onnx_ir.Value:
    """What comes through from the scaled gradient of what was brought to mean 0 and variance 1."""
    shift = context.op("Sub", scaled, _mean(context, scaled, axes))
    moment = _mean(context, context.op("Mul", scaled, normal), axes)
    return context.op("Div", context.op("Sub", shift, context.op("Mul", normal, moment)), spread)


def _mean(context: VjpContext, value: onnx_ir.Value, axes: list[int]) -> onnx_ir.Value:
    return context.op("ReduceMean", value, context.emit.constant(axes), keepdims=1)


# --- over neighbouring channels ---------------------------------------------------------------


@vjp("LRN")
def _local_response_normalization(context: VjpContext) -> Parts:
    """In closed form, where y = x s^-beta and s = bias + alpha/size (sum of x^2 over a window).

    It is g s^-beta - 2 alpha beta/size x (sum of g y/s over the mirrored window). The sums are
    convolutions along the channels, and the power is Exp(-beta Log(s)): both several times faster
    than AveragePool, Slices or Pow on ONNX Runtime.
    """
    source, gradient = context.inputs[0], context.gradient
    size = context.integer("size", 1)
    alpha, beta = context.number("alpha", 1e-4), context.number("beta", 0.75)
    before, after = (size - 1) // 2, size // 2
    squares = context.op("Mul", source, source)
    sums = _window_sum(context, squares, alpha / size, before, after)
    scale = context.op("Add", sums, context.scalar(context.number("bias", 1.0)))
    exponent = context.op("Mul", context.op("Log", scale), context.scalar(-beta))
    direct = context.op("Mul", gradient, context.op("Exp", exponent))
    shares = context.op("Div", context.op("Mul", gradient, context.output), scale)
    crossed = _window_sum(context, shares, 2 * alpha * beta / size, after, before)
    return (context.op("Sub", direct, context.op("Mul", source, crossed)),)


def _window_sum(
    context: VjpContext, value: onnx_ir.Value, weight: float, before: int, after: int
) -> onnx_ir.Value:
    """The weighted sum of each channel, some channels before it and some after."""
    dims = dims_of(value)
    rows = (dims[0], 1, dims[1], math.prod(dims[2:]))
    plane = context.op("Reshape", value, context.emit.constant(list(rows)))
    kernel = context.tensor(numpy.full((1, 1, before + 1 + after, 1), weight))
    sums = context.op("Conv", plane, kernel, pads=[before, 0, after, 0])
    return context.op("Reshape", sums, context.emit.constant(list(dims)))
