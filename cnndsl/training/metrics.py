"""Turns a network's scores and its labels into a loss, and into what is shown beside it.

Which numbers the scores are, lowering says: :meth:`cnndsl.graph.lower.Forward.scores`. There is
one metric for each loss.

Where answers are right or wrong it is the accuracy; where numbers are to be met, how far off they
are. A step gives what a batch adds up to, so that an epoch is a sum.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy
import onnx_ir

from cnndsl.autodiff.rules import dims_of
from cnndsl.diagnostics.model import UserError
from cnndsl.graph.builder import GraphBuilder
from cnndsl.recipe.losses.base import LabelKind, Loss, LossContext

__all__ = [
    "ABSOLUTE_ERROR",
    "CORRECT",
    "Measure",
    "Metric",
    "emit_loss",
    "emit_metric",
    "labels_type",
    "measure_of",
]

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


# --- losses -----------------------------------------------------------------------------------


def labels_type(
    loss: Loss, output_dims: tuple[int, ...]
) -> tuple[onnx_ir.DataType, tuple[int, ...]]:
    """The element type and sizes of the labels for an output of these sizes, batch included.

    Raises:
        UserError: CNN809 for a loss that cannot take this output.
    """
    fault = loss.fault(output_dims[1] if len(output_dims) > 1 else 1)
    if fault is not None:
        raise UserError("CNN809", fault.message, help=fault.help)
    return onnx_ir.DataType.from_numpy(numpy.dtype(loss.labels.dtype)), loss.label_dims(output_dims)


def emit_loss(
    emit: GraphBuilder, loss: Loss, scores: onnx_ir.Value, labels: onnx_ir.Value
) -> onnx_ir.Value:
    """Emit a loss, a scalar; the labels are as :func:`labels_type` says.

    Raises:
        UserError: CNN809 for a loss, perhaps of another package, that gives something else.
    """
    found: object = loss.lower(emit, LossContext(scores, labels, dims_of(scores)))
    if isinstance(found, onnx_ir.Value) and not dims_of(found):
        return found
    what = (
        f"numbers of shape {dims_of(found)}" if isinstance(found, onnx_ir.Value) else f"`{found}`"
    )
    help = "let its `lower` give the mean of all losses, with `keepdims=0`"
    raise UserError("CNN809", f"the loss `{loss.keyword}` gives {what}, no scalar", help=help)
