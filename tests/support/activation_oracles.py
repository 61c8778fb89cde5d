"""Activations and what stands beside them, for the tests of all layers: PyTorch's functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeAlias

import pytest

from cnndsl.layers.base import Layer

torch = pytest.importorskip("torch")
F = torch.nn.functional

__all__ = ["CHOICES", "ORACLES", "VARIANTS"]

Tensor: TypeAlias = Any
Oracle: TypeAlias = Callable[[Any, Sequence[Tensor], dict[str, Tensor]], Tensor]


def of_number(function: Callable[[Tensor], Tensor]) -> Oracle:
    return lambda layer, inputs, weights: function(inputs[0])


def column(weight: Tensor, x: Tensor) -> Tensor:
    return weight.reshape(1, -1, *(1 for _ in x.shape[2:]))


def maxout(layer: Layer, inputs: Sequence[Tensor], weights: dict[str, Tensor]) -> Tensor:
    (x,), pieces = inputs, layer.pieces  # type: ignore[attr-defined]
    return torch.stack([x[:, at::pieces] for at in range(pieces)]).amax(0)


def scale(layer: Layer, inputs: Sequence[Tensor], weights: dict[str, Tensor]) -> Tensor:
    scaled = inputs[0] * column(weights["scale"], inputs[0])
    return scaled + column(weights["bias"], inputs[0]) if "bias" in weights else scaled


ORACLES: Mapping[str, Oracle] = MappingProxyType(
    {
        "clip": lambda layer, i, w: i[0].clamp(layer.least, layer.most),
        "relu6": of_number(F.relu6),
        "hardtanh": of_number(F.hardtanh),
        "hardsigmoid": of_number(F.hardsigmoid),
        "hardswish": of_number(F.hardswish),
        "elu": lambda layer, i, w: F.elu(i[0], layer.alpha),
        "selu": of_number(F.selu),
        "prelu": lambda layer, i, w: F.prelu(i[0], w["slope"]),
        "silu": of_number(F.silu),
        "gelu": lambda layer, i, w: F.gelu(
            i[0], approximate="none" if layer.form == "exact" else "tanh"
        ),
        "mish": of_number(F.mish),
        "softplus": of_number(F.softplus),
        "softsign": of_number(F.softsign),
        "logsoftmax": of_number(lambda x: F.log_softmax(x, dim=1)),
        "maxout": maxout,
        "minimum": lambda layer, i, w: torch.stack(list(i)).amin(0),
        "scale": scale,
        "spatialdropout": of_number(lambda x: x),
        "alphadropout": of_number(lambda x: x),
        "droppath": of_number(lambda x: x),
        "dropconnect": lambda layer, i, w: F.linear(i[0], w["weight"], w.get("bias")),
    }
)
"""What each layer computes in inference."""

CHOICES: Mapping[str, Mapping[str, tuple[Any, ...]]] = MappingProxyType(
    {
        **{
            word: {}
            for word in (
                *("relu6", "hardtanh", "hardsigmoid", "hardswish", "selu", "silu", "mish"),
                *("softplus", "softsign", "logsoftmax"),
            )
        },
        "clip": {"least": (-3, -0.5, 0), "most": (0.5, 4)},
        "elu": {"alpha": (1.0, 0.3, 2)},
        "prelu": {"shared": (False, True)},
        "gelu": {"form": ("exact", "tanh")},
        "maxout": {"pieces": (1, 2, 3)},
        "scale": {"bias": (False, True)},
        "spatialdropout": {"rate": (0.0, 0.5)},
        "alphadropout": {"rate": (0.0, 0.5)},
        "droppath": {"rate": (0.0, 0.5)},
    }
)
"""Layers that take any size, or say that they do not, and what may stand behind them."""

_LINE, _PLANE, _SPACE, _VECTOR = (4, 9), (4, 7, 6), (4, 5, 4, 4), (6,)

_KEEPS_SIZE = ("relu6", "hardtanh", "hardsigmoid", "hardswish", "selu", "silu", "mish")

VARIANTS: Mapping[str, list[tuple[dict[str, Any], tuple[int, ...]]]] = MappingProxyType(
    {
        **{
            word: [({}, _VECTOR), ({}, _PLANE)]
            for word in (*_KEEPS_SIZE, "softplus", "softsign", "logsoftmax", "minimum")
        },
        "clip": [({"least": -1, "most": 3}, _VECTOR), ({"least": 0.0, "most": 1.0}, _PLANE)],
        "elu": [({}, _PLANE), ({"alpha": 0.5}, _VECTOR)],
        "prelu": [({}, _VECTOR), ({}, _LINE), ({"shared": True}, _SPACE)],
        "gelu": [({}, _PLANE), ({"form": "tanh"}, _VECTOR)],
        "maxout": [({"pieces": 2}, _VECTOR), ({"pieces": 2}, _PLANE), ({"pieces": 1}, _LINE)],
        "scale": [({}, _VECTOR), ({}, _SPACE), ({"bias": False, "start": 0.5}, _PLANE)],
        "spatialdropout": [({}, _LINE), ({}, _SPACE), ({"rate": 0.0}, _PLANE)],
        "alphadropout": [({}, _VECTOR), ({"rate": 0.1}, _PLANE), ({"rate": 0.0}, _PLANE)],
        "droppath": [({"rate": 0.2}, _VECTOR), ({"rate": 0.5}, _PLANE), ({"rate": 0.0}, _LINE)],
        "dropconnect": [({"units": 3}, _VECTOR), ({"units": 3, "bias": False, "rate": 0.0}, (6,))],
    }
)
"""Every way in which each can be lowered, and a size for it."""
