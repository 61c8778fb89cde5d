"""Says what exporters write in several ways in one: nodes are changed in place.

What broadcasting does anyway need not be expanded first, a `Clip` from below is a `Max`, and places
picked from a flattened value one after the other are the value in another shape.
"""

from __future__ import annotations

import math

import numpy

from cnndsl.importers.networks.from_onnx.graph import OnnxGraph, OnnxNode

__all__ = ["in_usual_forms"]

_BROADCASTING = frozenset(("Add", "Div", "Max", "Min", "Mul", "Sub"))


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
