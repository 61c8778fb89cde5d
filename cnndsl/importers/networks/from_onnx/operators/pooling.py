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
    keyword = _WORDS[node.op]
    if len(node.outputs) > 1 and node.outputs[1] in t.graph.readers():
        raise Unsaid("the places of its maxima are read, which `unpool` alone can do")
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
    """A reduction over all places is a pool; over other dimensions there is no layer."""
    source = t.type()
    rank = len(source.dims)
    axes = t.numbers(1, "axes")
    if not axes:
        raise Unsaid("it takes the whole batch together")
    inside = sorted(t.axis(one) for one in axes)
    keep = bool(t.attribute("keepdims", 1))
    if rank < 2 or inside != list(range(1, rank)):
        raise Unsaid("layers take the places of a map together, and no other dimensions")
    if node.op in ("ReduceSum", "ReduceL1"):
        if node.op == "ReduceL1":
            made = t.add("globallppool", [t.stream()], {"keep": keep, "p": 1.0})
            return t.give(made)
        made = t.add("sumpool", [t.stream()], {"kernel": source.spatial})
        return t.give(made if keep else t.reshaped(made, [math.prod(source.dims[:1])]))
    return t.single(_REDUCE[node.op], {"keep": keep})
