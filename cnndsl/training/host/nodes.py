"""Collects nodes that are to stand in the place of one, every value with its type."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy
import onnx_ir

from cnndsl.autodiff.rules import Array, dims_of
from cnndsl.training.host.kernels import BLOCKED

__all__ = ["Nodes"]


class Nodes:
    """New nodes in order. Names come when they are put into a graph."""

    def __init__(self, like: onnx_ir.Value) -> None:
        self.made: list[onnx_ir.Node] = []
        self._type = like.type
        self._constants: dict[tuple[tuple[int, ...], bytes], onnx_ir.Value] = {}

    def op(
        self,
        op_type: str,
        *inputs: onnx_ir.Value | None,
        dims: Sequence[int],
        domain: str = "",
        **attributes: int | str | Sequence[int],
    ) -> onnx_ir.Value:
        """One node, whose result has these sizes."""
        node = onnx_ir.node(op_type, inputs, attributes, domain=domain)
        self.made.append(node)
        node.outputs[0].type, node.outputs[0].shape = self._type, onnx_ir.Shape(dims)
        return node.outputs[0]

    def constant(self, numbers: Array) -> onnx_ir.Value:
        """Whole numbers that are known; equal ones are one."""
        key = (numbers.shape, numbers.tobytes())
        if key not in self._constants:
            tensor = onnx_ir.tensor(numpy.ascontiguousarray(numbers, numpy.int64))
            node = onnx_ir.node("Constant", [], {"value": tensor})
            self.made.append(node)
            node.outputs[0].type = onnx_ir.TensorType(tensor.dtype)
            node.outputs[0].shape = onnx_ir.Shape(numbers.shape)
            self._constants[key] = node.outputs[0]
        return self._constants[key]

    def integers(self, *numbers: int) -> onnx_ir.Value:
        """The same, of one dimension."""
        return self.constant(numpy.array(numbers, numpy.int64))

    # --- where numbers lie ------------------------------------------------------------------------

    def shaped(self, value: onnx_ir.Value, *dims: int) -> onnx_ir.Value:
        """The same numbers in another shape."""
        if dims_of(value) == dims:
            return value
        assert math.prod(dims) == math.prod(dims_of(value))
        return self.op("Reshape", value, self.integers(*dims), dims=dims)

    def exchanged(self, value: onnx_ir.Value, *dims: int) -> onnx_ir.Value:
        """The first two axes exchanged, of the shape that is given; no axis needs to move of 1."""
        first, second, *rest = dims
        value = self.shaped(value, *dims)
        if 1 in (first, second):
            return self.shaped(value, second, first, *rest)
        perm = [1, 0, *range(2, len(dims))]
        return self.op("Transpose", value, dims=(second, first, *rest), perm=perm)

    def padded(
        self, value: onnx_ir.Value, before: Sequence[int], after: Sequence[int]
    ) -> onnx_ir.Value:
        """Zeros around; amounts below 0 cut."""
        if not any(before) and not any(after):
            return value
        sizes = zip(dims_of(value), before, after, strict=True)
        dims = [size + left + right for size, left, right in sizes]
        return self.op("Pad", value, self.integers(*before, *after), dims=dims)

    def rows(self, value: onnx_ir.Value, start: int, size: int) -> onnx_ir.Value:
        """So many rows of feature maps [N, C, H, W], from one on."""
        batch, channels, _, width = dims_of(value)
        bounds = [self.integers(bound) for bound in (start, start + size, 2)]
        return self.op("Slice", value, *bounds, dims=(batch, channels, size, width))

    # --- blocks -----------------------------------------------------------------------------------

    def blocked(self, value: onnx_ir.Value) -> onnx_ir.Value:
        """[N, C, H, W] as [N, C/b, H, W, b], though its sizes are said to be the former."""
        return self.op("ReorderInput", value, domain=BLOCKED, dims=dims_of(value))

    def plain(self, value: onnx_ir.Value) -> onnx_ir.Value:
        """The way back."""
        dims = dims_of(value)
        return self.op("ReorderOutput", value, domain=BLOCKED, dims=dims, channels=dims[1])

    def turned(self, value: onnx_ir.Value, count: int, block: int, length: int) -> onnx_ir.Value:
        """[count, block, length] as [count, length, block].

        What blocks a feature map is the fastest Transpose there is: of 2.4 million numbers it takes
        1.2 ms, where Transpose takes 7 (AVX2, 2 threads).
        """
        return self.blocked(self.shaped(value, count, block, length, 1))
