"""The benchmarked networks as ordinary PyTorch modules, layer for layer as in the shipped specs.

Modules stand in the order of the specs' layers, so that weights go over in that order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import override

__all__ = ["NETWORKS", "take_weights"]


def lenet5() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 6, 5),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.Tanh(),
        nn.Linear(120, 84),
        nn.Tanh(),
        nn.Linear(84, 10),
    )


def alexnet() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 96, 11, stride=4),
        nn.ReLU(),
        nn.LocalResponseNorm(5, 5e-4, 0.75, 2.0),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(96, 256, 5, padding=2, groups=2),
        nn.ReLU(),
        nn.LocalResponseNorm(5, 5e-4, 0.75, 2.0),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(256, 384, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(384, 384, 3, padding=1, groups=2),
        nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1, groups=2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Flatten(),
        nn.Linear(9216, 4096),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(4096, 4096),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(4096, 1000),
    )


def vgg(convolutions: Sequence[int]) -> nn.Module:
    layers: list[nn.Module] = []
    channels = 3
    for width, count in zip((64, 128, 256, 512, 512), convolutions, strict=True):
        for _ in range(count):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
        layers.append(nn.MaxPool2d(2))
    layers += [nn.Flatten(), nn.Linear(512 * 7 * 7, 4096), nn.ReLU(), nn.Dropout(0.5)]
    layers += [nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4096, 1000)]
    return nn.Sequential(*layers)


class Residual(nn.Module):
    """A residual block: convolutions of these kernels, and a projection where the shape changes."""

    def __init__(
        self, channels: int, widths: Sequence[int], kernels: Sequence[int], stride: int
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        source, strided = channels, kernels.index(3)
        for at, (width, kernel) in enumerate(zip(widths, kernels, strict=True)):
            step = stride if at == strided else 1
            layers += [nn.Conv2d(source, width, kernel, step, kernel // 2, bias=False)]
            layers += [nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
            source = width
        self.main = nn.Sequential(*layers[:-1])
        self.short = nn.Sequential()
        if stride != 1 or channels != source:
            convolution = nn.Conv2d(channels, source, 1, stride, bias=False)
            self.short = nn.Sequential(convolution, nn.BatchNorm2d(source))
        self.relu = nn.ReLU(inplace=True)

    @override
    def forward(self, x: Tensor) -> Any:
        return self.relu(self.main(x) + self.short(x))


def resnet(depths: Sequence[int], kernels: Sequence[int], expansion: int) -> nn.Module:
    layers: list[nn.Module] = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)]
    layers += [nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]
    channels = 64
    for stage, depth in enumerate(depths):
        width = 64 * 2**stage
        widths = [width] * (len(kernels) - 1) + [expansion * width]
        for at in range(depth):
            stride = 2 if stage and not at else 1
            layers.append(Residual(channels, widths, kernels, stride))
            channels = expansion * width
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 1000)]
    return nn.Sequential(*layers)


class Padded(nn.Module):
    """A residual block whose shortcut has no weights: where maps are added, they are zeros."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        stride = 1 if channels == width else 2
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 3, stride, 1, bias=False)]
        layers += [nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
        layers += [nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)]
        self.main = nn.Sequential(*layers)
        self.stride, self.more = stride, width - channels
        self.relu = nn.ReLU(inplace=True)

    @override
    def forward(self, x: Tensor) -> Any:
        short = x
        if self.more:
            short = nn.functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, self.more))
        return self.relu(self.main(x) + short)


def resnet20() -> nn.Module:
    layers: list[nn.Module] = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)]
    layers.append(nn.ReLU(inplace=True))
    channels = 16
    for width in (16, 32, 64):
        for _ in range(3):
            layers.append(Padded(channels, width))
            channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


# --- branches side by side --------------------------------------------------------------------


class Inception(nn.Module):
    """GoogLeNet's module, from the widths in the paper's table 1."""

    def __init__(self, channels: int, widths: Sequence[int]) -> None:
        super().__init__()
        c1, c3r, c3, c5r, c5, pool = widths
        self.one = nn.Sequential(*convolved(channels, c1, 1))
        self.three = nn.Sequential(*convolved(channels, c3r, 1), *convolved(c3r, c3, 3))
        self.five = nn.Sequential(*convolved(channels, c5r, 1), *convolved(c5r, c5, 5))
        self.pool = nn.Sequential(nn.MaxPool2d(3, 1, 1), *convolved(channels, pool, 1))

    @override
    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((self.one(x), self.three(x), self.five(x), self.pool(x)), 1)


