"""Trains a network with PyTorch: a typed network, a recipe and weights in, the same ones later out.

The network is built from its layers with PyTorch's functions, and has PyTorch's own gradients,
losses and optimizers: nothing of our lowered graphs goes into it. It computes in float64, so that
a difference is ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any, TypeAlias

import numpy
import pytest
import torch_layers
from activation_oracles import ORACLES as ACTIVATIONS
from oracle import Array
from pools import POOLS

from cnndsl.elaborate.network import InputNode, LayerNode, TypedNetwork
from cnndsl.layers.window import Window
from cnndsl.recipe.recipe import Recipe

__all__ = ["LAYERS", "TorchTrainer"]

torch: Any = pytest.importorskip("torch")
torch.set_num_threads(1)  # more only wait for each other, beside the other tests
F: Any = torch.nn.functional

Tensor: TypeAlias = Any


class TorchTrainer:
    """A network in training, step by step.

    ``masks`` are what dropout multiplies with and noise adds, by the names of their layers, for the
    next step.
    """

    def __init__(self, typed: TypedNetwork, recipe: Recipe, weights: Mapping[str, Array]) -> None:
        self.typed = typed
        self.recipe = recipe
        self.tensors = {name: torch.tensor(one).double() for name, one in weights.items()}
        self.masks: dict[str, Array] = {}
        self.groups = [*self._groups()]
        self.learning: dict[str, Tensor] = {
            group["name"]: group["params"][0] for group in self.groups
        }
        self.optimizer = _optimizer(recipe, self.groups)

    def step(self, inputs: Mapping[str, Array], labels: Array, lr: float) -> tuple[float, float]:
        """Learn from a batch: its loss before that, and what that is measured by."""
        loss, shown = self.backward(inputs, labels)
        if self.recipe.clip is not None:
            torch.nn.utils.clip_grad_norm_(self.learning.values(), self.recipe.clip)
        for group in self.optimizer.param_groups:
            group["lr"] = lr * group["factor"]
        self.optimizer.step()
        for name, weight in self.learning.items():
            most = self.recipe.max_norm(name.rpartition(".")[0])
            if most is not None and name.endswith(".weight") and weight.dim() > 1:
                # Of the networks here only `upconv` has its units on another axis.
                weight.data = torch.renorm(weight.data, 2, 0, most)
        return loss, shown

    def backward(self, inputs: Mapping[str, Array], labels: Array) -> tuple[float, float]:
        """Put the gradients of a batch's loss into the weights' ``grad``."""
        scores = self.scores(inputs)
        truth = torch.tensor(labels)
        loss = _loss(self.recipe.loss, scores, truth)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        return float(loss.detach()), _measured(self.recipe.loss, scores, truth)

    def gradients(self) -> dict[str, Array]:
        """What the last ``backward`` found, by the weights' names."""
        return {name: numpy.asarray(one.grad) for name, one in self.learning.items()}

    def weights(self) -> dict[str, Array]:
        """The weights and running statistics as they are now."""
        return {name: numpy.asarray(one.detach()) for name, one in self.tensors.items()}

    def scores(self, inputs: Mapping[str, Array]) -> Tensor:
        """The main output; its input where it ends in what the loss takes the logarithm of."""
        network = self.typed.network
        main = next(iter(network.outputs.values()))
        last = network.nodes[main]
        implied = {"crossentropy": "softmax", "binarycrossentropy": "sigmoid"}
        if isinstance(last, LayerNode) and last.layer.keyword == implied.get(
            self.recipe.loss.keyword
        ):
            (main,) = last.inputs
        values: list[Tensor] = []
        for node in network.nodes[: main + 1]:
            if isinstance(node, InputNode):
                values.append(torch.tensor(inputs[node.name]).double())
            else:
                read = [values[at] for at in node.inputs]
                values.append(LAYERS[node.layer.keyword](self, node, *read))
        return values[main]

    def weight(self, node: LayerNode, name: str) -> Tensor | None:
        """One of a layer's weights; None where it has no such one."""
        return self.tensors.get(f"{node.owner}.{name}")

    def windows(self, node: LayerNode) -> tuple[Window, ...]:
        """How a layer's window slides."""
        layer: Any = node.layer
        return tuple(layer.windows(*self.typed.input_types(node)))

    def _groups(self) -> Any:
        """One group of parameters for each weight that learns."""
        decay = self.recipe.weight_decay
        for node, weights in zip(self.typed.network.nodes, self.typed.weights, strict=True):
            for weight in weights:
                name = f"{node.name}.{weight.name}"
                if weight.trainable and not self.recipe.freezes(node.name) and name in self.tensors:
                    decays = decay.all or (weight.name == "weight")
                    yield {
                        "name": name,
                        "params": [self.tensors[name].requires_grad_()],
                        "factor": self.recipe.rate_factor(node.name),
                        "weight_decay": decay.value if decays else 0.0,
                    }


# --- layers -----------------------------------------------------------------------------------


