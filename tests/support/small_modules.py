"""Small networks as PyTorch modules, written from the papers' tables and not from our specs.

Their modules are defined in the order in which the specs write layers, so that weights can be
handed over in their order. A network is made of rows, so that a few rows are a network too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import pytest

__all__ = [
    "Kim",
    "UNet",
    "c3d",
    "convnext",
    "dqn",
    "efficientnet",
    "mobilenetv2",
    "mobilenetv3",
    "shufflenetv2",
]

torch: Any = pytest.importorskip("torch")
nn: Any = torch.nn
F: Any = nn.functional

Tensor: TypeAlias = Any
Rows: TypeAlias = Sequence[Sequence[int]]


def normed(before: int, after: int, kernel: int = 1, *more: Any, **options: Any) -> list[Any]:
    """A convolution that keeps the size (but for a stride), its normalisation, an activation."""
    eps, activation = options.pop("eps", 1e-5), more
    convolution = nn.Conv2d(before, after, kernel, padding=kernel // 2, bias=False, **options)
    return [convolution, nn.BatchNorm2d(after, eps=eps), *(one() for one in activation)]


class Branch(nn.Module):  # type: ignore[misc]
    """Layers one after the other, beside a shortcut where there is one."""

    def __init__(self, layers: Sequence[Any], shortcut: bool) -> None:
        super().__init__()
        self.layers, self.shortcut = nn.Sequential(*layers), shortcut

    def forward(self, x: Tensor) -> Tensor:
        y = self.layers(x)
        return x + y if self.shortcut else y


class Excite(nn.Module):  # type: ignore[misc]
    """Squeeze and excitation (Hu, Shen & Sun, 2017): a factor for each channel."""

    def __init__(self, channels: int, inner: int, activation: Any, gate: Any) -> None:
        super().__init__()
        self.squeeze, self.expand = nn.Linear(channels, inner), nn.Linear(inner, channels)
        self.activation, self.gate = activation(), gate()

    def forward(self, x: Tensor) -> Tensor:
        factors = self.gate(self.expand(self.activation(self.squeeze(x.mean((2, 3))))))
        return x * factors[:, :, None, None]


class Pooled(nn.Module):  # type: ignore[misc]
    """The mean of each map."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


def mobilenetv2(stem: int, rows: Rows, last: int, classes: int) -> Any:
    """Sandler et al. 2018, table 2; a row is (expansion, width, depth, stride)."""
    layers, before = normed(3, stem, 3, nn.ReLU6, stride=2), stem
    for expansion, width, depth, stride in rows:
        for at in range(depth):
            inner, step = expansion * before, stride if at == 0 else 1
            block = normed(before, inner, 1, nn.ReLU6) if expansion > 1 else []
            block += normed(inner, inner, 3, nn.ReLU6, stride=step, groups=inner)
            block += normed(inner, width)
            layers.append(Branch(block, step == 1 and before == width))
            before = width
    layers += normed(before, last, 1, nn.ReLU6)
    return nn.Sequential(*layers, Pooled(), nn.Linear(last, classes))


def mobilenetv3(stem: int, rows: Rows, last: int, dense: int, classes: int) -> Any:
    """Howard et al. 2019, tables 1 and 2: (kernel, inner, width, squeeze, swish, stride)."""
    layers, before = normed(3, stem, 3, nn.Hardswish, stride=2, eps=1e-3), stem
    for kernel, inner, width, squeeze, swish, stride in rows:
        activation = nn.Hardswish if swish else nn.ReLU
        block = normed(before, inner, 1, activation, eps=1e-3) if inner != before else []
        block += normed(inner, inner, kernel, activation, stride=stride, groups=inner, eps=1e-3)
        if squeeze:
            block.append(Excite(inner, squeeze, nn.ReLU, nn.Hardsigmoid))
        block += normed(inner, width, eps=1e-3)
        layers.append(Branch(block, stride == 1 and before == width))
        before = width
    layers += normed(before, last, 1, nn.Hardswish, eps=1e-3)
    head = [nn.Linear(last, dense), nn.Hardswish(), nn.Linear(dense, classes)]
    return nn.Sequential(*layers, Pooled(), *head)


