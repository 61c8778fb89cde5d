"""Puts the operators that a composite consists of in the place of its node.

Before::

    y, mean, variance = cnndsl.BatchNormalization(x, scale, bias)

After::

    mean = ReduceMean(x, axes)
    ...

Every composite has a function of its own, which is called once: its nodes are moved, not copied.
"""

from __future__ import annotations

from collections import Counter

import onnx_ir
import onnx_ir.passes
from typing_extensions import override

from cnndsl.training.passes.rewiring import replace_outputs, replace_uses

__all__ = ["InlineComposites"]


class InlineComposites(onnx_ir.passes.InPlacePass):
    """Leaves no functions in a model, and no node that calls one."""

    @override
    def requires(self, model: onnx_ir.Model) -> None:
        bodies = [model.graph, *model.functions.values()]
        calls = Counter(node.op_identifier() for body in bodies for node in body)
        for function in model.functions:
            if calls[function] > 1:
                raise onnx_ir.passes.PreconditionError(f"{function} is called more than once")

    @override
    def call(self, model: onnx_ir.Model) -> onnx_ir.passes.PassResult:
        graph, functions = model.graph, model.functions
        called: list[onnx_ir.Node] = []
        results: dict[onnx_ir.Value, onnx_ir.Value] = {}
        waiting = [*reversed(graph)] if functions else []
        while waiting:
            node = waiting.pop()
            function = functions.get(node.op_identifier())
            if function is not None:
                waiting += reversed(_spliced(graph, node, function, results))
                called.append(node)
        replace_outputs(graph, results)
        graph.remove(called, safe=True)
        functions.clear()
        return onnx_ir.passes.PassResult(model, modified=bool(called))


def _spliced(
    graph: onnx_ir.Graph,
    call: onnx_ir.Node,
    function: onnx_ir.Function,
    results: dict[onnx_ir.Value, onnx_ir.Value],
) -> tuple[onnx_ir.Node, ...]:
    """The nodes of a function, moved before the node that calls it, which nothing reads any more.

    ``results`` is told what stands for the node's; they have the names that they had outside.
    """
    nodes, inner = tuple(function), tuple(function.outputs)
    function.outputs.clear()
    function.remove(nodes)
    for formal, given in zip(function.inputs, call.inputs, strict=True):
        assert given is not None
        replace_uses(formal, given)
    for outside, inside in zip(call.outputs, inner, strict=True):
        replace_uses(outside, inside)
        results[outside] = inside
        if not outside.is_graph_output():
            outside.name, inside.name = None, outside.name
    graph.insert_before(call, nodes)
    return nodes
