"""Pulls a given gradient of a result back to the inputs, in float64: as PyTorch's ``backward``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy.typing
import onnx_ir
from gradients import OPERATORS
from onnx.reference import ReferenceEvaluator
from onnx_ir.passes import common

from cnndsl.autodiff.reverse import differentiate
from cnndsl.graph.builder import GraphBuilder

__all__ = ["pull_back"]

Array = numpy.typing.NDArray[Any]


def pull_back(
    build: Callable[..., onnx_ir.Value], gradient: Array, *arrays: Array
) -> tuple[Array, ...]:
    """The gradients of all arrays, for that of the result which ``build`` makes of them."""
    emit = GraphBuilder()
    given = {f"input{at}": array for at, array in enumerate([gradient, *arrays])}
    values = [
        emit.placeholder(name, array.shape, onnx_ir.DataType.DOUBLE)
        for name, array in given.items()
    ]
    emit.enter("forward")
    result = build(emit, *values[1:])
    total = emit.op("ReduceSum", emit.op("Mul", result, values[0]), keepdims=0)
    found = differentiate(emit, total, values[1:])
    outputs = [found[value] for value in values[1:]]
    graph = onnx_ir.Graph(values, outputs, nodes=emit.nodes, opset_imports={"": 18}, name="back")
    model = onnx_ir.Model(graph, ir_version=8, functions=emit.functions)
    common.InlinePass()(model)
    proto = onnx_ir.to_proto(model)
    return tuple(ReferenceEvaluator(proto, new_ops=[*OPERATORS]).run(None, given))
