"""What dropout of channels, samples and weights, and that of self-normalising networks, do.

All seeds are fixed, so that each statistic is the same number in every run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy
import pytest
from small_graphs import Array, model_of, ran

from cnndsl.layers import find
from cnndsl.layers.lowering import LoweringContext
from cnndsl.training.graph import StepGraph
from cnndsl.types import TensorType

DIMS = (64, 32, 6, 5)
RATES = [0.1, 0.5, 0.8]


def trained(
    keyword: str,
    x: Array,
    seed: int = 7,
    step: int = 0,
    weights: Mapping[str, Array] | None = None,
    **parameters: Any,
) -> Array:
    """What a layer gives in training."""
    found = find(keyword)
    assert found is not None
    layer, kind = found(**parameters), TensorType(x.shape[1:])
    emit = StepGraph(batch=len(x))
    source = emit.input("x", kind)
    given = weights or {}
    values = {name: emit.weight(name, array.shape) for name, array in given.items()}
    context = LoweringContext((source,), (kind,), layer.output(kind), values)
    result = layer.lower_training(emit, context)
    proto = model_of(emit, [source, emit.seed, emit.step, *values.values()], {"y": result})
    feeds = {"x": x, "seed": numpy.array(seed), "step": numpy.array(step), **given}
    return ran(proto, feeds)["y"]


def ones() -> Array:
    return numpy.ones(DIMS, numpy.float32)


def shares_of_zeros(mask: Array, axes: tuple[int, ...]) -> set[float]:
    return {float(share) for share in (mask == 0).mean(axes).ravel()}


@pytest.mark.parametrize("rate", RATES)
def test_spatial_dropout_drops_whole_channels_of_single_samples(rate: float) -> None:
    mask = trained("spatialdropout", ones(), rate=rate)
    assert shares_of_zeros(mask, (2, 3)) == {0.0, 1.0}
    numpy.testing.assert_allclose(mask[mask != 0], 1 / (1 - rate), rtol=1e-6)
    dropped = mask[:, :, 0, 0] == 0
    assert abs(dropped.mean() - rate) < 0.04
    assert 0 < dropped.mean(1).std() < 0.15
    assert 0 < dropped.mean(0).std() < 0.15


@pytest.mark.parametrize("dims", [(512, 3, 4, 4), (512, 6), (512, 2, 5), (512, 2, 3, 2, 2)])
@pytest.mark.parametrize("rate", RATES)
def test_drop_path_drops_whole_samples(rate: float, dims: tuple[int, ...]) -> None:
    mask = trained("droppath", numpy.ones(dims, numpy.float32), rate=rate)
    assert shares_of_zeros(mask, tuple(range(1, len(dims)))) == {0.0, 1.0}
    numpy.testing.assert_allclose(mask[mask != 0], 1 / (1 - rate), rtol=1e-6)
    assert abs((mask == 0).mean() - rate) < 0.05


@pytest.mark.parametrize("rate", RATES)
def test_alpha_dropout_keeps_mean_and_variance(rate: float) -> None:
    x = numpy.random.default_rng(1).normal(size=(400, 500)).astype(numpy.float32)
    y = trained("alphadropout", x, rate=rate)
    assert abs(y.mean()) < 0.01
    assert abs(y.var() - 1) < 0.02


@pytest.mark.parametrize("rate", RATES)
def test_alpha_dropout_sets_numbers_to_the_least_of_selu(rate: float) -> None:
    """The formula of the paper, by hand: a (x d + m (1 - d)) + b."""
    x = numpy.random.default_rng(2).normal(size=(50, 60)).astype(numpy.float32)
    y, least = trained("alphadropout", x, rate=rate), -1.0507009873554805 * 1.6732632423543772
    a = ((1 - rate) * (1 + rate * least**2)) ** -0.5
    b = -a * rate * least
    dropped = abs(y - (a * least + b)) < 1e-5
    assert abs(dropped.mean() - rate) < 0.03
    numpy.testing.assert_allclose(y[~dropped], (a * x + b)[~dropped], rtol=1e-4, atol=1e-5)


def test_an_alpha_dropout_behind_selus_keeps_ten_layers_normal() -> None:
    rng = numpy.random.default_rng(3)
    x = rng.normal(size=(256, 256))
    for layer in range(10):
        weight = rng.normal(size=(256, 256)) / 16  # of variance 1/fan_in
        x = x @ weight
        x = 1.0507009873554805 * numpy.where(x > 0, x, 1.6732632423543772 * numpy.expm1(x))
        x = trained("alphadropout", x.astype(numpy.float32), seed=layer, rate=0.1)
    assert abs(x.mean()) < 0.1
    assert 0.8 < x.var() < 1.2


@pytest.mark.parametrize("rate", RATES)
def test_drop_connect_drops_weights_and_no_biases(rate: float) -> None:
    weights = {
        "weight": numpy.ones((40, 50), numpy.float32),
        "bias": numpy.full(40, 3.0, numpy.float32),
    }
    # Each sample shows one column of the weights.
    y = trained(
        "dropconnect", numpy.eye(50, dtype=numpy.float32), units=40, rate=rate, weights=weights
    )
    mask = y.T - 3
    kept = abs(mask) > 1e-3
    numpy.testing.assert_allclose(mask[kept], 1 / (1 - rate), rtol=1e-4)
    assert abs((~kept).mean() - rate) < 0.04


KINDS = [
    ("spatialdropout", {"rate": 0.4}),
    ("droppath", {"rate": 0.4}),
    ("alphadropout", {"rate": 0.4}),
]


@pytest.mark.parametrize(("keyword", "given"), KINDS)
def test_the_mean_over_many_steps_is_what_inference_gives(
    keyword: str, given: dict[str, Any]
) -> None:
    x = numpy.zeros((4000, 2, 2), numpy.float32) + numpy.float32(keyword != "alphadropout")
    if keyword == "alphadropout":
        x = numpy.random.default_rng(4).normal(size=x.shape).astype(numpy.float32)
    mean = trained(keyword, x, **given).mean()
    assert abs(mean - x.mean()) < 0.05


@pytest.mark.parametrize(("keyword", "given"), KINDS)
def test_chance_hangs_on_seed_and_step(keyword: str, given: dict[str, Any]) -> None:
    first = trained(keyword, ones(), seed=1, step=2, **given)
    numpy.testing.assert_array_equal(first, trained(keyword, ones(), seed=1, step=2, **given))
    assert (first != trained(keyword, ones(), seed=2, step=2, **given)).any()
    assert (first != trained(keyword, ones(), seed=1, step=3, **given)).any()
