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

import onnx_ir
from typing_extensions import override

from cnndsl.autodiff.rules import constant_of, dims_of
from cnndsl.training.nodes import Nodes
from cnndsl.training.passes.fusion import Fusion, made_for, size_of

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
        if weight is None or not weight.is_graph_input():
            return ()
        if factor is None or number is None or number.size != 1:
            return ()
        if not dims_of(weight) == dims_of(value) == dims_of(result):
            return ()
        nodes, size = Nodes(), (1, size_of(result))
        scale = nodes.shaped(factor, 1, 1)
        rows = [nodes.shaped(side, *size) for side in (weight, value)]
        nodes.shaped(nodes.op("Gemm", scale, *rows, dims=size), *dims_of(result))
        return nodes
