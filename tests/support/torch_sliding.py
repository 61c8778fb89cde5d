"""What layers with a window compute, in PyTorch, of a window as `semantics` understands it.

Only sizes come from `semantics`; values and gradients are PyTorch's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy
import pytest
from semantics import Sliding

torch: Any = pytest.importorskip("torch")
F: Any = torch.nn.functional

__all__ = ["averages", "cells", "column", "convolved", "largest", "padded", "places_of_largest"]
__all__ += ["sums", "transposed"]

Tensor: TypeAlias = Any


def column(vector: Tensor, x: Tensor) -> Tensor:
    """A number for each channel, to be stretched over the places."""
    return vector.reshape(-1, *(1 for _ in x.shape[2:]))


def padded(x: Tensor, how: Sliding, value: float = 0.0) -> Tensor:
    """All cells that windows look at and no others: what none reaches is cut off."""
    edges: list[int] = []
    for places, (begin, _), size in zip(
        how.places(x.shape[2:]), how.margins, x.shape[2:], strict=True
    ):
        edges = [begin, int(places.max()) + 1 - size, *edges]
    return F.pad(x, edges, value=value)


def _function(name: str, rank: int) -> Any:
    return getattr(F, f"{name}{rank}d")


def convolved(x: Tensor, how: Sliding, weight: Tensor, bias: Tensor | None, groups: int) -> Tensor:
    rank = len(how.kernel)
    return _function("conv", rank)(
        padded(x, how), weight, bias, stride=how.stride, dilation=how.dilation, groups=groups
    )


def transposed(
    x: Tensor,
    how: Sliding,
    weight: Tensor,
    bias: Tensor | None,
    groups: int,
    added: Sequence[int],
) -> Tensor:
    """All that the kernels reach, with what is added at the ends, less the margins."""
    whole = _function("conv_transpose", len(how.kernel))(
        x, weight, stride=how.stride, dilation=how.dilation, groups=groups
    )
    edges: list[int] = []
    for (begin, end), extra in zip(how.margins, added, strict=True):
        edges = [-begin, extra - end, *edges]
    y = F.pad(whole, edges)
    return y if bias is None else y + column(bias, y)


def largest(x: Tensor, how: Sliding) -> Tensor:
    return _function("max_pool", len(how.kernel))(
        padded(x, how, -math.inf), how.kernel, how.stride, dilation=how.dilation
    )


def places_of_largest(x: Tensor, how: Sliding) -> Tensor:
    """For each window the number of its largest cell, counted through the unpadded map."""
    wide = padded(x, how, -math.inf)
    _, flat = _function("max_pool", len(how.kernel))(
        wide, how.kernel, how.stride, dilation=how.dilation, return_indices=True
    )
    whole = torch.zeros_like(flat)
    below, above = 1, 1
    for axis in range(len(how.kernel) - 1, -1, -1):
        wide_size, size = wide.shape[2 + axis], x.shape[2 + axis]
        at = flat // below % wide_size - how.margins[axis][0]
        whole = whole + at * above
        below, above = below * wide_size, above * size
    return whole


def cells(x: Tensor, how: Sliding, value: float = 0.0) -> Tensor:
    """The cells of all windows: batch x channels x outputs x kernel."""
    x = padded(x, how, value)
    sizes = list(x.shape[2:])
    for axis in range(len(how.kernel)):
        count = (sizes[axis] - how.extents[axis]) // how.stride[axis] + 1
        starts = numpy.arange(count) * how.stride[axis]
        index = starts[:, None] + numpy.arange(how.kernel[axis]) * how.dilation[axis]
        taken = x.index_select(2 + axis, torch.tensor(index.reshape(-1)))
        split = taken.reshape(*x.shape[: 2 + axis], *index.shape, *x.shape[3 + axis :])
        x = split.movedim(3 + axis, -1)
    return x


def sums(x: Tensor, how: Sliding) -> Tensor:
    pool = _function("avg_pool", len(how.kernel))
    return pool(padded(x, how), how.kernel, how.stride) * math.prod(how.kernel)


def averages(x: Tensor, how: Sliding, *, count_padding: bool) -> Tensor:
    counts = how.counts(x.shape[2:], padding=count_padding)
    return sums(x, how) / torch.tensor(counts).to(x.dtype)
