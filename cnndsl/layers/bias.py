"""A bias by itself: one learnt number for each channel, or for each unit of the feature maps."""

from typing import Literal, TypeVar

from pydantic import Field
from typing_extensions import override

from cnndsl.layers.base import Init, InitWord, Layer, Weight
from cnndsl.layers.lowering import Builder, LoweringContext
from cnndsl.types import TensorType

__all__ = ["Bias"]

V = TypeVar("V")


class Bias(Layer):
    """Adds a learnt number: each channel has one, or each unit its own ("untied" biases)."""

    keyword = "bias"
    family = "normalization"
    per_channel = True

    over: Literal["channels", "all"] = Field(
        default="channels",
        description="what has a number of its own: each of the `channels`, or each unit of `all`",
    )
    init: InitWord | None = Field(
        default=None,
        description="how the numbers begin; by default at 0",
        examples=["constant(0.1)"],
    )

    @override
    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        shape = inputs[0].dims if self.over == "all" else (inputs[0].channels,)
        init = self.init or Init("constant", 0.0)
        return (Weight("bias", shape, init, decays=False, fans=(1.0, 1.0)),)

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        bias, (kind,) = context.weights["bias"], context.types
        if self.over == "channels" and kind.spatial:
            column = emit.constant([kind.channels, *(1 for _ in kind.spatial)])
            bias = emit.op("Reshape", bias, column)
        return emit.op("Add", context.inputs[0], bias)
