"""Takes the branch of an `If` whose condition is known once all sizes are.

Exporters write what a program asked of shapes (is this dimension 1?) as an `If`; the nodes of the
branch that is taken stand in its place. What data decides stays, and is refused later.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from cnndsl.importers.networks.from_onnx.graph import (
    OnnxGraph,
    OnnxNode,
    as_array,
    as_node,
    in_order,
)
from cnndsl.importers.networks.from_onnx.shapes import settle

if TYPE_CHECKING:
    import onnx

__all__ = ["take_branches"]


def take_branches(graph: OnnxGraph) -> None:
    """Put what is taken in the place of each `If`; the inputs' shapes must be numbers.

    Raises:
        ValueError: as ``in_order`` does.
    """
    while any(node.op == "If" for node in graph.nodes):
        known = replace(
            graph,
            nodes=[*graph.nodes],
            constants=dict(graph.constants),
            shapes=dict(graph.shapes),
            types=dict(graph.types),
        )
        settle(known)
        taken = {
            id(node): bool(known.constants[node.inputs[0]].all())
            for node in graph.nodes
            if node.op == "If" and not node.domain and node.inputs[0] in known.constants
        }
        if not taken:
            return
        nodes: list[OnnxNode] = []
        for node in graph.nodes:
            nodes += _branch(graph, node, taken[id(node)]) if id(node) in taken else [node]
        graph.nodes = nodes
        graph.nodes = in_order(graph)


def _branch(graph: OnnxGraph, node: OnnxNode, holds: bool) -> Iterator[OnnxNode]:
    """The nodes of a branch, its constants added to the graph; names that stand for others anew."""
    branch: onnx.GraphProto = node.attributes["then_branch" if holds else "else_branch"]
    used = {*graph.constants, *graph.inputs, *graph.producers()}
    own = [one.name for one in branch.initializer]
    own += [value for one in branch.node for value in one.output if value]
    names = {one: f"{node.outputs[0]}/{one}" if one in used else one for one in own}
    for one in branch.initializer:
        graph.constants[names[one.name]] = as_array(one)
        graph.weights |= {names[one.name]}
    for at, proto in enumerate(branch.node):
        inner = as_node(proto, at)
        inner.inputs = [names.get(one, one) for one in inner.inputs]
        inner.outputs = [names.get(one, one) for one in inner.outputs]
        inner.captured = [names.get(one, one) for one in inner.captured]
        yield inner
    for one, value in zip(branch.output, node.outputs, strict=False):
        yield OnnxNode("Identity", [names.get(one.name, one.name)], [value], place=node.place)
