"""The mean absolute error, for numbers that are to be met and of which some are far off."""

# No `from __future__ import annotations`: pydantic would have to compile every annotation again.

from typing import TypeVar

from typing_extensions import override

from cnndsl.recipe.builder import StepBuilder
from cnndsl.recipe.losses.base import Array, Doubles, LabelKind, Loss, LossContext

__all__ = ["MeanAbsoluteError"]

V = TypeVar("V")


class MeanAbsoluteError(Loss):
    """The mean of the absolute differences between output and target."""

    keyword = "mae"
    labels = LabelKind.VALUE

    @override
    def lower(self, emit: StepBuilder[V], context: LossContext[V]) -> V:
        difference = emit.op("Sub", context.scores, context.labels)
        return emit.op("ReduceMean", emit.op("Abs", difference), keepdims=0)

    @override
    def of_answers(self, scores: Array, labels: Array) -> Doubles:
        import numpy

        x, targets = numpy.asarray(scores, numpy.float64), numpy.asarray(labels, numpy.float64)
        return numpy.asarray(numpy.abs(x - targets))
