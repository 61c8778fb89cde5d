"""Makes a constant of one that is stretched or gets other sizes, and one Reshape of two in a row.

Before::

    seed = Expand(1.0, [4])
    flat = Reshape(x, [4, 6])
    rows = Reshape(flat, [24])

After::

    seed = Constant(value = [1.0, 1.0, 1.0, 1.0])
    rows = Reshape(x, [24])

ONNX Runtime does both at every start of a session: it sorts the whole graph for each, and asks all
of its optimizers again since something was found.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy
import onnx_ir
import onnx_ir.passes
from typing_extensions import override

from cnndsl.autodiff.rules import constant_of, dims_of
from cnndsl.training.nodes import Nodes
from cnndsl.training.passes.fusion import Fusion, size_of

__all__ = ["LARGEST", "FoldConstants", "JoinReshapes"]

LARGEST = 4096
"""Constants of more numbers are not made, for the sake of the file's size."""


class FoldConstants(Fusion):
    """Puts a constant in the place of an Expand or Reshape of one."""

    @override
    def applies(self, node: onnx_ir.Node) -> bool:
        return node.domain == "" and node.op_type in ("Expand", "Reshape")

    @override
    def fused(self, node: onnx_ir.Node) -> Sequence[onnx_ir.Node]:
        result, given = node.outputs[0], constant_of(node.inputs[0])
        if given is None or constant_of(node.inputs[1]) is None:
            return ()
        if result.is_graph_output() or size_of(result) > LARGEST:
            return ()
        dims = dims_of(result)
        stretched = node.op_type == "Expand"
        array = numpy.broadcast_to(given, dims) if stretched else given.reshape(dims)
        nodes = Nodes()
        nodes.constant(array.copy())
        return nodes


class JoinReshapes(onnx_ir.passes.InPlacePass):
    """Lets a Reshape read what the Reshape before it reads."""

    @override
    def call(self, model: onnx_ir.Model) -> onnx_ir.passes.PassResult:
        is_changed = False
        for node in model.graph:
            if (origin := _reshaped(node)) is None or (inner := origin.producer()) is None:
                continue
            sizes = constant_of(node.inputs[1])
            # A size of 0 would be that of the value between.
            if _reshaped(inner) is not None and sizes is not None and (sizes > 0).all():
                node.replace_input_with(0, inner.inputs[0])
                is_changed = True
        return onnx_ir.passes.PassResult(model, is_changed)


def _reshaped(node: onnx_ir.Node) -> onnx_ir.Value | None:
    """What a node gives other sizes to, where that is what it does."""
    return node.inputs[0] if node.domain == "" and node.op_type == "Reshape" else None
