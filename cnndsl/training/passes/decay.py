"""Adds the decay of a large weight by one operator, without a buffer for weight times decay.

Before::

    total = Add(gradient, Mul(weight, 0.0001))

After, with both as one row::

    total = Gemm([[0.0001]], weight, gradient)

Mul and Add are as fast, but ONNX Runtime's CPU kernels never work in place: they would hold a
further buffer, of 151 MB for AlexNet's `fc6`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy
import onnx_ir
from typing_extensions import override

from cnndsl.autodiff.rules import constant_of, dims_of
from cnndsl.training.passes.fusion import Fusion, made_for, size_of, typed

__all__ = ["LARGE", "DecayAsProduct"]

LARGE = 2**20
"""From so many numbers on, a buffer matters more than three further nodes."""


class DecayAsProduct(Fusion):
    """Makes a product of something plus a large input of the graph times a number.

    What the step leaves, the next velocity, is not touched: that buffer is the caller's.
    """

    op_type = "Add"

    @override
    def fused(self, node: onnx_ir.Node) -> Sequence[onnx_ir.Node]:
        result, value, scaled = node.outputs[0], node.inputs[0], made_for(node.inputs[1], "Mul")
        if value is None or scaled is None:
            return ()
        if result.is_graph_output() or size_of(result) < LARGE:
            return ()
        weight, factor = scaled.inputs[0], scaled.inputs[1]
        number = constant_of(factor)
        if weight is None or not weight.is_graph_input() or number is None or number.size != 1:
            return ()
        if not dims_of(weight) == dims_of(value) == dims_of(result):
            return ()
        row, one, whole = (_constant(dims) for dims in ([1, -1], [1, 1], dims_of(result)))
        size = (1, size_of(result))
        scale = _reshaped(factor, one, (1, 1))
        rows = [_reshaped(side, row, size) for side in (weight, value)]
        factors = [made.outputs[0] for made in (scale, *rows)]
        product = typed(onnx_ir.node("Gemm", factors), value, size)
        back = _reshaped(product.outputs[0], whole, dims_of(result))
        return row, one, scale, *rows, product, whole, back


def _constant(numbers: Sequence[int]) -> onnx_ir.Node:
    tensor = onnx_ir.tensor(numpy.array(numbers, numpy.int64))
    node = onnx_ir.node("Constant", [], {"value": tensor})
    node.outputs[0].type = onnx_ir.TensorType(tensor.dtype)
    node.outputs[0].shape = onnx_ir.Shape([len(numbers)])
    return node


def _reshaped(value: onnx_ir.Value | None, dims: onnx_ir.Node, made: Sequence[int]) -> onnx_ir.Node:
    assert value is not None
    return typed(onnx_ir.node("Reshape", [value, dims.outputs[0]]), value, made)
