"""Between which numbers a layer's output lies, against what it computes of many numbers."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from activation_oracles import CHOICES, ORACLES, VARIANTS

from cnndsl.layers import find
from cnndsl.layers.base import Layer

torch = pytest.importorskip("torch")

WORDS = sorted(
    {*CHOICES}
    - {"maxout", "scale", "logsoftmax", "prelu"}
    - {"spatialdropout", "alphadropout", "droppath"}
)


def make(keyword: str, **given: Any) -> Layer:
    layer = find(keyword)
    assert layer is not None
    return layer(**given)


def variants(keyword: str) -> list[Layer]:
    return [make(keyword, **given) for given, _ in VARIANTS[keyword]]


@pytest.mark.parametrize("keyword", WORDS)
def test_bounds_hold_all_values_and_are_reached(keyword: str) -> None:
    rng = random.Random(keyword)
    for layer in variants(keyword):
        for _ in range(40):
            least = rng.uniform(-6, 5)
            most = least + rng.choice((0.0, 0.5, 3.0, 8.0))
            x = torch.linspace(least, most, 4001, dtype=torch.float64)
            y = ORACLES[keyword](layer, [x], {}).numpy()
            low, high = layer.bounds((least, most))
            assert low == pytest.approx(y.min(), abs=1e-3)
            assert high == pytest.approx(y.max(), abs=1e-3)


@pytest.mark.parametrize("keyword", WORDS)
def test_bounds_of_any_number_are_the_functions_own(keyword: str) -> None:
    """What it gives far from 0 is where it tends to, or without end."""
    for layer in variants(keyword):
        x = torch.cat([torch.linspace(-30, 30, 60001), torch.tensor([-1e6, 1e6])]).double()
        y = ORACLES[keyword](layer, [x], {}).numpy()
        low, high = layer.bounds((-math.inf, math.inf))
        assert low == pytest.approx(y.min(), abs=1e-3)
        if math.isinf(high):
            assert y.max() > 1e5
        else:
            assert high == pytest.approx(y.max(), abs=1e-3)


def test_a_prelu_changes_nothing_above_zero_and_can_do_anything_below() -> None:
    assert make("prelu").bounds((0.0, 3.0)) == (0.0, 3.0)
    assert make("prelu").bounds((-1.0, 3.0)) == (-math.inf, math.inf)


def test_the_smallest_of_several_is_no_larger_than_any() -> None:
    assert make("minimum").bounds((-1.0, 5.0), (0.0, 2.0)) == (-1.0, 2.0)


def test_what_is_below_zero_does_not_learn_behind_a_lower_bound_of_zero() -> None:
    slopes = {
        "relu6": 0, "hardtanh": 1, "prelu": 1, "silu": 1, "elu": 1, "maxout": 1, "hardswish": 1
    }  # fmt: skip
    for word, slope in slopes.items():
        given = {"pieces": 2} if word == "maxout" else {}
        assert make(word, **given).slope_below_zero == slope, word
    assert make("clip", least=0, most=6).slope_below_zero == 0
    assert make("clip", least=-1, most=6).slope_below_zero == 1
