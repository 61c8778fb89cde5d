"""Initial weights: right in size, and each independent of all others."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnndsl.elaborate.network import TypedNetwork
from cnndsl.graph.initializers import draw, initialise
from cnndsl.layers.base import Init
from cnndsl.layers.conv import Conv, Depthwise
from cnndsl.layers.dense import Dense, Flatten
from cnndsl.types import TensorType

HE = Init("he")


def test_a_weight_depends_on_its_name_and_the_seed_alone(
    build: Callable[..., TypedNetwork],
) -> None:
    last = (("flatten1", Flatten()), ("last", Dense(units=3)))
    short = initialise(build(("a", Conv(filters=4, kernel=(1, 1))), *last), 0, HE)
    long = initialise(
        build(("b", Conv(filters=9, kernel=(1, 1))), ("a", Conv(filters=4, kernel=(1, 1))), *last),
        0,
        HE,
    )
    assert numpy.array_equal(short["last.weight"], long["last.weight"])
    assert not numpy.array_equal(
        draw("a.weight", (9,), seed=0, init=HE), draw("b.weight", (9,), seed=0, init=HE)
    )
    assert not numpy.array_equal(
        draw("a.weight", (9,), seed=0, init=HE), draw("a.weight", (9,), seed=1, init=HE)
    )


def test_weights_have_the_specs_shapes_and_are_float32(residual: TypedNetwork) -> None:
    weights = initialise(residual, 0, HE)
    assert list(weights)[:6] == [
        "conv1.weight",
        "bn.scale",
        "bn.bias",
        "bn.mean",
        "bn.var",
        "conv2.weight",
    ]
    assert weights["conv2.weight"].shape == (4, 2, 3, 3)
    assert {array.dtype for array in weights.values()} == {numpy.dtype("float32")}


def test_what_a_layer_says_goes_before_the_default(residual: TypedNetwork) -> None:
    weights = initialise(residual, 0, Init("constant", 0.25))
    assert numpy.all(weights["dense1.weight"] == 0.25)
    assert numpy.all(weights["dense1.bias"] == 0)
    assert numpy.all(weights["bn.scale"] == 1)
    assert numpy.all(weights["bn.var"] == 1)
    assert weights["conv1.weight"].std() > 0


FAN_IN, FAN_OUT = 32 * 9, 128 * 9


@pytest.mark.parametrize(
    ("init", "deviation"),
    [
        (Init("he"), math.sqrt(2 / FAN_IN)),
        (Init("lecun"), math.sqrt(1 / FAN_IN)),
        (Init("glorot"), math.sqrt(2 / (FAN_IN + FAN_OUT))),
        (Init("normal", 0.01), 0.01),
        (Init("uniform", 0.3), 0.3 / math.sqrt(3)),
    ],
)
def test_the_spread_is_the_papers(init: Init, deviation: float) -> None:
    weight = draw("w", (128, 32, 3, 3), seed=0, init=init)
    assert weight.std() == pytest.approx(deviation, rel=0.02)
    assert weight.mean() == pytest.approx(0, abs=deviation / 50)
    if init.name in ("glorot", "uniform"):
        limit = deviation * math.sqrt(3)
        assert limit * 0.999 < abs(weight).max() <= limit * 1.000001
    else:
        assert abs(weight).max() > 3 * deviation


def test_an_input_of_a_group_reaches_the_filters_of_its_own_group_only(
    build: Callable[..., TypedNetwork],
) -> None:
    """A depthwise 3x3 sums over 9 numbers, and each number reaches 9 sums."""
    deviations = {
        "depthwise": (Depthwise(kernel=(3, 3), padding="same"), math.sqrt(2 / (9 + 9))),
        "multiplied": (
            Depthwise(kernel=(3, 3), multiplier=4, padding="same"),
            math.sqrt(2 / (9 + 36)),
        ),
        "groups": (
            Conv(filters=64, kernel=(3, 3), groups=4, padding="same"),
            math.sqrt(2 / (144 + 144)),
        ),
    }
    for name, (layer, expected) in deviations.items():
        typed = build((name, layer), dims=(64, 16, 16))
        weight = initialise(typed, 0, Init("glorot"))[f"{name}.weight"]
        assert weight.std() == pytest.approx(expected, rel=0.06), name


@settings(deadline=None, derandomize=True, database=None, max_examples=40)
@given(data=st.data())
def test_each_initialiser_scales_by_what_the_layer_connects(data: st.DataObject) -> None:
    groups = data.draw(st.sampled_from([1, 2, 4, 8]))
    inside, outside = data.draw(st.integers(8, 24)), data.draw(st.integers(8, 24))
    kernel = data.draw(st.integers(1, 3))
    name = data.draw(st.sampled_from(["he", "glorot", "lecun"]))
    layer = Conv(filters=groups * outside, kernel=(kernel, kernel), groups=groups)
    weight, _ = layer.weights(TensorType((groups * inside, 9, 9)))
    init = Init(name)  # type: ignore[arg-type]
    drawn = draw("c.weight", weight.shape, 3, init, weight.fans)
    fan_in, fan_out = inside * kernel**2, outside * kernel**2
    variance = {"he": 2 / fan_in, "lecun": 1 / fan_in, "glorot": 2 / (fan_in + fan_out)}
    assert drawn.shape == (groups * outside, inside, kernel, kernel)
    assert drawn.std() == pytest.approx(math.sqrt(variance[name]), rel=5 / math.sqrt(drawn.size))


@pytest.mark.parametrize("word", ["he", "glorot", "lecun"])
def test_a_bias_is_drawn_by_the_fans_of_its_layer(
    build: Callable[..., TypedNetwork], word: str
) -> None:
    """The number of biases says nothing of what flows in."""
    init = Init(word)  # type: ignore[arg-type]
    layer = Dense(units=4000, bias_init=init)
    bias = initialise(build(("d", layer), dims=(50,)), 0, HE)["d.bias"]
    variance = {"he": 2 / 50, "lecun": 1 / 50, "glorot": 2 / 4050}[word]
    assert bias.std() == pytest.approx(math.sqrt(variance), rel=0.05)


def test_a_missing_number_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="`normal` needs a number"):
        draw("w", (3,), seed=0, init=Init("normal"))
