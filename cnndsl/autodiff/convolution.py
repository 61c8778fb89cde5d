"""Turns the gradient of a convolution's output into those of its input, kernels and biases.

Those of input and kernels have several algorithms, which give the same numbers at different speeds:
:mod:`cnndsl.autodiff.input_gradient` and :mod:`cnndsl.autodiff.kernel_gradient`. Here is the one
place that chooses. Numbers in its comments are milliseconds on an AVX2 processor (AMD EPYC, family
25), on one thread and on two, as ``benchmarks/convolution_gradients.py`` times all forms of a
convolution; "8x64x56" is pictures, channels and the side of a map.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import onnx_ir

from cnndsl.autodiff.geometry import (
    Algorithm,
    Condition,
    Convolved,
    Geometry,
    is_depthwise,
    is_pointwise,
)
from cnndsl.autodiff.input_gradient import can_flip, can_fold, flipped, folded, transposed
from cnndsl.autodiff.kernel_gradient import (
    can_shift,
    can_sweep,
    channels_last,
    columns,
    depthwise,
    pointwise,
    shifted,
    swept,
)
from cnndsl.autodiff.rules import Target, VjpContext, dims_of, vjp

__all__ = [
    "INPUT_ALGORITHMS",
    "INPUT_GRADIENT",
    "KERNEL_ALGORITHMS",
    "KERNEL_GRADIENT",
    "choose_input_algorithm",
    "choose_kernel_algorithm",
    "geometry_of",
]

Parts = Sequence[onnx_ir.Value | None]


INPUT_GRADIENT = "ConvInputGradient"
"""The composite, for `host`, that gives the gradient of a Conv's input, of that of its output."""

KERNEL_GRADIENT = "ConvKernelGradient"
"""The composite, for `host`, that gives the gradient of a Conv's kernels."""


@vjp("Conv")
def _conv(context: VjpContext) -> Parts:
    source, kernels = context.inputs[:2]
    geometry = geometry_of(context.node, source, kernels, context.output)
    convolved = Convolved(context, geometry, source, kernels, context.gradient)
    parts: list[onnx_ir.Value | None] = [None] * len(context.inputs)
    if context.needs_grad[0]:
        parts[0] = _input_gradient(convolved)
    if context.needs_grad[1]:
        parts[1] = _kernel_gradient(convolved)
    if len(parts) > 2 and context.needs_grad[2]:
        parts[2] = _bias_gradient(context)
    return parts


@vjp("ConvTranspose")
def _conv_transpose(context: VjpContext) -> Parts:
    """A ConvTranspose is the gradient of a convolution; its own gradient is that convolution.

    What the convolution took in is what came out here.
    """
    source, kernels = context.inputs[:2]
    geometry = geometry_of(context.node, context.output, kernels, source)
    convolved = Convolved(context, geometry, context.gradient, kernels, source)
    parts: list[onnx_ir.Value | None] = [None] * len(context.inputs)
    if context.needs_grad[0]:
        parts[0] = context.op(
            "Conv",
            context.gradient,
            kernels,
            strides=geometry.strides,
            dilations=geometry.dilations,
            pads=[*geometry.before, *geometry.after],
            group=geometry.groups,
        )
    if context.needs_grad[1]:
        parts[1] = _kernel_gradient(convolved)
    if len(parts) > 2 and context.needs_grad[2]:
        parts[2] = _bias_gradient(context)
    return parts


def _input_gradient(convolved: Convolved) -> onnx_ir.Value:
    """In its standard form; for `host` as a composite, for which there may be others."""
    algorithm = choose_input_algorithm(convolved.geometry, convolved.context.target)
    if convolved.context.target != "host":
        return algorithm(convolved)

    def body(gradient: onnx_ir.Value, kernels: onnx_ir.Value) -> list[onnx_ir.Value]:
        return [algorithm(replace(convolved, gradient=gradient, kernels=kernels))]

    return _composite(INPUT_GRADIENT, convolved, body, convolved.gradient, convolved.kernels)


def _kernel_gradient(convolved: Convolved) -> onnx_ir.Value:
    algorithm = choose_kernel_algorithm(convolved.geometry, convolved.context.target)
    if convolved.context.target != "host":
        return algorithm(convolved)

    def body(source: onnx_ir.Value, gradient: onnx_ir.Value) -> list[onnx_ir.Value]:
        return [algorithm(replace(convolved, source=source, gradient=gradient))]

    return _composite(KERNEL_GRADIENT, convolved, body, convolved.source, convolved.gradient)


def _composite(
    name: str,
    convolved: Convolved,
    body: Callable[..., Sequence[onnx_ir.Value]],
    *inputs: onnx_ir.Value,
) -> onnx_ir.Value:
    g = convolved.geometry
    (result,) = convolved.context.emit.composite(
        name,
        body,
        *inputs,
        strides=g.strides,
        dilations=g.dilations,
        pads=[*g.before, *g.after],
        group=g.groups,
    )
    return result


