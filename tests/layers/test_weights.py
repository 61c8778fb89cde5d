"""The weights, the arithmetic and the reach of layers: numbers that papers print."""

from __future__ import annotations

import math
from typing import Any

import pytest

from cnndsl.layers import find
from cnndsl.layers.base import POINT, WHOLE, Init, Layer
from cnndsl.types import TensorType


def make(keyword: str, **parameters: Any) -> Layer:
    layer = find(keyword)
    assert layer is not None
    return layer(**parameters)


def parameters_of(layer: Layer, *shape: int) -> int:
    weights = layer.weights(TensorType(shape))
    return sum(weight.elements for weight in weights if weight.trainable)


@pytest.mark.parametrize(
    ("parameters", "shape", "count", "macs"),
    [
        ({"filters": 96, "kernel": 11, "stride": 4}, (3, 227, 227), 34_944, 105_415_200),
        (
            {"filters": 256, "kernel": 5, "padding": 2, "groups": 2},
            (96, 27, 27),
            307_456,
            223_948_800,
        ),
        ({"filters": 64, "kernel": 3, "padding": 1}, (3, 224, 224), 1_792, 86_704_128),
        ({"filters": 6, "kernel": 5}, (1, 32, 32), 156, 117_600),
        ({"filters": 4, "kernel": 3, "bias": False}, (2, 5, 5, 5), 216, 216 * 27),
        ({"filters": 4, "kernel": 3}, (2, 5), 28, 24 * 3),
    ],
)
def test_convolutions_count_as_in_the_papers(
    parameters: dict[str, Any], shape: tuple[int, ...], count: int, macs: int
) -> None:
    layer = make("conv", **parameters)
    assert parameters_of(layer, *shape) == count
    assert layer.macs(TensorType(shape)) == macs


def test_depthwise_has_one_kernel_a_channel() -> None:
    layer, source = make("depthwise", kernel=3, multiplier=2, padding=1), TensorType((8, 10, 10))
    assert [(w.name, w.shape) for w in layer.weights(source)] == [
        ("weight", (16, 1, 3, 3)),
        ("bias", (16,)),
    ]
    assert layer.macs(source) == 16 * 9 * 100


def test_dense_counts_as_in_the_papers() -> None:
    layer, source = make("dense", units=4096), TensorType((9216,))
    assert [(w.name, w.shape) for w in layer.weights(source)] == [
        ("weight", (4096, 9216)),
        ("bias", (4096,)),
    ]
    assert parameters_of(layer, 9216) == 37_752_832
    assert layer.macs(source) == 37_748_736
    assert [w.name for w in make("dense", units=2, bias=False).weights(source)] == ["weight"]


def test_only_weights_proper_decay() -> None:
    source = TensorType((8, 5, 5))
    owned = [
        weight
        for layer in (make("conv", filters=2, kernel=3), make("batchnorm"))
        for weight in layer.weights(source)
    ]
    assert [(w.name, w.trainable, w.decays) for w in owned] == [
        ("weight", True, True),
        ("bias", True, False),
        ("scale", True, False),
        ("bias", True, False),
        ("mean", False, False),
        ("var", False, False),
    ]


def test_initialisers_are_the_layers_own_or_the_recipes() -> None:
    source = TensorType((8, 5, 5))
    weight, bias = make("conv", filters=2, kernel=3).weights(source)
    assert (weight.init, bias.init) == (None, Init("constant", 0.0))
    written = make("conv", filters=2, kernel=3, init="he", bias_init=Init("constant", 0.1))
    assert [w.init for w in written.weights(source)] == [Init("he"), Init("constant", 0.1)]
    assert [w.init and w.init.value for w in make("batchnorm").weights(source)] == [1, 0, 0, 1]


def test_batchnorm_works_on_vectors_too() -> None:
    assert parameters_of(make("batchnorm"), 120) == 240


def test_layers_without_weights_compute_no_macs() -> None:
    for layer in (make("maxpool", kernel=2), make("relu"), make("softmax"), make("batchnorm")):
        assert layer.macs(TensorType((4, 8, 8))) == 0


def test_windows_reach_a_window_and_dense_reaches_all() -> None:
    source = TensorType((4, 9, 9))
    pool = make("maxpool", kernel=(3, 2), stride=2, rounding="floor")
    assert [(window.extent, window.stride) for window in pool.windows(source)] == [(3, 2), (2, 2)]
    assert pool.footprint(source) == pool.windows(source)
    for keyword in ("globalavgpool", "globalmaxpool"):
        assert make(keyword).footprint(source) == WHOLE
    assert make("dense", units=3).footprint(TensorType((5,))) == WHOLE
    assert make("relu").footprint(source) == make("flatten").footprint(source) == POINT
    assert make("softmax").footprint(source) == POINT
    assert make("softmax").footprint(TensorType((5,))) == WHOLE


def test_global_pooling_and_flatten_give_vectors() -> None:
    source = TensorType((512, 7, 7))
    assert make("globalavgpool").output(source).dims == (512,)
    assert make("globalmaxpool").output(source).dims == (512,)
    assert make("flatten").output(source).dims == (25_088,)
    assert make("flatten").output(TensorType((5,))).dims == (5,)


def test_no_work_is_done_for_layers_of_any_size() -> None:
    """Sizes of 1e18 are arithmetic, not loops."""
    huge = TensorType((10**18, 10**18, 10**18))
    layer = make("conv", filters=2**31 - 1, kernel=2**31 - 1, groups=2**31 - 1, rounding="ceil")
    assert list(layer.faults(huge))
    assert layer.macs(huge) > 0
    assert math.prod(layer.output(huge).dims) > 0
