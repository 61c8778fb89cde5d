"""The classic networks in PyTorch, written from the papers' tables and not from our specs.

Each is a function of its weights and input. Names of weights are the specs', so that both sides
can share one set of arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy
import pytest
from oracle import Array
from torch_octave import octresnet50
from torch_xception import xception

__all__ = ["NETWORKS", "Weights", "probabilities"]

torch: Any = pytest.importorskip("torch")
F: Any = torch.nn.functional

Tensor: TypeAlias = Any
Builder: TypeAlias = Callable[..., Tensor]


class Weights:
    """The operations that have weights, taken by name from arrays and carried out in float64.

    With ``calibrate``, each batch normalisation first sets its running statistics to about those
    of its input, and each dense layer its weights to the size of its input, so that random weights
    neither blow up 152 layers nor leave a softmax with a single answer.
    """

    def __init__(self, arrays: Mapping[str, Array], *, calibrate: bool = False) -> None:
        self.arrays = arrays
        self.calibrate = calibrate
        self.used: set[str] = set()

    def __call__(self, name: str) -> Tensor:
        self.used.add(name)
        return torch.from_numpy(self.arrays[name]).double()

    def conv(self, x: Tensor, name: str, **options: Any) -> Tensor:
        bias = self(f"{name}.bias") if f"{name}.bias" in self.arrays else None
        return F.conv2d(x, self(f"{name}.weight"), bias, **options)

    def dense(self, x: Tensor, name: str) -> Tensor:
        if self.calibrate:
            spread = F.linear(x, self(f"{name}.weight")).std()
            self.arrays[f"{name}.weight"][...] *= numpy.float32(2 / spread)
        return F.linear(x, self(f"{name}.weight"), self(f"{name}.bias"))

    def norm(self, x: Tensor, name: str, eps: float = 1e-5) -> Tensor:
        if self.calibrate:
            variance = x.var((0, 2, 3), correction=0)
            self.arrays[f"{name}.mean"][...] += x.mean((0, 2, 3)).numpy()
            self.arrays[f"{name}.var"][...] *= (variance + variance.mean()).numpy()
        statistics = self(f"{name}.mean"), self(f"{name}.var")
        learnt = self(f"{name}.scale"), self(f"{name}.bias")
        return F.batch_norm(x, *statistics, *learnt, eps=eps)


def probabilities(name: str, weights: Weights, x: Array, **options: Any) -> Array:
    """What a network answers, in PyTorch."""
    with torch.inference_mode():
        logits = NETWORKS[name](weights, torch.from_numpy(x).double(), **options)
        return numpy.asarray(torch.softmax(logits, 1))


# --- LeCun et al. 1998, figure 2 --------------------------------------------------------------


def lenet5(w: Weights, x: Tensor) -> Tensor:
    x = F.avg_pool2d(torch.tanh(w.conv(x, "C1")), 2)
    x = F.avg_pool2d(torch.tanh(w.conv(x, "C3")), 2).flatten(1)
    x = torch.tanh(w.dense(x, "C5"))
    x = torch.tanh(w.dense(x, "F6"))
    return w.dense(x, "OUTPUT")


def lenet_caffe(w: Weights, x: Tensor) -> Tensor:
    x = F.max_pool2d(w.conv(x, "conv1"), 2)
    x = F.max_pool2d(w.conv(x, "conv2"), 2).flatten(1)
    return w.dense(torch.relu(w.dense(x, "ip1")), "ip2")


# --- Krizhevsky et al. 2012, section 3.5 ------------------------------------------------------


def response_norm(x: Tensor, n: int, k: float, alpha: float, beta: float) -> Tensor:
    """Section 3.3: alpha weighs the sum of the squares, not their mean."""
    channels = x.shape[1]
    squares = F.pad(x * x, (0, 0, 0, 0, n // 2, n // 2))
    total = sum(squares[:, at : at + channels] for at in range(n))
    return x / (k + alpha * total) ** beta


def alexnet(w: Weights, x: Tensor, groups: int = 2, alpha: float = 1e-4) -> Tensor:
    x = response_norm(torch.relu(w.conv(x, "conv1", stride=4)), 5, 2, alpha, 0.75)
    x = F.max_pool2d(x, 3, 2)
    x = torch.relu(w.conv(x, "conv2", padding=2, groups=groups))
    x = F.max_pool2d(response_norm(x, 5, 2, alpha, 0.75), 3, 2)
    x = torch.relu(w.conv(x, "conv3", padding=1))
    x = torch.relu(w.conv(x, "conv4", padding=1, groups=groups))
    x = torch.relu(w.conv(x, "conv5", padding=1, groups=groups))
    return head(w, F.max_pool2d(x, 3, 2), ("fc6", "fc7", "fc8"))


def head(w: Weights, x: Tensor, names: Sequence[str]) -> Tensor:
    """The three dense layers of AlexNet and VGG; dropout does nothing at inference."""
    x = torch.relu(w.dense(x.flatten(1), names[0]))
    x = torch.relu(w.dense(x, names[1]))
    return w.dense(x, names[2])


def alexnet_ungrouped(w: Weights, x: Tensor) -> Tensor:
    return alexnet(w, x, groups=1)


def alexnet_owt(w: Weights, x: Tensor) -> Tensor:
    x = F.max_pool2d(torch.relu(w.conv(x, "conv1", stride=4, padding=2)), 3, 2)
    x = F.max_pool2d(torch.relu(w.conv(x, "conv2", padding=2)), 3, 2)
    for name in ("conv3", "conv4", "conv5"):
        x = torch.relu(w.conv(x, name, padding=1))
    return head(w, F.max_pool2d(x, 3, 2), ("fc6", "fc7", "fc8"))


# --- Zeiler & Fergus 2013, figure 3 -----------------------------------------------------------


def zfnet(w: Weights, x: Tensor) -> Tensor:
    x = torch.relu(w.conv(x, "conv1", stride=2, padding=1))
    x = response_norm(F.max_pool2d(x, 3, 2, ceil_mode=True), 5, 2, 1e-4, 0.75)
    x = torch.relu(w.conv(x, "conv2", stride=2))
    x = response_norm(F.max_pool2d(x, 3, 2, ceil_mode=True), 5, 2, 1e-4, 0.75)
    for name in ("conv3", "conv4", "conv5"):
        x = torch.relu(w.conv(x, name, padding=1))
    return head(w, F.max_pool2d(x, 3, 2), ("fc6", "fc7", "fc8"))


# --- Simonyan & Zisserman 2014, table 1 -------------------------------------------------------


def vgg(w: Weights, x: Tensor, convolutions: Sequence[int]) -> Tensor:
    for stage, count in enumerate(convolutions, 1):
        for at in range(1, count + 1):
            x = torch.relu(w.conv(x, f"conv{stage}.conv{at}", padding=1))
        x = F.max_pool2d(x, 2, 2)
    return head(w, x, ("fc1", "fc2", "fc3"))


def vgg16(w: Weights, x: Tensor) -> Tensor:
    return vgg(w, x, (2, 2, 3, 3, 3))


def vgg19(w: Weights, x: Tensor) -> Tensor:
    return vgg(w, x, (2, 2, 4, 4, 4))


# --- Szegedy et al. 2014, table 1, with Caffe's constants and rounding ------------------------


def googlenet(w: Weights, x: Tensor, ceil: bool = True) -> Tensor:
    x = torch.relu(w.conv(x, "conv1", stride=2, padding=3))
    x = F.max_pool2d(x, 3, 2, ceil_mode=ceil)
    x = F.local_response_norm(x, 5, 1e-4, 0.75, 1.0)
    x = torch.relu(w.conv(x, "reduce2"))
    x = torch.relu(w.conv(x, "conv2", padding=1))
    x = F.local_response_norm(x, 5, 1e-4, 0.75, 1.0)
    x = F.max_pool2d(x, 3, 2, ceil_mode=ceil)
    for stage, modules in (("3", "ab"), ("4", "abcde"), ("5", "ab")):
        for module in modules:
            x = inception(w, x, f"inception{stage}{module}")
        if stage != "5":
            x = F.max_pool2d(x, 3, 2, ceil_mode=ceil)
    return w.dense(x.mean((2, 3)), "classifier")


def inception(w: Weights, x: Tensor, name: str) -> Tensor:
    """Figure 2b; the widths of table 1 are the weights' own."""

    def conv(x: Tensor, at: int, padding: int = 0) -> Tensor:
        return torch.relu(w.conv(x, f"{name}.conv{at}", padding=padding))

    branches = [
        conv(x, 1),
        conv(conv(x, 2), 3, padding=1),
        conv(conv(x, 4), 5, padding=2),
        conv(F.max_pool2d(x, 3, 1, 1), 6),
    ]
    return torch.cat(branches, 1)


