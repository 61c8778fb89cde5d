"""Lets the matrix product that is a gradient add the velocity itself.

Before::

    gradient = Gemm(A, B)
    velocity.next = Add(Mul(rest, 0.9), gradient)

After::

    velocity.next = Gemm(A, B, rest, beta = 0.9)

So the gradient of a large matrix takes no pass over memory of its own, and no buffer.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir
from typing_extensions import override

from cnndsl.autodiff.rules import constant_of, dims_of
from cnndsl.training.passes.fusion import Fusion, made_for, product_plus

__all__ = ["MomentumIntoProduct"]


class MomentumIntoProduct(Fusion):
    """Makes one product of what the step leaves as a number times something plus a product."""

    op_type = "Add"

    @override
    def fused(self, node: onnx_ir.Node) -> Sequence[onnx_ir.Node]:
        scaled, product = made_for(node.inputs[0], "Mul"), made_for(node.inputs[1], "Gemm")
        if scaled is None or product is None or not node.outputs[0].is_graph_output():
            return ()
        rest, number = scaled.inputs[0], constant_of(scaled.inputs[1])
        if rest is None or number is None or number.size != 1 or len(product.inputs) != 2:
            return ()
        # An Add stretches what it adds, and its result; a product only the former.
        if not dims_of(rest) == dims_of(product.outputs[0]) == dims_of(node.outputs[0]):
            return ()
        return (product_plus(product, product.inputs, rest, alpha=1.0, beta=number.item()),)
