"""An evaluation counts as the training step counts, and every number can be checked by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy
import onnx
import pytest
from training_runs import Array, ArrayData, network, stripes

from cnndsl.diagnostics.model import UserError
from cnndsl.graph.artifact import Artifact
from cnndsl.graph.initializers import initialise
from cnndsl.layers.base import Init
from cnndsl.pipeline import answering, evaluate
from cnndsl.recipe.losses.crossentropy import CrossEntropy
from cnndsl.runtime.evaluation import Evaluation
from cnndsl.runtime.evaluator import Evaluator, Stopped, scores_value
from cnndsl.runtime.train_step import TrainStep
from cnndsl.training.step import build_step

RANDOM = numpy.random.default_rng(3)
VECTORS = RANDOM.normal(0, 3, (24, 5)).astype(numpy.float32)
MAPS = RANDOM.normal(0, 1, (24, 2, 4, 4)).astype(numpy.float32)


def classes(count: int, *places: int) -> Array:
    return RANDOM.integers(0, count, (24, *places))


def yes_or_no(*dims: int) -> Array:
    return RANDOM.integers(0, 2, (24, *dims)).astype(numpy.float32)


# The body, the loss, the samples, and their labels or targets.
CASES = {
    "softmax": ("input 5\ndense 7 -> softmax", "crossentropy", VECTORS, classes(7)),
    "smoothing": (
        "input 5\ndense 7 -> softmax",
        "crossentropy smoothing 0.2",
        VECTORS,
        classes(7),
    ),
    "logits": ("input 5\ndense 3", "crossentropy", VECTORS, classes(3)),
    "sigmoid into crossentropy": (
        "input 5\ndense 3 -> sigmoid",
        "crossentropy",
        VECTORS,
        classes(3),
    ),
    "places": ("input 2x4x4\nconv 3@3x3 -> softmax", "crossentropy", MAPS, classes(3, 2, 2)),
    "hinge": ("input 5\ndense 7", "hinge margin 0.5", VECTORS, classes(7)),
    "hinge on places": ("input 2x4x4\nconv 3@3x3", "hinge", MAPS, classes(3, 2, 2)),
    "one sigmoid": ("input 5\ndense 1 -> sigmoid", "binarycrossentropy", VECTORS, yes_or_no(1)),
    "sigmoids": ("input 5\ndense 4 -> sigmoid", "binarycrossentropy", VECTORS, yes_or_no(4)),
    "logits of sigmoids": ("input 5\ndense 4", "binarycrossentropy", VECTORS, yes_or_no(4)),
    "mse": ("input 5\ndense 4", "mse", VECTORS, yes_or_no(4)),
    "mae": ("input 5\ndense 4", "mae", VECTORS, yes_or_no(4)),
    "huber": ("input 5\ndense 4", "huber delta 0.5", VECTORS, yes_or_no(4)),
    "mse of one": ("input 5\ndense 1 -> sigmoid", "mse", VECTORS, yes_or_no(1)),
    "mse on maps": ("input 2x4x4\nconv 1@3x3", "mse", MAPS, yes_or_no(1, 2, 2)),
}


@pytest.mark.parametrize("case", CASES)
def test_loss_and_accuracy_are_those_of_the_training_step(case: str) -> None:
    body, loss, samples, answers = CASES[case]
    typed = network(f"loss {loss}; batch 24", body)
    weights = initialise(typed, 1, Init("normal", 1.0))
    step = build_step(typed)
    result = TrainStep(step, weights, device="cpu", threads=1).run(
        {"input": samples}, answers, 0.0, 0, 0
    )
    (metric,) = step.signature.metrics.values()
    whole = answers.dtype.kind == "i"
    data = ArrayData(
        {"input": samples}, labels=answers if whole else None, targets=None if whole else answers
    )
    # Batches of another size, the last one smaller.
    found = evaluate(typed, weights, data, device="cpu", threads=1, batch=7)
    assert found.count == 24
    assert found.loss == pytest.approx(result.loss, rel=2e-6)
    shown = found.mae if loss.startswith(("mse", "mae", "huber")) else found.accuracy
    assert shown == pytest.approx(result.metrics[metric.output] / metric.count, rel=2e-6)


def fixed(scores: Array, labels: Array, **options: object) -> tuple[Evaluator, ArrayData]:
    """A network that gives its input back."""
    count = scores.shape[1]
    typed = network("loss crossentropy", f"input {count}\ndense {count}")
    weights = {
        "dense1.weight": numpy.eye(count, dtype=numpy.float32),
        "dense1.bias": numpy.zeros(count, numpy.float32),
    }
    model = replace(answering(typed), weights=weights)
    data = ArrayData({"input": scores}, labels=labels, **options)  # type: ignore[arg-type]
    return Evaluator(model, CrossEntropy(), device="cpu", threads=1), data


def test_ranks_and_confusion_are_right() -> None:
    scores = numpy.array(
        [
            [9, 8, 7, 6, 5, 4, 3],  # the answer is 0
            [9, 8, 7, 6, 5, 4, 3],
            [1, 2, 3, 4, 5, 6, 7],  # the answer is 6
            [0, 0, 0, 0, 0, 0, 0],  # of equal scores the first counts
            [0, 0, 0, 0, 0, 0, 0],
        ],
        numpy.float32,
    )
    evaluator, data = fixed(scores, numpy.array([0, 5, 2, 4, 5]), classes=tuple("abcdefg"))
    found = evaluator.run(data, batch=2)
    assert found.top1 == 1 / 5
    assert found.top5 == 3 / 5
    assert found.confusion is not None
    assert found.confusion.dtype == numpy.int64
    assert {
        (true, answer): int(found.confusion[true, answer])
        for true, answer in zip(*found.confusion.nonzero(), strict=True)
    } == {(0, 0): 1, (5, 0): 2, (2, 6): 1, (4, 0): 1}
    assert found.classes == tuple("abcdefg")
    assert found.class_accuracy == (1.0, None, 0.0, None, 0.0, 0.0, None)


def test_few_classes_have_no_first_five() -> None:
    evaluator, data = fixed(numpy.eye(5, dtype=numpy.float32), numpy.arange(5))
    found = evaluator.run(data)
    assert (found.top1, found.top5) == (1.0, None)


def test_a_sure_mistake_has_a_finite_loss() -> None:
    """In float32 the probability of the right class is exactly zero here."""
    typed = network("loss crossentropy", "input 2\ndense 2 -> softmax")
    weights = {
        "dense1.weight": numpy.eye(2, dtype=numpy.float32),
        "dense1.bias": numpy.zeros(2, numpy.float32),
    }
    data = ArrayData({"input": numpy.array([[300, 0]], numpy.float32)}, labels=numpy.array([1]))
    assert evaluate(typed, weights, data, device="cpu").loss == 300


def test_binary_answers_make_a_matrix_of_two() -> None:
    typed = network("loss binarycrossentropy", "input 1\ndense 1 -> sigmoid")
    weights = {
        "dense1.weight": numpy.ones((1, 1), numpy.float32),
        "dense1.bias": numpy.zeros(1, numpy.float32),
    }
    x = numpy.array([[-1], [2], [3], [-1]], numpy.float32)
    data = ArrayData({"input": x}, labels=numpy.array([0, 0, 1, 1]), classes=("no", "yes"))
    found = evaluate(typed, weights, data, device="cpu")
    assert found.top1 == 0.5
    assert found.confusion is not None
    assert found.confusion.tolist() == [[1, 1], [1, 1]]


@pytest.mark.parametrize("lost", [numpy.nan, numpy.inf])
def test_an_answer_that_is_no_number_is_wrong(lost: float) -> None:
    """A network whose last weights are not finite, as of a run that diverged."""
    typed = network("loss crossentropy", "input 7\ndense 7 -> softmax")
    weights = {
        "dense1.weight": numpy.eye(7, dtype=numpy.float32),
        "dense1.bias": numpy.full(7, lost, numpy.float32),
    }
    data = ArrayData(
        {"input": numpy.eye(7, dtype=numpy.float32)}, labels=numpy.array([0, 1, 2, 3, 4, 5, 0])
    )
    found = evaluate(typed, weights, data, device="cpu")
    assert (found.top1, found.top5, found.nan, found.count) == (0, 0, 7, 7)
    assert found.confusion is not None
    assert not found.confusion.any()
    assert [one.count for one in found.class_scores] == [2, 1, 1, 1, 1, 1, 0]
    assert found.class_accuracy == (0,) * 6 + (None,)


@pytest.mark.parametrize(("units", "targets"), [(1, [[0], [1]]), (2, [[0, 0], [1, 1]])])
def test_a_label_that_is_no_number_is_wrong_whatever_it_should_be(
    units: int, targets: list[list[int]]
) -> None:
    typed = network("loss binarycrossentropy", f"input 2\ndense {units} -> sigmoid")
    weights = {
        "dense1.weight": numpy.zeros((units, 2), numpy.float32),
        "dense1.bias": numpy.full(units, numpy.nan, numpy.float32),
    }
    data = ArrayData(
        {"input": numpy.ones((2, 2), numpy.float32)}, targets=numpy.array(targets, numpy.float32)
    )
    found = evaluate(typed, weights, data, device="cpu")
    assert (found.accuracy, found.exact_match, found.nan) == (0, 0, 2 * units)
    assert [(one.f1, one.auc) for one in found.labels] == [(0, None)] * units


def test_values_that_are_no_numbers_have_no_errors() -> None:
    typed = network("loss mse", "input 2\ndense 2")
    weights = {
        "dense1.weight": numpy.eye(2, dtype=numpy.float32),
        "dense1.bias": numpy.array([0, numpy.nan], numpy.float32),
    }
    x = numpy.array([[1, 2], [3, 4]], numpy.float32)
    found = evaluate(typed, weights, ArrayData({"input": x}, targets=x), device="cpu")
    assert found.nan == 2
    assert found.mae is not None
    assert math.isnan(found.mae)
    assert [one.r2 for one in found.values] == [1.0, None]


def test_samples_that_hold_no_numbers_are_named() -> None:
    x = numpy.zeros((9, 1, 6, 6), numpy.float32)
    x[8, 0, 2, 2] = numpy.nan
    typed = network()
    data = ArrayData({"input": x}, labels=numpy.zeros(9, numpy.int64))
    with pytest.raises(UserError, match=r"`arrays\[8\]` holds numbers that are not") as caught:
        evaluate(typed, initialise(typed, 0, Init("he")), data, device="cpu", batch=4)
    assert caught.value.code == "CNN803"


@pytest.mark.parametrize("labels", [[[10, 20], [30, 40]], [1, 0]])
def test_of_values_there_is_no_accuracy_whatever_the_data_are(labels: list[int]) -> None:
    """A class's number is met as a 1 among zeros; training shows no accuracy of it either."""
    typed = network("loss mse", "input 2\ndense 2")
    weights = {
        "dense1.weight": numpy.eye(2, dtype=numpy.float32),
        "dense1.bias": numpy.zeros(2, numpy.float32),
    }
    x = numpy.array([[10, 20], [30, 40]], numpy.float32)
    answers = numpy.array(labels, numpy.int64)
    found = evaluate(typed, weights, ArrayData({"input": x}, labels=answers), device="cpu")
    assert (found.top1, found.accuracy, found.confusion, found.class_scores) == (None,) * 3 + ((),)
    met = answers if answers.ndim == 2 else numpy.eye(2)[answers]
    assert found.mae == numpy.abs(x - met).mean()
    assert len(found.values) == 2


