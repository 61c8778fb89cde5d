"""The gradients of matrix products."""

from __future__ import annotations

import math
from collections.abc import Sequence

import onnx_ir

from cnndsl.autodiff.rules import Backward, dims_of, vjp

__all__: list[str] = []

Parts = Sequence[onnx_ir.Value | None]


@vjp("Gemm")
def _gemm(backward: Backward) -> Parts:
    """Y = alpha A' B' + beta C, where A' and B' are A and B or their transposes."""
    (left, right, *_), gradient = backward.inputs, backward.gradient
    turned_left, turned_right = backward.integer("transA", 0), backward.integer("transB", 0)
    alpha, parts = backward.number("alpha", 1.0), list[onnx_ir.Value | None]()

    def product(one: onnx_ir.Value, other: onnx_ir.Value, turn: int, turn_other: int) -> None:
        value = backward.op("Gemm", one, other, transA=turn, transB=turn_other, alpha=alpha)
        parts.append(value)

    if not backward.wants[0]:
        parts.append(None)
    elif turned_left:
        product(right, gradient, turned_right, 1)
    else:
        product(gradient, right, 0, 1 - turned_right)
    if not backward.wants[1]:
        parts.append(None)
    elif turned_right:
        product(gradient, left, 1, turned_left)
    else:
        product(left, gradient, 1 - turned_left, 0)
    if len(backward.inputs) > 2:
        parts.append(_addend(backward) if backward.wants[2] else None)
    return parts


def _addend(backward: Backward) -> onnx_ir.Value:
    beta = backward.number("beta", 1.0)
    if beta == 1:
        return backward.gradient
    return backward.op("Mul", backward.gradient, backward.scalar(beta))


@vjp("MatMul")
def _matmul(backward: Backward) -> Parts:
    """A vector on the left is a row, one on the right a column; further axes are stacks."""
    left, right = backward.inputs
    left_dims, right_dims = dims_of(left), dims_of(right)
    row_dims = left_dims if len(left_dims) > 1 else (1, *left_dims)
    column_dims = right_dims if len(right_dims) > 1 else (*right_dims, 1)
    stack = dims_of(backward.output)[: max(len(row_dims), len(column_dims)) - 2]
    dims = (*stack, row_dims[-2], column_dims[-1])
    gradient = _shaped(backward, backward.gradient, dims)
    parts: list[onnx_ir.Value | None] = [None, None]
    if backward.wants[0]:
        column = _shaped(backward, right, column_dims)
        parts[0] = _product(backward, gradient, column, turned=1)
    if backward.wants[1]:
        row = _shaped(backward, left, row_dims)
        part = _product(backward, row, gradient, turned=0)
        parts[1] = _shaped(backward, part, dims_of(part)[:-1]) if len(right_dims) == 1 else part
    return parts


def _product(
    backward: Backward, left: onnx_ir.Value, right: onnx_ir.Value, turned: int
) -> onnx_ir.Value:
    """The product of matrices, or stacks of them, one of which (0, 1) is transposed."""
    pair = [left, right]
    ranks = [len(dims_of(value)) for value in pair]
    if ranks == [2, 2]:
        return backward.op("Gemm", left, right, transA=1 - turned, transB=turned)
    is_shared = len(dims_of(backward.inputs[1])) <= 2
    if turned == 0 and is_shared and dims_of(left)[:-2] == dims_of(right)[:-2]:
        # One matrix served the whole stack: its gradient is one long product.
        flat = [
            _shaped(backward, one, (math.prod(dims_of(one)[:-1]), dims_of(one)[-1])) for one in pair
        ]
        return backward.op("Gemm", *flat, transA=1)
    perm = [*range(ranks[turned] - 2), ranks[turned] - 1, ranks[turned] - 2]
    pair[turned] = backward.op("Transpose", pair[turned], perm=perm)
    return backward.op("MatMul", *pair)


def _shaped(backward: Backward, value: onnx_ir.Value, dims: tuple[int, ...]) -> onnx_ir.Value:
    if dims_of(value) == dims:
        return value
    return backward.op("Reshape", value, backward.emit.constant(list(dims)))