# --- He et al. 2015, table 1 and figure 5 -----------------------------------------------------


def resnet(w: Weights, x: Tensor, block: Builder, depths: Sequence[int], **options: Any) -> Tensor:
    x = torch.relu(w.norm(w.conv(x, "conv1", stride=2, padding=3), "bn1"))
    if options.get("original"):
        x = F.max_pool2d(x, 3, 2, ceil_mode=True)
    else:
        x = F.max_pool2d(x, 3, 2, 1)
    for stage, depth in enumerate(depths, 1):
        for at in range(1, depth + 1):
            stride = 2 if stage > 1 and at == 1 else 1
            x = block(w, x, f"layer{stage}.{block.__name__}{at}", stride, **options)
    return w.dense(x.mean((2, 3)), "fc")


def basic(w: Weights, x: Tensor, name: str, stride: int) -> Tensor:
    y = w.conv(x, f"{name}.conv1", stride=stride, padding=1)
    y = torch.relu(w.norm(y, f"{name}.batchnorm1"))
    y = w.norm(w.conv(y, f"{name}.conv2", padding=1), f"{name}.batchnorm2")
    if f"{name}.conv3.weight" in w.arrays:
        x = w.norm(w.conv(x, f"{name}.conv3", stride=stride), f"{name}.batchnorm3")
    return torch.relu(x + y)


