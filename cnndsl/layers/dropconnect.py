"""A dense layer whose weights are dropped in training: `dropconnect`."""

from typing import TypeVar

from pydantic import Field
from typing_extensions import override

from cnndsl.layers.dense import Dense
from cnndsl.layers.lowering import LoweringContext, TrainingBuilder
from cnndsl.layers.regularization import dropped

__all__ = ["DropConnect"]

V = TypeVar("V")


class DropConnect(Dense):
    """Connects every unit to every input; in training, weights are zero at random."""

    keyword = "dropconnect"
    draws = True

    rate: float = Field(
        default=0.5,
        ge=0,
        lt=1,
        description="probability that a weight is zero; those that stay are divided by 1 - rate",
    )

    @override
    def lower_training(self, emit: TrainingBuilder[V], context: LoweringContext[V]) -> V:
        """One mask for all samples of a step (Wan et al. 2013); biases are not dropped."""
        if self.rate == 0:
            return self.lower(emit, context)
        weight = context.weights["weight"]
        weight = dropped(emit, weight, self.rate, emit.uniform(weight, by_sample=False))
        weights = {**context.weights, "weight": weight}
        return self.lower(
            emit, LoweringContext(context.inputs, context.types, context.output, weights)
        )
