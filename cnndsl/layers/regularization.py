"""Regularisation: layers that act in training only."""

from abc import abstractmethod
from typing import TypeVar

from pydantic import Field
from typing_extensions import override

from cnndsl.layers.base import Layer, NotNegative
from cnndsl.layers.lowering import Builder, LoweringContext, TrainingBuilder
from cnndsl.types import TensorType

__all__ = ["Dropout", "Noise", "Regularizer", "dropped"]

V = TypeVar("V")


class Regularizer(Layer):
    """What changes its input at random in training, and passes everything on in inference."""

    family = "regularization"

    draws = True
    shares = "inference"

    @property
    @abstractmethod
    def strength(self) -> float:
        """How much is changed; at 0, nothing is."""

    @abstractmethod
    def disturbed(self, emit: TrainingBuilder[V], source: V, kind: TensorType) -> V:
        """The input, which is of this type, changed at random."""

    @property
    @override
    def passes_on(self) -> bool:
        return self.strength == 0

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        """Nothing: on average, training changes nothing either."""
        return context.inputs[0]

    @override
    def lower_training(self, emit: TrainingBuilder[V], context: LoweringContext[V]) -> V:
        (source,) = context.inputs
        return source if self.passes_on else self.disturbed(emit, source, context.types[0])


def dropped(emit: TrainingBuilder[V], source: V, rate: float, drawn: V) -> V:
    """A product with a mask of 0 and 1/(1 - rate): 0 where what is drawn from [0, 1) is less."""
    dropped = emit.op("Less", drawn, emit.constant(float(rate)))
    factor = emit.constant(1 / (1 - rate))
    return emit.op("Mul", source, emit.op("Where", dropped, emit.constant(0.0), factor))


class Dropout(Regularizer):
    """In training, sets each number to zero at random; passes everything on in inference."""

    keyword = "dropout"
    per_channel = True
    positional = ("rate",)
    saves = ("mask",)

    rate: float = Field(
        default=0.5,
        ge=0,
        lt=1,
        description="probability of a zero; what stays is divided by 1 - rate",
    )

    @property
    @override
    def strength(self) -> float:
        return self.rate

    @override
    def disturbed(self, emit: TrainingBuilder[V], source: V, kind: TensorType) -> V:
        """Inverted: nothing is left to scale in inference (Srivastava et al. 2014)."""
        return dropped(emit, source, self.rate, emit.uniform(source))


class Noise(Regularizer):
    """In training, adds Gaussian noise to each number; passes everything on in inference."""

    keyword = "noise"
    per_channel = True
    positional = ("std",)

    std: NotNegative = Field(default=0.1, description="the noise's standard deviation")

    @property
    @override
    def strength(self) -> float:
        return self.std

    @override
    def disturbed(self, emit: TrainingBuilder[V], source: V, kind: TensorType) -> V:
        """A sum with fresh normal numbers (Bishop 1995)."""
        noise = emit.op("Mul", emit.normal(source), emit.constant(float(self.std)))
        return emit.op("Add", source, noise)