def geometry_of(
    node: onnx_ir.Node, source: onnx_ir.Value, kernels: onnx_ir.Value, result: onnx_ir.Value
) -> Geometry:
    """The sizes of the convolution of a source, as a node's attributes give them."""
    batch, channels, *inputs = dims_of(source)
    filters, _, *kernel = dims_of(kernels)
    rank = len(kernel)

    def integers(name: str, default: int, count: int = rank) -> tuple[int, ...]:
        attribute = node.attributes.get(name)
        return (default,) * count if attribute is None else tuple(attribute.as_ints())

    auto_pad = node.attributes.get("auto_pad")
    assert auto_pad is None or auto_pad.as_string() == "NOTSET"
    group, pads = node.attributes.get("group"), integers("pads", 0, 2 * rank)
    return Geometry(
        batch=batch,
        groups=1 if group is None else group.as_int(),
        channels=channels,
        filters=filters,
        inputs=tuple(inputs),
        outputs=dims_of(result)[2:],
        kernel=tuple(kernel),
        strides=integers("strides", 1),
        dilations=integers("dilations", 1),
        before=pads[:rank],
        after=pads[rank:],
    )


def _bias_gradient(context: VjpContext) -> onnx_ir.Value:
    axes = [0, *range(2, len(dims_of(context.gradient)))]
    return context.op("ReduceSum", context.gradient, context.emit.constant(axes), keepdims=0)


# --- the choice -----------------------------------------------------------------------------


def choose_input_algorithm(geometry: Geometry, target: Target) -> Algorithm:
    """The fastest form of the input's gradient.

    On CUDA, ConvTranspose is cuDNN's own gradient. On the CPU it is a Gemm for each picture and
    then Col2Im on one thread; a flipped Conv multiplies as much and runs on all threads. It is
    slower where it copies more cells than Col2Im, since there are more filters than channels, and
    multiplies them with few channels.
    """
    g = geometry
    if target == "cuda" or not can_flip(g):
        return transposed  # With a stride, sub-kernels with a shuffle took 2-5 times as long.
    if is_pointwise(g) or is_depthwise(g):
        # 8x192x28, 64 filters: 1.9 and 1.1 against 2.3 and 2.4; depthwise 4x960x7: 1.7 and 0.9
        # against 2.7 and 1.8.
        return flipped
    if can_fold(g):
        return folded
    if math.prod(g.inputs) > 1.2 * math.prod(g.outputs):
        return transposed  # The padding is work: LeNet-5's second, 3.4 and 2.7 against 0.8 and 1.0.
    if g.per_group < 48 and g.filters > g.channels:
        return transposed  # 8x16x28, 32 filters of 5x5: 3.9 and 2.8 against 2.5 and 2.6.
    # Turning the kernels and more nodes cost as much as is won where there are few cells.
    # 1x512x7: 7.4 and 6.5 against 3.8 and 3.1; 8x512x7: 31 and 26 against 31 and 23; 4x512x14: 54
    # and 33 against 56 and 35; 1x16x32: 0.11 and 0.13 against 0.10 and 0.12; 128x16x32: 13 and 9
    # against 14 and 18; 128x64x8: 13 and 7 against 11 and 13.
    return flipped if g.cells >= (768 if g.per_group >= 128 else 2048) else transposed


def choose_kernel_algorithm(geometry: Geometry, target: Target) -> Algorithm:
    """The fastest form of the kernels' gradient."""
    g = geometry
    if is_pointwise(g):
        # One matrix for each picture, unless these are larger than what they are made of:
        # 4x960x7, 160 filters: 2.0 and 0.7 against 0.9 and 0.5.
        products = g.batch * g.filters * g.per_group
        return pointwise if products <= g.cells * (g.filters + g.channels) else columns
    plain = all(stride == 1 for stride in g.strides)
    if target == "cuda":
        # A Conv whose kernels are feature maps has no fast algorithm.
        return depthwise if is_depthwise(g) and plain else columns
    if is_depthwise(g):
        # 4x144x56: shifted 9 and 8, channels last 23 and 15, depthwise 15 and 11; 4x384x14: 2.0 and
        # 1.9, 1.4 and 1.8, 2.3 and 2.2; 4x960x7: 4.2 and 2.9, 1.3 and 1.3, 4.6 and 2.5. With a
        # stride of 2, 4x96x112: 15 and 20, 21 and 17, swept 32 and 18; 4x192x28: 2.2 and 2.4, 1.2
        # and 1.8, 2.4 and 2.4. Larger than the caches, 32x512x14: 32 and 24, 35 and 30.
        wide = g.outputs[-1] > 14 or g.cells * g.channels >= 2**21
        return shifted if plain and wide and can_shift(g) else channels_last
    small = g.per_group <= 4 if g.groups > 1 else g.dilations[-1] > 1 and g.channels <= 32
    if small and g.outputs[-1] >= 28 and g.filters <= 2 * g.channels and can_shift(g):
        # 4x128x56 in 32 groups: 10 and 7, swept 16 and 12; 4x512x14: 4.6 and 6.2, swept 3.3 and
        # 3.5; 2x32x64, dilation 2: 2.4 and 2.1, swept 3.2 and 3.5.
        return shifted
    return swept if can_sweep(g) else columns


def _always(geometry: Geometry) -> bool:
    return True


INPUT_ALGORITHMS: Mapping[Algorithm, Condition] = {
    transposed: _always,
    flipped: can_flip,
    folded: can_fold,
}
"""The forms of the input's gradient, each with the convolutions that it is right for."""

KERNEL_ALGORITHMS: Mapping[Algorithm, Condition] = {
    columns: _always,
    swept: can_sweep,
    pointwise: is_pointwise,
    depthwise: is_depthwise,
    channels_last: is_depthwise,
    shifted: can_shift,
}
"""The forms of the kernels' gradient, each with the convolutions that it is right for."""
