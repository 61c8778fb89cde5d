"""Typed networks built by hand: what counts on them is tested without the stages before."""

from __future__ import annotations

from collections.abc import Mapping

from cnndsl.diagnostics.source import Source, Span
from cnndsl.elaborate.network import InputNode, LayerNode, Network, Node, TypedNetwork
from cnndsl.layers.base import Layer
from cnndsl.recipe.preparation import Preparation
from cnndsl.recipe.recipe import Recipe
from cnndsl.syntax.ast import Module
from cnndsl.types import TensorType

SPAN = Span(Source("test.cnn", ""), 0, 0)


def build_network(
    *steps: tuple[str, Layer] | tuple[str, Layer, tuple[str, ...]],
    inputs: Mapping[str, TensorType] | tuple[int, ...] = (1, 32, 32),
    outputs: Mapping[str, str] | None = None,
    recipe: Recipe | None = None,
) -> TypedNetwork:
    """Layers by name; each reads the node before it, unless it names the nodes that it reads.

    ``inputs`` are the sizes of the one input, or several inputs by name. ``outputs`` names the
    node of each output; by default the last one is ``output``.
    """
    sources = {"input": TensorType(inputs)} if isinstance(inputs, tuple) else inputs
    nodes: list[Node] = [
        InputNode(name, type_, Preparation(), SPAN) for name, type_ in sources.items()
    ]
    types = list(sources.values())
    positions = {name: position for position, name in enumerate(sources)}
    for name, layer, *named in steps:
        reads = tuple(positions[read] for read in named[0]) if named else (len(nodes) - 1,)
        positions[name] = len(nodes)
        nodes.append(LayerNode(name, layer, reads, SPAN))
        types.append(layer.output(*(types[read] for read in reads)))
    weights = [
        node.layer.weights(*(types[read] for read in node.inputs))
        if isinstance(node, LayerNode)
        else ()
        for node in nodes
    ]
    network = Network(
        name="net",
        nodes=tuple(nodes),
        outputs={
            output: positions[name]
            for output, name in (outputs or {"output": nodes[-1].name}).items()
        },
        scopes={},
        claims=(),
        expectations=(),
        classes=(),
        recipe=recipe,
        parameters={},
        module=Module(SPAN.source, ()),
    )
    return TypedNetwork(network, tuple(types), tuple(weights))