def bottleneck(
    w: Weights, x: Tensor, name: str, stride: int, original: bool = False, groups: int = 1
) -> Tensor:
    """The stride stands on the 3x3 convolution; ``original`` puts it on the first 1x1."""
    first, second = (stride, 1) if original else (1, stride)
    y = w.conv(x, f"{name}.conv1", stride=first)
    y = torch.relu(w.norm(y, f"{name}.batchnorm1"))
    y = w.conv(y, f"{name}.conv2", stride=second, padding=1, groups=groups)
    y = torch.relu(w.norm(y, f"{name}.batchnorm2"))
    y = w.norm(w.conv(y, f"{name}.conv3"), f"{name}.batchnorm3")
    if f"{name}.excite1.dense1.weight" in w.arrays:  # Hu et al. 2017, equations 2 and 3
        means = y.mean((2, 3))
        units = torch.relu(w.dense(means, f"{name}.excite1.dense1"))
        y = y * torch.sigmoid(w.dense(units, f"{name}.excite1.dense2"))[:, :, None, None]
    if f"{name}.conv4.weight" in w.arrays:
        x = w.norm(w.conv(x, f"{name}.conv4", stride=stride), f"{name}.batchnorm4")
    return torch.relu(x + y)


def resnet18(w: Weights, x: Tensor) -> Tensor:
    return resnet(w, x, basic, (2, 2, 2, 2))


def resnet50(w: Weights, x: Tensor, original: bool = False) -> Tensor:
    return resnet(w, x, bottleneck, (3, 4, 6, 3), original=original)


def resnet152(w: Weights, x: Tensor) -> Tensor:
    return resnet(w, x, bottleneck, (3, 8, 36, 3))


