"""Puts values in the place of others, for many at once.

onnx-ir does so value by value, and looks through all outputs of the graph for each that is one: a
step has about as many outputs as weights, so that its time would grow with their square.
"""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir

__all__ = ["replace_outputs", "replace_uses"]


def replace_uses(old: onnx_ir.Value, new: onnx_ir.Value) -> None:
    """Let all nodes that read a value read another."""
    for node, index in tuple(old.uses()):
        node.replace_input_with(index, new)


def replace_outputs(graph: onnx_ir.Graph, new: Mapping[onnx_ir.Value, onnx_ir.Value]) -> None:
    """Put values in the place of some outputs, under the names of these; what is new may be too."""
    if not new:
        return
    for at, output in enumerate(tuple(graph.outputs)):
        latest = output
        while latest in new:
            latest = new[latest]
        if latest is not output:
            name, output.name = output.name, None
            graph.outputs[at] = latest
            latest.name = name
