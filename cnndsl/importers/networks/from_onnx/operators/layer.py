"""Nodes that stand for whole layers, as they were recognised by what these are lowered to."""

from __future__ import annotations

from cnndsl.importers.networks.from_onnx.graph import OnnxNode
from cnndsl.importers.networks.from_onnx.lowered import LAYER
from cnndsl.importers.networks.from_onnx.translator import Translator, operator

__all__ = ["layer"]


@operator(LAYER)
def layer(t: Translator, node: OnnxNode) -> None:
    """A layer as it was found."""
    first = len(node.inputs) - len(node.attributes["roles"])
    weights = {role: t.weight(first + at) for at, role in enumerate(node.attributes["roles"])}
    shared = [*range(first, len(node.inputs))]
    made = t.add(
        node.attributes["keyword"],
        [t.stream(at) for at in range(first)],
        node.attributes["settings"],
        weights=weights,
        shared=shared,
    )
    t.give(made)
