"""Leaves out what no output of a step depends on.

The pass of onnx-ir that does so looks through all outputs of the graph for each node that it
removes: a step has about as many outputs as weights, so that its time grows with their square.
"""

from __future__ import annotations

import onnx.defs
import onnx_ir
import onnx_ir.passes
from typing_extensions import override

__all__ = ["RemoveUnused"]

_OPTIONAL = onnx.defs.OpSchema.FormalParameterOption.Optional


class RemoveUnused(onnx_ir.passes.InPlacePass):
    """Removes nodes whose results nothing needs, and last results of nodes that may be missing."""

    @override
    def call(self, model: onnx_ir.Model) -> onnx_ir.passes.PassResult:
        graph = model.graph
        needed = set(graph.outputs)
        unused = []
        shortened = 0
        for node in reversed(graph):
            if needed.isdisjoint(node.outputs):
                unused.append(node)
                continue
            needed.update(value for value in node.inputs if value is not None)
            if len(node.outputs) > 1:
                shortened += _shorten(node, needed, graph.opset_imports[""])
        graph.remove(unused, safe=True)
        return onnx_ir.passes.PassResult(model, modified=bool(unused or shortened))


def _shorten(node: onnx_ir.Node, needed: set[onnx_ir.Value], opset: int) -> bool:
    """Leave out the last results of a node where nothing needs them and the operator allows it."""
    if node.domain:
        return False
    formal = onnx.defs.get_schema(node.op_type, opset, "").outputs
    count = len(node.outputs)
    # In training, BatchNormalization must give all that it can.
    while (
        node.outputs[count - 1] not in needed
        and count <= len(formal)
        and formal[count - 1].option == _OPTIONAL
        and node.op_type != "BatchNormalization"
    ):
        count -= 1
    if count == len(node.outputs):
        return False
    node.resize_outputs(count)
    return True
