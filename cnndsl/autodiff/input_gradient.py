"""Turns the gradient of a convolution's output into that of its input, in several ways."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy
import onnx_ir

from cnndsl.autodiff.geometry import Convolved, Geometry

__all__ = ["can_flip", "can_fold", "flipped", "folded", "transposed"]


def transposed(convolved: Convolved) -> onnx_ir.Value:
    """ConvTranspose: right for every convolution.

    CUDA has it with equal padding on both sides only: the rest is cut off.
    """
    g = convolved.geometry
    both = [min(pair) for pair in zip(g.before, g.after, strict=True)]
    result = convolved.op(
        "ConvTranspose",
        convolved.gradient,
        convolved.kernels,
        strides=g.strides,
        dilations=g.dilations,
        pads=[*both, *both],
        output_padding=g.unreached,
        group=g.groups,
    )
    starts = [before - pad for before, pad in zip(g.before, both, strict=True)]
    return convolved.cut(result, starts, g.inputs)


def flipped(convolved: Convolved) -> onnx_ir.Value:
    """For strides of 1, Conv with the kernels turned around, and filters and channels exchanged.

    The turning is a product with a matrix of zeros and ones: Slice with negative steps and Gather
    move single numbers, and took up to four times as long.
    """
    g = convolved.geometry
    filters, places = g.filters // g.groups, math.prod(g.kernel)
    kernels = convolved.shaped(convolved.kernels, g.groups, filters, g.per_group * places)
    kernels = convolved.transposed(kernels, 0, 2, 1)
    if places > 1:
        kernels = convolved.shaped(kernels, g.channels, places, filters)
        turn = convolved.context.tensor(numpy.eye(places)[::-1].copy())
        kernels = convolved.transposed(convolved.op("MatMul", turn, kernels), 0, 2, 1)
    kernels = convolved.shaped(kernels, g.channels, filters, *g.kernel)
    reach = [dilation * (size - 1) for dilation, size in zip(g.dilations, g.kernel, strict=True)]
    pads = [
        full - pad for side in (g.before, g.after) for full, pad in zip(reach, side, strict=True)
    ]
    return convolved.op(
        "Conv", convolved.gradient, kernels, dilations=g.dilations, pads=pads, group=g.groups
    )


def can_flip(geometry: Geometry) -> bool:
    """Whether there is a flipped form: Conv takes no negative padding."""
    g = geometry
    columns = zip(g.strides, g.dilations, g.kernel, g.before, g.after, strict=True)
    return all(
        stride == 1 and max(before, after) <= dilation * (size - 1)
        for stride, dilation, size, before, after in columns
    )


def folded(convolved: Convolved) -> onnx_ir.Value:
    """The flipped form where kernels are as large as the input along some axes.

    Along such an axis nothing moves: its cells are so many more channels, as the words' vectors
    are where kernels go over sentences.
    """
    g = convolved.geometry
    whole = [axis + 2 for axis in range(g.rank) if _spans(g, axis)]
    moving = [axis + 2 for axis in range(g.rank) if not _spans(g, axis)]
    cells = [g.inputs[axis - 2] for axis in whole]

    def kept(sizes: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(sizes[axis - 2] for axis in moving)

    channels = g.channels * math.prod(cells)
    geometry = replace(
        g,
        channels=channels,
        inputs=kept(g.inputs),
        outputs=kept(g.outputs),
        kernel=kept(g.kernel),
        strides=kept(g.strides),
        dilations=kept(g.dilations),
        before=kept(g.before),
        after=kept(g.after),
    )
    order = [0, 1, *whole, *moving]
    kernels = convolved.transposed(convolved.kernels, *order)
    narrow = replace(
        convolved,
        geometry=geometry,
        kernels=convolved.shaped(kernels, g.filters, geometry.per_group, *geometry.kernel),
        gradient=convolved.shaped(convolved.gradient, g.batch, g.filters, *geometry.outputs),
    )
    result = convolved.shaped(flipped(narrow), g.batch, g.channels, *cells, *geometry.inputs)
    return convolved.transposed(result, *(order.index(axis) for axis in range(g.rank + 2)))


def can_fold(geometry: Geometry) -> bool:
    """Whether there is a folded form: kernels span some axes, and are flipped along the others."""
    spanned = [axis for axis in range(geometry.rank) if _spans(geometry, axis)]
    return 0 < len(spanned) < geometry.rank and can_flip(geometry)


def _spans(geometry: Geometry, axis: int) -> bool:
    """Whether kernels are as large as the input along an axis, cell on cell."""
    g = geometry
    whole = g.kernel[axis] == g.inputs[axis] and g.dilations[axis] == 1
    return whole and not g.before[axis] and not g.after[axis]