def efficientnet(stem: int, rows: Rows, last: int, classes: int) -> Any:
    """Tan & Le 2019, table 1; a row is (expansion, kernel, width, depth, stride)."""
    layers, before = normed(3, stem, 3, nn.SiLU, stride=2), stem
    for expansion, kernel, width, depth, stride in rows:
        for at in range(depth):
            inner, step = expansion * before, stride if at == 0 else 1
            block = normed(before, inner, 1, nn.SiLU) if expansion > 1 else []
            block += normed(inner, inner, kernel, nn.SiLU, stride=step, groups=inner)
            block.append(Excite(inner, before // 4, nn.SiLU, nn.Sigmoid))
            block += normed(inner, width)
            layers.append(Branch(block, step == 1 and before == width))
            before = width
    layers += normed(before, last, 1, nn.SiLU)
    return nn.Sequential(*layers, Pooled(), nn.Linear(last, classes))


class OverChannels(nn.Module):  # type: ignore[misc]
    """Layer normalisation over the channels at each place."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x.movedim(1, -1)).movedim(-1, 1)


class Scale(nn.Module):  # type: ignore[misc]
    """A factor for each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor[:, None, None]


def convnext(rows: Rows, classes: int) -> Any:
    """Liu et al. 2022, table 9; a row is (width, depth)."""
    layers: list[Any] = [nn.Conv2d(3, rows[0][0], 4, 4), OverChannels(rows[0][0])]
    for at, (width, depth) in enumerate(rows):
        if at:
            layers += [OverChannels(rows[at - 1][0]), nn.Conv2d(rows[at - 1][0], width, 2, 2)]
        for _ in range(depth):
            block = [nn.Conv2d(width, width, 7, padding=3, groups=width), OverChannels(width)]
            block += [nn.Conv2d(width, 4 * width, 1), nn.GELU(), nn.Conv2d(4 * width, width, 1)]
            layers.append(Branch([*block, Scale(width)], True))
    last = rows[-1][0]
    return nn.Sequential(*layers, Pooled(), nn.LayerNorm(last, eps=1e-6), nn.Linear(last, classes))


class Shuffled(nn.Module):  # type: ignore[misc]
    """Two branches side by side, whose channels are then interleaved."""

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        half, inner = width // 2, before if stride > 1 else before // 2
        self.stride = stride
        kept = normed(inner, inner, 3, stride=stride, groups=inner) + normed(
            inner, half, 1, nn.ReLU
        )
        self.kept = nn.Sequential(*(kept if stride > 1 else []))
        changed = normed(inner, half, 1, nn.ReLU)
        changed += normed(half, half, 3, stride=stride, groups=half) + normed(
            half, half, 1, nn.ReLU
        )
        self.changed = nn.Sequential(*changed)

    def forward(self, x: Tensor) -> Tensor:
        one, two = (x, x) if self.stride > 1 else x.chunk(2, 1)
        joined = torch.stack((self.kept(one), self.changed(two)), 2)
        return joined.flatten(1, 2)


def shufflenetv2(stem: int, rows: Rows, last: int, classes: int) -> Any:
    """Ma et al. 2018, table 5; a row is (width, depth)."""
    layers, before = [*normed(3, stem, 3, nn.ReLU, stride=2), nn.MaxPool2d(3, 2, 1)], stem
    for width, depth in rows:
        layers.append(Shuffled(before, width, 2))
        layers += [Shuffled(width, width, 1) for _ in range(depth - 1)]
        before = width
    layers += normed(before, last, 1, nn.ReLU)
    return nn.Sequential(*layers, Pooled(), nn.Linear(last, classes))


def c3d(widths: Sequence[int], units: int, inner: int, classes: int) -> Any:
    """Tran et al. 2015, the smaller network; `inner` numbers come out of the last pool."""
    layers: list[Any] = []
    before = 3
    for at, width in enumerate(widths):
        pool = nn.MaxPool3d((1, 2, 2)) if at == 0 else nn.MaxPool3d(2, ceil_mode=at == 4)
        layers += [nn.Conv3d(before, width, 3, padding=1), nn.ReLU(), pool]
        before = width
    head = [nn.Linear(inner, units), nn.ReLU(), nn.Linear(units, units), nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten(), *head, nn.Linear(units, classes))


def dqn(actions: int) -> Any:
    """Mnih et al. 2015, methods."""
    layers: list[Any] = []
    for before, after, kernel, stride in ((4, 32, 8, 4), (32, 64, 4, 2), (64, 64, 3, 1)):
        layers += [nn.Conv2d(before, after, kernel, stride), nn.ReLU()]
    head = [nn.Flatten(), nn.Linear(3136, 512), nn.ReLU(), nn.Linear(512, actions)]
    return nn.Sequential(*layers, *head)


class Kim(nn.Module):  # type: ignore[misc]
    """Kim 2014, figure 1, as a one-dimensional convolution over the words' vectors."""

    def __init__(self, words: int, size: int, maps: int, classes: int) -> None:
        super().__init__()
        self.words = nn.Embedding(words, size, padding_idx=0)
        self.convolutions = nn.ModuleList(nn.Conv2d(1, maps, (k, size)) for k in (3, 4, 5))
        self.fc = nn.Linear(3 * maps, classes)

    def forward(self, tokens: Tensor) -> Tensor:
        vectors = self.words(tokens)[:, None]
        found = [torch.relu(one(vectors)).amax((2, 3)) for one in self.convolutions]
        return self.fc(torch.cat(found, 1))


class UNet(nn.Module):  # type: ignore[misc]
    """Ronneberger et al. 2015, figure 1; with `border` 1 nothing has to be cropped."""

    def __init__(self, widths: Sequence[int], border: int, classes: int) -> None:
        super().__init__()
        self.border = border
        befores = (1, *widths[:-1])
        self.down = nn.ModuleList(map(self.twice, befores, widths))
        self.up = nn.ModuleList()
        for below, width in zip(widths[:0:-1], widths[-2::-1], strict=True):
            rise = nn.ConvTranspose2d(below, width, 2, 2)
            self.up.append(nn.ModuleList([rise, self.twice(below, width)]))
        self.last = nn.Conv2d(widths[0], classes, 1)

    def twice(self, before: int, width: int) -> Any:
        layers = [nn.Conv2d(one, width, 3, padding=self.border) for one in (before, width)]
        return nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        across: list[Tensor] = []
        for double in self.down:
            x = double(F.max_pool2d(x, 2) if across else x)
            across.append(x)
        for (rise, double), beside in zip(self.up, across[-2::-1], strict=True):
            x = rise(x)
            at, size = (beside.shape[-1] - x.shape[-1]) // 2, x.shape[-1]
            x = double(torch.cat((beside[..., at : at + size, at : at + size], x), 1))
        return self.last(x)
