"""Xception in PyTorch, from figure 5 of Chollet 2016, with Keras's constants and its padding."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import pytest

__all__ = ["xception"]

torch: Any = pytest.importorskip("torch")
F: Any = torch.nn.functional

Tensor: TypeAlias = Any
EPS = 1e-3


def xception(w: Any, x: Tensor) -> Tensor:
    """The numbers before the softmax; ``w`` has the operations with weights."""
    x = torch.relu(w.norm(w.conv(x, "conv1", stride=2), "batchnorm1", EPS))
    x = torch.relu(w.norm(w.conv(x, "conv2"), "batchnorm2", EPS))
    for name in ("block2", "block3", "block4"):
        y = x if name == "block2" else torch.relu(x)
        y = separable(w, y, f"{name}.separable1")
        y = same_pool(separable(w, torch.relu(y), f"{name}.separable2"))
        x = y + projection(w, x, f"{name}.projection1")
    for block in range(1, 9):
        y = x
        for at in (1, 2, 3):
            y = separable(w, torch.relu(y), f"body.{block}.middle1.separable{at}")
        x = x + y
    y = separable(w, torch.relu(x), "separable1")
    x = same_pool(separable(w, torch.relu(y), "separable2")) + projection(w, x, "projection1")
    x = torch.relu(separable(w, x, "block14"))
    x = torch.relu(separable(w, x, "last"))
    return w.dense(x.mean((2, 3)), "fc")


def separable(w: Any, x: Tensor, name: str) -> Tensor:
    x = w.conv(x, f"{name}.depthwise1", padding=1, groups=x.shape[1])
    return w.norm(w.conv(x, f"{name}.conv1"), f"{name}.batchnorm1", EPS)


def projection(w: Any, x: Tensor, name: str) -> Tensor:
    return w.norm(w.conv(x, f"{name}.conv1", stride=2), f"{name}.batchnorm1", EPS)


def same_pool(x: Tensor) -> Tensor:
    """3x3, stride 2, with as much border as gives half; an odd cell at the end."""
    size = x.shape[-1]
    border = 2 * (math.ceil(size / 2) - 1) + 3 - size
    edges = [border // 2, border - border // 2] * 2
    return F.max_pool2d(F.pad(x, edges, value=-math.inf), 3, 2)
