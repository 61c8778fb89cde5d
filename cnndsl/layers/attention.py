"""Attention: every position of a feature map is a mean of all, weighed by how much they agree."""

import math
from collections.abc import Iterator
from typing import Any, TypeVar

from pydantic import Field
from typing_extensions import override

from cnndsl.layers.base import WHOLE, Count, Footprint, Init, InitWord, Layer, ShapeFault, Weight
from cnndsl.layers.fault_kind import FaultKind
from cnndsl.layers.formula import Symbol, Term, product
from cnndsl.layers.lowering import Builder, LoweringContext
from cnndsl.layers.terms import stream_terms
from cnndsl.layers.windowed import vector_fault
from cnndsl.types import TensorType

__all__ = ["Attention"]

V = TypeVar("V")


class Attention(Layer):
    """Scaled dot-product attention of all positions to all, with one head or several."""

    keyword = "attention"
    family = "attention"
    positional = ("heads",)
    saves = ("inputs", "output")

    heads: Count = Field(
        default=1, description="how many heads, each with its share of the width", examples=["4"]
    )
    width: Count | None = Field(
        default=None,
        description="the size of queries, keys and values; by default as many as channels",
        examples=["64"],
    )
    bias: bool = Field(default=True, description="whether the projections have biases")
    init: InitWord | None = Field(
        default=None,
        description="how the projections begin; by default as `init` in `train` says",
        examples=["glorot"],
    )

    @override
    def implied(self, *inputs: TensorType) -> dict[str, Any]:
        return {"width": self._width(inputs[0])}

    def _width(self, source: TensorType) -> int:
        return self.width or source.channels

    @override
    def faults(self, *inputs: TensorType) -> Iterator[ShapeFault]:
        if not inputs[0].spatial:
            yield vector_fault(self, inputs[0])
            return
        width = self._width(inputs[0])
        if width % self.heads:
            what = "numbers of the width" if self.width else "channels"
            fitting = max(one for one in range(1, min(self.heads, width) + 1) if width % one == 0)
            yield ShapeFault(
                FaultKind.HEADS,
                f"{width} {what} do not split into {self.heads} heads:"
                f" {width} = {width // self.heads}*{self.heads} + {width % self.heads}",
                blame=("heads", "width"),
                help=f"write `attention {fitting}`, or a `width` that {self.heads} divides",
            )

    @override
    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        """Queries, keys and values below each other, as PyTorch has them, and the way back."""
        channels, width = inputs[0].channels, self._width(inputs[0])
        zero, into, back = Init("constant", 0.0), (channels, width), (width, channels)
        weights = [Weight("in_weight", (3 * width, channels), self.init, fans=into)]
        if self.bias:
            weights.append(Weight("in_bias", (3 * width,), zero, decays=False, fans=into))
        weights.append(Weight("out_weight", (channels, width), self.init, fans=back))
        if self.bias:
            weights.append(Weight("out_bias", (channels,), zero, decays=False, fans=back))
        return tuple(weights)

    @override
    def macs(self, *inputs: TensorType) -> int:
        """The projections, the products of queries and keys, and the means of values."""
        channels, width = inputs[0].channels, self._width(inputs[0])
        positions = math.prod(inputs[0].spatial)
        return positions * (4 * channels * width + 2 * positions * width)

    def _letters(self, source: TensorType) -> tuple[Symbol, Symbol, Term]:
        """The channels, the width of queries, keys and values, and the positions."""
        channels, *sizes = stream_terms(source)
        width = Symbol("E", self._width(source), "width", "width")
        return channels, width, product(sizes)

    @override
    def param_term(self, *inputs: TensorType) -> Term:
        """Projections to queries, keys and values, and back."""
        channels, width, _ = self._letters(inputs[0])
        weights = 4 * channels * width
        return weights + 3 * width + channels if self.bias else weights

    @override
    def mac_term(self, *inputs: TensorType) -> Term:
        channels, width, positions = self._letters(inputs[0])
        scores = Symbol("M", math.prod(inputs[0].spatial), "positions")
        return positions * (4 * channels * width + 2 * scores * width)

    @override
    def arithmetic_notes(self, *inputs: TensorType) -> tuple[str, ...]:
        size, positions = self._width(inputs[0]) // self.heads, math.prod(inputs[0].spatial)
        return (
            f"each of {self.heads} heads has queries, keys and values of {size} numbers",
            f"its scores are a matrix of {positions}x{positions}, of every position to every one",
        )

    @override
    def footprint(self, *inputs: TensorType) -> Footprint:
        return WHOLE

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        """Gemm for the projections; between, two MatMuls with a Softmax over the keys."""
        (source,) = context.types
        channels, positions = source.channels, math.prod(source.spatial)
        width, heads = self._width(source), self.heads
        size = width // heads

        def reshaped(value: V, *dims: int) -> V:
            return emit.op("Reshape", value, emit.constant(list(dims)))

        def projected(value: V, name: str) -> V:
            weights = [f"{name}_weight", *([f"{name}_bias"] if self.bias else [])]
            return emit.op("Gemm", value, *(context.weights[one] for one in weights), transB=1)

        maps = reshaped(context.inputs[0], -1, channels, positions)
        rows = reshaped(emit.op("Transpose", maps, perm=[0, 2, 1]), -1, channels)
        given = reshaped(projected(rows, "in"), -1, positions, 3 * heads, size)
        stacked = emit.op("Transpose", given, perm=[0, 2, 1, 3])
        queries, keys, values = (
            emit.op("Slice", stacked, *(emit.constant([n]) for n in (at * heads, end * heads, 1)))
            for at, end in ((0, 1), (1, 2), (2, 3))
        )
        scale = emit.op("Reshape", emit.constant(1 / math.sqrt(size)), emit.constant([1] * 4))
        queries = emit.op("Mul", queries, scale)
        scores = emit.op("MatMul", queries, emit.op("Transpose", keys, perm=[0, 1, 3, 2]))
        means = emit.op("MatMul", emit.op("Softmax", scores, axis=-1), values)
        together = reshaped(emit.op("Transpose", means, perm=[0, 2, 1, 3]), -1, width)
        answers = reshaped(projected(together, "out"), -1, positions, channels)
        turned = emit.op("Transpose", answers, perm=[0, 2, 1])
        return reshaped(turned, -1, *source.dims)
