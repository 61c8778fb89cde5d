"""A coefficient and a bias for each channel: `scale`."""

from typing import TypeVar

from pydantic import Field
from typing_extensions import override

from cnndsl.layers.base import Init, Layer, Real, Weight
from cnndsl.layers.lowering import Builder, LoweringContext
from cnndsl.types import TensorType

__all__ = ["Scale"]

V = TypeVar("V")


class Scale(Layer):
    """Multiplies each channel by a number that learns, and adds one that learns."""

    keyword = "scale"
    family = "normalization"
    per_channel = True
    saves = ("inputs",)

    bias: bool = Field(default=True, description="whether a number is added to each channel")
    start: Real = Field(default=1.0, description="what each coefficient begins at")

    @override
    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        shape = (inputs[0].channels,)
        scale = Weight("scale", shape, Init("constant", float(self.start)), decays=False)
        bias = Weight("bias", shape, Init("constant", 0.0), decays=False)
        return (scale, bias) if self.bias else (scale,)

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        rank = len(context.output.spatial)
        columns = [
            emit.op("Reshape", weight, emit.constant([1, -1, *(1 for _ in range(rank))]))
            if rank
            else weight
            for weight in context.weights.values()
        ]
        scaled = emit.op("Mul", context.inputs[0], columns[0])
        return emit.op("Add", scaled, columns[1]) if self.bias else scaled
