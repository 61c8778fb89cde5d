"""Losses, gradients and counts of right answers: against PyTorch, and by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy
import onnx
import onnx_ir
import pytest
from gradients import CPU_ONLY
from small_graphs import Array, interpreted, model_of, ran

from cnndsl.autodiff.reverse import differentiate
from cnndsl.diagnostics.model import UserError
from cnndsl.graph.builder import GraphBuilder
from cnndsl.recipe.losses.base import Loss
from cnndsl.recipe.losses.binarycrossentropy import BinaryCrossEntropy
from cnndsl.recipe.losses.crossentropy import CrossEntropy
from cnndsl.recipe.losses.hinge import Hinge
from cnndsl.recipe.losses.huber import Huber
from cnndsl.recipe.losses.mae import MeanAbsoluteError
from cnndsl.recipe.losses.mse import MeanSquaredError
from cnndsl.training.metrics import emit_loss, emit_metric, labels_type, measure_of

FLOAT, DOUBLE = onnx_ir.DataType.FLOAT, onnx_ir.DataType.DOUBLE

LOSSES: dict[str, Loss] = {
    "crossentropy": CrossEntropy(),
    "smoothed": CrossEntropy(smoothing=0.1),
    "hinge": Hinge(),
    "wide hinge": Hinge(margin=2.5),
    "binarycrossentropy": BinaryCrossEntropy(),
    "mse": MeanSquaredError(),
    "mae": MeanAbsoluteError(),
    "huber": Huber(),
    "wide huber": Huber(delta=2.5),
}
OVER_CLASSES = ["crossentropy", "smoothed", "hinge", "wide hinge"]
OF_VALUES = ["mse", "mae", "huber", "wide huber"]
ELEMENTWISE = ["binarycrossentropy", *OF_VALUES]

DIMS = [(1, 2), (6, 10), (3, 5, 4), (2, 3, 4, 5), (2, 4, 3, 2, 2)]


def graph_of(loss: Loss, dims: tuple[int, ...], dtype: onnx_ir.DataType = FLOAT) -> onnx.ModelProto:
    """The loss, the count and the gradient for scores."""
    emit = GraphBuilder()
    scores = emit.placeholder("scores", dims, dtype)
    label_dtype, label_dims = labels_type(loss, dims)
    if label_dtype == FLOAT:
        label_dtype = dtype
    labels = emit.placeholder("labels", label_dims, label_dtype)
    found = emit_loss(emit, loss, scores, labels)
    assert (found.dtype, found.shape) == (dtype, onnx_ir.Shape(()))
    metric, shown = emit_metric(emit, loss, scores, labels)
    whole = metric.measure == "accuracy"
    assert (shown.dtype, shown.shape) == (
        onnx_ir.DataType.INT64 if whole else dtype,
        onnx_ir.Shape(()),
    )
    gradient = differentiate(emit, found, [scores])[scores]
    outputs = {"loss": found, metric.output: shown, "gradient": gradient}
    return model_of(emit, [scores, labels], outputs)


def example(loss: Loss, dims: tuple[int, ...], dtype: type = numpy.float32) -> dict[str, Array]:
    """Random scores and labels for them."""
    chance = numpy.random.default_rng(len(dims) * 100 + dims[1])
    scores: Array = (3 * chance.standard_normal(dims)).astype(dtype)
    if isinstance(loss, CrossEntropy | Hinge):
        return {"scores": scores, "labels": chance.integers(0, dims[1], (dims[0], *dims[2:]))}
    if isinstance(loss, BinaryCrossEntropy):
        return {"scores": scores, "labels": chance.integers(0, 2, dims).astype(dtype)}
    return {"scores": scores, "labels": (3 * chance.standard_normal(dims)).astype(dtype)}


def evaluated(name: str, scores: Any, labels: Any, dims: tuple[int, ...]) -> dict[str, Array]:
    """What ONNX Runtime gives for scores and labels written out."""
    loss = LOSSES[name]
    dtype, label_dims = labels_type(loss, dims)
    feeds = {
        "scores": numpy.array(scores, numpy.float32).reshape(dims),
        "labels": numpy.array(labels, dtype.numpy()).reshape(label_dims),
    }
    return ran(graph_of(loss, dims), feeds)


# --- against PyTorch --------------------------------------------------------------------------


def by_torch(loss: Loss, feeds: dict[str, Array]) -> tuple[float, Array]:
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    scores = torch.tensor(feeds["scores"].astype(float), requires_grad=True)
    labels = torch.tensor(feeds["labels"])
    match loss:
        case CrossEntropy():
            result = functional.cross_entropy(scores, labels, label_smoothing=loss.smoothing)
        case BinaryCrossEntropy():
            result = functional.binary_cross_entropy_with_logits(scores, labels.double())
        case MeanSquaredError():
            result = functional.mse_loss(scores, labels.double())
        case MeanAbsoluteError():
            result = functional.l1_loss(scores, labels.double())
        case Huber():
            result = functional.huber_loss(scores, labels.double(), delta=loss.delta)
        case Hinge():
            # PyTorch divides by the number of classes, and wants them on the last of two axes.
            classes = scores.shape[1]
            rows = scores.movedim(1, -1).reshape(-1, classes)
            margin = functional.multi_margin_loss(rows, labels.reshape(-1), margin=loss.margin)
            result = margin * classes
        case _:
            raise AssertionError
    result.backward()
    return result.item(), scores.grad.numpy()


@pytest.mark.parametrize("dims", DIMS, ids=str)
@pytest.mark.parametrize("name", LOSSES)
def test_losses_and_gradients_are_those_of_pytorch(name: str, dims: tuple[int, ...]) -> None:
    loss = LOSSES[name]
    feeds = example(loss, dims)
    expected, gradient = by_torch(loss, feeds)
    found = ran(graph_of(loss, dims), feeds)
    assert found["loss"] == pytest.approx(expected, rel=1e-6, abs=1e-7)
    assert numpy.allclose(found["gradient"], gradient, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("dims", DIMS, ids=str)
@pytest.mark.parametrize("name", LOSSES)
def test_in_float64_they_agree_to_its_last_digits(name: str, dims: tuple[int, ...]) -> None:
    loss = LOSSES[name]
    feeds = example(loss, dims, numpy.float64)
    expected, gradient = by_torch(loss, feeds)
    found = interpreted(graph_of(loss, dims, DOUBLE), feeds)
    assert found["loss"] == pytest.approx(expected, rel=1e-13)
    assert numpy.allclose(found["gradient"], gradient, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", OVER_CLASSES + ELEMENTWISE)
@pytest.mark.parametrize("size", [50.0, 1e4, 1e30])
def test_enormous_scores_give_finite_losses_and_the_right_gradient(name: str, size: float) -> None:
    loss = LOSSES[name]
    feeds = example(loss, (6, 4))
    feeds["scores"] = feeds["scores"] * numpy.float32(size)
    if name == "mse":
        feeds["scores"] /= numpy.float32(size / 1e4)
    expected, gradient = by_torch(loss, feeds)
    found = ran(graph_of(loss, (6, 4)), feeds)
    assert found["loss"] == pytest.approx(expected, rel=1e-5)
    assert numpy.allclose(found["gradient"], gradient, rtol=1e-5, atol=1e-6)


# --- by hand ----------------------------------------------------------------------------------


def test_cross_entropy_of_even_scores_is_the_logarithm_of_the_number_of_classes() -> None:
    for name in ("crossentropy", "smoothed"):
        found = evaluated(name, [[0.0] * 10] * 3, [0, 5, 9], (3, 10))
        assert found["loss"] == pytest.approx(math.log(10), rel=1e-6)


def test_hinge_is_exactly_zero_beyond_the_margin() -> None:
    scores = [[1e3, 999.0, -5.0], [-2.0, 7.1, 6.1]]
    found = evaluated("hinge", scores, [0, 1], (2, 3))
    assert found["loss"] == 0
    assert not found["gradient"].any()
    assert evaluated("hinge", scores, [0, 2], (2, 3))["loss"] == pytest.approx(1.0)


def test_the_first_of_the_highest_scores_is_the_answer() -> None:
    for name in OVER_CLASSES:
        scores = [[1.0, 2.0, 2.0], [1.0, 2.0, 2.0], [3.0, 3.0, 3.0]]
        assert evaluated(name, scores, [1, 2, 0], (3, 3))["correct"] == 2


def test_each_place_is_an_answer() -> None:
    scores = [[[1.0, 1.0, 4.0], [2.0, 0.0, 5.0]]]
    assert evaluated("crossentropy", scores, [[1, 0, 0]], (1, 2, 3))["correct"] == 2


def test_each_logical_output_is_an_answer_of_its_own() -> None:
    scores = [[1.0, -1.0], [1.0, 1.0], [-1.0, -1.0], [0.0, 3.0]]
    labels = [[1.0, 0.0], [1.0, 0.0], [0.0, 0.0], [1.0, 1.0]]
    assert evaluated("binarycrossentropy", scores, labels, (4, 2))["correct"] == 6
    assert evaluated("binarycrossentropy", scores, labels, (4, 1, 2))["correct"] == 6
    assert evaluated("binarycrossentropy", [0.1, -0.1, 2], [1, 1, 0], (3, 1))["correct"] == 1


@pytest.mark.parametrize("dims", [(3, 1), (1, 3), (1, 1, 3)])
def test_numbers_to_be_met_have_errors_and_no_right_answers(dims: tuple[int, ...]) -> None:
    for name in OF_VALUES:
        found = evaluated(name, [1.0, 2.0, 3.0], [1.5, 2.0, 1.0], dims)
        assert "correct" not in found
        assert found["absolute_error"] == pytest.approx(2.5 / 3)


def test_huber_is_a_square_up_to_delta_and_a_line_behind_it() -> None:
    found = evaluated("wide huber", [2.0, 2.5, 4.5, -4.5], [0.0] * 4, (4, 1))
    assert found["loss"] == pytest.approx((2 + 3.125 + 2.5 * 3.25 + 2.5 * 3.25) / 4)
    assert found["gradient"].ravel() == pytest.approx([0.5, 0.625, 0.625, -0.625])


def test_where_a_number_is_met_the_absolute_error_pulls_nowhere() -> None:
    assert not evaluated("mae", [1.0, 2.0], [1.0, 2.0], (2, 1))["gradient"].any()


def test_each_loss_has_one_measure() -> None:
    measures = {name: measure_of(loss) for name, loss in LOSSES.items()}
    assert {name for name, measure in measures.items() if measure == "mae"} == {*OF_VALUES}


# --- the labels, and the graph ----------------------------------------------------------------


@pytest.mark.parametrize("name", OVER_CLASSES)
def test_classes_are_whole_numbers_one_for_each_place(name: str) -> None:
    int64 = onnx_ir.DataType.INT64
    assert labels_type(LOSSES[name], (8, 10)) == (int64, (8,))
    assert labels_type(LOSSES[name], (8, 10, 5, 6)) == (int64, (8, 5, 6))


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_targets_are_numbers_one_for_each_of_the_output(name: str) -> None:
    assert labels_type(LOSSES[name], (8, 1)) == (FLOAT, (8, 1))
    assert labels_type(LOSSES[name], (8, 10, 5, 6)) == (FLOAT, (8, 10, 5, 6))


@pytest.mark.parametrize("name", OVER_CLASSES)
def test_one_class_cannot_be_told_from_others(name: str) -> None:
    for dims in ((8, 1), (8, 1, 4, 4), (8,)):
        with pytest.raises(UserError, match="single output") as caught:
            labels_type(LOSSES[name], dims)
        assert caught.value.code == "CNN809"


@pytest.mark.parametrize("name", LOSSES)
def test_every_operator_has_a_kernel_on_cuda(name: str) -> None:
    assert not {node.op_type for node in graph_of(LOSSES[name], (3, 4, 2)).graph.node} & CPU_ONLY


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("crossentropy", 10),
        ("binarycrossentropy", 11),
        ("mse", 8),
        ("mae", 7),
        ("huber", 12),
        ("hinge", 14),
    ],
)
def test_few_operators_are_needed(name: str, most: int) -> None:
    """Each costs microseconds, which tell where the batch is small."""
    emit = GraphBuilder()
    scores = emit.placeholder("scores", (1, 10), FLOAT)
    dtype, dims = labels_type(LOSSES[name], (1, 10))
    labels = emit.placeholder("labels", dims, dtype)
    emit_loss(emit, LOSSES[name], scores, labels)
    emit_metric(emit, LOSSES[name], scores, labels)
    assert sum(node.op_type != "Constant" for node in emit.nodes) <= most
