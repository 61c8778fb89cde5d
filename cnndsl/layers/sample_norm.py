"""Normalisation of each sample by itself: the same in training and inference, whatever the batch.

Measured on ONNX Runtime 1.31 (one thread, AVX-512): InstanceNormalization takes 0.4 to 0.7 of the
time of the same in elementary operators. GroupNormalization of opset 18 is no kernel: it becomes 25
nodes.

LayerNormalization is not used: of numbers whose mean is 100 deviations its kernel for CPUs gave
results up to 9 % wrong before ONNX Runtime 1.27, and NaN for 768 times 3.3. InstanceNormalization
with the places for channels takes ConvNeXt-tiny 1.02 times as long as a whole for one picture and
1.04 times for eight (two threads, Intel Xeon, AVX-512); the formula 1.07 and 1.02 to 1.04.
"""

import math
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias, TypeVar

from pydantic import Field
from typing_extensions import override

from cnndsl.layers.base import (
    POINT,
    WHOLE,
    Bounds,
    Count,
    Footprint,
    Init,
    Layer,
    Positive,
    ShapeFault,
    Weight,
)
from cnndsl.layers.fault_kind import FaultKind
from cnndsl.layers.groups import split_faults
from cnndsl.layers.lowering import Builder, LoweringContext, TrainingBuilder
from cnndsl.layers.windowed import vector_fault
from cnndsl.types import TensorType

__all__ = ["GroupNorm", "InstanceNorm", "L2Norm", "LayerNorm", "RmsNorm", "SampleNorm"]

V = TypeVar("V")

Over: TypeAlias = Literal["all", "channels"]


class SampleNorm(Layer):
    """What normalisations of single samples share: what they take together, and its scale."""

    family = "normalization"

    per_channel = True
    saves = ("inputs",)
    arithmetic = "float32 inside"

    eps: Positive = Field(
        default=1e-5, description="added to the variance, against division by zero"
    )
    affine: bool = Field(
        default=True, description="whether the result is scaled and shifted by numbers that learn"
    )

    @abstractmethod
    def together(self, source: TensorType) -> tuple[int, str]:
        """How many numbers are normalised together, and where they lie, for messages."""

    @property
    def trivial(self) -> str:
        """What becomes of a number that is normalised alone."""
        return "0"

    @property
    def remedy(self) -> str:
        """What to do where a number would be normalised alone."""
        return f"leave `{self.keyword}` out, or give it larger feature maps or more channels"

    @override
    def faults(self, *inputs: TensorType) -> Iterator[ShapeFault]:
        numbers, where = self.together(inputs[0])
        if numbers == 1:
            yield ShapeFault(
                FaultKind.UNSUITED,
                f"`{self.keyword}` over a single number ({where}) always gives {self.trivial}",
                help=self.remedy,
                spatial=bool(inputs[0].spatial),
            )

    def scale_shape(self, source: TensorType) -> tuple[int, ...]:
        """The shape of the scale and the bias: a number for each channel."""
        return (source.channels,)

    @override
    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        if not self.affine:
            return ()
        shape = self.scale_shape(inputs[0])
        return (
            Weight("scale", shape, Init("constant", 1.0), decays=False),
            Weight("bias", shape, Init("constant", 0.0), decays=False),
        )

    @override
    def footprint(self, *inputs: TensorType) -> Footprint:
        """Each number hangs on all that are normalised with it; the maps' whole extent here."""
        return WHOLE


