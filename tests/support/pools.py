"""What each of the pools beyond the first ones computes, in PyTorch's own operators.

A function gets the layer, its inputs and its weights by their short names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy
import pytest

from cnndsl.types import TensorType

__all__ = ["POOLS"]

torch: Any = pytest.importorskip("torch")
F: Any = torch.nn.functional

Tensor: TypeAlias = Any
Pool: TypeAlias = Callable[[Any, Sequence[Tensor], Mapping[str, Tensor]], Tensor]


def _windows(layer: Any, x: Tensor) -> Any:
    return layer.windows(TensorType(tuple(x.shape[1:])))


def _padded(x: Tensor, windows: Any, value: float = 0.0) -> Tensor:
    """The input with all cells that any window looks at: torch lists the last dimension first."""
    borders = [edge for w in reversed(windows) for edge in (w.before, w.after + w.overhang)]
    return F.pad(x, borders, value=value)


def _sums(x: Tensor, windows: Any) -> Tensor:
    pool = getattr(F, f"avg_pool{len(windows)}d")
    kernel = [w.kernel for w in windows]
    cells = float(numpy.prod(kernel))
    return pool(_padded(x, windows), kernel, [w.stride for w in windows]) * cells


def _lppool(layer: Any, inputs: Sequence[Tensor], weights: Mapping[str, Tensor]) -> Tensor:
    (x,) = inputs
    sums = _sums(x.abs() ** layer.p, _windows(layer, x))
    return sums.clamp_min(torch.finfo(sums.dtype).tiny) ** (1 / layer.p)


def _globallppool(layer: Any, inputs: Sequence[Tensor], weights: Mapping[str, Tensor]) -> Tensor:
    (x,) = inputs
    norm = torch.linalg.vector_norm(x.flatten(2), layer.p, dim=2)
    return norm.reshape(*norm.shape, *[1] * (x.ndim - 2)) if layer.keep else norm


def _minpool(layer: Any, inputs: Sequence[Tensor], weights: Mapping[str, Tensor]) -> Tensor:
    (x,) = inputs
    windows = _windows(layer, x)
    largest = getattr(F, f"max_pool{len(windows)}d")(
        _padded(-x, windows, -numpy.inf),
        [w.kernel for w in windows],
        [w.stride for w in windows],
        dilation=[w.dilation for w in windows],
    )
    return -largest


def _subsample(layer: Any, inputs: Sequence[Tensor], weights: Mapping[str, Tensor]) -> Tensor:
    (x,) = inputs
    column = (-1, *[1] * (x.ndim - 2))
    sums = _sums(x, _windows(layer, x))
    return sums * weights["scale"].reshape(column) + weights["bias"].reshape(column)


def _adaptive(kind: str) -> Pool:
    def pool(layer: Any, inputs: Sequence[Tensor], weights: Mapping[str, Tensor]) -> Tensor:
        (x,) = inputs
        size = layer.size if len(layer.size) > 1 else layer.size * (x.ndim - 2)
        return getattr(F, f"adaptive_{kind}_pool{x.ndim - 2}d")(x, size)

    return pool


def _maxtime(layer: Any, inputs: Sequence[Tensor], weights: Mapping[str, Tensor]) -> Tensor:
    largest = inputs[0].max(2).values
    return largest if largest[0, 0].numel() > 1 else largest.flatten(1)


POOLS: Mapping[str, Pool] = {
    "adaptiveavgpool": _adaptive("avg"),
    "adaptivemaxpool": _adaptive("max"),
    "globallppool": _globallppool,
    "lppool": _lppool,
    "maxtime": _maxtime,
    "minpool": _minpool,
    "subsample": _subsample,
}
