"""Turns the gradient of a convolution's output into those of its input, kernels and biases."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir

from cnndsl.autodiff.algorithms import choose_input_algorithm, choose_kernel_algorithm
from cnndsl.autodiff.geometry import Convolved, Geometry
from cnndsl.autodiff.rules import VjpContext, dims_of, vjp

__all__: list[str] = []

Parts = Sequence[onnx_ir.Value | None]


@vjp("Conv")
def _conv(context: VjpContext) -> Parts:
    source, kernels = context.inputs[:2]
    geometry = _geometry(context, source, kernels, context.output)
    convolved = Convolved(context, geometry, source, kernels, context.gradient)
    parts: list[onnx_ir.Value | None] = [None] * len(context.inputs)
    if context.needs_grad[0]:
        parts[0] = choose_input_algorithm(geometry, context.target)(convolved)
    if context.needs_grad[1]:
        parts[1] = choose_kernel_algorithm(geometry, context.target)(convolved)
    if len(parts) > 2 and context.needs_grad[2]:
        parts[2] = _bias_gradient(context)
    return parts


@vjp("ConvTranspose")
def _conv_transpose(context: VjpContext) -> Parts:
    """A ConvTranspose is the gradient of a convolution; its own gradient is that convolution.

    What the convolution took in is what came out here.
    """
    source, kernels = context.inputs[:2]
    geometry = _geometry(context, context.output, kernels, source)
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
        parts[1] = choose_kernel_algorithm(geometry, context.target)(convolved)
    if len(parts) > 2 and context.needs_grad[2]:
        parts[2] = _bias_gradient(context)
    return parts


def _geometry(
    context: VjpContext, source: onnx_ir.Value, kernels: onnx_ir.Value, result: onnx_ir.Value
) -> Geometry:
    """The sizes of the convolution of a source, as a node's attributes give them."""
    assert context.text("auto_pad", "NOTSET") == "NOTSET"
    batch, channels, *inputs = dims_of(source)
    filters, _, *kernel = dims_of(kernels)
    rank = len(kernel)
    pads = context.integers("pads", (0, 0) * rank)
    return Geometry(
        batch=batch,
        groups=context.integer("group", 1),
        channels=channels,
        filters=filters,
        inputs=tuple(inputs),
        outputs=dims_of(result)[2:],
        kernel=tuple(kernel),
        strides=context.integers("strides", (1,) * rank),
        dilations=context.integers("dilations", (1,) * rank),
        before=pads[:rank],
        after=pads[rank:],
    )


def _bias_gradient(context: VjpContext) -> onnx_ir.Value:
    axes = [0, *range(2, len(dims_of(context.gradient)))]
    return context.op("ReduceSum", context.gradient, context.emit.constant(axes), keepdims=0)