def convolved(channels: int, width: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(channels, width, kernel, stride, kernel // 2)
    return [convolution, nn.ReLU(inplace=True)]


class GoogLeNet(nn.Module):
    """Gives the scores of the main output and those of the two classifiers on the way."""

    def __init__(self) -> None:
        super().__init__()

        def pool() -> nn.Module:
            return nn.MaxPool2d(3, 2, ceil_mode=True)

        def head(channels: int) -> nn.Module:
            layers = [nn.AvgPool2d(5, 3), *convolved(channels, 128, 1), nn.Flatten()]
            layers += [nn.Linear(2048, 1024), nn.ReLU(), nn.Dropout(0.7), nn.Linear(1024, 1000)]
            return nn.Sequential(*layers)

        norm = nn.LocalResponseNorm(5, 1e-4, 0.75, 1.0)
        self.stem = nn.Sequential(
            *(*convolved(3, 64, 7, 2), pool(), norm, *convolved(64, 64, 1)),
            *(*convolved(64, 192, 3), norm, pool()),
            Inception(192, (64, 96, 128, 16, 32, 32)),
            *(Inception(256, (128, 128, 192, 32, 96, 64)), pool()),
            Inception(480, (192, 96, 208, 16, 48, 64)),
        )
        self.aux1 = head(512)
        self.middle = nn.Sequential(
            Inception(512, (160, 112, 224, 24, 64, 64)),
            Inception(512, (128, 128, 256, 24, 64, 64)),
            Inception(512, (112, 144, 288, 32, 64, 64)),
        )
        self.aux2 = head(528)
        self.last = nn.Sequential(
            *(Inception(528, (256, 160, 320, 32, 128, 128)), pool()),
            Inception(832, (256, 160, 320, 32, 128, 128)),
            Inception(832, (384, 192, 384, 48, 128, 128)),
            *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.4), nn.Linear(1024, 1000)),
        )

    @override
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        first = self.stem(x)
        second = self.middle(first)
        return self.last(second), self.aux1(first), self.aux2(second)


class DenseLayer(nn.Module):
    """Adds maps behind all that came before."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        inner = 4 * growth
        layers = [nn.BatchNorm2d(channels), nn.ReLU(), nn.Conv2d(channels, inner, 1, bias=False)]
        layers += [nn.BatchNorm2d(inner), nn.ReLU()]
        layers += [nn.Conv2d(inner, growth, 3, padding=1, bias=False)]
        self.layers = nn.Sequential(*layers)

    @override
    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((x, self.layers(x)), 1)


def densenet(depths: Sequence[int], growth: int) -> nn.Module:
    layers: list[nn.Module] = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)]
    layers += [nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    channels = 64
    for stage, depth in enumerate(depths):
        if stage:
            layers += [nn.BatchNorm2d(channels), nn.ReLU()]
            layers += [nn.Conv2d(channels, channels // 2, 1, bias=False), nn.AvgPool2d(2)]
            channels //= 2
        for _ in range(depth):
            layers.append(DenseLayer(channels, growth))
            channels += growth
    layers += [nn.BatchNorm2d(channels), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(channels, 1000))


class Inverted(nn.Module):
    """An inverted residual of MobileNetV2."""

    def __init__(self, channels: int, width: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = expansion * channels
        layers: list[nn.Module] = []
        if expansion > 1:
            layers += [nn.Conv2d(channels, inner, 1, bias=False), nn.BatchNorm2d(inner)]
            layers.append(nn.ReLU6(inplace=True))
        layers += [nn.Conv2d(inner, inner, 3, stride, 1, groups=inner, bias=False)]
        layers += [nn.BatchNorm2d(inner), nn.ReLU6(inplace=True)]
        layers += [nn.Conv2d(inner, width, 1, bias=False), nn.BatchNorm2d(width)]
        self.layers = nn.Sequential(*layers)
        self.shortcut = stride == 1 and channels == width

    @override
    def forward(self, x: Tensor) -> Any:
        return x + self.layers(x) if self.shortcut else self.layers(x)


def mobilenetv2() -> nn.Module:
    layers: list[nn.Module] = [nn.Conv2d(3, 32, 3, 2, 1, bias=False), nn.BatchNorm2d(32)]
    layers.append(nn.ReLU6(inplace=True))
    channels = 32
    rows = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1))
    for expansion, width, depth, stride in (*rows, (6, 160, 3, 2), (6, 320, 1, 1)):
        for at in range(depth):
            layers.append(Inverted(channels, width, 1 if at else stride, expansion))
            channels = width
    layers += [nn.Conv2d(channels, 1280, 1, bias=False), nn.BatchNorm2d(1280)]
    layers += [nn.ReLU6(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, nn.Dropout(0.2), nn.Linear(1280, 1000))


class UNet(nn.Module):
    """With padded convolutions, so that nothing has to be cropped."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        befores = (1, *widths[:-1])
        self.down = nn.ModuleList(
            nn.Sequential(*convolved(before, width, 3), *convolved(width, width, 3))
            for before, width in zip(befores, widths, strict=True)
        )
        self.up = nn.ModuleList()
        for below, width in zip(widths[:0:-1], widths[-2::-1], strict=True):
            self.up.append(nn.ConvTranspose2d(below, width, 2, 2))
            self.up.append(nn.Sequential(*convolved(below, width, 3), *convolved(width, width, 3)))
        self.pool, self.dropout = nn.MaxPool2d(2), nn.Dropout(0.5)
        self.last = nn.Conv2d(widths[0], 2, 1)

    @override
    def forward(self, x: Tensor) -> Any:
        across: list[Tensor] = []
        for at, double in enumerate(self.down):
            x = double(self.pool(x) if across else x)
            across.append(x := self.dropout(x) if at >= len(self.down) - 2 else x)
        for at, beside in enumerate(across[-2::-1]):
            x = self.up[2 * at + 1](torch.cat((beside, self.up[2 * at](x)), 1))
        return self.last(x)


