"""Pooling: over windows, and over all places."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from cnndsl.importers.networks.from_onnx.graph import OnnxNode
from cnndsl.importers.networks.from_onnx.operators.convolution import padding
from cnndsl.importers.networks.from_onnx.translator import Translator, Unsaid, operator

if TYPE_CHECKING:
    from cnndsl.elaborate.values import Value

__all__ = ["pool", "reduce", "whole"]

_WORDS = {"MaxPool": "maxpool", "AveragePool": "avgpool", "LpPool": "lppool"}

_GLOBAL = {
    "GlobalAveragePool": "globalavgpool",
    "GlobalMaxPool": "globalmaxpool",
    "GlobalLpPool": "globallppool",
}

_REDUCE = {"ReduceMean": "globalavgpool", "ReduceMax": "globalmaxpool", "ReduceL2": "globallppool"}


@operator(*_WORDS)
def pool(t: Translator, node: OnnxNode) -> None:
    """A pool over windows; one whose window is the whole map is a global one."""
    if len(node.outputs) > 1 and node.outputs[1] in t.graph.readers():
        raise Unsaid("the places of its maxima are read, which `unpool` alone can do")
    keyword = _WORDS[node.op]
    kernel = [int(one) for one in t.attribute("kernel_shape", [])]
    ones = [1] * len(kernel)
    strides = [int(one) for one in t.attribute("strides", ones)]
    dilations = [int(one) for one in t.attribute("dilations", ones)]
    border = padding(t, kernel, strides, dilations)
    settings: dict[str, Value] = {
        "kernel": tuple(kernel),
        "stride": tuple(strides),
        "padding": border,
        "rounding": "ceil" if t.attribute("ceil_mode", 0) else "floor",
    }
    bare = border == "valid" or not any(one for one in border if one)
    if keyword == "maxpool":
        settings["dilation"] = tuple(dilations)
    elif any(gap > 1 for gap in dilations):
        raise Unsaid(f"`{keyword}` has no dilation")
    if keyword == "avgpool":
        settings["count_padding"] = bool(t.attribute("count_include_pad", 0)) and not bare
    if keyword == "lppool":
        settings["p"] = float(t.attribute("p", 2))
    elif bare and tuple(kernel) == t.type().spatial and max(dilations, default=1) == 1:
        return t.single({"maxpool": "globalmaxpool"}.get(keyword, "globalavgpool"), {"keep": True})
    return t.single(keyword, settings)


@operator(*_GLOBAL)
def whole(t: Translator, node: OnnxNode) -> None:
    """A pool over all places, which keeps sizes of 1."""
    settings: dict[str, Value] = {"keep": True}
    if node.op == "GlobalLpPool":
        settings["p"] = float(t.attribute("p", 2))
    t.single(_GLOBAL[node.op], settings)


@operator(*_REDUCE, "ReduceSum", "ReduceL1")
def reduce(t: Translator, node: OnnxNode) -> None:
    """A reduction: a pool over all places, once what is reduced stands behind what stays."""
    source, value = t.type(), t.stream()
    axes, is_none = t.numbers(1, "axes"), bool(t.attribute("noop_with_empty_axes", 0))
    if not axes and is_none:
        return t.give(value)
    if not axes:
        raise Unsaid("it takes the whole batch together")
    gone = sorted({t.axis(one) for one in axes})
    stays = [axis for axis in range(len(source.dims)) if axis not in gone]
    keep = bool(t.attribute("keepdims", 1))
    if stays == [0]:
        return t.give(_pooled(t, value, keep=keep))
    sizes = [1 if axis in gone else size for axis, size in enumerate(source.dims)]
    wanted = sizes if keep else [source.dims[axis] for axis in stays]
    if not wanted:
        raise Unsaid("it leaves one number for each sample, and no dimension for it")
    cells = math.prod(source.dims[axis] for axis in gone)
    front = t.transposed(value, [*stays, *gone])
    flat = t.reshaped(front, [source.elements // cells, cells])
    return t.give(t.reshaped(_pooled(t, flat, keep=False), wanted))


def _pooled(t: Translator, value: str, *, keep: bool) -> str:
    """All places of a map together, as the node does that."""
    if t.node.op == "ReduceL1":
        return t.add("globallppool", [value], {"keep": keep, "p": 1.0})
    if t.node.op != "ReduceSum":
        return t.add(_REDUCE[t.node.op], [value], {"keep": keep})
    channels, *spatial = t.type_of(value).dims
    made = t.add("sumpool", [value], {"kernel": tuple(spatial)})
    return made if keep else t.reshaped(made, [channels])
