"""Normalisation: over the batch, or over neighbouring channels."""

import math
from collections.abc import Iterator
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, Field
from typing_extensions import override

from cnndsl.layers.base import (
    POINT,
    Count,
    Footprint,
    Init,
    Layer,
    NotNegative,
    Positive,
    ShapeFault,
    Weight,
)
from cnndsl.layers.formula import Term
from cnndsl.layers.lowering import Builder, LoweringContext, TrainingBuilder
from cnndsl.layers.terms import stream_terms
from cnndsl.layers.window import ForwardWindow
from cnndsl.layers.windowed import unusable, vector_fault
from cnndsl.types import TensorType

__all__ = ["BatchNorm", "LocalResponseNorm"]

V = TypeVar("V")

_ROOTS = (0.5, 0.75)
"""The exponents of which a power is made of square roots."""


class BatchNorm(Layer):
    """Brings each channel to mean 0 and variance 1 over the batch, then scales and shifts it."""

    keyword = "batchnorm"
    family = "normalization"
    per_channel = True
    normalises_batch = True
    arithmetic = "float32 inside"
    saves = ("inputs",)

    eps: Positive = Field(
        default=1e-5, description="added to the variance, against division by zero"
    )
    momentum: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="share of each new batch in the running mean and variance",
    )

    @override
    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        shape = (inputs[0].channels,)
        zero, one = Init("constant", 0.0), Init("constant", 1.0)
        return (
            Weight("scale", shape, one, decays=False),
            Weight("bias", shape, zero, decays=False),
            Weight("mean", shape, zero, trainable=False, decays=False),
            Weight("var", shape, one, trainable=False, decays=False),
        )

    @override
    def param_term(self, *inputs: TensorType) -> Term:
        return 2 * stream_terms(inputs[0])[0]

    @override
    def arithmetic_notes(self, *inputs: TensorType) -> tuple[str, ...]:
        over = math.prod(inputs[0].spatial)
        return (
            "a scale and a shift learn for each channel; a running mean and variance are buffers",
            f"in training each channel's mean and variance are over {over:,}*N numbers, N samples",
        )

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        """BatchNormalization in its inference form: with the running mean and variance."""
        names = ("scale", "bias", "mean", "var")
        weights = [context.weights[name] for name in names]
        return emit.op("BatchNormalization", context.inputs[0], *weights, epsilon=float(self.eps))

    @override
    def lower_training(self, emit: TrainingBuilder[V], context: LoweringContext[V]) -> V:
        """The inference form, with the batch's own mean and variance (Ioffe & Szegedy 2015).

        ONNX's training mode has no kernel on CUDA. As in PyTorch, the running variance is fed
        with the unbiased variance, and the batch is normalised with the biased one.
        """
        (kind,) = context.types
        axes, count = [0, *range(2, len(kind.dims) + 1)], emit.batch * math.prod(kind.spatial)

        def body(source: V, scale: V, bias: V, mean: V, variance: V) -> tuple[V, ...]:
            over = emit.constant(axes)
            middle = emit.op("ReduceMean", source, over, keepdims=1)
            centred = emit.op("Sub", source, middle)
            spread = emit.op("ReduceMean", emit.op("Mul", centred, centred), over, keepdims=0)
            flat = emit.op("Reshape", middle, emit.constant([kind.channels]))
            means = self._followed(emit, mean, flat, 1.0)
            variances = self._followed(emit, variance, spread, count / max(1, count - 1))
            weights = (scale, bias, emit.constant([0.0] * kind.channels), spread)
            normal = emit.op("BatchNormalization", centred, *weights, epsilon=float(self.eps))
            return normal, means, variances, centred, spread

        names = ("scale", "bias", "mean", "var")
        weights = [context.weights[name] for name in names]
        eps = float(self.eps)
        normal, means, variances, *_ = emit.composite(
            "BatchNormalization", body, context.inputs[0], *weights, epsilon=eps
        )
        emit.update(context.weights["mean"], means)
        emit.update(context.weights["var"], variances)
        return normal

    def _followed(self, emit: Builder[V], running: V, seen: V, factor: float) -> V:
        """A running statistic, moved towards what the batch has."""
        kept = emit.op("Mul", running, emit.constant(1 - float(self.momentum)))
        share = emit.op("Mul", seen, emit.constant(float(self.momentum) * factor))
        return emit.op("Add", kept, share)


