"""Lets a CPU compute a step in mixed precision: in float32, each result rounded to the low type.

Before::

    y = Mul(a, b)                        # float16

After::

    wide = Mul(a, b)                     # float32
    y = Cast(Cast(wide, to float16), to float32)

ONNX Runtime has no kernels for float16 on a CPU. It would put casts around each operator itself,
but takes those away that stand between two: nothing would be rounded then, or overflow.
"""

from __future__ import annotations

import onnx_ir
from onnx_ir import passes
from typing_extensions import override

__all__ = ["EmulatedPrecision"]

_LOW = (onnx_ir.DataType.FLOAT16, onnx_ir.DataType.BFLOAT16)
_WIDE = onnx_ir.DataType.FLOAT

_EXACT = frozenset(
    (
        *("Abs", "Clip", "Concat", "Expand", "Flatten", "Gather", "GatherElements", "GatherND"),
        *("GlobalMaxPool", "Identity", "Max", "MaxPool", "Min", "Neg", "Pad", "ReduceMax"),
        *("ReduceMin", "Relu", "Reshape", "Slice", "Split", "Squeeze", "Tile", "Transpose"),
        *("Unsqueeze", "Where"),
    )
)
"""Operators whose results are numbers of their inputs: nothing is to be rounded."""


class EmulatedPrecision(passes.InPlacePass):
    """Leaves float32 values only, but between the two casts that round one."""

    @override
    def call(self, model: onnx_ir.Model) -> passes.PassResult:
        graph, changed = model.graph, False
        for node in list(graph):
            low = next((one.dtype for one in node.outputs if one.dtype in _LOW), None)
            if low is not None:
                changed = True
                self._widened(graph, node, low)
        for node in list(graph):
            if node.op_type == "Cast" and node.outputs[0].dtype is _WIDE:
                self._bypassed(graph, node)
        return passes.PassResult(model, changed)

    def _widened(self, graph: onnx_ir.Graph, node: onnx_ir.Node, low: onnx_ir.DataType) -> None:
        if node.op_type == "Constant":
            wide = node.attributes["value"].as_tensor().numpy().astype(_WIDE.numpy())
            node.attributes["value"] = onnx_ir.AttrTensor("value", onnx_ir.Tensor(wide))
        if node.op_type == "Cast":
            source = node.inputs[0]
            if source is not None and source.dtype is not onnx_ir.DataType.BOOL:
                self._rounded(graph, node, node.outputs[0], low, whole=False)
                return
            node.attributes["to"] = onnx_ir.AttrInt64("to", _WIDE.value)
        for value in node.outputs:
            if value.dtype is low:
                value.dtype = _WIDE
                if node.op_type not in _EXACT | {"Cast", "Constant"}:
                    self._rounded(graph, node, value, low, whole=True)

    def _rounded(
        self,
        graph: onnx_ir.Graph,
        node: onnx_ir.Node,
        value: onnx_ir.Value,
        low: onnx_ir.DataType,
        *,
        whole: bool,
    ) -> None:
        """Let what reads a value read it rounded; where it is low already, only widened again."""
        reading = [(use.node, use.idx) for use in value.uses()]
        made = []
        if whole:
            made.append(_cast(value, low, f"{value.name}/low"))
        made.append(_cast(made[-1].outputs[0] if made else value, _WIDE, f"{value.name}/rounded"))
        graph.insert_after(node, made)
        for reader, at in reading:
            reader.replace_input_with(at, made[-1].outputs[0])

    def _bypassed(self, graph: onnx_ir.Graph, node: onnx_ir.Node) -> None:
        """Take out a cast of what is float32 by now."""
        (source,), (value,) = node.inputs, node.outputs
        if source is None or source.dtype is not _WIDE:
            return
        if value.is_graph_output():
            node.op_type = "Identity"
            node.attributes.clear()
            return
        value.replace_all_uses_with(source)
        graph.remove(node, safe=True)


def _cast(value: onnx_ir.Value, to: onnx_ir.DataType, name: str) -> onnx_ir.Node:
    output = onnx_ir.Value(name=name, type=onnx_ir.TensorType(to), shape=value.shape)
    return onnx_ir.Node(
        "", "Cast", [value], [onnx_ir.AttrInt64("to", to.value)], outputs=[output], name=name
    )
