"""The Huber loss, for numbers that are to be met: squares near the target, lines far from it."""

# No `from __future__ import annotations`: pydantic would have to compile every annotation again.

from typing import TypeVar

from pydantic import Field
from typing_extensions import override

from cnndsl.recipe.builder import StepBuilder
from cnndsl.recipe.losses.base import Array, Doubles, LabelKind, Loss, LossContext
from cnndsl.recipe.settings import Positive

__all__ = ["Huber"]

V = TypeVar("V")


class Huber(Loss):
    """Half the squared error up to delta, a straight line of slope delta behind (Huber 1964)."""

    keyword = "huber"
    labels = LabelKind.VALUE

    delta: Positive = Field(
        default=1.0, description="the error at which the line begins; 1 is Fast R-CNN's smooth L1"
    )

    @override
    def lower(self, emit: StepBuilder[V], context: LossContext[V]) -> V:
        """With a = |error| and n = min(a, delta), n * (a - n/2): both pieces in one formula."""
        scores = context.scores
        error = emit.op("Abs", emit.op("Sub", scores, context.labels))
        near = emit.op("Min", error, emit.scalar(self.delta, scores))
        rest = emit.op("Sub", error, emit.op("Mul", near, emit.scalar(0.5, scores)))
        return emit.op("ReduceMean", emit.op("Mul", near, rest), keepdims=0)

    @override
    def of_answers(self, scores: Array, labels: Array) -> Doubles:
        import numpy

        x, targets = numpy.asarray(scores, numpy.float64), numpy.asarray(labels, numpy.float64)
        error = numpy.abs(x - targets)
        near = numpy.minimum(error, self.delta)
        return numpy.asarray(near * (error - near / 2))
