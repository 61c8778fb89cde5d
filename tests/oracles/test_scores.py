"""What `eval` measures, against scikit-learn: classes, labels and values, with ties and gaps."""

from __future__ import annotations

from typing import Any

import numpy
import pytest
import sklearn.metrics as sk
from hypothesis import given
from hypothesis import strategies as st
from training_runs import ArrayData, network

from cnndsl.pipeline import evaluate
from cnndsl.runtime.evaluation import Evaluation
from cnndsl.runtime.tally import area_under_curve

Array = numpy.typing.NDArray[Any]


def measured(
    loss: str, outputs: Array, *, labels: Array | None = None, targets: Array | None = None
) -> Evaluation:
    """What is said of a network that gives these outputs."""
    dims = outputs.shape[1:]
    sizes = "x".join(map(str, dims))
    layer = f"dense {dims[0]}" if len(dims) == 1 else f"conv {dims[0]}@1"
    typed = network(f"loss {loss}", f"input {sizes}\n{layer}")
    (shape,) = (one[0].shape for one in typed.weights if one)
    name = "dense1" if len(dims) == 1 else "conv1"
    weights = {
        f"{name}.weight": numpy.eye(dims[0], dtype=numpy.float32).reshape(shape),
        f"{name}.bias": numpy.zeros(dims[0], numpy.float32),
    }
    data = ArrayData({"input": outputs.astype(numpy.float32)}, labels=labels, targets=targets)
    return evaluate(typed, weights, data, device="cpu", threads=1, batch=7)


def scores(seed: int, *shape: int) -> Array:
    """Scores of which many are equal."""
    return numpy.random.default_rng(seed).integers(-3, 4, shape).astype(numpy.float32)


def assert_close(found: float | None, expected: float) -> None:
    assert found == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("places", [(), (3, 2)])
def test_classes(seed: int, places: tuple[int, ...]) -> None:
    random = numpy.random.default_rng(seed)
    outputs = scores(seed, 30, 5, *places)
    truths = random.integers(0, 5, (30, *places))
    found = measured("crossentropy", outputs, labels=truths)
    answers, flat = outputs.argmax(axis=1).ravel(), truths.ravel()
    precision, recall, f1, support = sk.precision_recall_fscore_support(
        flat, answers, labels=range(5), zero_division=0
    )
    assert_close(found.top1, sk.accuracy_score(flat, answers))
    assert found.confusion is not None
    assert (found.confusion == sk.confusion_matrix(flat, answers, labels=range(5))).all()
    jaccard = sk.jaccard_score(flat, answers, labels=range(5), average=None)
    for at, one in enumerate(found.class_scores):
        assert one.count == support[at]
        assert_close(one.precision, precision[at])
        assert_close(one.recall, recall[at])
        assert_close(one.f1, f1[at])
        assert_close(one.iou, jaccard[at])
    assert found.mean_iou == (pytest.approx(jaccard.mean()) if places else None)


