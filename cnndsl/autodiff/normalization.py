"""The gradients of normalisations: over the batch, a layer, an instance, or neighbouring channels.

With d = x - mean, r = 1/sqrt(var + eps) and y = scale d r + bias, where mean and variance are
those of the n numbers of x themselves (Ioffe & Szegedy 2015, section 3)::

    dx = scale r (g - sum(g)/n - d r^2 sum(g d)/n)
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy
import onnx_ir

from cnndsl.autodiff.reduction import reduced_axes
from cnndsl.autodiff.rules import VjpContext, dims_of, vjp

__all__: list[str] = []

Parts = Sequence[onnx_ir.Value | None]


# --- over the batch ---------------------------------------------------------------------------


@vjp("BatchNormalization")
def _batch_normalization(context: VjpContext) -> Parts:
    """With given statistics, or with the batch's own, as layers emit it for training."""
    source, _, _, mean, variance = context.inputs
    centred = _batch_centred(source, mean, variance)
    wants_source, _, _, wants_mean, wants_variance = context.needs_grad
    if centred is not None and wants_source and wants_mean and wants_variance:
        return _with_own_statistics(context, centred)
    return _with_given_statistics(context)


def _with_own_statistics(context: VjpContext, centred: onnx_ir.Value) -> Parts:
    """The closed form: all that the input does, also by way of mean and variance.

    As a g + (b d + c): BatchNormalization takes one pass over memory for the second part.
    """
    source, scale, _, _, variance = context.inputs
    count = math.prod(dims_of(source)) // dims_of(source)[1]
    spread = _spread(context, variance)
    slope = context.op("Div", scale, spread)
    total = _channel_sum(context, context.gradient)
    moment = _channel_sum(context, context.op("Mul", context.gradient, centred))
    normal = context.op("Div", moment, spread)
    share = context.op("Mul", slope, context.scalar(-1 / count))
    rest = context.op(
        "BatchNormalization",
        centred,
        context.op("Mul", share, normal),
        context.op("Mul", share, total),
        context.tensor(numpy.zeros(dims_of(scale))),
        variance,
        epsilon=context.number("epsilon", 1e-5),
    )
    direct = context.op("Mul", context.gradient, _column(context, slope))
    return context.op("Add", direct, rest), normal, total, None, None


def _with_given_statistics(context: VjpContext) -> Parts:
    source, scale, _, mean, variance = context.inputs
    wants_source, wants_scale, wants_bias, wants_mean, wants_variance = context.needs_grad
    gradient, parts = context.gradient, list[onnx_ir.Value | None]([None] * 5)
    if wants_bias or wants_mean:
        parts[2] = _channel_sum(context, gradient)
    if not (wants_source or wants_scale or wants_mean or wants_variance):
        return parts
    spread = _spread(context, variance)
    if wants_scale or wants_variance:
        centred = context.op("Sub", source, _column(context, mean))
        moment = _channel_sum(context, context.op("Mul", gradient, centred))
        parts[1] = context.op("Div", moment, spread)
    if not (wants_source or wants_mean or wants_variance):
        return parts
    slope = context.op("Div", scale, spread)
    if wants_source:
        parts[0] = context.op("Mul", gradient, _column(context, slope))
    if wants_mean:
        assert parts[2] is not None
        parts[3] = context.op("Neg", context.op("Mul", parts[2], slope))
    if wants_variance:
        assert parts[1] is not None
        share = context.op("Div", context.op("Mul", parts[1], slope), spread)
        parts[4] = context.op("Mul", share, context.scalar(-0.5))
    return parts


def _batch_centred(
    source: onnx_ir.Value, mean: onnx_ir.Value, variance: onnx_ir.Value
) -> onnx_ir.Value | None:
    """The centred input, x - mean, where mean and variance are proven to be the batch's own.

    What is recognised: mean = ReduceMean(x), d = Sub(x, mean), variance = ReduceMean(Mul(d, d)),
    both over all axes but the channels', perhaps reshaped.
    """
    square = _channel_mean_of(variance)
    if square is None or _channel_mean_of(mean) is not source:
        return None
    factors = _inputs_of(square, "Mul")
    if len(factors) != 2 or factors[0] is not factors[1]:
        return None
    terms = _inputs_of(factors[0], "Sub")
    if len(terms) != 2 or terms[0] is not source or _channel_mean_of(terms[1]) is not source:
        return None
    return factors[0]


def _channel_mean_of(value: onnx_ir.Value | None) -> onnx_ir.Value | None:
    """What a value is the mean of, channel by channel, or None."""
    while value is not None and (shaped := _inputs_of(value, "Reshape", "Squeeze", "Unsqueeze")):
        value = shaped[0]
    producer = None if value is None else value.producer()
    if producer is None or producer.op_type != "ReduceMean":
        return None
    source = producer.inputs[0]
    assert source is not None
    others = (0, *range(2, len(dims_of(source))))
    return source if reduced_axes(producer) == others else None


def _inputs_of(value: onnx_ir.Value | None, *op_types: str) -> Sequence[onnx_ir.Value | None]:
    """The inputs of the node that gives a value, where it is one of some operators."""
    producer = None if value is None else value.producer()
    return producer.inputs if producer is not None and producer.op_type in op_types else ()


def _spread(context: VjpContext, variance: onnx_ir.Value) -> onnx_ir.Value:
    """The standard deviation."""
    epsilon = context.scalar(context.number("epsilon", 1e-5))
    return context.op("Sqrt", context.op("Add", variance, epsilon))


def _channel_sum(context: VjpContext, value: onnx_ir.Value) -> onnx_ir.Value:
    axes = context.emit.constant([0, *range(2, len(dims_of(value)))])
    return context.op("ReduceSum", value, axes, keepdims=0)


def _column(context: VjpContext, value: onnx_ir.Value) -> onnx_ir.Value:
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
            parts[0] = _through_normalizing(context, scaled, normal, spread, axes)
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
            scaled = context.op("Mul", context.gradient, _column(context, scale))
            parts[0] = _through_normalizing(context, scaled, normal, spread, axes)
        if context.needs_grad[1]:
            parts[1] = _channel_sum(context, context.op("Mul", context.gradient, normal))
    if context.needs_grad[2]:
        parts[2] = _channel_sum(context, context.gradient)
    return parts


def _normalized(context: VjpContext, axes: list[int]) -> tuple[onnx_ir.Value, onnx_ir.Value]:
    """The input with mean 0 and variance 1 over some axes, and the deviation it had."""
    source = context.inputs[0]
    centred = context.op("Sub", source, _mean(context, source, axes))
    variance = _mean(context, context.op("Mul", centred, centred), axes)
    spread = _spread(context, variance)
    return context.op("Div", centred, spread), spread


def _through_normalizing(
    context: VjpContext,
    scaled: onnx_ir.Value,
    normal: onnx_ir.Value,
    spread: onnx_ir.Value,
    axes: list[int],
) -> onnx_ir.Value:
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