def _odd(size: int) -> int:
    if size % 2 == 0:
        raise ValueError(f"`size` must be odd, to be centred on a channel; {size} is even")
    return size


class LocalResponseNorm(Layer):
    """Divides each number by a power of what its neighbours hold: in other channels, or its own."""

    keyword = "lrn"
    family = "normalization"
    positional = ("size",)
    saves = ("inputs",)
    arithmetic = "float32 inside"

    size: Annotated[Count, AfterValidator(_odd)] = Field(
        default=5, description="how many neighbouring channels, an odd number"
    )
    alpha: NotNegative = Field(
        default=1e-4,
        description=(
            "the weight of the window's mean square; the AlexNet paper weighs the sum of squares,"
            " so that its 1e-4 is 5e-4 here"
        ),
    )
    beta: NotNegative = Field(default=0.75, description="the exponent")
    k: Positive = Field(default=1.0, description="added to the weighted mean square")
    region: Literal["across", "within"] = Field(
        default="across",
        description=(
            "`across` neighbouring channels, or `within` a channel, over the cells around: a square"
            " of `size` of them along each dimension, those of the padding too, as in Caffe"
        ),
    )

    @override
    def faults(self, *inputs: TensorType) -> Iterator[ShapeFault]:
        if not inputs[0].spatial:
            yield vector_fault(self, inputs[0])
        elif self.region == "within" and len(inputs[0].spatial) > 3:
            yield unusable(self, inputs[0])

    @override
    def footprint(self, *inputs: TensorType) -> Footprint:
        """Across channels, its own place; within a channel, the window around it."""
        if self.region == "across":
            return POINT
        half = self.size // 2
        return tuple(ForwardWindow(size, self.size, 1, half, half) for size in inputs[0].spatial)

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        """The formula itself, where a convolution sums and square roots are the power.

        ONNX Runtime's own LRN takes 3 to 6 times as long on a CPU: 6.3 and 1.1 ms for 64x56x56.
        """
        (source,) = context.inputs
        sums = self._sums(emit, context)
        if self.beta not in _ROOTS:
            return self._divided(emit, source, sums)
        square = emit.op("Sqrt", sums)
        root = square if self.beta == 0.5 else emit.op("Mul", square, emit.op("Sqrt", square))
        return emit.op("Div", source, root)

    @override
    def lower_training(self, emit: TrainingBuilder[V], context: LoweringContext[V]) -> V:
        """The formula itself, x*(k + alpha/size * sum of squares)^-beta; a convolution sums.

        Forward and backward of AlexNet's first with 16 pictures take 52 ms so, and 190 by ONNX
        Runtime's LRN and its gradient.
        """
        return self._divided(emit, context.inputs[0], self._sums(emit, context))

    def _sums(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        """What is taken to the power, across channels or within one."""
        if self.region == "within":
            return self._within(emit, context)
        (source,), dims = context.inputs, context.output.dims
        weight = emit.constant([float(self.alpha) / self.size] * self.size)
        kernel = emit.op("Reshape", weight, emit.constant([1, 1, self.size, 1]))
        squares = emit.op("Mul", source, source)
        column = _reshaped(emit, squares, (1, dims[0], math.prod(dims[1:])))
        half = self.size // 2
        bias = emit.constant([float(self.k)])
        return _reshaped(emit, emit.op("Conv", column, kernel, bias, pads=[half, 0, half, 0]), dims)

    def _within(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        """The weighted mean square of a window, in which padding counts, plus k."""
        (source,), rank = context.inputs, len(context.output.spatial)
        squares = emit.op("Mul", source, source)
        means = emit.op(
            "AveragePool",
            squares,
            kernel_shape=[self.size] * rank,
            pads=[self.size // 2] * (2 * rank),
            count_include_pad=1,
        )
        weighted = emit.op("Mul", means, emit.constant(float(self.alpha)))
        return emit.op("Add", weighted, emit.constant(float(self.k)))

    def _divided(self, emit: Builder[V], source: V, sums: V) -> V:
        """The source times these sums to the power of -beta."""
        power = emit.op("Mul", emit.op("Log", sums), emit.constant(-float(self.beta)))
        return emit.op("Mul", source, emit.op("Exp", power))


def _reshaped(emit: Builder[V], value: V, dims: tuple[int, ...]) -> V:
    """The same numbers with other dimensions; 0 keeps the batch's."""
    return emit.op("Reshape", value, emit.constant((0, *dims)))