def test_classes_that_are_nowhere_have_no_shares() -> None:
    found = measured("crossentropy", numpy.eye(4)[[0, 1, 1]], labels=numpy.array([0, 0, 1]))
    shares = [(one.precision, one.recall, one.iou) for one in found.class_scores]
    assert shares == [(1.0, 0.5, 0.5), (0.5, 1.0, 0.5), (None,) * 3, (None,) * 3]
    assert [one.f1 for one in found.class_scores[2:]] == [None, None]
    # Answered, but never true: precision is 0, and so is F1, as scikit-learn has it.
    found = measured("crossentropy", numpy.eye(3)[[2, 0]], labels=numpy.array([0, 0]))
    assert found.class_scores[2].precision == found.class_scores[2].f1 == 0.0
    assert found.class_scores[2].recall is None


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("count", [1, 4])
def test_labels(seed: int, count: int) -> None:
    outputs = scores(seed, 40, count)
    truths = numpy.random.default_rng(seed + 9).integers(0, 2, (40, count)).astype(numpy.float32)
    found = measured("binarycrossentropy", outputs, targets=truths)
    answers = outputs > 0
    assert_close(found.exact_match, sk.accuracy_score(truths, answers))
    assert_close(found.accuracy, float((answers == truths).mean()))
    assert len(found.labels) == count
    for at, one in enumerate(found.labels):
        truth, answer = truths[:, at], answers[:, at]
        assert one.positive == truth.sum()
        assert_close(one.accuracy, sk.accuracy_score(truth, answer))
        assert_close(one.precision, sk.precision_score(truth, answer, zero_division=0))
        assert_close(one.recall, sk.recall_score(truth, answer))
        assert_close(one.f1, sk.f1_score(truth, answer))
        assert_close(one.auc, sk.roc_auc_score(truth, outputs[:, at]))
    if count == 1:
        assert found.confusion is not None
        assert (found.confusion == sk.confusion_matrix(truths[:, 0], answers[:, 0])).all()
        assert_close(found.top1, sk.accuracy_score(truths[:, 0], answers[:, 0]))
    else:
        assert (found.top1, found.confusion) == (None, None)


def test_labels_of_places_have_overlaps_and_no_curve() -> None:
    outputs = scores(3, 20, 2, 4, 3)
    truths = numpy.random.default_rng(5).integers(0, 2, outputs.shape).astype(numpy.float32)
    found = measured("binarycrossentropy", outputs, targets=truths)
    overlaps = []
    for at, one in enumerate(found.labels):
        truth, answer = truths[:, at].ravel(), outputs[:, at].ravel() > 0
        overlaps.append(sk.jaccard_score(truth, answer))
        assert_close(one.iou, overlaps[-1])
        assert_close(one.accuracy, sk.accuracy_score(truth, answer))
        assert one.auc is None
    assert found.mean_iou == pytest.approx(numpy.mean(overlaps))


@given(
    st.lists(st.tuples(st.sampled_from([-1.5, 0.0, 0.25, 7.0]), st.booleans()), max_size=30),
)
def test_areas_under_curves(pairs: list[tuple[float, bool]]) -> None:
    values = numpy.array([score for score, _ in pairs], numpy.float32)
    truths = numpy.array([truth for _, truth in pairs], bool)
    found = area_under_curve(values, truths)
    if truths.any() and not truths.all():
        assert_close(found, sk.roc_auc_score(truths, values))
    else:
        assert found is None


@pytest.mark.parametrize("dims", [(1,), (3,), (2, 4, 3)])
def test_values(dims: tuple[int, ...]) -> None:
    random = numpy.random.default_rng(2)
    # Far from zero, where the spread is lost by squares.
    targets = (random.normal(0, 1, (50, *dims)) + 1000).astype(numpy.float32)
    outputs = (targets + random.normal(0, 0.5, targets.shape)).astype(numpy.float32)
    found = measured("mse", outputs, targets=targets)
    flat = [numpy.moveaxis(one, 1, -1).reshape(-1, dims[0]) for one in (targets, outputs)]
    assert found.mae == pytest.approx(sk.mean_absolute_error(*flat), rel=1e-5)
    assert found.rmse == pytest.approx(sk.mean_squared_error(*flat) ** 0.5, rel=1e-5)
    assert found.r2 == pytest.approx(sk.r2_score(*flat), rel=1e-5)
    for at, one in enumerate(found.values):
        assert one.r2 == pytest.approx(sk.r2_score(flat[0][:, at], flat[1][:, at]), rel=1e-5)
    assert (found.top1, found.accuracy, found.confusion) == (None, None, None)


def test_targets_that_are_all_the_same_explain_nothing() -> None:
    targets = numpy.stack([numpy.full(20, 0.1), numpy.arange(20)], 1).astype(numpy.float32)
    found = measured("mse", targets, targets=targets)
    assert [one.r2 for one in found.values] == [None, 1.0]
    assert found.r2 == 1.0
    assert measured("mse", targets[:, :1], targets=targets[:, :1]).r2 is None
