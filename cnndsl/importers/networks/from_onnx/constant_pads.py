"""Reads what a `Pad` adds, where that is constants: how much around each dimension, and of what."""

from __future__ import annotations

from cnndsl.importers.networks.from_onnx.graph import OnnxGraph, OnnxNode

__all__ = ["constant_pad"]


def constant_pad(
    graph: OnnxGraph, node: OnnxNode | None, rank: int
) -> tuple[list[tuple[int, int]], float] | None:
    """How many cells a `Pad` adds in front of and behind each dimension, and the number in them.

    None for another node, and where cells are copied, or what is added is computed.
    """
    if node is None or node.op != "Pad" or node.domain:
        return None
    if node.attributes.get("mode", b"constant") != b"constant":
        return None
    if any(one and one not in graph.constants for one in node.inputs[1:]):
        return None
    given = [graph.constants[one].reshape(-1).tolist() if one else None for one in node.inputs[1:]]
    pads, filling, axes = (*given, None, None, None)[:3]
    if pads is None:
        pads = node.attributes.get("pads", [])
    if filling is None:
        filling = [node.attributes.get("value", 0.0)]
    if axes is None:
        axes = [*range(rank)]
    if len(pads) != 2 * len(axes) or len(filling) != 1:
        return None
    sides = [(0, 0)] * rank
    for at, axis in enumerate(axes):
        sides[axis % rank] = (pads[at], pads[at + len(axes)])
    return sides, float(filling[0])
