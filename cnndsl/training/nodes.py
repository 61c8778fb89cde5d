"""Collects nodes that are to stand in the place of others, every value with its type."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy
import onnx_ir

from cnndsl.autodiff.rules import Array, dims_of
from cnndsl.graph.builder import attribute

__all__ = ["Nodes", "typed"]


class Nodes(list[onnx_ir.Node]):
    """New nodes, in order. Names come when they are put into a graph."""

    def op(
        self,
        op_type: str,
        *inputs: onnx_ir.Value | None,
        dims: Sequence[int],
        domain: str = "",
        **attributes: int | float | str | Sequence[int] | Sequence[float],
    ) -> onnx_ir.Value:
        """Add a node; its result has these sizes, and the element type of the first input."""
        like = inputs[0]
        assert like is not None
        given = [attribute(name, value) for name, value in attributes.items()]
        self.append(typed(onnx_ir.Node(domain, op_type, inputs, given), like, dims))
        return self[-1].outputs[0]

    def constant(self, array: Array) -> onnx_ir.Value:
        """Add numbers that are known."""
        tensor = onnx_ir.Tensor(array)
        self.append(onnx_ir.Node("", "Constant", (), [onnx_ir.AttrTensor("value", tensor)]))
        result = self[-1].outputs[0]
        result.type, result.shape = onnx_ir.TensorType(tensor.dtype), onnx_ir.Shape(array.shape)
        return result

    def integers(self, *numbers: int) -> onnx_ir.Value:
        """Add whole numbers, such as axes or sizes."""
        return self.constant(numpy.array(numbers, numpy.int64))

    def shaped(self, value: onnx_ir.Value, *dims: int) -> onnx_ir.Value:
        """The same numbers in another shape; the value itself where it has that."""
        if dims_of(value) == dims:
            return value
        assert math.prod(dims) == math.prod(dims_of(value))
        return self.op("Reshape", value, self.integers(*dims), dims=dims)


def typed(node: onnx_ir.Node, like: onnx_ir.Value, dims: Sequence[int]) -> onnx_ir.Node:
    """The node, its result having the element type of a value, and these sizes."""
    node.outputs[0].type, node.outputs[0].shape = like.type, onnx_ir.Shape(dims)
    return node
