"""Cross-entropy of classes that exclude each other."""

# No `from __future__ import annotations`: pydantic would have to compile every annotation again.

import math
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
from cnndsl.recipe.settings import BelowOne

__all__ = ["CrossEntropy"]

V = TypeVar("V")


class CrossEntropy(Loss):
    """Minus the logarithm of the probability that the network gives to the right class."""

    keyword = "crossentropy"
    labels = LabelKind.CLASS
    # Before the softmax: the logarithm of a probability that was rounded to 0 is infinite, that of
    # a LogSoftmax is not, and neither is its gradient.
    activation = "softmax"
    suits = "one class is right"

    smoothing: BelowOne = Field(
        default=0.0,
        description="label smoothing: this share of the target is spread over all classes evenly",
    )

    @override
    def lower(self, emit: StepBuilder[V], context: LossContext[V]) -> V:
        """Minus the sum of target * log(probability); the mean's divisor lies in the targets."""
        logits = context.scores
        other = self.smoothing / context.classes / context.places
        right = other + (1 - self.smoothing) / context.places
        target = emit.op(
            "Where",
            is_label(emit, context),
            emit.scalar(-right, logits),
            emit.scalar(-other, logits),
        )
        product = emit.op("Mul", emit.op("LogSoftmax", logits, axis=1), target)
        return emit.op("ReduceSum", product, keepdims=0)

    @override
    def of_answers(self, scores: Array, labels: Array) -> Doubles:
        import numpy

        x = numpy.asarray(scores, numpy.float64)
        x = x - x.max(axis=1, keepdims=True)
        logs = x - numpy.log(numpy.exp(x).sum(axis=1, keepdims=True))
        right = numpy.take_along_axis(logs, labels[:, None], 1)[:, 0]
        smooth = self.smoothing
        return numpy.asarray(-(1 - smooth) * right - smooth * logs.mean(axis=1))

    @override
    def broken(self, scores: Array) -> Array:
        """A softmax of an infinity is no number."""
        import numpy

        return numpy.asarray(~numpy.isfinite(scores.max(axis=1)))

    @override
    def limit(self, bounds: Bounds, channels: int) -> str:
        least, most = bounds
        if not math.isfinite(most - least):
            return ""
        limit = math.log1p((channels - 1) * math.exp(least - most))
        between = f"the scores lie between {least:g} and {most:g}"
        return f"cannot fall below {shortly(limit)}: {between}"

    @override
    def of_guessing(self, classes: int) -> tuple[float, str] | None:
        """Every class is as likely."""
        return math.log(classes), f"ln({classes})"
