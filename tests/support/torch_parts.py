"""Splits drawn at random, and the same by PyTorch."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest

from cnndsl.layers import find
from cnndsl.layers.base import Layer
from cnndsl.types import TensorType

__all__ = ["split_by_torch", "split_draw"]

torch: Any = pytest.importorskip("torch")


def split_draw(rng: random.Random) -> tuple[Layer, list[tuple[int, ...]]]:
    split_layer: Any = find("split")
    sizes = [rng.randint(1, 4) for _ in range(rng.randint(2, 4))]
    equal = rng.choice((True, False))
    shape = [*(rng.randint(1, 9), *(rng.randint(1, 7) for _ in range(rng.randint(0, 3))))]
    axes = TensorType(tuple(shape)).axes
    at = rng.randrange(len(axes))
    shape[at] = len(sizes) * sizes[0] if equal else sum(sizes)
    parts = len(sizes) if equal else tuple(sizes)
    index = rng.randrange(len(sizes))
    return split_layer.result(parts=parts, axis=axes[at], index=index), [tuple(shape)]


def split_by_torch(layer: Any, inputs: Sequence[Any], weights: dict[str, Any]) -> Any:
    (x,) = inputs
    axis = TensorType(tuple(x.shape[1:])).axes.index(layer.axis) + 1
    if isinstance(layer.parts, int):
        parts: Sequence[Any] = torch.chunk(x, layer.parts, axis)
    else:
        parts = torch.split(x, [*layer.parts], axis)
    at: int = layer.index
    return parts[at]