def _conv(trainer: TorchTrainer, node: LayerNode, x: Tensor) -> Tensor:
    windows = trainer.windows(node)
    layer: Any = node.layer
    groups = layer.groups if layer.keyword == "conv" else x.shape[1]
    convolve = getattr(F, f"conv{len(windows)}d")
    return convolve(
        _padded(x, windows),
        trainer.weight(node, "weight"),
        trainer.weight(node, "bias"),
        stride=[window.stride for window in windows],
        dilation=[window.dilation for window in windows],
        groups=groups,
    )


def _upconv(trainer: TorchTrainer, node: LayerNode, x: Tensor) -> Tensor:
    """All that the kernels reach, with what is added at the end, cropped as the padding says."""
    layer: Any = node.layer
    windows: Any = trainer.windows(node)
    whole = getattr(F, f"conv_transpose{len(windows)}d")(
        x,
        trainer.weight(node, "weight"),
        stride=[window.stride for window in windows],
        dilation=[window.dilation for window in windows],
        groups=layer.groups,
    )
    added = [edge for w in reversed(windows) for edge in (-w.before, w.output_padding - w.after)]
    bias = trainer.weight(node, "bias")
    cropped = F.pad(whole, added)
    return cropped if bias is None else cropped + bias.reshape(-1, *(1 for _ in windows))


def _padded(
    x: Tensor, windows: tuple[Window, ...], value: float = 0.0, beyond: bool = True
) -> Tensor:
    """The margins of a layer around its input, and the cells beyond them that windows reach."""
    margins = [(w.before, w.after + (w.overhang if beyond else 0)) for w in reversed(windows)]
    return F.pad(x, [size for pair in margins for size in pair], value=value)


def _maxpool(trainer: TorchTrainer, node: LayerNode, x: Tensor) -> Tensor:
    windows = trainer.windows(node)
    pool = getattr(F, f"max_pool{len(windows)}d")
    return pool(
        _padded(x, windows, -numpy.inf),
        [window.kernel for window in windows],
        stride=[window.stride for window in windows],
        dilation=[window.dilation for window in windows],
    )


def _mean(x: Tensor, windows: tuple[Window, ...]) -> Tensor:
    pool = getattr(F, f"avg_pool{len(windows)}d")
    return pool(x, [window.kernel for window in windows], [window.stride for window in windows])


def _avgpool(trainer: TorchTrainer, node: LayerNode, x: Tensor) -> Tensor:
    """The mean over the cells that count is the mean over all by the share of those."""
    windows = trainer.windows(node)
    layer: Any = node.layer
    counting = torch.ones_like(x)
    if layer.count_padding:
        counting = _padded(counting, windows, 1.0, beyond=False)
        beyond = [size for window in reversed(windows) for size in (0, window.overhang)]
        counting = F.pad(counting, beyond)
    else:
        counting = _padded(counting, windows)
    return _mean(_padded(x, windows), windows) / _mean(counting, windows)


def _sumpool(trainer: TorchTrainer, node: LayerNode, x: Tensor) -> Tensor:
    windows = trainer.windows(node)
    cells = numpy.prod([window.kernel for window in windows])
    return _mean(_padded(x, windows), windows) * float(cells)


def _dense(trainer: TorchTrainer, node: LayerNode, x: Tensor) -> Tensor:
    return F.linear(x, trainer.weight(node, "weight"), trainer.weight(node, "bias"))


def _batchnorm(trainer: TorchTrainer, node: LayerNode, x: Tensor) -> Tensor:
    layer: Any = node.layer
    return F.batch_norm(
        x,
        trainer.weight(node, "mean"),
        trainer.weight(node, "var"),
        trainer.weight(node, "scale"),
        trainer.weight(node, "bias"),
        training=not trainer.recipe.freezes(node.owner),
        momentum=layer.momentum,
        eps=layer.eps,
    )


def _dropout(trainer: TorchTrainer, node: LayerNode, x: Tensor) -> Tensor:
    layer: Any = node.layer
    return x if layer.rate == 0 else x * torch.tensor(trainer.masks[node.name]).double()


def _noise(trainer: TorchTrainer, node: LayerNode, x: Tensor) -> Tensor:
    layer: Any = node.layer
    return x if layer.std == 0 else x + torch.tensor(trainer.masks[node.name]).double()


def _multiply(trainer: TorchTrainer, node: LayerNode, *xs: Tensor) -> Tensor:
    rank = max(x.ndim for x in xs)
    return reduce(torch.mul, [x.reshape(*x.shape, *[1] * (rank - x.ndim)) for x in xs])


def _split(trainer: TorchTrainer, node: LayerNode, x: Tensor) -> Tensor:
    layer: Any = node.layer
    (source,) = trainer.typed.input_types(node)
    axis = source.axes.index(layer.axis)
    whole = source.dims[axis]
    sizes = whole // layer.parts if isinstance(layer.parts, int) else [*layer.parts]
    return torch.split(x, sizes, axis + 1)[layer.index]


