"""Looks whether a model is one at all, so that nobody behind has to: names, inputs, attributes.

What protobuf reads without a complaint may still be damaged: bytes that are no text, attributes of
another type than the operator has, nodes without the inputs that it needs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import onnx

__all__ = ["ill_formed"]


def ill_formed(model: onnx.ModelProto, opset: int) -> str:
    """What is wrong with a model, for people; empty where nothing is."""
    from onnx import TensorProto

    kinds = {*TensorProto.DataType.values()}
    for graph in _graphs(model.graph):
        ports = [*graph.input, *graph.output, *graph.value_info]
        names = [one.name for one in (*ports, *graph.initializer)]
        for node in graph.node:
            names += [node.name, node.op_type, node.domain, *node.input, *node.output]
            names += [one.name for one in node.attribute]
        if any(isinstance(name, bytes) for name in names):
            return "a name in it is no text"
        used = [one.data_type for one in graph.initializer]
        used += [one.type.tensor_type.elem_type for one in ports]
        if unknown := [kind for kind in used if kind not in kinds]:
            return f"it has numbers of type {unknown[0]}, which ONNX has none of"
        for node in graph.node:
            if why := _ill_node(node, opset):
                return why
    return ""


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """A graph and those in its nodes."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                if inner.node or inner.output:
                    yield from _graphs(inner)


def _ill_node(node: onnx.NodeProto, opset: int) -> str:
    """What of a node is not as its operator has it."""
    from onnx import defs

    if node.domain not in ("", "ai.onnx"):
        return ""
    what = f"node `{node.name or (node.output[0] if node.output else node.op_type)}`"
    try:
        schema = defs.get_schema(node.op_type, opset)
    except defs.SchemaError:
        return "" if node.output else f"{what} gives nothing"
    if len(node.input) < schema.min_input or len(node.output) < schema.min_output:
        return f"{what} lacks inputs or outputs that {node.op_type} has"
    for one in node.attribute:
        if one.name not in schema.attributes:
            continue
        kind: Any = schema.attributes[one.name].type
        if int(kind) != one.type:
            return f"the attribute `{one.name}` of {what} is of another type than {node.op_type}'s"
    return ""
