"""Turns a network's scores and its labels into the loss, and the number of right answers.

Which numbers the scores are, :mod:`cnndsl.semantics.scores` says. Losses that are made of
probabilities take those before the last softmax or sigmoid: the logarithm of a probability that
was rounded to 0 is infinite, that of a LogSoftmax is not, and neither is its gradient.

Channels, and with them classes, stand on axis 1; what lies behind is places, each with a label of
its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy
import onnx_ir

from cnndsl.autodiff.rules import dims_of
from cnndsl.diagnostics.model import UserError
from cnndsl.graph.emitter import GraphEmitter
from cnndsl.semantics.losses import BinaryCrossEntropy, CrossEntropy, Hinge, MeanSquaredError
from cnndsl.semantics.settings import Loss

__all__ = ["Losses", "emit_loss", "labels_type"]


@dataclass(frozen=True, eq=False)
class Losses:
    """What a batch shows: the mean loss (float32), and how many answers are right (int64).

    Both are scalars. Of an output with places, each place counts as an answer.
    """

    loss: onnx_ir.Value
    correct: onnx_ir.Value


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
    emit: GraphEmitter, loss: Loss, scores: onnx_ir.Value, labels: onnx_ir.Value
) -> Losses:
    """Emit a loss and the count of right answers; the labels are as :func:`labels_type` says.

    The loss is a mean: over samples and places, and where each number of the output has its own
    target, over these. An answer is right where the class with the highest score is the label
    (of several, the first). For ``binarycrossentropy`` all outputs of a sample must be on the
    label's side; for ``mse`` the largest output must be where the largest target is, or, where
    the output is no vector, all outputs within a half of their targets.
    """
    match loss:
        case CrossEntropy():
            return Losses(_cross_entropy(emit, loss, scores, labels), _hits(emit, scores, labels))
        case BinaryCrossEntropy():
            return _binary_cross_entropy(emit, scores, labels)
        case Hinge():
            return Losses(_hinge(emit, loss, scores, labels), _hits(emit, scores, labels))
        case MeanSquaredError():
            return _mean_squared_error(emit, scores, labels)
        case _:
            raise NotImplementedError(f"no lowering for the loss `{loss.keyword}`")


# --- losses -----------------------------------------------------------------------------------


def _cross_entropy(
    emit: GraphEmitter, loss: CrossEntropy, logits: onnx_ir.Value, labels: onnx_ir.Value
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
    emit: GraphEmitter, logits: onnx_ir.Value, labels: onnx_ir.Value
) -> Losses:
    """log(1 + e^x) - x*y, which is -y*log(p) - (1-y)*log(1-p) for p = sigmoid(x)."""
    difference = emit.op("Sub", emit.op("Softplus", logits), emit.op("Mul", logits, labels))
    loss = emit.op("ReduceMean", difference, keepdims=0)
    answer = emit.op("Greater", logits, emit.scalar(0, logits))
    truth = emit.op("Greater", labels, emit.scalar(0.5, labels))
    return Losses(loss, _count_samples(emit, emit.op("Equal", answer, truth)))


def _mean_squared_error(emit: GraphEmitter, output: onnx_ir.Value, labels: onnx_ir.Value) -> Losses:
    difference = emit.op("Sub", output, labels)
    loss = emit.op("ReduceMean", emit.op("Mul", difference, difference), keepdims=0)
    dims = dims_of(output)
    if len(dims) == 2 and dims[1] > 1:
        truth = emit.op("ArgMax", labels, axis=1, keepdims=0)
        return Losses(loss, _hits(emit, output, truth))
    near = emit.op("Less", emit.op("Abs", difference), emit.scalar(0.5, difference))
    return Losses(loss, _count_samples(emit, near))


def _hinge(
    emit: GraphEmitter, loss: Hinge, scores: onnx_ir.Value, labels: onnx_ir.Value
) -> onnx_ir.Value:
    """The right class's own term is relu(0): exactly 0, and so is its gradient."""
    is_label, zero = _is_label(emit, scores, labels), emit.scalar(0, scores)
    margin = emit.op("Where", is_label, zero, emit.scalar(loss.margin, scores))
    right = emit.op("Where", is_label, scores, zero)
    right = emit.op("ReduceSum", right, emit.constant([1]), keepdims=1)
    excess = emit.op("Relu", emit.op("Add", emit.op("Sub", scores, right), margin))
    mean = emit.op("ReduceMean", excess, keepdims=0)
    return emit.op("Mul", mean, emit.scalar(dims_of(scores)[1], scores))


# --- right answers ----------------------------------------------------------------------------


def _is_label(emit: GraphEmitter, scores: onnx_ir.Value, labels: onnx_ir.Value) -> onnx_ir.Value:
    """For each score whether it is that of the label's class."""
    classes, *places = dims_of(scores)[1:]
    numbers = emit.tensor(numpy.arange(classes).reshape(1, classes, *(1 for _ in places)))
    return emit.op("Equal", emit.op("Unsqueeze", labels, emit.constant([1])), numbers)


def _hits(emit: GraphEmitter, scores: onnx_ir.Value, labels: onnx_ir.Value) -> onnx_ir.Value:
    """How often the highest score is that of the label's class."""
    answer = emit.op("ArgMax", scores, axis=1, keepdims=0)
    hit = emit.op("Cast", emit.op("Equal", answer, labels), to=onnx_ir.DataType.INT64.value)
    return emit.op("ReduceSum", hit, keepdims=0)


def _count_samples(emit: GraphEmitter, right: onnx_ir.Value) -> onnx_ir.Value:
    """Of how many samples all outputs are right."""
    dims = dims_of(right)
    hits = emit.op("Cast", right, to=onnx_ir.DataType.FLOAT.value)
    if math.prod(dims[1:]) > 1:
        hits = emit.op("ReduceMin", hits, emit.constant([*range(1, len(dims))]), keepdims=0)
    # Float32, as not every device has a minimum of integers; a count below 2^24 is exact in it.
    count = emit.op("ReduceSum", hits, keepdims=0)
    return emit.op("Cast", count, to=onnx_ir.DataType.INT64.value)