def test_a_single_output_has_the_name_of_one_class_of_two() -> None:
    found = Evaluation(0.1, 0.5, None, 4, ("cat",), numpy.array([[1, 1], [1, 1]]))
    assert found.class_names == ("not cat", "cat")
    assert replace(found, classes=()).class_names == ("0", "1")
    assert replace(found, classes=("cat", "dog")).class_names == ("cat", "dog")


def test_a_compiled_file_is_measured_as_its_spec(tmp_path: Path) -> None:
    typed = network("loss crossentropy")
    weights = initialise(typed, 0, Init("he"))
    model = replace(answering(typed), weights=weights)
    model.write(tmp_path / "model.onnx")
    again = Artifact(model.manifest, onnx.load(tmp_path / "model.onnx"), {})
    data = stripes(20)
    taken = scores_value(typed, again.manifest, CrossEntropy())
    one = Evaluator(again, CrossEntropy(), scores=taken, device="cpu", threads=1).run(data)
    other = evaluate(typed, weights, data, device="cpu", threads=1)
    assert one.loss == other.loss
    assert one.confusion is not None
    assert other.confusion is not None
    assert one.confusion.tolist() == other.confusion.tolist()


def test_an_evaluation_can_be_given_up() -> None:
    evaluator, data = fixed(numpy.zeros((9, 3), numpy.float32), numpy.zeros(9, numpy.int64))
    calls: list[int] = []

    def stop() -> bool:
        calls.append(1)
        return len(calls) == 3

    with pytest.raises(Stopped):
        evaluator.run(data, batch=2, stop=stop)
    assert len(calls) == 3


