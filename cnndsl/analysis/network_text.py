"""Turns a typed network into a text for people: a line for each node, with all that it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from cnndsl.analysis.summary import word
from cnndsl.elaborate.network import InputNode, LayerNode, TypedNetwork
from cnndsl.elaborate.values import show
from cnndsl.layers.base import Weight
from cnndsl.syntax.sharing import SHARE

__all__ = ["network_text"]


def network_text(typed: TypedNetwork) -> str:
    """The nodes in order: name, layer and settings, what it reads, its type, its weights.

    Blocks are expanded, holes filled, defaults written out: ``relu1: relu <- C1 => 6x28x28``.
    """
    lines = [f"network {typed.name}", *_nodes(typed)]
    names = [node.name for node in typed.network.nodes]
    lines += (f"output {name} <- {names[at]}" for name, at in typed.network.outputs.items())
    return "\n".join((*lines, ""))


def _nodes(typed: TypedNetwork) -> Iterator[str]:
    for position, node in enumerate(typed.network.nodes):
        if isinstance(node, InputNode):
            yield f"  {node.name}: {_input(node)} => {node.type}"
            continue
        inputs = ", ".join(typed.network.nodes[read].name for read in node.inputs)
        line = f"  {node.name}: {_layer(node)} <- {inputs} => {typed.types[position]}"
        # Weights that are another layer's stand there.
        own = () if node.share else typed.weights[position]
        yield "; ".join((line, *_weights(own)))


def _input(node: InputNode) -> str:
    settings = dict(node.preparation.to_json())
    if node.type.vocabulary is not None:
        settings = {"tokens": node.type.vocabulary}
    return _phrase("input", settings)


def _layer(node: LayerNode) -> str:
    layer = node.layer
    settings = {name: getattr(layer, name) for name in layer.parameter_names()}
    if node.share:
        settings[SHARE] = node.owner
    return _phrase(layer.keyword, settings)


def _whole(value: object) -> str:
    """A setting's value, however long."""
    if isinstance(value, list | tuple) and (isinstance(value, list) or len(value) > 3):
        return show(tuple(value))
    matrix = isinstance(value, tuple) and any(isinstance(item, tuple) for item in value)
    return show(value) if matrix else word(value)  # type: ignore[arg-type]


def _phrase(keyword: str, settings: Mapping[str, object]) -> str:
    """A keyword with its settings, but for those that have no value."""
    words = [keyword]
    for name, value in settings.items():
        if value is not None:
            words += [name, _whole(value)]
    return " ".join(words)


def _weights(weights: Sequence[Weight]) -> Iterator[str]:
    """``weights weight 6x1x5x5, bias 6``, and the same of the buffers."""
    for title, trainable in (("weights", True), ("buffers", False)):
        own = [one for one in weights if one.trainable is trainable]
        if own:
            shapes = (f"{one.name} {'x'.join(map(str, one.shape))}" for one in own)
            yield f"{title} {', '.join(shapes)}"
