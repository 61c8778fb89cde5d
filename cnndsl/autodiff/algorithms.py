"""Turns the gradient of a convolution's output into those of its input and of its kernels.

Each gradient has several algorithms: graphs that give the same numbers at different speeds. All of
them stand here, and so does the one place that chooses: :func:`choose_input_algorithm` and
:func:`choose_kernel_algorithm`. The numbers in comments are ratios of time to PyTorch's kernels,
measured in turn on one AVX2 core.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy
import onnx_ir

from cnndsl.autodiff.rules import Target, VjpContext, dims_of

__all__ = [
    "INPUT_ALGORITHMS",
    "KERNEL_ALGORITHMS",
    "Algorithm",
    "Convolved",
    "Geometry",
    "can_flip",
    "can_sweep",
    "choose_input_algorithm",
    "choose_kernel_algorithm",
    "columns",
    "depthwise",
    "flipped",
    "pointwise",
    "swept",
    "transposed",
]


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

    def padded(
        self, value: onnx_ir.Value, before: Sequence[int], after: Sequence[int]
    ) -> onnx_ir.Value:
        """The spatial axes with zeros around them."""
        if not any(before) and not any(after):
            return value
        lead = [0] * (len(dims_of(value)) - len(before))
        amounts = self.context.emit.constant([*lead, *before, *lead, *after])
        return self.op("Pad", value, amounts)


Algorithm: TypeAlias = Callable[[Convolved], onnx_ir.Value]
"""Emits a gradient."""

Condition: TypeAlias = Callable[[Geometry], bool]
"""Says of a convolution whether a form is right for it."""


# --- the gradient of the input ----------------------------------------------------------------


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


def choose_input_algorithm(geometry: Geometry, target: Target) -> Algorithm:
    """The fastest form of the input's gradient.

    On CUDA, ConvTranspose is cuDNN's own gradient. On the CPU it is Gemm and Col2Im, the latter on
    one thread: a flipped Conv is faster for many channels (1.1 against 1.2-1.3 for ResNet-18's
    3x3, 0.7 against 0.9 for 1x1), where it has no more to multiply. It is slower where padding
    enlarges the feature maps (3.3 against 0.8 for LeNet-5's second convolution), for few channels
    (1.7 against 1.2 for 16; 1.4 against 1.3 for the 48 of AlexNet's second), and where kernels,
    which have to be turned, are large against the feature maps (1.9 against 1.0 for ResNet-18's
    last stage and one picture).
    """
    g = geometry
    if target == "cuda" or not can_flip(g):
        return transposed
    enlarged = math.prod(g.inputs) / math.prod(g.outputs)
    many = g.per_group >= 64 or _is_depthwise(g)
    return flipped if many and enlarged <= 1.2 and g.cells >= 256 else transposed


# --- the gradient of the kernels --------------------------------------------------------------


def swept(convolved: Convolved) -> onnx_ir.Value:
    """One Conv of the input with the gradient as its kernels, channels last.

    The sum over the batch is Conv's own sum over channels. The input's channels lie side by side
    in its rows, [1, N, H, W*C], so that the kernel of a row, W cells, stands at distances of C,
    and moving it by one meets the next channel, after C of them the next column:
    dK[m, i, j*C + c] = sum over n, h, w of dy[m, n, h, w] * x[n, h + i, (w + j)*C + c].
    A stride of the convolution is a dilation here. No im2col of the input exists outside of Conv's
    own buffer, which is smaller than the gradient and has contiguous rows to be copied.

    Ratios to PyTorch: 0.66-0.95 for ResNet-18's 3x3 of stride 1, 0.7-1.0 for those of stride 2,
    0.8 at AlexNet's first convolution. There columns have 0.74-1.4, 0.9-1.5 and 1.6, Conv of
    x^T and dy^T 1.2-2.2, 1.5-1.8 and 0.9, the same row by row 0.7-1.6, 1.2-1.6 and 1.4.
    """
    g = convolved.geometry
    last = g.rank + 1
    ends = [after - rest for after, rest in zip(g.after, g.unreached, strict=True)]
    sizes = [size + min(0, end) for size, end in zip(g.inputs, ends, strict=True)]
    planes = convolved.cut(convolved.source, [0] * g.rank, sizes)
    if g.per_group == 1:
        planes = convolved.transposed(planes, 1, 0, *range(2, last + 1))
    else:
        planes = convolved.transposed(planes, 0, *range(2, last + 1), 1)
        if g.groups > 1:
            cells = g.batch * math.prod(sizes)
            planes = convolved.shaped(planes, cells, g.groups, g.per_group)
            planes = convolved.transposed(planes, 1, 0, 2)
    *rows, width = sizes
    result = convolved.op(
        "Conv",
        convolved.shaped(planes, 1, g.groups * g.batch, *rows, width * g.per_group),
        convolved.transposed(convolved.gradient, 1, 0, *range(2, last + 1)),
        strides=g.dilations,
        dilations=[*g.strides[:-1], g.strides[-1] * g.per_group],
        pads=[
            pad * each
            for side in (g.before, [max(0, end) for end in ends])
            for pad, each in zip(side, [1] * (g.rank - 1) + [g.per_group], strict=True)
        ],
        group=g.groups,
    )
    result = convolved.shaped(result, g.filters, *g.kernel, g.per_group)
    return convolved.transposed(result, 0, last, *range(1, last))


def can_sweep(geometry: Geometry) -> bool:
    """Whether there is a swept form: within a row, channels and dilated steps cannot alternate."""
    return geometry.dilations[-1] == 1 or geometry.per_group == 1


def columns(convolved: Convolved) -> onnx_ir.Value:
    """MatMul of the gradient with the input as each place of the kernel sees it: right for all.

    The columns of as many places as ``COLUMNS`` allows are multiplied at once.
    """
    g = convolved.geometry
    spatial = range(2, g.rank + 2)
    filters = g.filters // g.groups
    gradient = convolved.transposed(convolved.gradient, 1, 0, *spatial)
    gradient = convolved.shaped(gradient, g.groups, filters, g.cells)
    source = convolved.transposed(convolved.source, 1, 0, *spatial)
    source = convolved.padded(source, g.before, g.after)
    places = [*numpy.ndindex(*g.kernel)]
    at_once = max(1, COLUMNS // (g.channels * g.cells))
    products = []
    for first in range(0, len(places), at_once):
        seen = []
        for place in places[first : first + at_once]:
            starts = [at * step for at, step in zip(place, g.dilations, strict=True)]
            cells = convolved.cut(source, starts, g.outputs, g.strides)
            seen.append(convolved.shaped(cells, g.groups, g.per_group, g.cells))
        stacked = seen[0] if len(seen) == 1 else convolved.op("Concat", *seen, axis=1)
        stacked = convolved.op("Transpose", stacked, perm=[0, 2, 1])
        products.append(convolved.op("MatMul", gradient, stacked))
    result = products[0] if len(products) == 1 else convolved.op("Concat", *products, axis=2)
    result = convolved.shaped(result, g.filters, len(places), g.per_group)
    result = convolved.transposed(result, 0, 2, 1)
    return convolved.shaped(result, g.filters, g.per_group, *g.kernel)


COLUMNS = 2**25
"""How many numbers the columns of one product may have: 128 MiB of float32."""


def pointwise(convolved: Convolved) -> onnx_ir.Value:
    """For kernels of one cell: MatMul of every picture's gradient with its input, then their sum.

    Nothing is transposed: ONNX Runtime fuses a Transpose before a MatMul with it.
    """
    g = convolved.geometry
    source = convolved.padded(convolved.source, g.before, g.after)
    source = convolved.cut(source, [0] * g.rank, g.outputs, g.strides)
    cells = math.prod(g.outputs)
    source = convolved.shaped(source, g.batch, g.groups, g.per_group, cells)
    filters = g.filters // g.groups
    gradient = convolved.shaped(convolved.gradient, g.batch, g.groups, filters, cells)
    result = convolved.op("MatMul", gradient, convolved.op("Transpose", source, perm=[0, 1, 3, 2]))
    if g.batch > 1:
        result = convolved.op("ReduceSum", result, convolved.context.emit.constant([0]), keepdims=0)
    return convolved.shaped(result, g.filters, g.per_group, *g.kernel)


def depthwise(convolved: Convolved) -> onnx_ir.Value:
    """For one filter on each channel: at each place of the kernel, products and their sum."""
    g = convolved.geometry
    constant = convolved.context.emit.constant
    source = convolved.padded(convolved.source, g.before, g.after)
    sums = []
    for place in numpy.ndindex(*g.kernel):
        starts = [at * step for at, step in zip(place, g.dilations, strict=True)]
        cells = convolved.cut(source, starts, g.outputs, g.strides)
        product = convolved.op("Mul", cells, convolved.gradient)
        axes = constant([0, *range(2, g.rank + 2)])
        sums.append(
            convolved.shaped(convolved.op("ReduceSum", product, axes, keepdims=0), g.filters, 1)
        )
    result = sums[0] if len(sums) == 1 else convolved.op("Concat", *sums, axis=1)
    return convolved.shaped(result, g.filters, 1, *g.kernel)


def choose_kernel_algorithm(geometry: Geometry, target: Target) -> Algorithm:
    """The fastest form of the kernels' gradient.

    On CUDA, a Conv whose kernels are feature maps has no fast algorithm.
    """
    g = geometry
    if _is_pointwise(g):
        # One matrix for each picture, unless these are larger than what they are made of.
        products = g.batch * g.filters * g.per_group
        return pointwise if products <= g.cells * (g.filters + g.channels) else columns
    if _is_depthwise(g) and all(stride == 1 for stride in g.strides):
        return depthwise  # 5 times PyTorch's time, swept 8-10; with a stride 5.5 and 4.3.
    return swept if target == "cpu" and can_sweep(g) else columns


def _is_pointwise(geometry: Geometry) -> bool:
    return math.prod(geometry.kernel) == 1


def _is_depthwise(geometry: Geometry) -> bool:
    return geometry.channels == geometry.groups == geometry.filters


def _always(geometry: Geometry) -> bool:
    return True


INPUT_ALGORITHMS: Mapping[Algorithm, Condition] = {transposed: _always, flipped: can_flip}
"""The forms of the input's gradient, each with the convolutions that it is right for."""

KERNEL_ALGORITHMS: Mapping[Algorithm, Condition] = {
    columns: _always,
    swept: can_sweep,
    pointwise: _is_pointwise,
    depthwise: _is_depthwise,
}
"""The forms of the kernels' gradient, each with the convolutions that it is right for."""
