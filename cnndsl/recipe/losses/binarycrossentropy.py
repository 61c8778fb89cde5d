"""Cross-entropy of yes and no, for each number of the output on its own."""

# No `from __future__ import annotations`: pydantic would have to compile every annotation again.

import math
from typing import TypeVar

from typing_extensions import override

from cnndsl.layers.base import Bounds
from cnndsl.recipe.builder import StepBuilder
from cnndsl.recipe.losses.base import Array, Doubles, LabelKind, Loss, LossContext, shortly

__all__ = ["BinaryCrossEntropy"]

V = TypeVar("V")


class BinaryCrossEntropy(Loss):
    """Cross-entropy of each output on its own, for labels that do not exclude each other."""

    keyword = "binarycrossentropy"
    labels = LabelKind.SHARE
    activation = "sigmoid"
    suits = "several classes may be right"

    @override
    def lower(self, emit: StepBuilder[V], context: LossContext[V]) -> V:
        """log(1 + e^x) - x*y, which is -y*log(p) - (1-y)*log(1-p) for p = sigmoid(x)."""
        logits = context.scores
        product = emit.op("Softplus", logits), emit.op("Mul", logits, context.labels)
        return emit.op("ReduceMean", emit.op("Sub", *product), keepdims=0)

    @override
    def of_answers(self, scores: Array, labels: Array) -> Doubles:
        import numpy

        x = numpy.asarray(scores, numpy.float64)
        products = x * numpy.asarray(labels, numpy.float64)
        return numpy.asarray(numpy.maximum(x, 0) - products + numpy.log1p(numpy.exp(-numpy.abs(x))))

    @override
    def limit(self, bounds: Bounds, channels: int) -> str:
        least, most = bounds
        if math.isfinite(least):
            limit, why = _softplus(least), f"for a label of 0: no score is below {least:g}"
        elif math.isfinite(most):
            limit, why = _softplus(-most), f"for a label of 1: no score is above {most:g}"
        else:
            return ""
        return f"cannot fall below {shortly(limit)} {why}"


def _softplus(x: float) -> float:
    """log(1 + e^x), which no x is too large for."""
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))
