"""The sizes of a convolution, and the operators that its gradients' algorithms emit."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import onnx_ir

from cnndsl.autodiff.rules import VjpContext, dims_of

__all__ = ["Algorithm", "Condition", "Convolved", "Geometry", "is_depthwise", "is_pointwise"]


@dataclass(frozen=True)
class Geometry:
    """The sizes of a convolution; the tuples have one entry for each spatial dimension."""

    batch: int
    groups: int
    channels: int
    filters: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]

    @property
    def rank(self) -> int:
        """How many spatial dimensions there are."""
        return len(self.kernel)

    @property
    def per_group(self) -> int:
        """How many channels each filter sees."""
        return self.channels // self.groups

    @property
    def cells(self) -> int:
        """The cells of all the feature maps that one filter gives in a batch."""
        return self.batch * math.prod(self.outputs)

    def meeting(self, axis: int, place: int) -> tuple[int, int]:
        """Which cells of the input a place of the kernel meets: how far along, and of which phase.

        A stride s takes them apart into s phases, every s-th cell each; window o has the cell
        s*(o + shift) + phase at this place.
        """
        offset = self.dilations[axis] * place - self.before[axis]
        return divmod(offset, self.strides[axis])

    def cells_of_phase(self, axis: int, phase: int) -> int:
        """How many cells of the input are of a phase."""
        return -(-(self.inputs[axis] - phase) // self.strides[axis])

    @property
    def unreached(self) -> tuple[int, ...]:
        """How many cells at the end of the padded input no window reaches, fewer than a stride."""
        return tuple(
            size + before + after - stride * (output - 1) - dilation * (kernel - 1) - 1
            for size, before, after, stride, output, dilation, kernel in zip(
                self.inputs,
                self.before,
                self.after,
                self.strides,
                self.outputs,
                self.dilations,
                self.kernel,
                strict=True,
            )
        )

    @property
    def meets_input(self) -> bool:
        """Whether along each axis some window ends behind the padding that the input begins with.

        Where a stride or the kernel is small beside that padding, all windows may lie in it.
        """
        sides = zip(self.inputs, self.after, self.unreached, strict=True)
        return all(size + after - unreached > 0 for size, after, unreached in sides)


@dataclass(frozen=True, eq=False)
class Convolved:
    """A convolution and the gradient of its output: what its forms are made of."""

    context: VjpContext
    geometry: Geometry
    source: onnx_ir.Value
    kernels: onnx_ir.Value
    gradient: onnx_ir.Value

    def op(
        self, op_type: str, *inputs: onnx_ir.Value, **attributes: int | Sequence[int]
    ) -> onnx_ir.Value:
        """Emit one node and give its output."""
        return self.context.op(op_type, *inputs, **attributes)

    def shaped(self, value: onnx_ir.Value, *dims: int) -> onnx_ir.Value:
        """The same numbers in another shape."""
        if dims_of(value) == dims:
            return value
        return self.op("Reshape", value, self.context.emit.constant(dims))

    def transposed(self, value: onnx_ir.Value, *axes: int) -> onnx_ir.Value:
        """The axes in another order; where only axes of size 1 move, no number does."""
        dims = dims_of(value)
        moving = [axis for axis in axes if dims[axis] > 1]
        if moving == sorted(moving):
            return self.shaped(value, *(dims[axis] for axis in axes))
        return self.op("Transpose", value, perm=axes)

    def cut(
        self,
        value: onnx_ir.Value,
        starts: Sequence[int],
        sizes: Sequence[int],
        strides: Sequence[int] | None = None,
    ) -> onnx_ir.Value:
        """So many cells of the spatial axes from a start, one at each stride."""
        steps = strides or [1] * len(sizes)
        whole = dims_of(value)[-len(sizes) :] == tuple(sizes)
        if whole and not any(starts) and all(step == 1 for step in steps):
            return value
        ends = [
            start + (size - 1) * step + 1
            for start, size, step in zip(starts, sizes, steps, strict=True)
        ]
        first = len(dims_of(value)) - len(sizes)
        axes = range(first, first + len(sizes))
        constant = self.context.emit.constant
        bounds = [constant([*bound]) for bound in (starts, ends, axes, steps)]
        return self.op("Slice", value, *bounds)

    def joined(self, values: Sequence[onnx_ir.Value], axis: int) -> onnx_ir.Value:
        """Several values one after the other along an axis."""
        return values[0] if len(values) == 1 else self.op("Concat", *values, axis=axis)

    def padded(
        self, value: onnx_ir.Value, before: Sequence[int], after: Sequence[int]
    ) -> onnx_ir.Value:
        """The spatial axes with zeros around them; where amounts are negative, with less."""
        if not any(before) and not any(after):
            return value
        lead = [0] * (len(dims_of(value)) - len(before))
        amounts = self.context.emit.constant([*lead, *before, *lead, *after])
        return self.op("Pad", value, amounts)


Algorithm: TypeAlias = Callable[[Convolved], onnx_ir.Value]
"""Emits a gradient."""

Condition: TypeAlias = Callable[[Geometry], bool]
"""Says of a convolution whether a form is right for it."""


def is_pointwise(geometry: Geometry) -> bool:
    """Whether kernels have one cell."""
    return math.prod(geometry.kernel) == 1


def is_depthwise(geometry: Geometry) -> bool:
    """Whether each channel has one filter of its own."""
    return geometry.channels == geometry.groups == geometry.filters
