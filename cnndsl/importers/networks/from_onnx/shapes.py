"""Finds every shape in a graph, and computes at once what hangs on constants and shapes alone.

Exporters write the arithmetic of shapes into the graph: ``Shape``, ``Gather``, ``Concat``,
``Reshape``. With the batch set to a number that nothing else is, ONNX's shape inference and the
reference evaluator carry it out, and the batch can still be told from other sizes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cnndsl.importers.networks.from_onnx.graph import OnnxGraph, OnnxNode

if TYPE_CHECKING:
    import onnx

__all__ = ["BATCH", "MOST", "fold", "settle", "unfolded"]

BATCH = 7919
"""A batch of this size stands for one of any; a prime, so that it shows in products."""

_ROUNDS = 8
MOST = 2**27
"""No constant with more numbers is computed here."""

_KEPT = 2**10
"""Constants with more numbers take part in the inference by their shapes only."""

_RANDOM = frozenset(
    ("RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Bernoulli",
     "Multinomial", "Dropout")
)  # fmt: skip
_CONTROL = frozenset(("If", "Loop", "Scan", "SequenceMap"))


def settle(graph: OnnxGraph) -> None:
    """Find all shapes that follow from those of the inputs, which must be numbers."""
    fold(graph)
    for _ in range(_ROUNDS):
        _infer(graph)
        if not fold(graph):
            return


def unfolded(graph: OnnxGraph) -> OnnxGraph:
    """The graph as it stands in the file, but for constants, which are no nodes there either."""
    constants = dict(graph.constants)
    copy = replace(graph, nodes=[], constants=constants, shapes={}, types=dict(graph.types))
    for node in graph.nodes:
        if node.op != "Constant" or not _folded(copy, node):
            copy.nodes.append(node)
    return copy


def fold(graph: OnnxGraph) -> bool:
    """Compute the nodes that read constants or shapes only; says whether there were any."""
    left = [node for node in graph.nodes if not _folded(graph, node)]
    found = len(left) < len(graph.nodes)
    graph.nodes = left
    return found


def _folded(graph: OnnxGraph, node: OnnxNode) -> bool:
    import numpy

    if node.domain or node.op in _RANDOM or node.op in _CONTROL:
        return False
    if node.op in ("Shape", "Size") and node.inputs[0] in graph.shapes:
        shape = numpy.array(graph.shapes[node.inputs[0]], numpy.int64)
        begin, end = node.attributes.get("start", 0), node.attributes.get("end")
        value = shape[begin:end] if node.op == "Shape" else numpy.array(shape.prod(), numpy.int64)
        graph.constants[node.outputs[0]] = value
        return True
    if not all(one in graph.constants for one in node.inputs if one):
        return False
    try:
        values = _computed(graph, node)
    except Exception:
        return False
    if any(value is None or value.size > MOST for value in values):
        return False
    graph.constants.update(zip(node.outputs, values, strict=False))
    return True


def _computed(graph: OnnxGraph, node: OnnxNode) -> list[Any]:
    """What a node makes of constants."""
    import numpy
    from onnx import ValueInfoProto, helper
    from onnx.reference import ReferenceEvaluator

    if node.op in ("ConstantOfShape", "Expand", "Tile", "Range"):
        _demand_small(graph, node)
    sources = dict.fromkeys(one for one in node.inputs if one)
    proto = helper.make_node(node.op, node.inputs, node.outputs)
    proto.attribute.extend(_attributes(node))
    model = helper.make_model(
        helper.make_graph(
            [proto],
            "one",
            [
                helper.make_tensor_value_info(
                    one, helper.np_dtype_to_tensor_dtype(graph.constants[one].dtype), None
                )
                for one in sources
            ],
            [ValueInfoProto(name=one) for one in node.outputs],
        ),
        opset_imports=[helper.make_opsetid("", graph.opset)],
    )
    found = ReferenceEvaluator(model).run(None, {one: graph.constants[one] for one in sources})
    return [None if value is None else numpy.asarray(value) for value in found]


def _demand_small(graph: OnnxGraph, node: OnnxNode) -> None:
    """Refuse what a few bytes would make huge."""
    import numpy

    numbers = [graph.constants[one].astype(float) for one in node.inputs if one]
    if node.op == "Range":
        size = abs(float(numbers[1]) - float(numbers[0])) / max(1e-9, abs(float(numbers[2])))
    else:
        size = float(numpy.prod(numbers[-1]))
        if node.op == "Tile":
            size *= numbers[0].size
    if size > MOST:
        raise ValueError("too large")


def _infer(graph: OnnxGraph) -> None:
    """Let ONNX infer shapes, with the numbers of small constants."""
    import onnx

    try:
        inferred = onnx.shape_inference.infer_shapes(_model(graph), data_prop=True)
    except Exception:
        return
    for one in (*inferred.graph.value_info, *inferred.graph.output):
        tensor = one.type.tensor_type
        if tensor.elem_type:
            graph.types[one.name] = tensor.elem_type
        dims = [dim.dim_value if dim.HasField("dim_value") else -1 for dim in tensor.shape.dim]
        if tensor.HasField("shape") and all(dim >= 0 for dim in dims):
            graph.shapes[one.name] = tuple(dims)


def _model(graph: OnnxGraph) -> onnx.ModelProto:
    """The graph as a model without the numbers of its large constants."""
    from onnx import ValueInfoProto, helper, numpy_helper

    read = {one for node in graph.nodes for one in node.inputs}
    inputs = [
        helper.make_tensor_value_info(name, graph.types[name], list(graph.shapes[name]))
        for name in graph.inputs
    ]
    small = []
    for name, value in graph.constants.items():
        if name not in read:
            continue
        if value.size <= _KEPT:
            small.append(numpy_helper.from_array(value, name))
        else:
            kind = helper.np_dtype_to_tensor_dtype(value.dtype)
            inputs.append(helper.make_tensor_value_info(name, kind, list(value.shape)))
    domains = {node.domain for node in graph.nodes if node.domain}
    outputs = [ValueInfoProto(name=one) for one in graph.outputs]
    return helper.make_model(
        helper.make_graph(list(map(_proto, graph.nodes)), "shapes", inputs, outputs, small),
        opset_imports=[
            helper.make_opsetid("", graph.opset),
            *(helper.make_opsetid(domain, 1) for domain in sorted(domains)),
        ],
    )


def _proto(node: OnnxNode) -> onnx.NodeProto:
    from onnx import helper

    proto = helper.make_node(node.op, node.inputs, node.outputs, domain=node.domain or None)
    proto.attribute.extend(_attributes(node))
    return proto


def _attributes(node: OnnxNode) -> Iterator[onnx.AttributeProto]:
    from onnx import AttributeProto, helper

    for name, value in node.attributes.items():
        empty = isinstance(value, list) and not value
        yield helper.make_attribute(name, value, attr_type=AttributeProto.INTS if empty else None)
