"""Normalisations of samples that lie far from zero, or are one number all over."""

from __future__ import annotations

import math

import numpy
import pytest

from cnndsl import pipeline
from cnndsl.data.sources import Array
from cnndsl.runtime.session import Session
from cnndsl.runtime.train_step import TrainStep
from cnndsl.training.step import build_step

DIMS = (6, 5, 4)
ALONE = {
    "layernorm": (1, 2, 3),
    "layernorm affine no": (1, 2, 3),
    "layernorm over channels": (1,),
    "layernorm over channels affine no": (1,),
    "groupnorm 1": (1, 2, 3),
    "instancenorm": (2, 3),
}
"""Each layer, and the axes of what it normalises together."""

EPS = 1e-5


def expected(x: Array, axes: tuple[int, ...]) -> Array:
    """In float64, of the very numbers that float32 has."""
    wide = x.astype(numpy.float64)
    centred = wide - wide.mean(axes, keepdims=True)
    normal: Array = centred / numpy.sqrt((centred**2).mean(axes, keepdims=True) + EPS)
    return normal


def answers(line: str, x: Array) -> Array:
    """What a model gives whose only layer this is, with a scale of 1 and a bias of 0."""
    text = f"input {'x'.join(map(str, x.shape[1:]))}\nout: {line}\n"
    network = pipeline.typed(pipeline.check_text(text))
    session = Session(pipeline.compile(network).for_runtime())
    (answer,) = session.run({"input": x}).values()
    return answer


@pytest.mark.parametrize("line", ALONE)
@pytest.mark.parametrize("distance", [0, 10, 100, 1000, 10000])
def test_a_large_mean_costs_no_more_digits_than_the_input_lacks(line: str, distance: int) -> None:
    noise = numpy.random.default_rng(distance).standard_normal((3, *DIMS))
    x = (noise + distance).astype(numpy.float32)
    wrong = numpy.abs(answers(line, x) - expected(x, ALONE[line])).max()
    assert wrong < 2e-6 * (1 + distance)


@pytest.mark.parametrize("line", ALONE)
@pytest.mark.parametrize("number", [0.0, 0.1, 3.3, -1000.1])
def test_a_constant_sample_becomes_zero(line: str, number: float) -> None:
    # The mean is rounded; what is left of it is divided by the root of eps.
    rounded = abs(number) * 2**-19 / math.sqrt(EPS)
    for dims in (DIMS, (48, 4, 4)):
        found = answers(line, numpy.full((2, *dims), number, numpy.float32))
        assert numpy.abs(found).max() <= rounded


@pytest.mark.parametrize("distance", [0, 100, 1000])
def test_nor_does_it_cost_more_over_the_units_of_a_vector(distance: int) -> None:
    noise = numpy.random.default_rng(distance).standard_normal((3, 768))
    x = (noise + distance).astype(numpy.float32)
    wrong = numpy.abs(answers("layernorm", x) - expected(x, (1,))).max()
    assert wrong < 2e-6 * (1 + distance)


@pytest.mark.parametrize("line", ALONE)
@pytest.mark.parametrize("distance", [0, 100, 1000])
def test_training_sees_the_same(line: str, distance: int) -> None:
    noise = numpy.random.default_rng(distance).standard_normal((2, *DIMS))
    x = (noise + distance).astype(numpy.float32)
    text = f"input {'x'.join(map(str, DIMS))}\nC: conv 6@1 bias no\nout: {line}\n"
    text += "train {\n  batch 2\n  loss mse\n  optimizer sgd\n}\n"
    network = pipeline.typed(pipeline.check_text(text))
    step = build_step(network)
    weights = {
        name: numpy.full(dims, name.endswith("scale"), numpy.float32)
        for name, dims in step.signature.weights.items()
    }
    weights["C.weight"] = numpy.eye(6, dtype=numpy.float32).reshape(6, 6, 1, 1)
    labels = expected(x, ALONE[line]).astype(numpy.float32)
    train_step = TrainStep(step, weights)
    loss = train_step.run({"input": x}, labels, lr=0.0, number=0, seed=0).loss
    assert loss < (2e-6 * (1 + distance)) ** 2
