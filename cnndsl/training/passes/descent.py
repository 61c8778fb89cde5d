"""Lets the matrix product that is a gradient take the step down itself.

Before::

    gradient = Gemm(A, B)
    weight.next = Sub(weight, Mul(gradient, lr))

After, where A has no more numbers than B::

    weight.next = Gemm(Mul(A, lr), B, weight, alpha = -1)

The learning rate is no constant, so that it cannot be the product's ``alpha``; but the smaller
factor, one row for each sample, is scaled quickly.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir
from typing_extensions import override

from cnndsl.autodiff.rules import dims_of
from cnndsl.training.nodes import typed
from cnndsl.training.passes.fusion import Fusion, made_for, product_plus, size_of

__all__ = ["DescentIntoProduct"]


class DescentIntoProduct(Fusion):
    """Makes one product of what the step leaves as something minus a product times a scalar."""

    op_type = "Sub"

    @override
    def fused(self, node: onnx_ir.Node) -> Sequence[onnx_ir.Node]:
        kept, scaled = node.inputs[0], made_for(node.inputs[1], "Mul")
        if kept is None or scaled is None or not node.outputs[0].is_graph_output():
            return ()
        product, rate = made_for(scaled.inputs[0], "Gemm"), scaled.inputs[1]
        if product is None or len(product.inputs) != 2 or rate is None or dims_of(rate):
            return ()
        # A Sub stretches what it takes from, a product only what it adds.
        if dims_of(kept) != dims_of(product.outputs[0]):
            return ()
        factors = [value for value in product.inputs if value is not None]
        smaller = min(factors, key=size_of)
        scaling = typed(onnx_ir.node("Mul", [smaller, rate]), smaller, dims_of(smaller))
        factors[factors.index(smaller)] = scaling.outputs[0]
        return scaling, product_plus(product, factors, kept, alpha=-1.0, beta=1.0)
