"""Turns the gradient of a convolution's output into those of its input and of its kernels.

Each gradient has several forms: graphs that give the same numbers at different speeds. All of
them stand here, and so does the one place that chooses.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import onnx_ir

from cnndsl.autodiff.rules import Backward, dims_of

__all__ = ["Geometry", "input_gradient", "weight_gradient"]


@dataclass(frozen=True)
class Geometry:
    """The sizes of a convolution; all tuples have one entry for each spatial dimension."""

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

    @classmethod
    def of(cls, backward: Backward) -> Geometry:
        """The sizes of a Conv node."""
        batch, channels, *inputs = dims_of(backward.inputs[0])
        filters, _, *kernel = dims_of(backward.inputs[1])
        rank = len(kernel)
        pads = backward.integers("pads", [0] * 2 * rank)
        return cls(
            batch=batch,
            groups=backward.integer("group", 1),
            channels=channels,
            filters=filters,
            inputs=tuple(inputs),
            outputs=dims_of(backward.output)[2:],
            kernel=tuple(kernel),
            strides=backward.integers("strides", [1] * rank),
            dilations=backward.integers("dilations", [1] * rank),
            before=pads[:rank],
            after=pads[rank:],
        )

    @property
    def rank(self) -> int:
        """How many spatial dimensions there are."""
        return len(self.kernel)

    @property
    def rest(self) -> tuple[int, ...]:
        """How many cells at the end of the padded input no window reaches."""
        return tuple(
            size + before + after - stride * (output - 1) - dilation * (kernel - 1) - 1
            for size, before, after, stride, output, dilation, kernel in zip(
                self.inputs, self.before, self.after, self.strides, self.outputs,
                self.dilations, self.kernel, strict=True,
            )
        )


def input_gradient(backward: Backward, geometry: Geometry) -> onnx_ir.Value:
    """The gradient of the input."""
    return transposed(backward, geometry)


def weight_gradient(backward: Backward, geometry: Geometry) -> onnx_ir.Value:
    """The gradient of the kernels."""
    return crossed(backward, geometry)


def transposed(backward: Backward, geometry: Geometry) -> onnx_ir.Value:
    """ConvTranspose."""
    both = tuple(min(pair) for pair in zip(geometry.before, geometry.after, strict=True))
    result = backward.op(
        "ConvTranspose",
        backward.gradient,
        backward.inputs[1],
        strides=list(geometry.strides),
        dilations=list(geometry.dilations),
        group=geometry.groups,
        pads=list(both + both),
        output_padding=list(geometry.rest),
    )
    if geometry.before == geometry.after:
        return result
    starts = [before - pad for before, pad in zip(geometry.before, both, strict=True)]
    ends = [start + size for start, size in zip(starts, geometry.inputs, strict=True)]
    constant = backward.emit.constant
    axes = list(range(2, 2 + geometry.rank))
    return backward.op("Slice", result, constant(starts), constant(ends), constant(axes))


def crossed(backward: Backward, geometry: Geometry) -> onnx_ir.Value:
    """Conv."""
    g = geometry
    constant = backward.emit.constant
    spatial = list(range(g.rank))
    x = backward.inputs[0]
    if g.groups == 1:
        x = backward.op("Transpose", x, perm=[1, 0, *(2 + at for at in spatial)])
    else:
        per_group = g.channels // g.groups
        x = backward.op("Reshape", x, constant([g.batch, g.groups, per_group, *g.inputs]))
        x = backward.op("Transpose", x, perm=[2, 1, 0, *(3 + at for at in spatial)])
        x = backward.op("Reshape", x, constant([per_group, g.groups * g.batch, *g.inputs]))
    perm = [1, 0, *(2 + at for at in spatial)]
    result = backward.op(
        "Conv",
        x,
        backward.op("Transpose", backward.gradient, perm=perm),
        strides=list(g.dilations),
        dilations=list(g.strides),
        pads=list(g.before + g.after),
        group=g.groups,
    )
    if dims_of(result)[2:] != g.kernel:
        starts = [0] * g.rank
        axes = [2 + at for at in spatial]
        result = backward.op(
            "Slice", result, constant(starts), constant(list(g.kernel)), constant(axes)
        )
    return backward.op("Transpose", result, perm=perm)
