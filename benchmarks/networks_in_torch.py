"""Turns a network into the PyTorch module that computes it, written as people write PyTorch.

Each layer is the function that PyTorch has for it, with its own padding where that can be said, so
that its exporters see what they see of other people's modules. The weights are those of a compiled
model, by name; the outputs are the network's, in its order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import nn
from typing_extensions import override

from cnndsl.elaborate.network import InputNode, LayerNode, TypedNetwork
from cnndsl.layers.window import Window

__all__ = ["ABSENT", "NetworkInTorch"]

ABSENT = frozenset({"roipool"})
"""Layers that PyTorch alone does not have."""

F: Any = nn.functional
Tensor: TypeAlias = Any
Weights = Mapping[str, Tensor]
Function = Callable[[Any, Sequence[Tensor], Weights, Any], Tensor]


class NetworkInTorch(nn.Module):
    """A network with its weights; it takes the inputs in the spec's order."""

    def __init__(self, typed: TypedNetwork, arrays: Mapping[str, Any]) -> None:
        super().__init__()
        self.typed = typed
        names = {name: name.replace(".", "__") for name in arrays}
        self.names = names
        for name, array in arrays.items():
            self.register_buffer(names[name], torch.from_numpy(array.copy()))

    @override
    def forward(self, *inputs: Tensor) -> Any:
        network, values, given = self.typed.network, dict[int, Any](), iter(inputs)
        for position, node in enumerate(network.nodes):
            if isinstance(node, InputNode):
                values[position] = next(given)
            elif all(one in values for one in node.inputs) and self._has_weights(position):
                values[position] = self._layer(node, position, values)
        outputs = tuple(values[position] for position in network.outputs.values())
        return outputs if len(outputs) > 1 else outputs[0]

    def _has_weights(self, position: int) -> bool:
        """Heads of training are not in the model, and what they read needs no answer."""
        return all(name in self.names for name in self.typed.weights_of(position))

    def _layer(self, node: LayerNode, position: int, values: Mapping[int, Tensor]) -> Tensor:
        weights = {
            weight.name: getattr(self, self.names[name])
            for name, weight in self.typed.weights_of(position).items()
        }
        function = LAYERS[node.layer.keyword]
        context = _Types(self.typed, node, position)
        return function(node.layer, [values[one] for one in node.inputs], weights, context)


class _Types:
    """What a function may ask of its layer's place: windows, and the output's sizes."""

    def __init__(self, typed: TypedNetwork, node: LayerNode, position: int) -> None:
        self.inputs = typed.input_types(node)
        self.output = typed.types[position]
        self.windows: tuple[Window, ...] = node.layer.windows(*self.inputs)


# --- windows ----------------------------------------------------------------------------------


def _padding(windows: Sequence[Window]) -> tuple[list[int], list[int]]:
    """What a function can be told of the padding, and what has to stand in front, as `F.pad`."""
    sides = [(one.before, one.after + one.overhang) for one in windows]
    if all(before == after for before, after in sides):
        return [before for before, _ in sides], []
    return [0] * len(sides), [side for pair in reversed(sides) for side in pair]


def _sized(name: str, windows: Sequence[Window]) -> Any:
    return getattr(F, f"{name}{len(windows)}d")


def _convolved(
    x: Tensor, windows: Sequence[Window], kernels: Tensor, bias: Tensor, groups: int
) -> Tensor:
    padding, before = _padding(windows)
    x = F.pad(x, before) if before else x
    stride, dilation = [w.stride for w in windows], [w.dilation for w in windows]
    return _sized("conv", windows)(x, kernels, bias, stride, padding, dilation, groups)


def _conv(layer: Any, inputs: Sequence[Tensor], weights: Weights, types: Any) -> Tensor:
    kernels, channels = weights["weight"], types.inputs[0].channels
    if getattr(layer, "table", None) is not None:
        whole = torch.zeros(layer.filters, channels, *(w.kernel for w in types.windows))
        at = [(row, one) for row, seen in enumerate(layer.table) for one in seen]
        rows, seen = (torch.tensor(side) for side in zip(*at, strict=True))
        kernels = whole.index_put((rows, seen), kernels)
    groups = channels if layer.keyword == "depthwise" else layer.groups
    return _convolved(inputs[0], types.windows, kernels, weights.get("bias"), groups)


