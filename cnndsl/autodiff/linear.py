"""The gradients of matrix products."""

from __future__ import annotations

import math
from collections.abc import Sequence

import onnx_ir

from cnndsl.autodiff.rules import VjpContext, dims_of, vjp

__all__: list[str] = []

Parts = Sequence[onnx_ir.Value | None]


@vjp("Gemm")
def _gemm(context: VjpContext) -> Parts:
    """Y = alpha A' B' + beta C, where A' and B' are A and B or their transposes."""
    (left, right, *_), gradient = context.inputs, context.gradient
    turned_left, turned_right = context.integer("transA", 0), context.integer("transB", 0)
    alpha, parts = context.number("alpha", 1.0), list[onnx_ir.Value | None]()

    def product(one: onnx_ir.Value, other: onnx_ir.Value, turn: int, turn_other: int) -> None:
        value = context.op("Gemm", one, other, transA=turn, transB=turn_other, alpha=alpha)
        parts.append(value)

    if not context.needs_grad[0]:
        parts.append(None)
    elif turned_left:
        product(right, gradient, turned_right, 1)
    else:
        product(gradient, right, 0, 1 - turned_right)
    if not context.needs_grad[1]:
        parts.append(None)
    elif turned_right:
        product(gradient, left, 1, turned_left)
    else:
        product(left, gradient, 1 - turned_left, 0)
    if len(context.inputs) > 2:
        parts.append(_addend(context) if context.needs_grad[2] else None)
    return parts


def _addend(context: VjpContext) -> onnx_ir.Value:
    beta = context.number("beta", 1.0)
    if beta == 1:
        return context.gradient
    return context.op("Mul", context.gradient, context.scalar(beta))


@vjp("MatMul")
def _matmul(context: VjpContext) -> Parts:
    """A vector on the left is a row, one on the right a column; further axes are stacks."""
    left, right = context.inputs
    left_dims, right_dims = dims_of(left), dims_of(right)
    row_dims = left_dims if len(left_dims) > 1 else (1, *left_dims)
    column_dims = right_dims if len(right_dims) > 1 else (*right_dims, 1)
    stack = dims_of(context.output)[: max(len(row_dims), len(column_dims)) - 2]
    dims = (*stack, row_dims[-2], column_dims[-1])
    gradient = _shaped(context, context.gradient, dims)
    parts: list[onnx_ir.Value | None] = [None, None]
    if context.needs_grad[0]:
        column = _shaped(context, right, column_dims)
        parts[0] = _product(context, gradient, column, turned=1)
    if context.needs_grad[1]:
        row = _shaped(context, left, row_dims)
        part = _product(context, row, gradient, turned=0)
        parts[1] = _shaped(context, part, dims_of(part)[:-1]) if len(right_dims) == 1 else part
    return parts


def _product(
    context: VjpContext, left: onnx_ir.Value, right: onnx_ir.Value, turned: int
) -> onnx_ir.Value:
    """The product of matrices, or stacks of them, one of which (0, 1) is transposed."""
    pair = [left, right]
    ranks = [len(dims_of(value)) for value in pair]
    if ranks == [2, 2]:
        return context.op("Gemm", left, right, transA=1 - turned, transB=turned)
    is_shared = len(dims_of(context.inputs[1])) <= 2
    if turned == 0 and is_shared and dims_of(left)[:-2] == dims_of(right)[:-2]:
        # One matrix served the whole stack: its gradient is one long product.
        flat = [
            _shaped(context, one, (math.prod(dims_of(one)[:-1]), dims_of(one)[-1])) for one in pair
        ]
        return context.op("Gemm", *flat, transA=1)
    perm = [*range(ranks[turned] - 2), ranks[turned] - 1, ranks[turned] - 2]
    pair[turned] = context.op("Transpose", pair[turned], perm=perm)
    return context.op("MatMul", *pair)


def _shaped(context: VjpContext, value: onnx_ir.Value, dims: tuple[int, ...]) -> onnx_ir.Value:
    if dims_of(value) == dims:
        return value
    return context.op("Reshape", value, context.emit.constant(list(dims)))
