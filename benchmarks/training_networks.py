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


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "lenet5": lenet5,
    "alexnet": alexnet,
    "resnet18": lambda: resnet((2, 2, 2, 2), (3, 3), 1),
    "resnet50": lambda: resnet((3, 4, 6, 3), (1, 3, 1), 4),
    "vgg16": lambda: vgg((2, 2, 3, 3, 3)),
}
"""The networks by the names of their specs; they give logits."""


def take_weights(module: nn.Module, arrays: Mapping[str, Any]) -> None:
    """Give a module the weights of the spec that it was written after."""
    state = module.state_dict()
    names = [name for name in state if not name.endswith("num_batches_tracked")]
    for name, array in zip(names, arrays.values(), strict=True):
        assert state[name].shape == array.shape, name
        state[name].copy_(torch.from_numpy(array))