class LayerNorm(SampleNorm):
    """Brings each sample, or the channels at each of its places, to mean 0 and variance 1."""

    keyword = "layernorm"

    over: Over = Field(
        default="all",
        description=(
            "what is normalised together: `all` of a sample, as PyTorch's LayerNorm over C, H and"
            " W, or the `channels` at each place, as ConvNeXt does"
        ),
    )

    @override
    def together(self, source: TensorType) -> tuple[int, str]:
        return _together(self.over, source)

    @override
    def scale_shape(self, source: TensorType) -> tuple[int, ...]:
        return source.dims if self.over == "all" else (source.channels,)

    @override
    def footprint(self, *inputs: TensorType) -> Footprint:
        return _reach(self.over, inputs[0])

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        """InstanceNormalization, of the sample as one channel or of the places as channels.

        LayerNormalization is none of it: until 1.26, ONNX Runtime's kernel for CPUs took the mean
        of squares less the square of the mean.
        """
        (source,), dims = context.inputs, context.output.dims
        if self.over == "all" or len(dims) == 1:
            return self._scaled(emit, _by_groups(emit, source, 1, dims, float(self.eps)), context)
        rank, (channels, *spatial) = len(dims), dims
        last = emit.op("Transpose", source, perm=[0, *range(2, rank + 1), 1])
        normal = _by_groups(emit, last, math.prod(spatial), (*spatial, channels), float(self.eps))
        scaled = self._scaled(emit, normal, context)
        return emit.op("Transpose", scaled, perm=[0, rank, *range(1, rank)])

    def _scaled(self, emit: Builder[V], normal: V, context: LoweringContext[V]) -> V:
        """Scaled and shifted, the channels being last or the scale as large as the sample."""
        if not self.affine:
            return normal
        product = emit.op("Mul", normal, context.weights["scale"])
        return emit.op("Add", product, context.weights["bias"])

    @override
    def lower_training(self, emit: TrainingBuilder[V], context: LoweringContext[V]) -> V:
        """The formula itself, whose gradient needs what is normalised, and by how much."""
        if not self.affine:
            return self.lower(emit, context)
        dims, rank = context.output.dims, len(context.output.dims)
        over = [*range(1, rank + 1)] if self.over == "all" else [1]

        def body(source: V, scale: V, bias: V) -> tuple[V, V, V]:
            axes = emit.constant(over)
            centred = emit.op("Sub", source, emit.op("ReduceMean", source, axes, keepdims=1))
            squares = emit.op("Mul", centred, centred)
            variance = emit.op("ReduceMean", squares, axes, keepdims=1)
            spread = emit.op("Sqrt", emit.op("Add", variance, emit.constant(float(self.eps))))
            normal = emit.op("Div", centred, spread)
            if self.over == "channels":
                scale, bias = (_column(emit, one, dims) for one in (scale, bias))
            return emit.op("Add", emit.op("Mul", normal, scale), bias), normal, spread

        given = (context.inputs[0], context.weights["scale"], context.weights["bias"])
        return emit.composite("LayerNormalization", body, *given)[0]


class GroupNorm(SampleNorm):
    """Brings each group of channels of each sample to mean 0 and variance 1."""

    keyword = "groupnorm"
    positional = ("groups",)

    groups: Count = Field(description="how many groups the channels are in", examples=["32"])

    @override
    def together(self, source: TensorType) -> tuple[int, str]:
        each = source.channels // self.groups
        where = f"{source.channels} channels in {self.groups} groups"
        return each * math.prod(source.spatial), where

    @property
    @override
    def remedy(self) -> str:
        return "write fewer groups than there are channels"

    @override
    def faults(self, *inputs: TensorType) -> Iterator[ShapeFault]:
        unequal = [*split_faults(inputs[0].channels, self.groups, "groups")]
        yield from unequal or super().faults(*inputs)

    @override
    def keeps_rows(self, source: TensorType) -> bool:
        """Channels in another order would lie in other groups."""
        return self.groups in (1, source.channels)

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        """InstanceNormalization of the groups as channels, then Mul and Add for each channel."""
        (source,), dims = context.inputs, context.output.dims
        normal = _by_groups(emit, source, self.groups, dims, float(self.eps))
        if not self.affine:
            return normal
        scale, bias = (_column(emit, context.weights[name], dims) for name in ("scale", "bias"))
        return emit.op("Add", emit.op("Mul", normal, scale), bias)


class InstanceNorm(SampleNorm):
    """Brings each channel of each sample to mean 0 and variance 1."""

    keyword = "instancenorm"

    @override
    def together(self, source: TensorType) -> tuple[int, str]:
        return math.prod(source.spatial), "the only place of a channel"

    @override
    def faults(self, *inputs: TensorType) -> Iterator[ShapeFault]:
        if inputs[0].spatial:
            yield from super().faults(*inputs)
        else:
            yield vector_fault(self, inputs[0])

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        """InstanceNormalization."""
        (source,), dims = context.inputs, context.output.dims
        if not self.affine:
            return _by_groups(emit, source, dims[0], dims, float(self.eps))
        weights = (context.weights["scale"], context.weights["bias"])
        return emit.op("InstanceNormalization", source, *weights, epsilon=float(self.eps))


