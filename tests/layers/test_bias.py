"""A bias by itself, against PyTorch's sums; and how many numbers it has."""

from __future__ import annotations

from typing import Any

import pytest
from layer_oracle import compare_with_torch

from cnndsl.layers.bias import Bias
from cnndsl.types import TensorType

SHAPES = [(7,), (3, 5), (4, 6, 5), (2, 3, 4, 5)]


@pytest.mark.parametrize("dims", SHAPES, ids=str)
@pytest.mark.parametrize("over", ["channels", "all"])
def test_values_and_gradients_are_those_of_a_sum(over: str, dims: tuple[int, ...]) -> None:
    def oracle(inputs: Any, weights: Any) -> Any:
        (x,) = inputs
        shape = dims if over == "all" else (dims[0], *(1 for _ in dims[1:]))
        return x + weights["bias"].reshape(shape)

    compare_with_torch(Bias(over=over), (TensorType(dims),), oracle)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("over", "dims", "shape"),
    [
        ("channels", (12, 8, 8), (12,)),
        ("all", (12, 8, 8), (12, 8, 8)),
        ("channels", (30,), (30,)),
        ("all", (30,), (30,)),
    ],
)
def test_each_channel_or_each_unit_has_a_number(
    over: str, dims: tuple[int, ...], shape: tuple[int, ...]
) -> None:
    [weight] = Bias(over=over).weights(TensorType(dims))  # type: ignore[arg-type]
    assert weight.shape == shape
    assert not weight.decays
    assert weight.init is not None
    assert weight.init.value == 0
