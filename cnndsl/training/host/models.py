"""Small models of blocked forms, to be tried out or timed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import onnx
import onnx_ir

from cnndsl.graph.builder import DEFAULT_OPSET, IR_VERSIONS
from cnndsl.training.host.kernels import BLOCKED
from cnndsl.training.passes.unused import RemoveUnused

__all__ = ["input_value", "model_bytes"]


def input_value(name: str, dims: tuple[int, ...]) -> onnx_ir.Value:
    """An input of a model, in float32."""
    kind = onnx_ir.TensorType(onnx_ir.DataType.FLOAT)
    return onnx_ir.Value(name=name, type=kind, shape=onnx_ir.Shape(dims))


def model_bytes(
    given: Iterable[onnx_ir.Value],
    results: Mapping[str, onnx_ir.Value],
    nodes: Iterable[onnx_ir.Node],
) -> bytes:
    """A model from inputs to results, which get these names; nodes that none needs are left out."""
    for name, value in results.items():
        value.name = name
    graph = onnx_ir.Graph(
        [*given],
        [*results.values()],
        nodes=nodes,
        opset_imports={"": DEFAULT_OPSET, BLOCKED: 1},
        name="forms",
    )
    model = onnx_ir.Model(graph, ir_version=IR_VERSIONS[DEFAULT_OPSET])
    RemoveUnused()(model)
    proto: onnx.ModelProto = onnx_ir.serde.serialize_model(model)
    data: bytes = proto.SerializeToString()
    return data
