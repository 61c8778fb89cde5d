"""Says what exporters write in several ways in one: nodes are changed in place.

What broadcasting does anyway need not be expanded first, a `Clip` from below is a `Max`, and places
picked from a flattened value one after the other are the value in another shape; what is added in
front of a pool, and is no maximum, is its padding.
"""

from __future__ import annotations

import math

import numpy

from cnndsl.importers.networks.from_onnx.constant_pads import constant_pad
from cnndsl.importers.networks.from_onnx.graph import OnnxGraph, OnnxNode

__all__ = ["in_usual_forms"]

_BROADCASTING = frozenset(("Add", "Div", "Max", "Min", "Mul", "Sub"))


_LOWEST = -3.4e38
"""Nothing that a network computes is less."""


def in_usual_forms(graph: OnnxGraph) -> None:
    """Change the nodes of a graph whose shapes are known."""
    producers = graph.producers()
    for node in graph.nodes:
        if node.domain:
            continue
        if node.op in _BROADCASTING:
            node.inputs = [_unexpanded(graph, producers, node, one) for one in node.inputs]
        elif node.op == "Clip" and len([one for one in node.inputs if one]) == 2:
            if len(node.inputs) == 2 and not node.attributes:
                node.op = "Max"
        elif node.op == "Gather":
            _ungathered(graph, producers, node)
        elif node.op == "MaxPool":
            _padded_by_itself(graph, producers, node)


def _padded_by_itself(graph: OnnxGraph, producers: dict[str, OnnxNode], node: OnnxNode) -> None:
    """Cells that no maximum is, added in front of a `MaxPool`, are that one's padding."""
    pad = producers.get(node.inputs[0])
    rank = len(node.attributes.get("kernel_shape", ()))
    found = constant_pad(graph, pad, rank + 2) if rank else None
    if pad is None or found is None:
        return
    sides, filled = found
    if any(map(any, sides[:2])) or not filled <= _LOWEST:
        return
    if min(map(min, sides)) < 0 or node.attributes.get("auto_pad", b"NOTSET") != b"NOTSET":
        return
    added = [side[end] for end in (0, 1) for side in sides[2:]]
    before = node.attributes.get("pads", [0] * 2 * rank)
    whole = [one + other for one, other in zip(before, added, strict=True)]
    node.inputs, node.attributes = [pad.inputs[0]], {**node.attributes, "pads": whole}


def _unexpanded(
    graph: OnnxGraph, producers: dict[str, OnnxNode], node: OnnxNode, value: str
) -> str:
    """What an operator that broadcasts can read in place of an expanded value."""
    made = producers.get(value)
    if made is None or made.op != "Expand" or made.domain:
        return value
    shapes = [graph.shapes.get(one) for one in node.inputs if one != value]
    if any(one is not None and one == graph.shapes.get(value) for one in shapes):
        return made.inputs[0]
    return value


def _ungathered(graph: OnnxGraph, producers: dict[str, OnnxNode], node: OnnxNode) -> None:
    """A `Gather` of all of a flattened value in its order is a `Reshape` of that value."""
    places, flat = graph.constants.get(node.inputs[1]), producers.get(node.inputs[0])
    shape = graph.shapes.get(node.outputs[0])
    if places is None or flat is None or flat.op not in ("Reshape", "Flatten") or not shape:
        return
    source = graph.shapes.get(flat.inputs[0])
    if source is None or len(graph.shapes.get(node.inputs[0], ())) != 1:
        return
    whole = math.prod(source)
    if places.size == whole and (places.reshape(-1) == numpy.arange(whole)).all():
        name = f"{node.outputs[0]}.shape"
        graph.constants[name] = numpy.asarray(shape, numpy.int64)
        node.op, node.inputs, node.attributes = "Reshape", [flat.inputs[0], name], {}