def resnet50_v1(w: Weights, x: Tensor) -> Tensor:
    return resnet(w, x, bottleneck, (3, 4, 6, 3), original=True)


def resnext50(w: Weights, x: Tensor) -> Tensor:
    return resnet(w, x, bottleneck, (3, 4, 6, 3), groups=32)


# --- Zagoruyko & Komodakis 2016, table 1 ------------------------------------------------------


def wideresnet16_4(w: Weights, x: Tensor) -> Tensor:
    x = w.conv(x, "conv1", padding=1)
    for stage, stride in ((1, 1), (2, 2), (3, 2)):
        name = f"layer{stage}.widening1"
        y = torch.relu(w.norm(x, f"{name}.batchnorm1"))
        x = w.conv(y, f"{name}.conv3", stride=stride)
        y = torch.relu(
            w.norm(w.conv(y, f"{name}.conv1", stride=stride, padding=1), f"{name}.batchnorm2")
        )
        x = x + w.conv(y, f"{name}.conv2", padding=1)
        name = f"layer{stage}.wide1"
        y = w.conv(torch.relu(w.norm(x, f"{name}.batchnorm1")), f"{name}.conv1", padding=1)
        x = x + w.conv(torch.relu(w.norm(y, f"{name}.batchnorm2")), f"{name}.conv2", padding=1)
    return w.dense(torch.relu(w.norm(x, "bn")).mean((2, 3)), "fc")


# --- Huang et al. 2016, table 1 ---------------------------------------------------------------


def densenet121(w: Weights, x: Tensor) -> Tensor:
    x = torch.relu(w.norm(w.conv(x, "conv0", stride=2, padding=3), "norm0"))
    x = dense_blocks(w, F.max_pool2d(x, 3, 2, 1), (6, 12, 24, 16))
    return w.dense(torch.relu(w.norm(x, "norm5")).mean((2, 3)), "classifier")


def densenet_bc_100_12(w: Weights, x: Tensor) -> Tensor:
    x = dense_blocks(w, w.conv(x, "conv0", padding=1), (16, 16, 16))
    return w.dense(torch.relu(w.norm(x, "norm4")).mean((2, 3)), "classifier")


def dense_blocks(w: Weights, x: Tensor, depths: Sequence[int]) -> Tensor:
    for stage, depth in enumerate(depths, 1):
        for at in range(1, 2 * depth, 2):
            y = w.conv(
                torch.relu(w.norm(x, f"block{stage}.batchnorm{at}")), f"block{stage}.conv{at}"
            )
            y = torch.relu(w.norm(y, f"block{stage}.batchnorm{at + 1}"))
            y = w.conv(y, f"block{stage}.conv{at + 1}", padding=1)
            x = torch.cat((x, y), 1)
        if stage < len(depths):
            x = torch.relu(w.norm(x, f"transition{stage}.batchnorm1"))
            x = F.avg_pool2d(w.conv(x, f"transition{stage}.conv1"), 2)
    return x


NETWORKS: Mapping[str, Builder] = MappingProxyType(
    {
        "lenet5": lenet5,
        "alexnet": alexnet,
        "alexnet-ungrouped": alexnet_ungrouped,
        "vgg16": vgg16,
        "vgg19": vgg19,
        "googlenet": googlenet,
        "resnet18": resnet18,
        "resnet50": resnet50,
        "resnet152": resnet152,
        "densenet121": densenet121,
        "lenet-caffe": lenet_caffe,
        "alexnet-owt": alexnet_owt,
        "zfnet": zfnet,
        "resnet50-v1": resnet50_v1,
        "resnext50": resnext50,
        "se-resnet50": resnet50,
        "wideresnet16-4": wideresnet16_4,
        "octresnet50": octresnet50,
        "xception": xception,
        "densenet-bc-100-12": densenet_bc_100_12,
    }
)
"""By the names of the shipped specs: weights and input to the numbers before the softmax."""
