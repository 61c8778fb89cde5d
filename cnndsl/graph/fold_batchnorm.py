"""Turns a graph that answers into one whose batch normalisations are part of what they follow.

A normalisation in its inference form is ``a*x + b`` for each channel: behind a convolution or a
product that nothing else reads, ``a`` goes into its weights and ``b`` into its biases, which are
computed in float64. What is left of the others has mean 0 and variance 1, so that no rounding of
these two matters: neither a small variance nor a large mean.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TypeAlias

import numpy
import onnx_ir
from numpy.typing import NDArray

from cnndsl.graph.manifest import LAYERS_KEY
from cnndsl.graph.weights import Array

__all__ = ["fold_batchnorm"]

Doubles: TypeAlias = NDArray[numpy.float64]


def fold_batchnorm(model: onnx_ir.Model, weights: Mapping[str, Array]) -> dict[str, Array]:
    """Fold the normalisations of a graph, which is changed, and give the weights that it has then.

    The value of a normalisation keeps its name; that of what it followed is no more.
    """
    arrays = dict(weights)
    rewritten: set[str] = set()
    for node in tuple(model.graph):
        if node.op_type != "BatchNormalization":
            continue
        names = [str(value.name) for value in node.inputs[1:] if value is not None]
        if names[0] in rewritten:  # shared by two branches
            continue
        factor, shift = _affine(node, [arrays[name] for name in names])
        before = _followed(model.graph, node)
        if before is None:
            root = math.sqrt(1 + _epsilon(node))
            neutral = numpy.zeros_like(shift), numpy.ones_like(shift)
            for name, array in zip(names, (factor * root, shift, *neutral), strict=True):
                arrays[name] = array.astype(numpy.float32)
            rewritten.add(names[0])
            continue
        _merge(model.graph, before, node, (factor, shift), arrays)
    _forget_values(model)
    return {name: arrays[name] for name in model.graph.initializers}


def _forget_values(model: onnx_ir.Model) -> None:
    """Let no layer's result be looked for in a value that is no more."""
    named = json.loads(model.metadata_props.get(LAYERS_KEY, "{}"))
    there = {output.name for node in model.graph for output in node.outputs}
    there |= {value.name for value in model.graph.inputs}
    kept = {layer: value for layer, value in named.items() if value in there}
    if kept != named:
        model.metadata_props[LAYERS_KEY] = json.dumps(kept, ensure_ascii=False)


def _affine(node: onnx_ir.Node, numbers: list[Array]) -> tuple[Doubles, Doubles]:
    """What a normalisation multiplies each channel by, and what it adds."""
    scale, bias, mean, variance = (array.astype(numpy.float64) for array in numbers)
    factor = scale / numpy.sqrt(variance + _epsilon(node))
    return factor, bias - mean * factor


def _epsilon(node: onnx_ir.Node) -> float:
    return node.attributes["epsilon"].as_float()


_AXES = {"Conv": 0, "ConvTranspose": 1, "Gemm": 0}
"""What may be followed, and the axis of its weight along which the output's channels are."""


def _followed(graph: onnx_ir.Graph, node: onnx_ir.Node) -> onnx_ir.Node | None:
    """What a normalisation can become part of: its weights and its value must be its own."""
    source = node.inputs[0]
    assert source is not None
    before = source.producer()
    if before is None or before.op_type not in _AXES or len(source.uses()) > 1:
        return None
    if source in graph.outputs:
        return None
    if before.op_type == "ConvTranspose" and _at(before, "group", 1) > 1:
        return None
    if before.op_type == "Gemm" and not _at(before, "transB", 0):
        return None
    own = (*before.inputs[1:], *node.inputs[1:])
    if any(one is not None and (not one.is_initializer() or len(one.uses()) > 1) for one in own):
        return None
    return before


def _at(node: onnx_ir.Node, name: str, default: int) -> int:
    found = node.attributes.get(name)
    return default if found is None else found.as_int()


def _merge(
    graph: onnx_ir.Graph,
    before: onnx_ir.Node,
    node: onnx_ir.Node,
    affine: tuple[Doubles, Doubles],
    arrays: dict[str, Array],
) -> None:
    """Make a normalisation part of the node that it follows; its biases are then that one's."""
    factor, shift = affine
    weight, own = before.inputs[1], node.inputs[2]
    assert weight is not None
    assert own is not None
    name, bias = str(weight.name), before.inputs[2] if len(before.inputs) > 2 else None
    column = [1] * arrays[name].ndim
    column[_AXES[before.op_type]] = -1
    arrays[name] = (arrays[name] * factor.reshape(column)).astype(numpy.float32)
    if bias is not None:
        shift = shift + factor * arrays[str(bias.name)].astype(numpy.float64)
    arrays[str(own.name)] = shift.astype(numpy.float32)
    done = [one for one in (*node.inputs[1:], bias) if one is not None]
    before.resize_inputs(3)
    before.replace_input_with(2, own)
    result, made = node.outputs[0], before.outputs[0]
    final = str(result.name)
    result.replace_all_uses_with(made, replace_graph_outputs=True)
    graph.remove(node, safe=True)
    made.name = final
    before.doc_string = node.doc_string
    for one in done:
        if not one.uses():
            del graph.initializers[str(one.name)]