def test_labels_out_of_range_are_refused() -> None:
    evaluator, data = fixed(numpy.zeros((3, 3), numpy.float32), numpy.array([0, 1, 3]))
    with pytest.raises(UserError) as caught:
        evaluator.run(data)
    assert caught.value.code == "CNN802"


def test_losses_are_by_sample_and_in_double_precision() -> None:
    scores, labels = numpy.zeros((3, 4), numpy.float32), numpy.array([0, 1, 2])
    found = CrossEntropy().of_answers(scores, labels)
    assert found.dtype == numpy.float64
    assert found.tolist() == pytest.approx([numpy.log(4)] * 3, rel=1e-15)


def test_labels_of_places_have_no_area_under_the_curve() -> None:
    """The probabilities of all places would have to be kept for it."""
    typed = network("loss binarycrossentropy", "input 1x2x2\nconv 2@1 -> sigmoid")
    weights = initialise(typed, 0, Init("he"))
    x = numpy.random.default_rng(0).normal(size=(6, 1, 2, 2)).astype(numpy.float32)
    targets = (numpy.random.default_rng(1).random((6, 2, 2, 2)) > 0.5).astype(numpy.float32)
    found = evaluate(typed, weights, ArrayData({"input": x}, targets=targets), device="cpu")
    assert [one.auc for one in found.labels] == [None, None]
    assert all(one.iou is not None for one in found.labels)