class RmsNorm(SampleNorm):
    """Divides each sample, or the channels at each of its places, by its root mean square."""

    keyword = "rmsnorm"

    eps: Positive = Field(
        default=1e-6, description="added to the mean square, against division by zero"
    )
    affine: bool = Field(
        default=True, description="whether the result is scaled by numbers that learn"
    )
    over: Over = Field(
        default="all",
        description=(
            "what is normalised together: `all` of a sample, or the `channels` at each place"
        ),
    )

    @property
    @override
    def trivial(self) -> str:
        return "1 or -1"

    @override
    def together(self, source: TensorType) -> tuple[int, str]:
        return _together(self.over, source)

    @override
    def scale_shape(self, source: TensorType) -> tuple[int, ...]:
        return source.dims if self.over == "all" else (source.channels,)

    @override
    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        return super().weights(*inputs)[:1]

    @override
    def footprint(self, *inputs: TensorType) -> Footprint:
        return _reach(self.over, inputs[0])

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        """The formula itself: the operator RMSNormalization comes with opset 23 only."""
        (source,), dims = context.inputs, context.output.dims
        axes = emit.constant([*range(1, len(dims) + 1)] if self.over == "all" else [1])
        square = emit.op("ReduceMean", emit.op("Mul", source, source), axes, keepdims=1)
        root = emit.op("Sqrt", emit.op("Add", square, emit.constant(float(self.eps))))
        normal = emit.op("Div", source, root)
        if not self.affine:
            return normal
        scale = context.weights["scale"]
        return emit.op("Mul", normal, scale if self.over == "all" else _column(emit, scale, dims))


class L2Norm(Layer):
    """Divides the channels at each place by their Euclidean length (ParseNet, Liu et al. 2015)."""

    keyword = "l2norm"
    family = "normalization"
    per_channel = True
    saves = ("inputs",)
    arithmetic = "float32 inside"

    scale: Positive | None = Field(
        default=None,
        description="where each channel's learnt scale begins; without it nothing is scaled",
        examples=["20"],
    )
    eps: Positive = Field(default=1e-12, description="the least length that is divided by")

    @override
    def faults(self, *inputs: TensorType) -> Iterator[ShapeFault]:
        if inputs[0].channels == 1:
            what = "channel" if inputs[0].spatial else "unit"
            yield ShapeFault(
                FaultKind.UNSUITED,
                f"`l2norm` over a single {what} always gives 1 or -1",
                help="leave `l2norm` out, or give it two channels or more",
            )

    @override
    def bounds(self, *inputs: Bounds) -> Bounds:
        return (-1.0, 1.0) if self.scale is None else (-math.inf, math.inf)

    @override
    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        if self.scale is None:
            return ()
        start = Init("constant", float(self.scale))
        return (Weight("scale", (inputs[0].channels,), start, decays=False),)

    @override
    def footprint(self, *inputs: TensorType) -> Footprint:
        return _reach("channels", inputs[0])

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        """ReduceL2, Max and Div, as in PyTorch; LpNormalization takes no least length."""
        (source,), dims = context.inputs, context.output.dims
        length = emit.op("ReduceL2", source, emit.constant([1]), keepdims=1)
        normal = emit.op("Div", source, emit.op("Max", length, emit.constant(float(self.eps))))
        if self.scale is None:
            return normal
        return emit.op("Mul", normal, _column(emit, context.weights["scale"], dims))


def _together(over: Over, source: TensorType) -> tuple[int, str]:
    """How many numbers are normalised together, and where they lie."""
    if over == "all":
        return source.elements, "all there is"
    return source.channels, "the only channel" if source.spatial else "the only unit"


def _reach(over: Over, source: TensorType) -> Footprint:
    """What one cell sees: its own place, or the whole sample; a vector has one place alone."""
    return POINT if over == "channels" and source.spatial else WHOLE


def _by_groups(emit: Builder[V], source: V, groups: int, dims: Sequence[int], eps: float) -> V:
    """Groups of channels with mean 0 and variance 1, as the channels of a signal."""
    flat = emit.op("Reshape", source, emit.constant([0, groups, math.prod(dims) // groups]))
    ones, zeros = emit.constant([1.0] * groups), emit.constant([0.0] * groups)
    normal = emit.op("InstanceNormalization", flat, ones, zeros, epsilon=eps)
    return emit.op("Reshape", normal, emit.constant((0, *dims)))


def _column(emit: Builder[V], value: V, dims: Sequence[int]) -> V:
    """One number for each channel, in a shape that stretches over feature maps."""
    if len(dims) == 1:
        return value
    return emit.op("Reshape", value, emit.constant([dims[0], *[1] * (len(dims) - 1)]))
