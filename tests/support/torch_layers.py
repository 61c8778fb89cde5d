"""What PyTorch computes for layers that move numbers or normalise samples, and random such layers.

An oracle gets a layer, its input with the batch, and its weights by name.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy
import pytest

from cnndsl.layers import find
from cnndsl.layers.base import Layer

__all__ = ["DRAWS", "ORACLES", "Draw", "TorchLayer"]

torch: Any = pytest.importorskip("torch")
F: Any = torch.nn.functional
Tensor: TypeAlias = Any
TorchLayer: TypeAlias = Callable[[Any, Tensor, Mapping[str, Tensor]], Tensor]
Draw: TypeAlias = Callable[[random.Random], tuple[Layer, list[tuple[int, ...]]]]


# --- normalisation ----------------------------------------------------------------------------


def _column(weight: Tensor, x: Tensor) -> Tensor:
    return weight.reshape(-1, *(1 for _ in x.shape[2:]))


def _layernorm(layer: Any, x: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
    scale, bias = weights.get("scale"), weights.get("bias")
    if layer.over == "all":
        return F.layer_norm(x, x.shape[1:], scale, bias, layer.eps)
    normal = F.layer_norm(x.movedim(1, -1), x.shape[1:2], scale, bias, layer.eps)
    return normal.movedim(-1, 1)


def _groupnorm(layer: Any, x: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
    return F.group_norm(x, layer.groups, weights.get("scale"), weights.get("bias"), layer.eps)


def _instancenorm(layer: Any, x: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
    given = {"weight": weights.get("scale"), "bias": weights.get("bias")}
    return F.instance_norm(x, eps=layer.eps, **given)


def _rmsnorm(layer: Any, x: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
    scale = weights.get("scale")
    if layer.over == "all":
        return F.rms_norm(x, tuple(x.shape[1:]), scale, layer.eps)
    return F.rms_norm(x.movedim(1, -1), tuple(x.shape[1:2]), scale, layer.eps).movedim(-1, 1)


def _l2norm(layer: Any, x: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
    normal = F.normalize(x, dim=1, eps=layer.eps)
    return normal * _column(weights["scale"], x) if "scale" in weights else normal


def _lrn(layer: Any, x: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
    if layer.region == "across":
        return F.local_response_norm(x, layer.size, layer.alpha, layer.beta, layer.k)
    squares = F.pad(x * x, [layer.size // 2] * (2 * (x.ndim - 2)))
    means = getattr(F, f"avg_pool{x.ndim - 2}d")(squares, layer.size, 1)
    return x * (layer.k + layer.alpha * means) ** -layer.beta


# --- shapes -----------------------------------------------------------------------------------


def _pad(layer: Any, x: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
    """By hand: PyTorch pads no channels of its own accord but with a constant."""
    rank = x.ndim - 2
    padding = layer.padding * (2 * rank // len(layer.padding))
    before, after = padding[:rank], padding[rank:]
    front, behind = (layer.channels * 2)[:2]
    for axis, sides in enumerate([(front, behind), *zip(before, after, strict=True)], start=1):
        if layer.mode == "constant":
            flat = [side for at in range(x.ndim) for side in (sides if at == axis else (0, 0))]
            pairs = [flat[at : at + 2] for at in range(0, len(flat), 2)]
            x = F.pad(x, [side for pair in reversed(pairs) for side in pair], value=layer.value)
        else:
            mode = "replicate" if layer.mode == "edge" else "reflect"
            rows = x.movedim(axis, -1)
            flat_rows = rows.reshape(1, -1, rows.shape[-1])
            padded = F.pad(flat_rows, sides, mode=mode)
            x = padded.reshape(*rows.shape[:-1], -1).movedim(-1, axis)
    return x


def _crop(layer: Any, x: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
    rank = x.ndim - 2
    sizes = layer.size * (rank // len(layer.size))
    offsets = layer.offset and layer.offset * (rank // len(layer.offset))
    for at, size in enumerate(sizes):
        start = offsets[at] if offsets else (x.shape[2 + at] - size) // 2
        x = x.narrow(2 + at, start, size)
    return x


def _slice(layer: Any, x: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
    names = {3: ("length",), 4: ("height", "width"), 5: ("depth", "height", "width")}
    axis = 1 if layer.axis == "channels" else 2 + names[x.ndim].index(layer.axis)
    index = torch.arange(layer.places.start, layer.places.stop, layer.step)
    return x.index_select(axis, index)


def _transpose(layer: Any, x: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
    return x.permute(0, *(at + 1 for at in layer.order or (1, 0)))


def _upsample(layer: Any, x: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
    """PyTorch's `interpolate`; the nearest by the formula, which it rounds in float32."""
    rank = x.ndim - 2
    if layer.size is not None:
        sizes = layer.size * (rank // len(layer.size))
    else:
        factors = layer.factor * (rank // len(layer.factor))
        sizes = [size * factor for size, factor in zip(x.shape[2:], factors, strict=True)]
    if layer.mode == "nearest":
        for axis, made in enumerate(sizes, start=2):
            index = torch.tensor([at * x.shape[axis] // made for at in range(made)])
            x = x.index_select(axis, index)
        return x
    mode = ("linear", "bilinear", "trilinear")[rank - 1]
    return F.interpolate(x, sizes, mode=mode, align_corners=layer.align_corners)


def _depthtospace(layer: Any, x: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
    """Cell by cell, as the formula says."""
    block, rank = layer.block, x.ndim - 2
    channels = x.shape[1] // block**rank
    y = x.new_zeros((len(x), channels, *(size * block for size in x.shape[2:])))
    for number, place in enumerate(numpy.ndindex(*(block,) * rank)):
        inner = tuple(slice(at, None, block) for at in place)
        for channel in range(channels):
            crd = channel * block**rank + number
            dcr = number * channels + channel
            y[(slice(None), channel, *inner)] = x[:, crd if layer.order == "crd" else dcr]
    return y


def _spacetodepth(layer: Any, x: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
    block, rank = layer.block, x.ndim - 2
    parts = [
        x[(slice(None), slice(None), *(slice(at, None, block) for at in place))]
        for place in numpy.ndindex(*(block,) * rank)
    ]
    if layer.order == "dcr":
        return torch.cat(parts, 1)
    return torch.stack(parts, 2).flatten(1, 2)


ORACLES: dict[str, TorchLayer] = {
    "layernorm": _layernorm,
    "groupnorm": _groupnorm,
    "instancenorm": _instancenorm,
    "rmsnorm": _rmsnorm,
    "l2norm": _l2norm,
    "lrn": _lrn,
    "pad": _pad,
    "crop": _crop,
    "slice": _slice,
    "reshape": lambda layer, x, weights: x.reshape(len(x), *layer.shape),
    "transpose": _transpose,
    "upsample": _upsample,
    "channelshuffle": lambda layer, x, weights: F.channel_shuffle(x, layer.groups),
    "depthtospace": _depthtospace,
    "spacetodepth": _spacetodepth,
}


# --- random layers ----------------------------------------------------------------------------


def _make(keyword: str, **parameters: Any) -> Layer:
    layer = find(keyword)
    assert layer is not None
    return layer(**parameters)


def _maps(rng: random.Random, channels: int = 0) -> tuple[int, ...]:
    sizes = (rng.randint(1, 9) for _ in range(rng.choice((1, 2, 2, 3))))
    return (channels or rng.randint(2, 6), *sizes)


def _any(rng: random.Random) -> tuple[int, ...]:
    return rng.choice((_maps(rng), (rng.randint(2, 12),)))


def _one_or_each(rng: random.Random, values: tuple[int, ...]) -> Any:
    return rng.choice((values, values[0]))


def _norm(keyword: str, **choices: tuple[Any, ...]) -> Draw:
    def draw(rng: random.Random) -> tuple[Layer, list[tuple[int, ...]]]:
        chosen = {name: rng.choice(values) for name, values in choices.items()}
        return _make(keyword, **chosen), [_any(rng)]

    return draw


def _draw_lrn(rng: random.Random) -> tuple[Layer, list[tuple[int, ...]]]:
    numbers = {"alpha": rng.choice((0.0, 1e-4, 0.5)), "beta": rng.choice((0.0, 0.5, 0.75))}
    region = rng.choice(("across", "within"))
    layer = _make(
        "lrn", size=rng.choice((1, 3, 5)), k=rng.choice((1.0, 2.0)), region=region, **numbers
    )
    return layer, [_maps(rng)]


def _draw_pad(rng: random.Random) -> tuple[Layer, list[tuple[int, ...]]]:
    shape = _maps(rng)
    rank = len(shape) - 1
    sides = tuple(rng.randint(0, 3) for _ in range(2 * rank))
    padding = rng.choice((sides, sides[:rank], sides[0]))
    channels = rng.choice((0, 0, 1, (0, 2), (1, 2)))
    mode = rng.choice(("constant", "reflect", "edge"))
    more = {"value": rng.choice((0.0, -1.5))} if mode == "constant" else {}
    return _make("pad", padding=padding, channels=channels, mode=mode, **more), [shape]


def _draw_crop(rng: random.Random) -> tuple[Layer, list[tuple[int, ...]]]:
    shape = _maps(rng)
    sizes = tuple(rng.randint(1, size) for size in shape[1:])
    offsets = tuple(rng.randint(0, had - s) for had, s in zip(shape[1:], sizes, strict=True))
    given = {"offset": _one_or_each(rng, offsets)} if rng.random() < 0.5 else {}
    return _make("crop", size=_one_or_each(rng, sizes), **given), [shape]


def _draw_slice(rng: random.Random) -> tuple[Layer, list[tuple[int, ...]]]:
    shape = _any(rng)
    axis = rng.choice(("channels", "depth", "height", "width", "length"))
    start = rng.randint(0, 5)
    places = rng.choice((range(start, start + rng.randint(1, 6)), start))
    return _make("slice", places=places, axis=axis, step=rng.choice((1, 1, 2, 3))), [shape]


def _draw_reshape(rng: random.Random) -> tuple[Layer, list[tuple[int, ...]]]:
    shape = _any(rng)
    factors, left = [1] * rng.randint(1, 4), math.prod(shape)
    while left > 1:
        prime = next(d for d in range(2, left + 1) if left % d == 0)
        factors[rng.randrange(len(factors))] *= prime
        left //= prime
    return _make("reshape", shape=tuple(factors)), [shape]


def _draw_transpose(rng: random.Random) -> tuple[Layer, list[tuple[int, ...]]]:
    shape = _any(rng)
    order = rng.sample(range(len(shape)), len(shape))
    given = {} if len(shape) == 2 and rng.random() < 0.5 else {"order": tuple(order)}
    return _make("transpose", **given), [shape]


def _draw_upsample(rng: random.Random) -> tuple[Layer, list[tuple[int, ...]]]:
    shape = _maps(rng)
    values = tuple(rng.randint(1, 4) for _ in shape[1:])
    given = {"factor": _one_or_each(rng, values)}
    if rng.random() < 0.6:
        given = {"size": _one_or_each(rng, tuple(rng.randint(1, 17) for _ in shape[1:]))}
    mode = rng.choice(("nearest", "bilinear", "bilinear"))
    align = mode == "bilinear" and rng.random() < 0.5
    return _make("upsample", **given, mode=mode, align_corners=align), [shape]


def _draw_shuffle(rng: random.Random) -> tuple[Layer, list[tuple[int, ...]]]:
    groups = rng.randint(1, 4)
    return _make("channelshuffle", groups=groups), [_maps(rng, groups * rng.randint(1, 3))]


def _draw_blocks(keyword: str) -> Draw:
    def draw(rng: random.Random) -> tuple[Layer, list[tuple[int, ...]]]:
        shape, block = _maps(rng), rng.randint(1, 3)
        channels, *sizes = shape
        if keyword == "depthtospace":
            shape = (channels * block ** len(sizes), *sizes)
        else:
            shape = (channels, *(size * block for size in sizes))
        return _make(keyword, block=block, order=rng.choice(("crd", "dcr"))), [shape]

    return draw


DRAWS: dict[str, Draw] = {
    "layernorm": _norm(
        "layernorm", over=("all", "channels"), eps=(1e-5, 1e-2), affine=(True, False)
    ),
    "groupnorm": _norm("groupnorm", groups=(1, 2, 3), eps=(1e-5, 1e-2), affine=(True, False)),
    "instancenorm": _norm("instancenorm", eps=(1e-5, 1e-2), affine=(True, False)),
    "rmsnorm": _norm("rmsnorm", over=("all", "channels"), eps=(1e-6, 1e-2), affine=(True, False)),
    "l2norm": _norm("l2norm", scale=(None, 20.0), eps=(1e-12, 1.0)),
    "lrn": _draw_lrn,
    "pad": _draw_pad,
    "crop": _draw_crop,
    "slice": _draw_slice,
    "reshape": _draw_reshape,
    "transpose": _draw_transpose,
    "upsample": _draw_upsample,
    "channelshuffle": _draw_shuffle,
    "depthtospace": _draw_blocks("depthtospace"),
    "spacetodepth": _draw_blocks("spacetodepth"),
}
