"""Lets the gradients of a convolution scale few kernels instead of large feature maps.

Before, where batch normalisation behind a convolution gives the gradient of its output::

    dy = Mul(g, slope as [M, 1, 1])
    dx = ConvInputGradient(dy, w)
    dw = ConvKernelGradient(x, dy)

After::

    dx = ConvInputGradient(g, Mul(w, slope as [M, 1, 1, 1]))
    dw = Mul(ConvKernelGradient(x, g), slope as [M, 1, 1, 1])

Both gradients are linear in each filter's share. One pass over memory goes, where nothing else
needs dy.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir
from typing_extensions import override

from cnndsl.autodiff.convolution import INPUT_GRADIENT, KERNEL_GRADIENT
from cnndsl.autodiff.rules import dims_of
from cnndsl.graph.builder import COMPOSITES
from cnndsl.training.nodes import Nodes, typed
from cnndsl.training.passes.fusion import Fusion, size_of

__all__ = ["LARGE", "ScaledGradients"]

LARGE = 2
"""How many times the numbers of the kernels a map must have: these are multiplied twice."""

_AT = {INPUT_GRADIENT: 0, KERNEL_GRADIENT: 1}
"""Which input of a composite the gradient of the convolution's output is."""


class ScaledGradients(Fusion):
    """Takes the factors of channels from the gradient of a convolution's output to its kernels."""

    @override
    def applies(self, node: onnx_ir.Node) -> bool:
        return node.domain == COMPOSITES and node.op_type in _AT

    @override
    def fused(self, node: onnx_ir.Node) -> Sequence[onnx_ir.Node]:
        at = _AT[node.op_type]
        gradient, other = node.inputs[at], node.inputs[1 - at]
        product = None if gradient is None else gradient.producer()
        if gradient is None or other is None or product is None or product.op_type != "Mul":
            return ()
        kernels = other if at == 0 else node.outputs[0]
        source, column = product.inputs
        if source is None or column is None or not _is_column(column, gradient):
            return ()
        if size_of(gradient) < LARGE * size_of(kernels) or not _is_for_gradients(gradient):
            return ()
        nodes = Nodes()
        dims = dims_of(kernels)
        factors = nodes.shaped(column, dims[0], *[1] * (len(dims) - 1))
        inputs = [other, source]
        if at == 0:
            inputs = [source, nodes.op("Mul", kernels, factors, dims=dims)]
        result = node.outputs[0]
        again = onnx_ir.Node(
            node.domain, node.op_type, inputs, node.attributes.values(), overload=node.overload
        )
        nodes.append(typed(again, result, dims_of(result)))
        if at == 1:
            nodes.op("Mul", again.outputs[0], factors, dims=dims)
        return nodes


def _is_column(value: onnx_ir.Value, like: onnx_ir.Value) -> bool:
    _, channels, *places = dims_of(like)
    return dims_of(value) == (channels, *[1] * len(places))


def _is_for_gradients(value: onnx_ir.Value) -> bool:
    """Whether nothing but the gradients of convolutions reads it as that of their outputs."""
    return not value.is_graph_output() and all(
        use.node.domain == COMPOSITES and _AT.get(use.node.op_type) == use.idx
        for use in value.uses()
    )
