"""Says ATen's operators of windows and sizes as ONNX's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy

from cnndsl.importers.networks.from_torch.aten_graph import AtenGraph

__all__ = [
    "adaptive",
    "avg_pool",
    "conv",
    "conv_transpose",
    "linear_resize",
    "max_pool",
    "nearest",
    "pad",
    "sizes_of",
]


def sizes_of(value: Any, rank: int) -> list[int]:
    """A size for each dimension, where one may stand for all."""
    numbers = [int(one) for one in value] if isinstance(value, list | tuple) else [int(value)]
    return numbers * rank if len(numbers) == 1 else numbers


def conv(
    g: AtenGraph, x: Any, w: Any, b: Any = None, stride: Any = 1, padding: Any = 0,
    dilation: Any = 1, groups: int = 1,
) -> None:  # fmt: skip
    """A convolution."""
    rank = g.array(w).ndim - 2
    attributes: dict[str, Any] = {
        "strides": sizes_of(stride, rank),
        "dilations": sizes_of(dilation, rank),
        "group": int(groups),
    }
    if isinstance(padding, str):
        attributes["auto_pad"] = b"SAME_UPPER" if padding == "same" else b"VALID"
    else:
        attributes["pads"] = sizes_of(padding, rank) * 2
    g.put("Conv", [g.name(x), g.name(w), g.name(b)], **attributes)


def conv_transpose(
    g: AtenGraph, x: Any, w: Any, b: Any = None, stride: Any = 1, padding: Any = 0,
    output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
) -> None:  # fmt: skip
    """A transposed convolution."""
    rank = g.array(w).ndim - 2
    g.put(
        "ConvTranspose",
        [g.name(x), g.name(w), g.name(b)],
        strides=sizes_of(stride, rank),
        pads=sizes_of(padding, rank) * 2,
        output_padding=sizes_of(output_padding, rank),
        dilations=sizes_of(dilation, rank),
        group=int(groups),
    )


def _window(g: AtenGraph, x: Any, kernel: Any, stride: Any, padding: Any) -> dict[str, Any]:
    rank = len(g.shape(x)) - 2
    sizes = sizes_of(kernel, rank)
    return {
        "kernel_shape": sizes,
        "strides": sizes_of(stride, rank) if stride else sizes,
        "pads": sizes_of(padding, rank) * 2,
    }


def max_pool(
    g: AtenGraph, x: Any, kernel: Any, stride: Any = (), padding: Any = 0, dilation: Any = 1,
    ceil: bool = False,
) -> None:  # fmt: skip
    """Maxima over windows."""
    window = _window(g, x, kernel, stride, padding)
    dilations = sizes_of(dilation, len(window["kernel_shape"]))
    g.put("MaxPool", [g.name(x)], **window, dilations=dilations, ceil_mode=int(ceil))


def avg_pool(
    g: AtenGraph, x: Any, kernel: Any, stride: Any = (), padding: Any = 0, ceil: bool = False,
    counts: bool = True,
) -> None:  # fmt: skip
    """Means over windows."""
    window = _window(g, x, kernel, stride, padding)
    window |= {"ceil_mode": int(ceil), "count_include_pad": int(counts)}
    g.put("AveragePool", [g.name(x)], **window)


def adaptive(keyword: str, op: str) -> Callable[..., None]:
    """A pool to a size."""

    def handler(g: AtenGraph, x: Any, size: Any) -> None:
        shape = g.shape(x)[2:]
        wanted = [old if new is None else int(new) for old, new in zip(shape, size, strict=True)]
        if all(one == 1 for one in wanted):
            return g.put(op, [g.name(x)])
        if wanted == list(shape):
            return g.put("Identity", [g.name(x)])
        return g.layer(keyword, x, size=tuple(wanted))

    return handler


def nearest(g: AtenGraph, x: Any, size: Any = None, *scales: Any) -> None:
    """Copies of cells."""
    g.put(
        "Resize",
        _resized(g, x, scales),
        mode=b"nearest",
        nearest_mode=b"floor",
        coordinate_transformation_mode=b"asymmetric",
    )


def linear_resize(
    g: AtenGraph, x: Any, size: Any = None, aligned: bool = False, *scales: Any
) -> None:
    """Mixes of neighbours."""
    place = b"align_corners" if aligned else b"half_pixel"
    inputs = _resized(g, x, () if aligned else scales)
    g.put("Resize", inputs, mode=b"linear", coordinate_transformation_mode=place)


def _resized(g: AtenGraph, x: Any, scales: Sequence[Any]) -> list[str]:
    """The inputs of a `Resize`: scales where PyTorch computes places by them, not by sizes."""
    if len(scales) == 1 and isinstance(scales[0], list | tuple):
        (scales,) = scales
    if not scales or any(one is None for one in scales):
        return [g.name(x)]
    return [g.name(x), "", g.number([1.0, 1.0, *scales])]


def pad(g: AtenGraph, x: Any, pads: Any, mode: Any = "constant", value: Any = None) -> None:
    """Cells around maps."""
    if not isinstance(mode, str):  # constant_pad_nd has the value here
        mode, value = "constant", mode
    words = {"constant": b"constant", "reflect": b"reflect", "replicate": b"edge"}
    rank = len(g.shape(x))
    begins, ends = [0] * rank, [0] * rank
    for at in range(len(pads) // 2):
        begins[rank - 1 - at], ends[rank - 1 - at] = int(pads[2 * at]), int(pads[2 * at + 1])
    inputs = [g.name(x), g.number([*begins, *ends], numpy.int64), g.number(value or 0.0)]
    g.put("Pad", inputs, mode=words.get(mode, mode.encode()))
