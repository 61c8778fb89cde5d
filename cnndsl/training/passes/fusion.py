"""What all fusions share: a pass over a step graph, and what it asks of nodes and values."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet

import onnx_ir
import onnx_ir.passes
from typing_extensions import override

from cnndsl.autodiff.rules import dims_of
from cnndsl.training.nodes import typed
from cnndsl.training.passes.rewiring import replace_uses

__all__ = ["Fusion", "made_for", "product_plus", "size_of"]


class Fusion(onnx_ir.passes.InPlacePass):
    """Puts fewer or quicker nodes in the place of some that end in an operator.

    Every value has a type and fixed sizes, before and behind.
    """

    op_type: str
    """The operator of the last of the nodes."""

    def applies(self, node: onnx_ir.Node) -> bool:
        """Whether a node has that operator."""
        return node.domain == "" and node.op_type == self.op_type

    @abstractmethod
    def fused(self, node: onnx_ir.Node) -> Sequence[onnx_ir.Node]:
        """What is to stand in the place of a node, the last one giving its result.

        Nothing, where the pass keeps away.
        """

    @override
    def requires(self, model: onnx_ir.Model) -> None:
        if (untyped := _untyped(filter(self.applies, model.graph))) is not None:
            raise onnx_ir.passes.PreconditionError(f"`{untyped.name}` has no fixed type")

    @override
    def call(self, model: onnx_ir.Model) -> onnx_ir.passes.PassResult:
        self._made: list[onnx_ir.Node] = []
        graph, replaced = model.graph, list[onnx_ir.Node]()
        outputs = {output: at for at, output in enumerate(tuple(graph.outputs))}
        graphs = [graph, *(function.graph for function in model.functions.values())]
        taken: set[str] = set()
        for node in tuple(model.graph):
            if self.applies(node) and (new := self.fused(node)):
                taken = taken or {name for graph in graphs for one in graph for name in _names(one)}
                taken -= _names(node)
                _name(node, new, taken)
                _substitute(graph, node, new, outputs)
                replaced.append(node)
                taken |= {name for one in new for name in _names(one)}
                self._made += new
        graph.remove(replaced, safe=True)
        return onnx_ir.passes.PassResult(model, bool(self._made))

    @override
    def ensures(self, model: onnx_ir.Model) -> None:
        if (untyped := _untyped(self._made)) is not None:
            raise onnx_ir.passes.PostconditionError(f"`{untyped.name}` has no fixed type")


def _untyped(nodes: Iterable[onnx_ir.Node]) -> onnx_ir.Value | None:
    """The first result of nodes whose element type or sizes are not known."""
    for node in nodes:
        for value in node.outputs:
            if value.dtype is None or value.shape is None:
                return value
            for size in value.shape.dims:  # as `is_static`, which takes four times as long
                if not isinstance(size, int):
                    return value
    return None


def _names(node: onnx_ir.Node) -> set[str]:
    return {str(node.name), str(node.outputs[0].name)}


def _name(old: onnx_ir.Node, new: Sequence[onnx_ir.Node], taken: AbstractSet[str]) -> None:
    """Give new nodes an old one's line of the spec, and names that are its own or not ``taken``."""
    scope, _, _ = str(old.name).rpartition("/")
    given: set[str] = set()
    result = str(old.outputs[0].name)
    for node in new:
        name, count = f"{scope}/{node.op_type}", 1
        while name in taken or name in given or (node is not new[-1] and name == result):
            count += 1
            name = f"{scope}/{node.op_type}_{count}"
        given.add(name)
        node.name, node.doc_string = name, old.doc_string
        node.outputs[0].name = name


def _substitute(
    graph: onnx_ir.Graph,
    old: onnx_ir.Node,
    new: Sequence[onnx_ir.Node],
    outputs: dict[onnx_ir.Value, int],
) -> None:
    """Put nodes in the place of one, which is left without inputs, to be removed with others.

    The last one's results take over the old ones' names, and their places among the graph's
    ``outputs``. onnx-ir's function looks through all of these for each node.
    """
    for before, after in zip(old.outputs, new[-1].outputs, strict=True):
        after.type, after.shape = before.type or after.type, before.shape or after.shape
        before.name, after.name = None, before.name
        replace_uses(before, after)
        if before in outputs:
            outputs[after] = outputs.pop(before)
            graph.outputs[outputs[after]] = after
    graph.insert_after(old, new)
    for at in range(len(old.inputs)):
        old.replace_input_with(at, None)


def made_for(value: onnx_ir.Value | None, op_type: str, domain: str = "") -> onnx_ir.Node | None:
    """The node that makes a value, where it has that operator and nothing else needs its result."""
    node = None if value is None else value.producer()
    if node is None or node.domain != domain or node.op_type != op_type:
        return None
    result = node.outputs[0]
    return None if result.is_graph_output() or len(result.uses()) != 1 else node


def size_of(value: onnx_ir.Value) -> int:
    """How many numbers a value has."""
    return math.prod(dims_of(value))


def product_plus(
    product: onnx_ir.Node,
    factors: Sequence[onnx_ir.Value | None],
    addend: onnx_ir.Value,
    *,
    alpha: float,
    beta: float,
) -> onnx_ir.Node:
    """A matrix product times alpha, of other factors, plus beta times something of its shape."""
    turns = {
        name: attribute.as_int()
        for name in ("transA", "transB")
        if (attribute := product.attributes.get(name)) is not None
    }
    own = product.attributes.get("alpha")
    factor = alpha * (1.0 if own is None else own.as_float())
    attributes = {**turns, "alpha": factor, "beta": beta}
    node = onnx_ir.node("Gemm", [*factors, addend], attributes)
    return typed(node, product.outputs[0], dims_of(product.outputs[0]))
