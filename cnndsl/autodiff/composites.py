"""The gradients of composites: several operators whose gradient as a whole has a closed form.

A layer emits a composite as one node (:meth:`~cnndsl.graph.builder.GraphBuilder.composite`), with
what its gradient needs of the forward pass among its outputs. Behind differentiation its
operators take the node's place.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy
import onnx_ir

from cnndsl.autodiff.movement import scattered
from cnndsl.autodiff.normalization import channel_sum, column, spread_of, through_normalizing
from cnndsl.autodiff.rules import NOT_DIFFERENTIABLE, VjpContext, dims_of, vjp_of_composite

__all__: list[str] = []

NOT_DIFFERENTIABLE["StopGradient"] = "what is taken as data has no gradient, whatever made it"

Parts = Sequence[onnx_ir.Value | None]


@vjp_of_composite("BatchNormalization")
def _batch_normalization(context: VjpContext) -> Parts:
    """By the batch's own statistics: what the input does, also by way of mean and variance.

    The inputs are those of BatchNormalization in training; the outputs are the result y, both
    running statistics, d = x - mean, and the variance. With r = 1/sqrt(var + eps), y = scale d r +
    bias and n numbers in a channel (Ioffe & Szegedy 2015, section 3)::

        dx = scale r (g - sum(g)/n - d r^2 sum(g d)/n)

    It is computed as scale r (g + (b d + c)): BatchNormalization takes one pass over memory for
    what is added, and the factor may go to the kernels of the convolution that gave the input.
    """
    (source, scale, *_), gradient = context.inputs, context.gradient
    _, _, _, centred, variance = context.node.outputs
    if not context.needs_grad[0]:
        return _of_scale_and_bias(context, centred, variance)
    count = math.prod(dims_of(source)) // dims_of(source)[1]
    spread = spread_of(context, variance)
    slope = context.op("Div", scale, spread)
    total = channel_sum(context, gradient)
    moment = channel_sum(context, context.op("Mul", gradient, centred))
    normal = context.op("Div", moment, spread)
    share = context.scalar(-1 / count)
    rest = context.op(
        "BatchNormalization",
        centred,
        context.op("Mul", normal, share),
        context.op("Mul", total, share),
        context.tensor(numpy.zeros(dims_of(scale))),
        variance,
        epsilon=context.number("epsilon", 1e-5),
    )
    inner = context.op("Add", gradient, rest)
    direct = context.op("Mul", inner, column(context, slope))
    return direct, normal, total, None, None


def _of_scale_and_bias(
    context: VjpContext, centred: onnx_ir.Value, variance: onnx_ir.Value
) -> Parts:
    """Alone, where the input is that of the network."""
    parts: list[onnx_ir.Value | None] = [None] * 5
    if context.needs_grad[2]:
        parts[2] = channel_sum(context, context.gradient)
    if context.needs_grad[1]:
        spread = spread_of(context, variance)
        moment = channel_sum(context, context.op("Mul", context.gradient, centred))
        parts[1] = context.op("Div", moment, spread)
    return parts


@vjp_of_composite("LayerNormalization")
def _layer_normalization(context: VjpContext) -> Parts:
    """Over all of a sample, or over the channels where those are all that the scale is for.

    The outputs are the result, what was scaled to make it, and the deviation that this was divided
    by.
    """
    source, scale, _ = context.inputs
    _, normal, spread = context.node.outputs
    gradient, rank = context.gradient, len(dims_of(scale))
    in_channels = rank < len(dims_of(source)) - 1
    parts: list[onnx_ir.Value | None] = [None, None, None]
    if context.needs_grad[0]:
        factor = column(context, scale) if in_channels else scale
        scaled = context.op("Mul", gradient, factor)
        parts[0] = through_normalizing(context, scaled, normal, spread, [*range(1, rank + 1)])
    if context.needs_grad[1]:
        product = context.op("Mul", gradient, normal)
        parts[1] = channel_sum(context, product) if in_channels else product
    if context.needs_grad[2]:
        parts[2] = channel_sum(context, gradient) if in_channels else gradient
    return parts


@vjp_of_composite("Embedding")
def _embedding(context: VjpContext) -> Parts:
    """That of Gather, without what the padding's places gave their row."""
    ids = context.inputs[1]
    padding = context.emit.constant([context.integer("padding", 0)])
    column = context.emit.constant([-1])
    is_padding = context.op("Unsqueeze", context.op("Equal", ids, padding), column)
    gradient = context.op("Where", is_padding, context.scalar(0), context.gradient)
    return scattered(context, gradient, 0), None


@vjp_of_composite("SquaredDistances")
def _squared_distances(context: VjpContext) -> Parts:
    """By Gemm, without the differences of all codes and inputs.

    Of d_ni = sum_j((x_nj - w_ij)^2) and the gradient g of d follow::

    dx_nj = 2 (x_nj sum_i(g_ni) - sum_i(g_ni w_ij))
    dw_ij = 2 (w_ij sum_n(g_ni) - sum_n(g_ni x_nj))
    """
    source, codes = context.inputs
    twice = context.op("Mul", context.gradient, context.scalar(2))
    parts: list[onnx_ir.Value | None] = [None, None]
    for at, (own, other, axis) in enumerate(((source, codes, 1), (codes, source, 0))):
        if context.needs_grad[at]:
            axes = context.emit.constant([axis])
            sums = context.op("ReduceSum", twice, axes, keepdims=0)
            column = context.op("Unsqueeze", sums, context.emit.constant([1]))
            mixed = context.op("Gemm", twice, other, transA=at)
            parts[at] = context.op("Sub", context.op("Mul", own, column), mixed)
    return parts
