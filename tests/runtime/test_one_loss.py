"""What training makes smaller is what evaluation measures, whatever the last layers are."""

from __future__ import annotations

from functools import cache

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from training_runs import Array, ArrayData

from cnndsl.elaborate.network import TypedNetwork
from cnndsl.graph.initializers import initialise
from cnndsl.layers.base import Init
from cnndsl.pipeline import check_text, evaluate, typed
from cnndsl.runtime.train_step import TrainStep
from cnndsl.training.step import build_step

COUNT = 6

ENDINGS = [
    "softmax",
    "sigmoid",
    "relu",
    "leakyrelu 0.2",
    "tanh",
    "identity",
    "flatten",
    "dropout 0",
    # Layers that act in training only, though too little to be seen in the loss.
    "dropout 0.00000001",
    "noise 0.00000001",
    "wrapped()",
    "doubled()",
    "beside()",
]
BLOCKS = """
block wrapped() { softmax -> identity }
block doubled() { sigmoid -> sigmoid }
block beside() { concat(softmax, sigmoid) }
"""
BODIES = {
    "a vector": ("input 5", "dense 4", (5,)),
    "places": ("input 2x2x3", "conv 3@1", (2, 2, 3)),
    "one place": ("input 3x2x2", "conv 4@2", (3, 2, 2)),
}
LOSSES = [
    "crossentropy",
    "crossentropy smoothing 0.2",
    "binarycrossentropy",
    "mse",
    "mae",
    "huber",
    "hinge",
]


def spec(body: str, ending: tuple[str, ...], loss: str) -> str:
    size, layer, _ = BODIES[body]
    chain = " -> ".join([layer, *ending])
    return f"{BLOCKS}{size}\n{chain}\ntrain {{\n  loss {loss}\n  batch {COUNT}\n}}\n"


@cache
def both(body: str, ending: tuple[str, ...], loss: str) -> tuple[float, float]:
    """The loss of a training step and of an evaluation, for the same weights and samples."""
    network = typed(check_text(spec(body, ending, loss)))
    random = numpy.random.default_rng(7)
    samples = random.normal(0, 1, (COUNT, *BODIES[body][2])).astype(numpy.float32)
    weights = initialise(network, 1, Init("normal", 1.0))
    step = build_step(network)
    labels = step.signature.labels["output"]
    whole = labels.dtype.kind == "i"
    answers = labels_of(network, labels.dims, random, whole=whole)
    result = TrainStep(step, weights, device="cpu", threads=1).run(
        {"input": samples}, answers, 0.0, 0, 0
    )
    data = ArrayData(
        {"input": samples}, labels=answers if whole else None, targets=None if whole else answers
    )
    return result.loss, evaluate(network, weights, data, device="cpu", threads=1).loss


def labels_of(
    network: TypedNetwork, dims: tuple[int, ...], random: numpy.random.Generator, *, whole: bool
) -> Array:
    if whole:
        classes = network.types[network.network.outputs["output"]].channels
        numbers: Array = random.integers(0, classes, dims)
        return numbers
    return random.integers(0, 2, dims).astype(numpy.float32)


@settings(deadline=None, derandomize=True, database=None, max_examples=60)
@given(
    st.sampled_from(sorted(BODIES)),
    st.lists(st.sampled_from(ENDINGS), max_size=3).map(tuple),
    st.sampled_from(LOSSES),
)
def test_training_and_evaluation_compute_the_same_function(
    body: str, ending: tuple[str, ...], loss: str
) -> None:
    trained, evaluated = both(body, ending, loss)
    assert evaluated == pytest.approx(trained, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("loss", LOSSES[:3])
@pytest.mark.parametrize(
    "ending",
    [
        ("softmax", "dropout 0.00000001"),
        ("softmax", "noise 0.00000001"),
        ("sigmoid", "dropout 0.00000001"),
        ("softmax", "identity"),
        ("softmax", "flatten"),
        ("sigmoid", "flatten"),
        ("wrapped()",),
        ("beside()",),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("body", BODIES)
def test_what_stands_behind_a_softmax_or_sigmoid_is_seen_by_both(
    body: str, ending: tuple[str, ...], loss: str
) -> None:
    trained, evaluated = both(body, ending, loss)
    assert evaluated == pytest.approx(trained, rel=1e-5, abs=1e-6)


def test_an_output_that_is_the_scores_can_be_asked_for_beside_the_probabilities() -> None:
    text = "input 5\nlogits: dense 4 -> softmax\noutput logits\n"
    network = typed(check_text(text))
    random = numpy.random.default_rng(7)
    samples = random.normal(0, 1, (COUNT, 5)).astype(numpy.float32)
    weights = initialise(network, 1, Init("he"))
    data = ArrayData({"input": samples}, labels=random.integers(0, 4, COUNT))
    plain = typed(check_text("input 5\nlogits: dense 4 -> softmax\n"))
    expected = evaluate(plain, weights, data, device="cpu", threads=1)
    assert evaluate(network, weights, data, device="cpu", threads=1).loss == expected.loss


def test_numbers_that_are_too_small_to_be_probabilities_have_a_loss_behind_other_layers() -> None:
    text = "input 2\ndense 2 -> softmax -> identity -> flatten\n"
    network = typed(check_text(text))
    weights = {
        "dense1.weight": numpy.eye(2, dtype=numpy.float32),
        "dense1.bias": numpy.zeros(2, numpy.float32),
    }
    data = ArrayData(
        {"input": numpy.array([[1000.0, 0.0]], numpy.float32)}, labels=numpy.array([1])
    )
    assert evaluate(network, weights, data, device="cpu", threads=1).loss == pytest.approx(1000)
