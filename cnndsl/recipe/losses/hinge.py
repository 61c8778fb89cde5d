"""The hinge loss of several classes: the right one's score is to lead by a margin."""

# No `from __future__ import annotations`: pydantic would have to compile every annotation again.

from typing import TypeVar

from pydantic import Field
from typing_extensions import override

from cnndsl.layers.base import Bounds
from cnndsl.recipe.builder import StepBuilder
from cnndsl.recipe.losses.base import (
    Array,
    Doubles,
    LabelKind,
    Loss,
    LossContext,
    is_label,
    shortly,
)
from cnndsl.recipe.settings import Positive

__all__ = ["Hinge"]

V = TypeVar("V")


class Hinge(Loss):
    """The sum over the wrong classes of max(0, margin + wrong score - right score)."""

    keyword = "hinge"
    labels = LabelKind.CLASS

    margin: Positive = Field(
        default=1.0, description="by how much the right class's score must exceed each other one"
    )

    @override
    def lower(self, emit: StepBuilder[V], context: LossContext[V]) -> V:
        """The right class's own term is relu(0): exactly 0, and so is its gradient."""
        scores = context.scores
        own, zero = is_label(emit, context), emit.scalar(0, scores)
        margin = emit.op("Where", own, zero, emit.scalar(self.margin, scores))
        right = emit.op("Where", own, scores, zero)
        right = emit.op("ReduceSum", right, emit.constant([1]), keepdims=1)
        excess = emit.op("Relu", emit.op("Add", emit.op("Sub", scores, right), margin))
        mean = emit.op("ReduceMean", excess, keepdims=0)
        return emit.op("Mul", mean, emit.scalar(context.classes, scores))

    @override
    def of_answers(self, scores: Array, labels: Array) -> Doubles:
        import numpy

        x = numpy.asarray(scores, numpy.float64)
        right = numpy.take_along_axis(x, labels[:, None], 1)
        wrong = numpy.maximum(0.0, self.margin + x - right)
        # The right class's own term is the margin.
        return numpy.asarray(wrong.sum(axis=1) - self.margin)

    @override
    def limit(self, bounds: Bounds, channels: int) -> str:
        least, most = bounds
        width = most - least
        if width > self.margin:
            return ""
        limit = (channels - 1) * (self.margin - width)
        falls = f"cannot fall below {shortly(limit)}" if limit else "falls to 0 in the limit only"
        return (
            f"{falls}: the scores lie between {least:g} and {most:g}, and the margin is"
            f" {self.margin:g}"
        )
