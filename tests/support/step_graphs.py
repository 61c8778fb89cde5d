"""Graphs of a few operators, as they stand in a training step, for the tests of its passes."""

from __future__ import annotations

from dataclasses import dataclass, field

import onnx_ir
from small_graphs import graph_of

from cnndsl.graph.builder import GraphBuilder

__all__ = ["Graph", "normalized"]

FLOAT = onnx_ir.DataType.FLOAT

Value = onnx_ir.Value


@dataclass
class Graph:
    """A graph under construction, for a weight of 6x5 and a batch of 3."""

    emit: GraphBuilder = field(default_factory=GraphBuilder)
    inputs: list[Value] = field(default_factory=list)
    outputs: dict[str, Value] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.emit.enter("w/update", "spec.cnn:1: w: dense 6")

    def given(self, name: str, *dims: int) -> Value:
        self.inputs.append(self.emit.placeholder(name, dims, FLOAT))
        return self.inputs[-1]

    def op(self, op_type: str, *inputs: Value, **attributes: int | float) -> Value:
        return self.emit.op(op_type, *inputs, **attributes)

    def gradient(self, *, batch: int = 3, **attributes: float) -> Value:
        left, right = self.given("a", batch, 6), self.given("b", batch, 5)
        return self.op("Gemm", left, right, transA=1, **attributes)

    def model(self) -> onnx_ir.Model:
        return graph_of(self.emit, self.inputs, self.outputs)


def normalized(graph: Graph, *dims: int) -> Value:
    given = [graph.given(name, dims[1]) for name in ("scale", "bias", "mean")]
    # A variance is not negative.
    variance = graph.op("Abs", graph.given("variance", dims[1]))
    source = graph.given("x", *dims)
    return graph.op("BatchNormalization", source, *given, variance, epsilon=0.125)