# --- sound, text, video -----------------------------------------------------------------------


class Evidence(nn.Module):
    """Each class's sum over all frames, scaled and shifted."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.weight, self.bias = (
            nn.Parameter(torch.ones(classes)),
            nn.Parameter(torch.zeros(classes)),
        )

    @override
    def forward(self, x: Tensor) -> Any:
        return x.sum(2) * self.weight + self.bias


def tdnn() -> nn.Module:
    layers = [nn.Conv1d(16, 8, 3), nn.Sigmoid(), nn.Conv1d(8, 3, 5), nn.Sigmoid()]
    return nn.Sequential(*layers, Evidence(3), nn.Sigmoid())


class TextCnn(nn.Module):
    """Convolutions over the vectors of 3, 4 and 5 words, and the largest answers of each."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(18766, 300, padding_idx=0)
        self.convolutions = nn.ModuleList(nn.Conv2d(1, 100, (k, 300)) for k in (3, 4, 5))
        self.dropout = nn.Dropout(0.5)
        self.fc = nn.Linear(300, 2)

    @override
    def forward(self, tokens: Tensor) -> Any:
        vectors = self.words(tokens)[:, None]
        found = [torch.relu(one(vectors)).amax((2, 3)) for one in self.convolutions]
        return self.fc(self.dropout(torch.cat(found, 1)))


def c3d(widths: Sequence[int], units: int, inner: int, classes: int) -> nn.Module:
    """The ``inner`` numbers come out of the last pool."""
    layers: list[nn.Module] = []
    before = 3
    for at, width in enumerate(widths):
        pool = nn.MaxPool3d(2, ceil_mode=at == 4) if at else nn.MaxPool3d((1, 2, 2))
        layers += [nn.Conv3d(before, width, 3, padding=1), nn.ReLU(), pool]
        before = width
    layers += [nn.Flatten(), nn.Linear(inner, units), nn.ReLU(), nn.Dropout(0.5)]
    layers += [nn.Linear(units, units), nn.ReLU(), nn.Dropout(0.5)]
    return nn.Sequential(*layers, nn.Linear(units, classes))


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "lenet5": lenet5,
    "alexnet": alexnet,
    "vgg16": lambda: vgg((2, 2, 3, 3, 3)),
    "resnet18": lambda: resnet((2, 2, 2, 2), (3, 3), 1),
    "resnet20": resnet20,
    "resnet50": lambda: resnet((3, 4, 6, 3), (1, 3, 1), 4),
    "googlenet": GoogLeNet,
    "densenet121": lambda: densenet((6, 12, 24, 16), 32),
    "mobilenetv2": mobilenetv2,
    "unet": lambda: UNet((64, 128, 256, 512, 1024)),
    "tdnn": tdnn,
    "textcnn": TextCnn,
    "c3d-small": lambda: c3d((64, 128, 256, 256, 256), 2048, 1024, 101),
    "tiny": lambda: nn.Sequential(nn.Flatten(), nn.Linear(4, 2)),
}
"""The networks by the names of their specs; they give scores, several where several are learnt."""


def take_weights(module: nn.Module, arrays: Mapping[str, Any]) -> None:
    """Give a module the weights of the spec that it was written after."""
    state = module.state_dict()
    names = [name for name in state if not name.endswith("num_batches_tracked")]
    for name, array in zip(names, arrays.values(), strict=True):
        assert state[name].shape == array.shape, name
        state[name].copy_(torch.from_numpy(array))
