"""Turns a network's scores and its labels into the loss that its class says, in onnx-ir.

Which numbers the scores are, lowering says: :meth:`cnndsl.graph.lower.Forward.scores`.
"""

from __future__ import annotations

import numpy
import onnx_ir

from cnndsl.autodiff.rules import dims_of
from cnndsl.diagnostics.model import UserError
from cnndsl.graph.builder import GraphBuilder
from cnndsl.recipe.losses.base import Loss, LossContext

__all__ = ["emit_loss", "labels_type"]


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
