"""What the layers compute in ONNX Runtime, against PyTorch with the same weights."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import activation_oracles
import numpy as np
import pytest
import torch_layers
from apart import APART
from pools import POOLS
from torch_parts import split_by_torch, split_draw

from cnndsl.layers import find, keywords
from cnndsl.layers.base import Layer
from cnndsl.layers.window import Window
from cnndsl.types import TensorType

torch = pytest.importorskip("torch")
F = torch.nn.functional

Tensor: TypeAlias = Any
Oracle: TypeAlias = Callable[[Layer, Sequence[Tensor], dict[str, Tensor]], Tensor]
Compute: TypeAlias = Callable[..., list[Any]]

ROUNDS = 40


def make(keyword: str, **parameters: Any) -> Layer:
    layer = find(keyword)
    assert layer is not None
    return layer(**parameters)


# --- oracles: one function for each layer, in PyTorch's own operators -------------------------


def windows_of(layer: Layer, x: Tensor) -> tuple[Window, ...]:
    return layer.windows(TensorType(tuple(x.shape[1:])))


def padded(x: Tensor, windows: Sequence[Window], value: float, *, overhang: bool = True) -> Tensor:
    """The input with all cells that any window looks at: torch lists the last dimension first."""
    borders = [
        border
        for window in reversed(windows)
        for border in (window.before, window.after + overhang * window.overhang)
    ]
    return F.pad(x, borders, value=value)


def by_rank(name: str, rank: int) -> Any:
    return getattr(F, f"{name}{rank}d")


def conv(layer: Any, inputs: Sequence[Tensor], weights: dict[str, Tensor]) -> Tensor:
    (x,) = inputs
    windows = windows_of(layer, x)
    return by_rank("conv", len(windows))(
        padded(x, windows, 0.0),
        weights["weight"],
        weights.get("bias"),
        stride=[w.stride for w in windows],
        dilation=[w.dilation for w in windows],
        groups=x.shape[1] if layer.keyword == "depthwise" else layer.groups,
    )


def upconv(layer: Any, inputs: Sequence[Tensor], weights: dict[str, Tensor]) -> Tensor:
    """All that the kernels reach, with what is added at the end, cropped as the padding says."""
    (x,) = inputs
    windows = layer.windows(TensorType(tuple(x.shape[1:])))
    whole = by_rank("conv_transpose", len(windows))(
        x,
        weights["weight"],
        stride=[w.stride for w in windows],
        dilation=[w.dilation for w in windows],
        groups=layer.groups,
    )
    added = [edge for w in reversed(windows) for edge in (-w.before, w.output_padding - w.after)]
    cropped = F.pad(whole, added)
    if "bias" in weights:
        cropped = cropped + weights["bias"].reshape(-1, *(1 for _ in windows))
    return cropped


def maxpool(layer: Any, inputs: Sequence[Tensor], weights: dict[str, Tensor]) -> Tensor:
    windows = windows_of(layer, inputs[0])
    return by_rank("max_pool", len(windows))(
        padded(inputs[0], windows, float("-inf")),
        [w.kernel for w in windows],
        [w.stride for w in windows],
        dilation=[w.dilation for w in windows],
    )


def summed(x: Tensor, windows: Sequence[Window]) -> Tensor:
    pool = by_rank("avg_pool", len(windows))
    cells = np.prod([w.kernel for w in windows])
    return pool(x, [w.kernel for w in windows], [w.stride for w in windows]) * float(cells)


def avgpool(layer: Any, inputs: Sequence[Tensor], weights: dict[str, Tensor]) -> Tensor:
    """The sum of the cells over the number of the cells that count."""
    x = inputs[0]
    windows = windows_of(layer, x)
    counting = torch.ones_like(x)
    if layer.count_padding:
        counting = padded(counting, windows, 1.0, overhang=False)
        overhang = [edge for w in reversed(windows) for edge in (0, w.overhang)]
        counting = F.pad(counting, overhang)
    else:
        counting = padded(counting, windows, 0.0)
    return summed(padded(x, windows, 0.0), windows) / summed(counting, windows)


def sumpool(layer: Any, inputs: Sequence[Tensor], weights: dict[str, Tensor]) -> Tensor:
    windows = windows_of(layer, inputs[0])
    return summed(padded(inputs[0], windows, 0.0), windows)


def batchnorm(layer: Any, inputs: Sequence[Tensor], weights: dict[str, Tensor]) -> Tensor:
    mean, var = weights["mean"], weights["var"]
    return F.batch_norm(inputs[0], mean, var, weights["scale"], weights["bias"], eps=layer.eps)


def dense(layer: Any, inputs: Sequence[Tensor], weights: dict[str, Tensor]) -> Tensor:
    return F.linear(inputs[0], weights["weight"], weights.get("bias"))


def multiply(layer: Any, inputs: Sequence[Tensor], weights: dict[str, Tensor]) -> Tensor:
    rank = max(x.ndim for x in inputs)
    product = torch.ones(())
    for x in inputs:
        product = product * x.reshape(*x.shape, *(1 for _ in range(rank - x.ndim)))
    return product


def over_inputs(function: Callable[[Sequence[Tensor]], Tensor]) -> Oracle:
    return lambda layer, inputs, weights: function(inputs)


def of_one(function: torch_layers.TorchLayer) -> Oracle:
    return lambda layer, inputs, weights: function(layer, inputs[0], weights)


ORACLES: dict[str, Oracle] = {
    "conv": conv,
    "depthwise": conv,
    "upconv": upconv,
    "maxpool": maxpool,
    "avgpool": avgpool,
    "sumpool": sumpool,
    "globalavgpool": over_inputs(lambda i: i[0].flatten(2).mean(2)),
    "globalmaxpool": over_inputs(lambda i: i[0].flatten(2).amax(2)),
    **POOLS,
    "flatten": over_inputs(lambda i: i[0].flatten(1)),
    "dense": dense,
    "dropout": over_inputs(lambda i: i[0]),
    "noise": over_inputs(lambda i: i[0]),
    "identity": over_inputs(lambda i: i[0]),
    "relu": over_inputs(lambda i: F.relu(i[0])),
    "leakyrelu": lambda layer, i, w: F.leaky_relu(i[0], layer.slope),  # type: ignore[attr-defined]
    "tanh": over_inputs(lambda i: torch.tanh(i[0])),
    "scaledtanh": over_inputs(lambda i: 1.7159 * torch.tanh(i[0] * 2 / 3)),
    "sigmoid": over_inputs(lambda i: torch.sigmoid(i[0])),
    "softmax": over_inputs(lambda i: F.softmax(i[0], dim=1)),
    "batchnorm": batchnorm,
    "add": over_inputs(lambda i: torch.stack(list(i)).sum(0)),
    "maximum": over_inputs(lambda i: torch.stack(list(i)).amax(0)),
    "multiply": multiply,
    "concat": over_inputs(lambda i: torch.cat(list(i), 1)),
    **{word: of_one(oracle) for word, oracle in torch_layers.ORACLES.items()},
    **activation_oracles.ORACLES,
}


# --- random layers ----------------------------------------------------------------------------


def feature_maps(rng: random.Random, channels: int | None = None) -> tuple[int, ...]:
    rank = rng.choice((1, 2, 2, 3))
    return (channels or rng.randint(2, 6), *(rng.randint(1, 11) for _ in range(rank)))


def any_shape(rng: random.Random) -> tuple[int, ...]:
    return rng.choice((feature_maps(rng), (rng.randint(2, 20),)))


def window_parameters(rng: random.Random, rank: int) -> dict[str, Any]:
    kernel = tuple(rng.randint(1, 4) for _ in range(rank))
    margins = tuple(rng.randint(0, min(kernel) - 1) for _ in range(2 * rank))
    return {
        "kernel": rng.choice((kernel, kernel[0])),
        "stride": rng.choice((1, 2, 3, tuple(rng.randint(1, 4) for _ in range(rank)))),
        "padding": rng.choice((0, margins[0], margins, "same", "full")),
        "rounding": rng.choice(("floor", "ceil")),
    }


def convolution(rng: random.Random) -> tuple[Layer, list[tuple[int, ...]]]:
    groups = rng.choice((1, 1, 2, 3))
    shape = feature_maps(rng, channels=groups * rng.randint(1, 3))
    parameters = window_parameters(rng, len(shape) - 1) | {
        "filters": groups * rng.randint(1, 4),
        "groups": groups,
        "dilation": rng.choice((1, 1, 2)),
        "bias": rng.choice((True, False)),
    }
    return make("conv", **parameters), [shape]


def transposed(rng: random.Random) -> tuple[Layer, list[tuple[int, ...]]]:
    groups = rng.choice((1, 1, 2, 3))
    shape = feature_maps(rng, channels=groups * rng.randint(1, 3))
    window = window_parameters(rng, len(shape) - 1)
    del window["rounding"]
    strides = window["stride"] if isinstance(window["stride"], tuple) else (window["stride"],)
    added = tuple(rng.randrange(stride) for stride in strides)
    parameters = window | {
        "filters": groups * rng.randint(1, 4),
        "groups": groups,
        "dilation": rng.choice((1, 1, 2, 3)),
        "bias": rng.choice((True, False)),
        "output_padding": 0 if window["padding"] == "same" else rng.choice((0, added)),
    }
    return make("upconv", **parameters), [shape]


def windowed(keyword: str, **choices: tuple[Any, ...]) -> Callable[[random.Random], Any]:
    def draw(rng: random.Random) -> tuple[Layer, list[tuple[int, ...]]]:
        shape = feature_maps(rng)
        chosen = {name: rng.choice(values) for name, values in choices.items()}
        return make(keyword, **window_parameters(rng, len(shape) - 1), **chosen), [shape]

    return draw


def plain(
    keyword: str, shape: Callable[[random.Random], tuple[int, ...]], **choices: tuple[Any, ...]
) -> Callable[[random.Random], Any]:
    def draw(rng: random.Random) -> tuple[Layer, list[tuple[int, ...]]]:
        chosen = {name: rng.choice(values) for name, values in choices.items()}
        return make(keyword, **chosen), [shape(rng)]

    return draw


def joined(keyword: str) -> Callable[[random.Random], Any]:
    def draw(rng: random.Random) -> tuple[Layer, list[tuple[int, ...]]]:
        shape = any_shape(rng)
        shapes = [shape] * rng.randint(1, 4)
        if keyword == "concat":
            shapes = [(rng.randint(1, 5), *shape[1:]) for _ in shapes]
        if keyword == "multiply":
            ones = (1,) * (len(shape) - 1)
            shapes += [rng.choice((shape, shape[:1], (shape[0], *ones), (1, *shape[1:])))]
            rng.shuffle(shapes)
        return make(keyword), shapes

    return draw


DRAWS: dict[str, Callable[[random.Random], Any]] = {
    "conv": convolution,
    "depthwise": windowed(
        "depthwise", multiplier=(1, 1, 2, 3), dilation=(1, 2), bias=(True, False)
    ),
    "upconv": transposed,
    "maxpool": windowed("maxpool", dilation=(1, 1, 2)),
    "avgpool": windowed("avgpool", count_padding=(True, False)),
    "sumpool": windowed("sumpool"),
    "globalavgpool": plain("globalavgpool", feature_maps),
    "globalmaxpool": plain("globalmaxpool", feature_maps),
    "globallppool": plain("globallppool", feature_maps, p=(1, 1.5, 2, 3), keep=(True, False)),
    "lppool": windowed("lppool", p=(1, 1.5, 2, 3)),
    "minpool": windowed("minpool", dilation=(1, 1, 2)),
    "subsample": windowed("subsample"),
    "maxtime": plain("maxtime", feature_maps),
    "adaptiveavgpool": plain("adaptiveavgpool", feature_maps, size=(1, 2, 3, 5, 7)),
    "adaptivemaxpool": plain("adaptivemaxpool", feature_maps, size=(1, 2, 3, 5, 7)),
    "flatten": plain("flatten", any_shape),
    "dense": plain("dense", lambda rng: (rng.randint(1, 30),), units=(1, 7), bias=(True, False)),
    "dropout": plain("dropout", any_shape, rate=(0.0, 0.5, 0.9)),
    "noise": plain("noise", any_shape, std=(0.0, 0.5)),
    "identity": plain("identity", any_shape),
    "split": split_draw,
    "relu": plain("relu", any_shape),
    "leakyrelu": plain("leakyrelu", any_shape, slope=(0.0, 0.01, 0.3, 2)),
    "tanh": plain("tanh", any_shape),
    "scaledtanh": plain("scaledtanh", any_shape),
    "sigmoid": plain("sigmoid", any_shape),
    "softmax": plain("softmax", any_shape),
    "batchnorm": plain("batchnorm", any_shape, eps=(1e-5, 1e-3, 1)),
    "add": joined("add"),
    "maximum": joined("maximum"),
    "multiply": joined("multiply"),
    "concat": joined("concat"),
    **torch_layers.DRAWS,
    "minimum": joined("minimum"),
    "dropconnect": plain(
        "dropconnect", lambda rng: (rng.randint(1, 30),), units=(1, 7), bias=(True, False)
    ),
    **{
        keyword: plain(keyword, any_shape, **choices)
        for keyword, choices in activation_oracles.CHOICES.items()
    },
}


ORACLES["split"] = split_by_torch


def test_every_layer_has_an_oracle() -> None:
    assert set(ORACLES) == set(DRAWS)
    assert {*ORACLES, *APART} == set(keywords())


@pytest.mark.parametrize(("keyword", "file"), APART.items())
def test_a_layer_apart_has_its_oracle_in_a_file_of_its_own(keyword: str, file: str) -> None:
    text = (Path(__file__).parents[2] / file).read_text("utf-8")
    assert keyword in text.lower()
    assert "torch" in text


@pytest.mark.parametrize("keyword", ORACLES)
def test_layer_computes_what_pytorch_computes(keyword: str, compute: Compute) -> None:
    rng = random.Random(keyword)
    generator = np.random.default_rng(5)
    cases: list[tuple[Layer, list[Any], dict[str, Any]]] = []
    while len(cases) < ROUNDS:
        layer, shapes = DRAWS[keyword](rng)
        types = [TensorType(shape) for shape in shapes]
        if list(layer.faults(*types)):
            continue
        arrays = [generator.normal(0, 2, (3, *shape)).astype(np.float32) for shape in shapes]
        weights = {
            weight.name: generator.uniform(0.1, 1.5, weight.shape).astype(np.float32)
            for weight in layer.weights(*types)
        }
        cases.append((layer, arrays, weights))
    for (layer, arrays, weights), output in zip(cases, compute(cases), strict=True):
        expected = ORACLES[keyword](
            layer,
            [torch.from_numpy(array) for array in arrays],
            {name: torch.from_numpy(array) for name, array in weights.items()},
        ).numpy()
        promised = layer.output(*(TensorType(array.shape[1:]) for array in arrays))
        assert output.shape == expected.shape == (3, *promised.dims), repr(layer)
        scale = np.abs(expected).max()
        assert np.abs(output - expected).max() <= 1e-4 * scale, repr(layer)


# --- PyTorch's own ceil mode, which knows nothing of our windows ------------------------------


@pytest.mark.parametrize("counts", [False, True])
def test_ceil_pooling_is_pytorchs(counts: bool, compute: Compute) -> None:
    rng = random.Random(7)
    cases: list[tuple[Layer, list[Any], dict[str, Any]]] = []
    expected = []
    while len(cases) < 150:
        kernel, stride = rng.randint(1, 5), rng.randint(1, 6)
        padding, size = rng.randint(0, kernel // 2), rng.randint(kernel, 14)
        parameters = {"kernel": kernel, "stride": stride, "padding": padding, "rounding": "ceil"}
        x = np.random.default_rng(len(cases)).normal(size=(2, 3, size, 9)).astype(np.float32)
        tensor = torch.from_numpy(x)
        average = make("avgpool", count_padding=counts, **parameters)
        cases += [(make("maxpool", **parameters), [x], {}), (average, [x], {})]
        expected += [
            F.max_pool2d(tensor, kernel, stride, padding, ceil_mode=True),
            F.avg_pool2d(tensor, kernel, stride, padding, True, counts),
        ]
    for (layer, _, _), output, wanted in zip(cases, compute(cases), expected, strict=True):
        near = np.allclose(output, wanted.numpy(), rtol=1e-4, atol=1e-5)
        assert near, repr(layer)


def test_dilated_maxpool_takes_padding_as_large_as_the_undilated_kernel(compute: Compute) -> None:
    x = -np.arange(1, 7, dtype=np.float32).reshape(1, 1, 6)
    layer = make("maxpool", kernel=2, stride=1, dilation=4, padding=3)
    (output,) = compute([(layer, [x], {})])
    pairs = [(start, start + 4) for start in range(-3, 5)]
    seen = [max(-(cell + 1.0) for cell in pair if 0 <= cell < 6) for pair in pairs]
    assert output.tolist() == [[seen]]
