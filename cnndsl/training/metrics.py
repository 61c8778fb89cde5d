"""What training shows beside the loss: one metric for each loss, and its graph.

Where answers are right or wrong it is the accuracy; where numbers are to be met, how far off they
are. A step gives what a batch adds up to, so that an epoch is a sum.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import onnx_ir

from cnndsl.autodiff.rules import dims_of
from cnndsl.graph.builder import GraphBuilder
from cnndsl.recipe.losses.base import LabelKind, Loss, LossContext

__all__ = ["ABSOLUTE_ERROR", "CORRECT", "Measure", "Metric", "emit_metric", "measure_of"]

CORRECT = "correct"
ABSOLUTE_ERROR = "absolute_error"
"""The names of the outputs that metrics are."""

Measure: TypeAlias = Literal["accuracy", "mae"]
"""The share of right answers, or the mean absolute error."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A further output of a training step: its name, what it measures, and of how many.

    The output's value over ``count`` is the batch's mean. ``squares`` says that the loss beside it
    is the mean of the squared errors.
    """

    output: str
    measure: Measure
    count: int
    squares: bool = False


def measure_of(loss: Loss) -> Measure:
    """What training shows beside this loss."""
    return "mae" if loss.labels is LabelKind.VALUE else "accuracy"


def emit_metric(
    emit: GraphBuilder, loss: Loss, scores: onnx_ir.Value, labels: onnx_ir.Value
) -> tuple[Metric, onnx_ir.Value]:
    """Emit the metric of a loss: the number of right answers (int64), or the mean error."""
    context = LossContext(scores, labels, dims_of(scores))
    shown = loss.lower_metric(emit, context)
    if measure_of(loss) == "mae":
        return Metric(ABSOLUTE_ERROR, "mae", 1, loss.squares), shown
    return Metric(CORRECT, "accuracy", math.prod(dims_of(labels))), shown
