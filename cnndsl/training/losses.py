"""Turns a network's scores and its labels into the loss.

Which numbers the scores are, :mod:`cnndsl.typecheck.scores` says. Losses that are made of
probabilities take those before the last softmax or sigmoid: the logarithm of a probability that
was rounded to 0 is infinite, that of a LogSoftmax is not, and neither is its gradient.

Channels, and with them classes, stand on axis 1; what lies behind is places, each with a label of
its own.
"""

from __future__ import annotations

import math

import numpy
import onnx_ir

from cnndsl.autodiff.rules import dims_of
from cnndsl.diagnostics.model import UserError
from cnndsl.graph.builder import GraphBuilder
from cnndsl.recipe.losses import BinaryCrossEntropy, CrossEntropy, Hinge, MeanSquaredError
from cnndsl.recipe.settings import Loss

__all__ = ["emit_loss", "labels_type"]


def labels_type(
    loss: Loss, output_dims: tuple[int, ...]
) -> tuple[onnx_ir.DataType, tuple[int, ...]]:
    """The element type and sizes of the labels for an output of these sizes, batch included.

    Losses over classes take a class's number for each sample and place, the others a number for
    each number of the output.

    Raises:
        UserError: CNN809 for a loss over classes where there is only one.
    """
    if not isinstance(loss, CrossEntropy | Hinge):
        return onnx_ir.DataType.FLOAT, output_dims
    if len(output_dims) < 2 or output_dims[1] < 2:
        raise UserError(
            "CNN809",
            f"the loss `{loss.keyword}` compares classes, but the network has a single output",
            help="give it an output for each class, or write `loss binarycrossentropy`",
        )
    return onnx_ir.DataType.INT64, (output_dims[0], *output_dims[2:])


def emit_loss(
    emit: GraphBuilder, loss: Loss, scores: onnx_ir.Value, labels: onnx_ir.Value
) -> onnx_ir.Value:
    """Emit a loss, a scalar; the labels are as :func:`labels_type` says.

    It is a mean: over samples and places, and where each number of the output has its own target,
    over these.
    """
    match loss:
        case CrossEntropy():
            return _cross_entropy(emit, loss, scores, labels)
        case BinaryCrossEntropy():
            return _binary_cross_entropy(emit, scores, labels)
        case Hinge():
            return _hinge(emit, loss, scores, labels)
        case MeanSquaredError():
            difference = emit.op("Sub", scores, labels)
            return emit.op("ReduceMean", emit.op("Mul", difference, difference), keepdims=0)
        case _:
            raise NotImplementedError(f"no lowering for the loss `{loss.keyword}`")


# --- losses -----------------------------------------------------------------------------------


def _cross_entropy(
    emit: GraphBuilder, loss: CrossEntropy, logits: onnx_ir.Value, labels: onnx_ir.Value
) -> onnx_ir.Value:
    """Minus the sum of target * log(probability); the mean's divisor lies in the targets."""
    classes = dims_of(logits)[1]
    other = loss.smoothing / classes / math.prod(dims_of(labels))
    right = other + (1 - loss.smoothing) / math.prod(dims_of(labels))
    target = emit.op(
        "Where",
        _is_label(emit, logits, labels),
        emit.scalar(-right, logits),
        emit.scalar(-other, logits),
    )
    product = emit.op("Mul", emit.op("LogSoftmax", logits, axis=1), target)
    return emit.op("ReduceSum", product, keepdims=0)


def _binary_cross_entropy(
    emit: GraphBuilder, logits: onnx_ir.Value, labels: onnx_ir.Value
) -> onnx_ir.Value:
    """log(1 + e^x) - x*y, which is -y*log(p) - (1-y)*log(1-p) for p = sigmoid(x)."""
    difference = emit.op("Sub", emit.op("Softplus", logits), emit.op("Mul", logits, labels))
    return emit.op("ReduceMean", difference, keepdims=0)


def _hinge(
    emit: GraphBuilder, loss: Hinge, scores: onnx_ir.Value, labels: onnx_ir.Value
) -> onnx_ir.Value:
    """The right class's own term is relu(0): exactly 0, and so is its gradient."""
    is_label, zero = _is_label(emit, scores, labels), emit.scalar(0, scores)
    margin = emit.op("Where", is_label, zero, emit.scalar(loss.margin, scores))
    right = emit.op("Where", is_label, scores, zero)
    right = emit.op("ReduceSum", right, emit.constant([1]), keepdims=1)
    excess = emit.op("Relu", emit.op("Add", emit.op("Sub", scores, right), margin))
    mean = emit.op("ReduceMean", excess, keepdims=0)
    return emit.op("Mul", mean, emit.scalar(dims_of(scores)[1], scores))


def _is_label(emit: GraphBuilder, scores: onnx_ir.Value, labels: onnx_ir.Value) -> onnx_ir.Value:
    """For each score whether it is that of the label's class."""
    classes, *places = dims_of(scores)[1:]
    numbers = emit.tensor(numpy.arange(classes).reshape(1, classes, *(1 for _ in places)))
    return emit.op("Equal", emit.op("Unsqueeze", labels, emit.constant([1])), numbers)
