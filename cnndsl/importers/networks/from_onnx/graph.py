"""An ONNX graph as records: nodes, constants, and the shape of every value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import onnx
    from numpy.typing import NDArray

    Tensor = NDArray[Any]

__all__ = ["OnnxGraph", "OnnxNode", "as_array", "as_graph", "as_node", "in_order", "vocabulary"]


@dataclass(eq=False, slots=True)
class OnnxNode:
    """A node; ``place`` is for people. Inputs that are left out are empty texts."""

    op: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any] = field(default_factory=dict)
    name: str = ""
    place: str = ""
    domain: str = ""
    captured: list[str] = field(default_factory=list)
    """What the graphs in its attributes read of the one around them."""

    def what(self) -> str:
        """The operator with its attributes, for a refusal."""
        shown = ", ".join(f"{key}={_brief(value)}" for key, value in self.attributes.items())
        return f"{self.op}({shown})" if shown else self.op


@dataclass(eq=False)
class OnnxGraph:
    """A graph.

    Attributes:
        nodes: in an order in which they can be computed.
        constants: the values that are known: initializers, and what is computed of them.
        inputs: the inputs that are no constants, by name their shapes; a size that is not known
            is its name.
        outputs: the names of its outputs.
        shapes: the shapes that are known of values, with the batch.
        types: the element types, as ONNX counts them.
        opset: the version of the standard operators.
        weights: the constants that are initializers, or filled with one number: what can be
            learnt.
        batch: the size that stands for the batch in ``shapes``.
    """

    nodes: list[OnnxNode]
    constants: dict[str, Tensor]
    inputs: dict[str, tuple[int | str, ...]]
    outputs: list[str]
    types: dict[str, int]
    opset: int
    weights: frozenset[str] = frozenset()
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    batch: int = 1

    def producers(self) -> dict[str, OnnxNode]:
        """The node that makes each value."""
        return {value: node for node in self.nodes for value in node.outputs if value}

    def readers(self) -> dict[str, list[OnnxNode]]:
        """The nodes that read each value; an output of the graph counts as read by none."""
        found: dict[str, list[OnnxNode]] = {}
        for node in self.nodes:
            for value in dict.fromkeys(node.inputs):
                if value:
                    found.setdefault(value, []).append(node)
        return found


def vocabulary(graph: OnnxGraph, value: str) -> int:
    """How many token ids an input has: as many as the table they pick from has rows; 0 for none."""
    waiting = [value]
    readers = graph.readers()
    while waiting:
        for node in readers.get(waiting.pop(), []):
            table = graph.constants.get(node.inputs[0]) if node.op == "Gather" else None
            if table is not None and table.ndim == 2:
                return int(table.shape[0])
            if node.op in ("Cast", "Identity", "Reshape", "Unsqueeze", "Squeeze"):
                waiting += node.outputs
    return 0


def as_graph(model: onnx.ModelProto, opset: int) -> OnnxGraph:
    """A model's graph; nodes that the outputs do not need are left out.

    Raises:
        ValueError: for a graph whose nodes run in a circle or read what nothing makes.
    """
    graph = model.graph
    constants = {one.name: as_array(one) for one in graph.initializer}
    inputs = {
        one.name: tuple(
            dim.dim_param or "?" if not dim.HasField("dim_value") else dim.dim_value
            for dim in one.type.tensor_type.shape.dim
        )
        for one in graph.input
        if one.name not in constants
    }
    types = {one.name: one.type.tensor_type.elem_type for one in graph.input}
    nodes = [as_node(one, at) for at, one in enumerate(graph.node)]
    outputs = [one.name for one in graph.output]
    # Models without their numbers, as those that the onnx package tests with, fill their weights.
    filled = (one for node in nodes if node.op == "ConstantOfShape" for one in node.outputs)
    weights = frozenset((*constants, *filled))
    found = OnnxGraph(nodes, constants, inputs, outputs, types, opset, weights)
    found.nodes = in_order(found)
    return found


def as_array(tensor: onnx.TensorProto) -> Tensor:
    """The numbers of a constant.

    Raises:
        ValueError: where they are not all there.
    """
    from onnx import numpy_helper

    try:
        found: Tensor = numpy_helper.to_array(tensor)
    except Exception as error:  # whatever NumPy and the library raise about broken numbers
        raise ValueError(f"the numbers of `{tensor.name}` are damaged ({error})") from error
    return found


def as_node(proto: onnx.NodeProto, at: int) -> OnnxNode:
    """A node, which is number ``at`` in its graph."""
    from onnx import helper

    attributes = {one.name: helper.get_attribute_value(one) for one in proto.attribute}
    place = f"node `{proto.name or at}`"
    if not proto.name and proto.output:
        place = f"the node that makes `{proto.output[0]}`"
    domain = "" if proto.domain == "ai.onnx" else proto.domain
    inputs, outputs, captured = [*proto.input], [*proto.output], [*_captured(proto)]
    return OnnxNode(proto.op_type, inputs, outputs, attributes, proto.name, place, domain, captured)


def _captured(proto: onnx.NodeProto) -> Iterator[str]:
    """What the graphs in a node's attributes read that is not made in them."""
    for attribute in proto.attribute:
        for graph in (attribute.g, *attribute.graphs):
            own = {one.name for one in (*graph.initializer, *graph.input)}
            own.update(value for one in graph.node for value in one.output)
            read = [name for one in graph.node for name in (*one.input, *_captured(one))]
            read += [one.name for one in graph.output]
            yield from (name for name in read if name and name not in own)


def in_order(graph: OnnxGraph) -> list[OnnxNode]:
    """The nodes that the outputs need, each behind those that it reads."""
    producers = graph.producers()
    order: list[OnnxNode] = []
    state: dict[int, bool] = {}
    for output in graph.outputs:
        waiting: list[tuple[str, bool]] = [(output, False)]
        while waiting:
            value, done = waiting.pop()
            node = producers.get(value)
            if node is None:
                if value and value not in graph.constants and value not in graph.inputs:
                    raise ValueError(f"nothing makes the value `{value}`")
                continue
            if done:
                if not state[id(node)]:
                    state[id(node)] = True
                    order.append(node)
                continue
            if id(node) in state:
                if not state[id(node)]:
                    raise ValueError(f"the nodes run in a circle at {node.place}")
                continue
            state[id(node)] = False
            waiting.append((value, True))
            waiting += [(one, False) for one in reversed(node.inputs + node.captured) if one]
    return order


def _brief(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode(errors="replace")[:40]
    text = str(value) if not hasattr(value, "dims") else "a tensor"
    text = " ".join(text.split())
    return f"{text[:57]}…" if len(text) > 58 else text
