"""Parameters, buffers and MACs, counted as papers do; and what `expect` knows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import pytest

from cnndsl.analysis.cost import quantity
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.elaborate.quantities import Quantity
from cnndsl.layers.activation import Relu, Softmax, Tanh
from cnndsl.layers.base import Layer
from cnndsl.layers.conv import Conv, Depthwise
from cnndsl.layers.dense import Dense, Flatten
from cnndsl.layers.join import Add
from cnndsl.layers.normalization import BatchNorm
from cnndsl.layers.pool import AvgPool
from cnndsl.recipe.recipe import Recipe

Build: TypeAlias = Callable[..., TypedNetwork]
Step: TypeAlias = tuple[str, Layer] | tuple[str, Layer, tuple[str, ...]]


def lenet5() -> list[Step]:
    half = AvgPool(kernel=(2,), stride=(2,))
    return [
        ("C1", Conv(filters=6, kernel=(5, 5))),
        ("tanh1", Tanh()),
        ("S2", half),
        ("C3", Conv(filters=16, kernel=(5, 5))),
        ("tanh2", Tanh()),
        ("S4", half),
        ("flatten1", Flatten()),
        ("C5", Dense(units=120)),
        ("tanh3", Tanh()),
        ("F6", Dense(units=84)),
        ("tanh4", Tanh()),
        ("OUTPUT", Dense(units=10)),
        ("softmax1", Softmax()),
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("params", (61_706,)),
        ("trainable_params", (61_706,)),
        ("inference_params", (61_706,)),
        ("buffers", (0,)),
        ("macs", (416_520,)),
        ("inference_macs", (416_520,)),
        ("output", (10,)),
        ("receptive_field", (32, 32)),
        ("layers", (13,)),
        ("depth", (5,)),
        ("weight_bytes", (246_824,)),
        ("activation_bytes", (8 * (4704 + 1600 + 400 + 120 + 84 + 10) + 4704,)),
        ("peak_activation_bytes", (4 * 2 * 6 * 28 * 28,)),
        ("training_bytes", (2 * 246_824 + 32 * 36_472,)),
        ("training_activation_bytes", (32 * 36_472,)),
    ],
)
def test_lenet5(build: Build, name: str, value: tuple[int, ...]) -> None:
    assert quantity(build(*lenet5()), name) == value


def test_every_quantity_is_tested() -> None:
    (marks,) = test_lenet5.pytestmark  # type: ignore[attr-defined]
    assert [name for name, _ in marks.args[1]] == list(Quantity)


def test_running_statistics_are_buffers(build: Build) -> None:
    typed = build(("bn", BatchNorm()), inputs=(8, 4, 4))
    assert quantity(typed, "params") == quantity(typed, "buffers") == (16,)
    assert quantity(typed, "weight_bytes") == (4 * 32,)


def test_only_convolutions_and_dense_layers_have_macs(build: Build) -> None:
    typed = build(
        ("bn", BatchNorm()), ("relu", Relu()), ("pool", AvgPool(kernel=(2,), stride=(2,)))
    )
    assert quantity(typed, "macs") == (0,)


def test_groups_divide_the_macs(build: Build) -> None:
    whole, grouped = (
        build(("c", Conv(filters=8, kernel=(3,), groups=groups, padding=(1,))), inputs=(4, 6, 6))
        for groups in (1, 4)
    )
    assert quantity(whole, "macs") == (8 * 4 * 9 * 36,)
    assert quantity(grouped, "macs") == (8 * 1 * 9 * 36,)
    separable = build(("c", Depthwise(kernel=(3,), padding=(1,))), inputs=(4, 6, 6))
    assert quantity(separable, "macs") == (4 * 9 * 36,)


def test_frozen_parameters_stay_parameters(build: Build) -> None:
    typed = build(*lenet5(), recipe=Recipe(freeze=("C1", "C3")))
    assert quantity(typed, "params") == (61_706,)
    assert quantity(typed, "trainable_params") == (61_706 - 156 - 2_416,)


def test_depth_is_the_longest_path_not_the_sum(build: Build) -> None:
    same = Conv(filters=1, kernel=(3,), padding="same")
    typed = build(
        ("a", same),
        ("b", same),
        ("c", same),
        ("short", same, ("a",)),
        ("sum", Add(), ("c", "short")),
        ("flat", Flatten()),
        ("d", Dense(units=2)),
    )
    assert quantity(typed, "depth") == (4,)


def test_the_first_output_is_the_one_that_counts(build: Build) -> None:
    outputs = {"output": "C3", "features": "C1"}
    typed = build(*lenet5()[:4], outputs=outputs)
    assert quantity(typed, "output") == (16, 10, 10)
    assert quantity(typed, "receptive_field") == (14, 14)


def test_heads_of_training_are_not_in_the_counts_of_inference(build: Build) -> None:
    typed = build(
        ("trunk", Dense(units=5)),
        ("aux", Dense(units=3), ("trunk",)),
        ("out", Dense(units=2), ("trunk",)),
        inputs=(4,),
    )
    assert quantity(typed, "params") == (25 + 18 + 12,)
    assert quantity(typed, "inference_params") == (25 + 12,)
    assert quantity(typed, "macs") == (20 + 15 + 10,)
    assert quantity(typed, "inference_macs") == (20 + 10,)