def _plain(function: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    return lambda trainer, node, x: function(x)


def _join(function: Callable[[tuple[Tensor, ...]], Tensor]) -> Callable[..., Tensor]:
    return lambda trainer, node, *xs: function(xs)


def _as_said(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A layer of which a function says what it computes, of its inputs and its weights."""

    def layer(trainer: TorchTrainer, node: LayerNode, *xs: Tensor) -> Tensor:
        names = [one.name for one in node.layer.weights(*trainer.typed.input_types(node))]
        return function(node.layer, xs, {name: trainer.weight(node, name) for name in names})

    return layer


def _of_one(function: torch_layers.TorchLayer) -> Callable[..., Tensor]:
    return _as_said(lambda layer, xs, weights: function(layer, xs[0], weights))


def _as_activations(oracle: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A layer whose oracle takes the layer, its inputs and its weights by name."""

    def computed(trainer: TorchTrainer, node: LayerNode, *inputs: Tensor) -> Tensor:
        names = ("weight", "bias", "scale", "slope")
        weights = {name: trainer.weight(node, name) for name in names}
        owned = {name: weight for name, weight in weights.items() if weight is not None}
        return oracle(node.layer, inputs, owned)

    return computed


LAYERS: Mapping[str, Callable[..., Tensor]] = {
    **{word: _as_activations(oracle) for word, oracle in ACTIVATIONS.items()},
    **{word: _as_said(pool) for word, pool in POOLS.items()},
    "add": _join(lambda xs: reduce(torch.add, xs)),
    "avgpool": _avgpool,
    "batchnorm": _batchnorm,
    "concat": _join(lambda xs: torch.cat(xs, 1)),
    "conv": _conv,
    "dense": _dense,
    "depthwise": _conv,
    "dropout": _dropout,
    "flatten": _plain(lambda x: x.flatten(1)),
    "globalavgpool": _plain(lambda x: x.flatten(2).mean(2)),
    "globalmaxpool": _plain(lambda x: x.flatten(2).max(2).values),
    "identity": _plain(lambda x: x),
    "leakyrelu": lambda trainer, node, x: F.leaky_relu(x, node.layer.slope),
    "maximum": _join(lambda xs: reduce(torch.maximum, xs)),
    "maxpool": _maxpool,
    "multiply": _multiply,
    "noise": _noise,
    "relu": _plain(torch.relu),
    "scaledtanh": _plain(lambda x: 1.7159 * torch.tanh(x * (2 / 3))),
    "sigmoid": _plain(torch.sigmoid),
    "softmax": _plain(lambda x: torch.softmax(x, 1)),
    "split": _split,
    "sumpool": _sumpool,
    "tanh": _plain(torch.tanh),
    "upconv": _upconv,
    **{word: _of_one(oracle) for word, oracle in torch_layers.ORACLES.items()},
}
"""What each layer does in training, by its keyword."""


# --- losses and optimizers --------------------------------------------------------------------


def _loss(loss: Any, scores: Tensor, truth: Tensor) -> Tensor:
    match loss.keyword:
        case "crossentropy":
            return F.cross_entropy(scores, truth, label_smoothing=loss.smoothing)
        case "binarycrossentropy":
            return F.binary_cross_entropy_with_logits(scores, truth.double())
        case "mse":
            return F.mse_loss(scores, truth.double())
        case "mae":
            return F.l1_loss(scores, truth.double())
        case "huber":
            return F.huber_loss(scores, truth.double(), delta=loss.delta)
        case "hinge":
            # PyTorch divides the sum over the wrong classes by the number of classes.
            classes = scores.shape[1]
            rows = scores.movedim(1, -1).reshape(-1, classes)
            return F.multi_margin_loss(rows, truth.flatten(), margin=loss.margin) * classes
        case _:
            raise AssertionError(loss.keyword)


def _measured(loss: Any, scores: Tensor, truth: Tensor) -> float:
    """How many answers are right; where numbers are to be met, the mean absolute error."""
    match loss.keyword:
        case "mse" | "mae" | "huber":
            return float(F.l1_loss(scores.detach(), truth))
        case "binarycrossentropy":
            return int(((scores > 0) == (truth > 0.5)).sum())
        case _:
            return int((scores.argmax(1) == truth).sum())


def _optimizer(recipe: Recipe, groups: list[dict[str, Any]]) -> Any:
    how: Any = recipe.optimizer
    match how.keyword:
        case "sgd":
            return torch.optim.SGD(groups, lr=how.lr, momentum=how.momentum, nesterov=how.nesterov)
        case "adam" | "adamw":
            kind = torch.optim.Adam if how.keyword == "adam" else torch.optim.AdamW
            return kind(groups, lr=how.lr, betas=(how.beta1, how.beta2), eps=how.eps)
        case "rmsprop":
            return torch.optim.RMSprop(
                groups, lr=how.lr, alpha=how.alpha, eps=how.eps, momentum=how.momentum
            )
        case "adagrad":
            return torch.optim.Adagrad(groups, lr=how.lr, eps=how.eps)
        case "adadelta":
            return torch.optim.Adadelta(groups, lr=how.lr, rho=how.rho, eps=how.eps)
        case _:
            raise AssertionError(how.keyword)
