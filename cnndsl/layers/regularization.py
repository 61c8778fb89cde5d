"""Regularisation: layers that act in training only."""

from typing import TypeVar

from pydantic import Field
from typing_extensions import override

from cnndsl.layers.base import Layer
from cnndsl.layers.lowering import Builder, LoweringContext, TrainingBuilder

__all__ = ["Dropout", "Noise"]

V = TypeVar("V")


class Dropout(Layer):
    """In training, sets each number to zero at random; passes everything on in inference."""

    keyword = "dropout"
    per_channel = True
    positional = ("rate",)
    saves = ("mask",)
    shares = "inference"

    rate: float = Field(
        default=0.5,
        ge=0,
        lt=1,
        description="probability of a zero; what stays is divided by 1 - rate",
    )

    @property
    @override
    def passes_on(self) -> bool:
        return self.rate == 0

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        """Nothing: the inverted dropout of training needs no correction in inference."""
        return context.inputs[0]

    @override
    def lower_training(self, emit: TrainingBuilder[V], context: LoweringContext[V]) -> V:
        """A product with a mask of 0 and 1/(1 - rate) (Srivastava et al. 2014, inverted)."""
        (source,) = context.inputs
        if self.rate == 0:
            return source
        dropped = emit.op("Less", emit.uniform(source), emit.constant(float(self.rate)))
        factor = emit.constant(1 / (1 - self.rate))
        return emit.op("Mul", source, emit.op("Where", dropped, emit.constant(0.0), factor))


class Noise(Layer):
    """In training, adds Gaussian noise to each number; passes everything on in inference."""

    keyword = "noise"
    per_channel = True
    positional = ("std",)
    shares = "inference"

    std: float = Field(
        default=0.1, ge=0, allow_inf_nan=False, description="the noise's standard deviation"
    )

    @property
    @override
    def passes_on(self) -> bool:
        return self.std == 0

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        """Nothing: the noise's mean is zero."""
        return context.inputs[0]

    @override
    def lower_training(self, emit: TrainingBuilder[V], context: LoweringContext[V]) -> V:
        """A sum with fresh normal numbers (Bishop 1995)."""
        (source,) = context.inputs
        if self.std == 0:
            return source
        noise = emit.op("Mul", emit.normal(source), emit.constant(float(self.std)))
        return emit.op("Add", source, noise)
