"""Convolutions and their transposes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy

from cnndsl.importers.networks.from_onnx.graph import OnnxNode
from cnndsl.importers.networks.from_onnx.translator import Translator, Unsaid, operator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cnndsl.elaborate.values import Value

__all__ = ["conv", "padding", "upconv"]


def padding(
    t: Translator, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> str | tuple[int, ...]:
    """The padding of a window that slides, as ours."""
    match t.attribute("auto_pad", b"NOTSET"):
        case b"SAME_UPPER":
            return "same"
        case b"VALID":
            return "valid"
        case b"SAME_LOWER":
            begins, ends = [], []
            rows = zip(t.type().spatial, kernel, strides, dilations, strict=True)
            for size, cells, step, gap in rows:
                total = max(0, (-(-size // step) - 1) * step + gap * (cells - 1) + 1 - size)
                begins.append(total - total // 2)
                ends.append(total // 2)
            return (*begins, *ends)
    pads = [int(one) for one in t.attribute("pads", [0] * 2 * len(kernel))]
    if any(one < 0 for one in pads):
        raise Unsaid("its padding is negative: it cuts the input")
    return tuple(pads)


@operator("Conv")
def conv(t: Translator, node: OnnxNode) -> None:
    """Conv; with a group for each channel it is `depthwise`."""
    weight, source = t.weight(1), t.type()
    kernel = weight.shape[2:]
    ones = [1] * len(kernel)
    strides, dilations = t.attribute("strides", ones), t.attribute("dilations", ones)
    groups = int(t.attribute("group", 1))
    weights = {"weight": weight}
    if t.has(2):
        weights["bias"] = t.weight(2).reshape(-1)
    settings: dict[str, Value] = {
        "kernel": tuple(kernel),
        "stride": tuple(strides),
        "padding": padding(t, kernel, strides, dilations),
        "dilation": tuple(dilations),
        "rounding": "floor",
        "bias": t.has(2),
    }
    if node.inputs[1] not in t.graph.weights and (made := _constant_kernels(t, settings, groups)):
        return t.give(made)
    if groups == source.channels > 1:
        settings["multiplier"] = weight.shape[0] // groups
        keyword = "depthwise"
    else:
        settings |= {"filters": weight.shape[0], "groups": groups}
        keyword = "conv"
    return t.give(t.add(keyword, [t.stream()], settings, weights=weights, shared=[1, 2]))


def _constant_kernels(t: Translator, settings: Mapping[str, Value], groups: int) -> str:
    """The value of a convolution whose kernels are no initializer; empty where it is a plain one.

    They are a fixed filter's, or were filled up with zeros where a table has no connection.
    """
    weight, channels = t.weight(1), t.type().channels
    kernels = None if t.has(2) else _fixed(weight, groups, channels)
    if kernels is not None and max(t.attribute("dilations", [1])) == 1:
        fixed = {name: settings[name] for name in ("stride", "padding", "rounding")}
        return t.add("filter", [t.stream()], {"kernels": kernels, **fixed})
    seen = numpy.abs(weight.reshape(*weight.shape[:2], -1)).max(axis=2).tolist()
    table = tuple(tuple(at for at, size in enumerate(row) if size) for row in seen)
    if groups > 1 or sum(map(len, table)) == weight.shape[0] * channels or not all(table):
        return ""
    rows = [weight[at, one] for at, row in enumerate(table) for one in row]
    weights = {"weight": numpy.stack(rows)}
    if t.has(2):
        weights["bias"] = t.weight(2).reshape(-1)
    whole = {**settings, "filters": weight.shape[0], "table": table}
    return t.add("conv", [t.stream()], whole, weights=weights)


def _fixed(weight: NDArray[numpy.float32], groups: int, channels: int) -> Value | None:
    """Small kernels that are the same for every channel, as `filter` takes them; else None."""
    each = len(weight) // channels
    if groups != channels or weight.size > _SMALL * channels or weight.ndim > 4:
        return None
    rows = weight.reshape(channels, each, *weight.shape[2:])
    if (rows != rows[:1]).any():
        return None
    kernels = rows[0] if each > 1 else rows[0, 0]
    return _listed(kernels.tolist())


def _listed(numbers: object) -> Value:
    if isinstance(numbers, list):
        return tuple(map(_listed, numbers))
    assert isinstance(numbers, float)
    return int(numbers) if numbers.is_integer() else numbers


_SMALL = 64
"""A fixed filter has no more numbers."""


@operator("ConvTranspose")
def upconv(t: Translator, node: OnnxNode) -> None:
    """ConvTranspose; the padding that an output's shape asks for is worked out."""
    weight = t.weight(1)
    kernel, groups = weight.shape[2:], int(t.attribute("group", 1))
    ones, zeros = [1] * len(kernel), [0] * len(kernel)
    strides, dilations = t.attribute("strides", ones), t.attribute("dilations", ones)
    added = [int(one) for one in t.attribute("output_padding", zeros)]
    pads = [int(one) for one in t.attribute("pads", zeros * 2)]
    sizes, wanted = t.type().spatial, t.attribute("output_shape", None)
    same = t.attribute("auto_pad", b"NOTSET")
    if same in (b"SAME_UPPER", b"SAME_LOWER") and wanted is None:
        wanted = [size * step for size, step in zip(sizes, strides, strict=True)]
    if wanted is not None:  # as the operator's specification says
        rows = zip(sizes, strides, kernel, dilations, added, wanted[-len(kernel) :], strict=True)
        totals = [
            (size - 1) * step + extra + gap * (cells - 1) + 1 - output
            for size, step, cells, gap, extra, output in rows
        ]
        added = [extra + max(0, -over) for extra, over in zip(added, totals, strict=True)]
        halves = [max(0, over) // 2 for over in totals]
        rest = [max(0, over) - half for over, half in zip(totals, halves, strict=True)]
        pads = [*rest, *halves] if same != b"SAME_UPPER" else [*halves, *rest]
    if any(one < 0 for one in pads):
        raise Unsaid("its padding is negative: it widens the output")
    weights = {"weight": weight}
    if t.has(2):
        weights["bias"] = t.weight(2).reshape(-1)
    settings = {
        "filters": weight.shape[1] * groups,
        "kernel": tuple(kernel),
        "stride": tuple(strides),
        "padding": tuple(pads),
        "output_padding": tuple(added),
        "dilation": tuple(dilations),
        "groups": groups,
        "bias": t.has(2),
    }
    t.give(t.add("upconv", [t.stream()], settings, weights=weights, shared=[1, 2]))
