"""OctResNet-50 in PyTorch, from the equations of Chen et al. 2019, section 3.3."""

from __future__ import annotations

from typing import Any, TypeAlias

import pytest

__all__ = ["octresnet50"]

torch: Any = pytest.importorskip("torch")
F: Any = torch.nn.functional

Tensor: TypeAlias = Any
Pair: TypeAlias = tuple[Tensor, Tensor]


def octresnet50(w: Any, x: Tensor) -> Tensor:
    """The numbers before the softmax; ``w`` has the operations with weights."""
    x = torch.relu(w.norm(w.conv(x, "conv1", stride=2, padding=3), "bn1"))
    x = F.max_pool2d(x, 3, 2, 1)
    pair = parting(w, x, "octparting1")
    plain = projected = 0
    for stage, depth in ((1, 3), (2, 4), (3, 6)):
        for at in range(depth):
            if at:
                plain += 1
                pair = plain_bottleneck(w, pair, f"octbottleneck{plain}")
            elif stage > 1:
                projected += 1
                pair = projecting(w, pair, f"octprojected{projected}")
    x = joining(w, pair, "layer4")
    for name in ("bottleneck1", "bottleneck2"):
        y = torch.relu(w.norm(w.conv(x, f"{name}.conv1"), f"{name}.batchnorm1"))
        y = torch.relu(w.norm(w.conv(y, f"{name}.conv2", padding=1), f"{name}.batchnorm2"))
        x = torch.relu(x + w.norm(w.conv(y, f"{name}.conv3"), f"{name}.batchnorm3"))
    return w.dense(x.mean((2, 3)), "fc")


def octave(w: Any, pair: Pair, name: str, padding: int = 0, stride: int = 1) -> Pair:
    """Equation 2; with a stride of 2, both are pooled first but for what goes up."""
    low = pair[1]
    full, half = (F.avg_pool2d(one, 2) if stride > 1 else one for one in pair)
    up = w.conv(low, f"{name}.conv2", padding=padding)
    if stride == 1:
        up = F.interpolate(up, scale_factor=2, mode="nearest")
    h = w.conv(full, f"{name}.conv1", padding=padding) + up
    down = w.conv(F.avg_pool2d(full, 2), f"{name}.conv4", padding=padding)
    return h, w.conv(half, f"{name}.conv3", padding=padding) + down


def normal(w: Any, pair: Pair, name: str, first: int, *, active: bool = True) -> Pair:
    high, low = (w.norm(one, f"{name}.batchnorm{first + at}") for at, one in enumerate(pair))
    return (torch.relu(high), torch.relu(low)) if active else (high, low)


def rest(w: Any, pair: Pair, shortcut: Pair, name: str, stride: int = 1) -> Pair:
    pair = octave(w, normal(w, pair, name, 1), f"{name}.octconv1", 1, stride)
    pair = octave(w, normal(w, pair, name, 3), f"{name}.octconv2")
    pair = normal(w, pair, name, 5, active=False)
    return torch.relu(pair[0] + shortcut[0]), torch.relu(pair[1] + shortcut[1])


def parting(w: Any, x: Tensor, name: str) -> Pair:
    def parted(part: str) -> Pair:
        return w.conv(x, f"{part}.conv1"), w.conv(F.avg_pool2d(x, 2), f"{part}.conv2")

    shortcut = normal(w, parted(f"{name}.octpart2"), name, 1, active=False)
    return rest(w, parted(f"{name}.octpart1"), shortcut, f"{name}.octrest1")


def projecting(w: Any, pair: Pair, name: str) -> Pair:
    shortcut = octave(w, pair, f"{name}.octconv2", stride=2)
    shortcut = normal(w, shortcut, name, 1, active=False)
    return rest(w, octave(w, pair, f"{name}.octconv1"), shortcut, f"{name}.octrest1", 2)


def plain_bottleneck(w: Any, pair: Pair, name: str) -> Pair:
    return rest(w, octave(w, pair, f"{name}.octconv1"), pair, f"{name}.octrest1")


def joining(w: Any, pair: Pair, name: str) -> Tensor:
    """Back to one stream: nothing goes down any more."""
    high, low = pair
    up = F.interpolate(w.conv(low, f"{name}.octjoin1.conv2"), scale_factor=2, mode="nearest")
    y = torch.relu(w.norm(w.conv(high, f"{name}.octjoin1.conv1") + up, f"{name}.batchnorm1"))
    y = w.conv(F.avg_pool2d(y, 2), f"{name}.conv1", padding=1)
    y = w.conv(torch.relu(w.norm(y, f"{name}.batchnorm2")), f"{name}.conv2")
    x = w.conv(F.avg_pool2d(high, 2), f"{name}.octjoin2.conv1")
    x = x + w.conv(low, f"{name}.octjoin2.conv2")
    return torch.relu(w.norm(y, f"{name}.batchnorm3") + w.norm(x, f"{name}.batchnorm4"))