def _filter(layer: Any, inputs: Sequence[Tensor], weights: Weights, types: Any) -> Tensor:
    channels, sizes = types.inputs[0].channels, [w.kernel for w in types.windows]
    kernel = torch.tensor(layer.kernels).reshape(1, 1, *sizes)
    kernels = kernel.expand(channels, *kernel.shape[1:])
    return _convolved(inputs[0], types.windows, kernels, None, channels)


def _upconv(layer: Any, inputs: Sequence[Tensor], weights: Weights, types: Any) -> Tensor:
    windows = types.windows
    return _sized("conv_transpose", windows)(
        inputs[0],
        weights["weight"],
        weights.get("bias"),
        stride=[w.stride for w in windows],
        padding=[w.before for w in windows],
        output_padding=layer.output_padding,
        groups=layer.groups,
        dilation=[w.dilation for w in windows],
    )


def _pooled(name: str, x: Tensor, windows: Sequence[Window], **options: Any) -> Tensor:
    """Pooling with PyTorch's own `ceil_mode` and padding, where it has them."""
    given = {"kernel_size": [w.kernel for w in windows], "stride": [w.stride for w in windows]}
    if all(w.before == w.after <= w.kernel // 2 for w in windows):
        ceil = any(w.overhang for w in windows)
        padding = [w.before for w in windows]
        return _sized(name, windows)(x, padding=padding, ceil_mode=ceil, **given, **options)
    _, before = _padding(windows)
    value = -math.inf if name == "max_pool" else 0.0
    return _sized(name, windows)(F.pad(x, before, value=value), **given, **options)


def _maxpool(layer: Any, inputs: Sequence[Tensor], weights: Weights, types: Any) -> Tensor:
    return _pooled("max_pool", inputs[0], types.windows)


def _avgpool(layer: Any, inputs: Sequence[Tensor], weights: Weights, types: Any) -> Tensor:
    counts = layer.count_padding
    return _pooled("avg_pool", inputs[0], types.windows, count_include_pad=counts)


def _sums(x: Tensor, windows: Sequence[Window]) -> Tensor:
    return _pooled("avg_pool", x, windows) * math.prod(w.kernel for w in windows)


def _subsample(layer: Any, inputs: Sequence[Tensor], weights: Weights, types: Any) -> Tensor:
    sums = _sums(inputs[0], types.windows)
    return sums * _column(weights["scale"], sums) + _column(weights["bias"], sums)


def _lppool(layer: Any, inputs: Sequence[Tensor], weights: Weights, types: Any) -> Tensor:
    _, before = _padding(types.windows)
    sides = [side for w in reversed(types.windows) for side in (w.before, w.after)]
    x = F.pad(inputs[0], before or sides)
    kernel, stride = ([getattr(w, name) for w in types.windows] for name in ("kernel", "stride"))
    return _sized("lp_pool", types.windows)(x, layer.p, kernel, stride)


def _localconv(layer: Any, inputs: Sequence[Tensor], weights: Weights, types: Any) -> Tensor:
    sizes, padding = [w.kernel for w in types.windows], [w.before for w in types.windows]
    seen = F.unfold(inputs[0], sizes, padding=padding, stride=[w.stride for w in types.windows])
    result = torch.einsum("ncp,pfc->nfp", seen, weights["weight"].flatten(2))
    return result.reshape(-1, *types.output.dims) + weights["bias"]


# --- whole maps and channels ------------------------------------------------------------------


def _column(vector: Tensor, x: Tensor) -> Tensor:
    return vector.reshape(-1, *(1 for _ in x.shape[2:]))


def _globalavgpool(layer: Any, inputs: Sequence[Tensor], weights: Weights, types: Any) -> Tensor:
    rank = len(types.inputs[0].spatial)
    y: Tensor = getattr(F, f"adaptive_avg_pool{rank}d")(inputs[0], 1)
    return y if layer.keep else y.flatten(1)


def _batchnorm(layer: Any, inputs: Sequence[Tensor], weights: Weights, types: Any) -> Tensor:
    names = ("mean", "var", "scale", "bias")
    return F.batch_norm(inputs[0], *(weights[name] for name in names), eps=layer.eps)


def _layernorm(layer: Any, inputs: Sequence[Tensor], weights: Weights, types: Any) -> Tensor:
    (x,), given = inputs, (weights.get("scale"), weights.get("bias"), layer.eps)
    if layer.over == "all":
        return F.layer_norm(x, x.shape[1:], *given)
    last = F.layer_norm(x.permute(0, *range(2, x.ndim), 1), x.shape[1:2], *given)
    return last.permute(0, x.ndim - 1, *range(1, x.ndim - 1))


def _lrn(layer: Any, inputs: Sequence[Tensor], weights: Weights, types: Any) -> Tensor:
    (x,) = inputs
    if layer.region == "across":
        return F.local_response_norm(x, layer.size, layer.alpha, layer.beta, layer.k)
    means = F.avg_pool2d(x * x, layer.size, 1, layer.size // 2)
    return x * (layer.k + layer.alpha * means) ** -layer.beta


def _bias(layer: Any, inputs: Sequence[Tensor], weights: Weights, types: Any) -> Tensor:
    bias = weights["bias"]
    return inputs[0] + (bias if layer.over == "all" else _column(bias, inputs[0]))


def _scale(layer: Any, inputs: Sequence[Tensor], weights: Weights, types: Any) -> Tensor:
    (x,) = inputs
    y = x * _column(weights["scale"], x)
    return y + _column(weights["bias"], x) if layer.bias else y


def _embedding(layer: Any, inputs: Sequence[Tensor], weights: Weights, types: Any) -> Tensor:
    rows = F.embedding(inputs[0], weights["weight"])
    return rows[:, None] if layer.layout == "image" else rows.transpose(1, 2)


def _rbf(layer: Any, inputs: Sequence[Tensor], weights: Weights, types: Any) -> Tensor:
    codes = weights["weight"] if layer.codes is None else torch.tensor(layer.codes)
    distances = ((inputs[0][:, None] - codes) ** 2).sum(2)
    return -distances if layer.negate else distances


# --- shapes and joins -------------------------------------------------------------------------


def _pad(layer: Any, inputs: Sequence[Tensor], weights: Weights, types: Any) -> Tensor:
    rank = len(types.inputs[0].spatial)
    sides = layer.padding * (2 * rank // len(layer.padding))
    pairs = [(layer.channels * 2)[:2], *zip(sides[:rank], sides[rank:], strict=True)]
    return F.pad(inputs[0], [one for pair in reversed(pairs) for one in pair], value=layer.value)


def _crop(layer: Any, inputs: Sequence[Tensor], weights: Weights, types: Any) -> Tensor:
    (x,), rank = inputs, len(types.inputs[0].spatial)
    sizes = layer.size * (rank // len(layer.size))
    given = layer.offset and layer.offset * (rank // len(layer.offset))
    places = []
    for at, size in enumerate(sizes):
        start = given[at] if given else (types.inputs[0].spatial[at] - size) // 2
        places.append(slice(start, start + size))
    return x[(slice(None), slice(None), *places)]


def _upsample(layer: Any, inputs: Sequence[Tensor], weights: Weights, types: Any) -> Tensor:
    assert layer.factor is not None
    assert layer.mode == "nearest"
    return F.interpolate(inputs[0], scale_factor=layer.factor[0], mode="nearest")


def _split(layer: Any, inputs: Sequence[Tensor], weights: Weights, types: Any) -> Tensor:
    return inputs[0].chunk(layer.parts, 1)[layer.index]


def _shuffle(layer: Any, inputs: Sequence[Tensor], weights: Weights, types: Any) -> Tensor:
    """As torchvision writes it: without PyTorch's `channel_shuffle`, which exports as badly."""
    channels, *sizes = types.inputs[0].dims
    y = inputs[0].view(-1, layer.groups, channels // layer.groups, *sizes)
    return y.transpose(1, 2).reshape(-1, channels, *sizes)


def _maxout(layer: Any, inputs: Sequence[Tensor], weights: Weights, types: Any) -> Tensor:
    channels, *sizes = types.output.dims
    return inputs[0].view(-1, channels, layer.pieces, *sizes).amax(2)


def _joined(operator: Callable[[Tensor, Tensor], Tensor]) -> Function:
    def join(layer: Any, inputs: Sequence[Tensor], weights: Weights, types: Any) -> Tensor:
        rank = len(types.output.dims)
        first, *rest = (
            one if len(kind.dims) == rank else one[(..., *[None] * (rank - len(kind.dims)))]
            for one, kind in zip(inputs, types.inputs, strict=True)
        )
        for one in rest:
            first = operator(first, one)
        return first

    return join


def _plain(function: Callable[[Tensor], Tensor]) -> Function:
    return lambda layer, inputs, weights, types: function(inputs[0])


LAYERS: Mapping[str, Function] = {
    "conv": _conv,
    "depthwise": _conv,
    "filter": _filter,
    "upconv": _upconv,
    "localconv": _localconv,
    "dense": lambda layer, inputs, weights, types: F.linear(
        inputs[0], weights["weight"], weights.get("bias")
    ),
    "embedding": _embedding,
    "rbf": _rbf,
    "maxpool": _maxpool,
    "avgpool": _avgpool,
    "sumpool": lambda layer, inputs, weights, types: _sums(inputs[0], types.windows),
    "lppool": _lppool,
    "subsample": _subsample,
    "globalavgpool": _globalavgpool,
    "globallppool": lambda layer, inputs, weights, types: inputs[0].abs().flatten(2).sum(2),
    "adaptiveavgpool": lambda layer, inputs, weights, types: F.adaptive_avg_pool2d(
        inputs[0], types.output.spatial
    ),
    "maxtime": lambda layer, inputs, weights, types: inputs[0].amax(
        tuple(range(2, inputs[0].ndim))
    ),
    "batchnorm": _batchnorm,
    "layernorm": _layernorm,
    "lrn": _lrn,
    "bias": _bias,
    "scale": _scale,
    "pad": _pad,
    "crop": _crop,
    "upsample": _upsample,
    "split": _split,
    "channelshuffle": _shuffle,
    "maxout": _maxout,
    "flatten": _plain(lambda x: x.flatten(1)),
    "reshape": lambda layer, inputs, weights, types: inputs[0].reshape(-1, *types.output.dims),
    "transpose": lambda layer, inputs, weights, types: inputs[0].permute(
        0, *(at + 1 for at in layer.order or (1, 0))
    ),
    "add": _joined(torch.add),
    "multiply": _joined(torch.mul),
    "concat": lambda layer, inputs, weights, types: torch.cat(list(inputs), 1),
    "identity": _plain(lambda x: x),
    "dropout": _plain(lambda x: x),
    "droppath": _plain(lambda x: x),
    "relu": _plain(F.relu),
    "relu6": _plain(F.relu6),
    "sigmoid": _plain(torch.sigmoid),
    "tanh": _plain(torch.tanh),
    "scaledtanh": _plain(lambda x: 1.7159 * torch.tanh(2 / 3 * x)),
    "silu": _plain(F.silu),
    "gelu": _plain(F.gelu),
    "hardswish": _plain(F.hardswish),
    "hardsigmoid": _plain(F.hardsigmoid),
    "softmax": _plain(lambda x: F.softmax(x, 1)),
}
"""What PyTorch has for a layer, by its keyword."""
