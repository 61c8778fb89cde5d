"""Turns the gradient of a convolution's output into those of its input, kernels and biases."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir

from cnndsl.autodiff.forms import Convolved, Geometry, choose_input_form, choose_kernel_form
from cnndsl.autodiff.rules import Backward, dims_of, vjp

__all__: list[str] = []

Parts = Sequence[onnx_ir.Value | None]


@vjp("Conv")
def _conv(backward: Backward) -> Parts:
    source, kernels = backward.inputs[:2]
    geometry = _geometry(backward, source, kernels, backward.output)
    convolved = Convolved(backward, geometry, source, kernels, backward.gradient)
    parts: list[onnx_ir.Value | None] = [None] * len(backward.inputs)
    if backward.wants[0]:
        parts[0] = choose_input_form(geometry, backward.target)(convolved)
    if backward.wants[1]:
        parts[1] = choose_kernel_form(geometry, backward.target)(convolved)
    if len(parts) > 2 and backward.wants[2]:
        parts[2] = _bias_gradient(backward)
    return parts


@vjp("ConvTranspose")
def _conv_transpose(backward: Backward) -> Parts:
    """A ConvTranspose is the gradient of a convolution; its own gradient is that convolution.

    What the convolution took in is what came out here.
    """
    source, kernels = backward.inputs[:2]
    geometry = _geometry(backward, backward.output, kernels, source)
    convolved = Convolved(backward, geometry, backward.gradient, kernels, source)
    parts: list[onnx_ir.Value | None] = [None] * len(backward.inputs)
    if backward.wants[0]:
        parts[0] = backward.op(
            "Conv",
            backward.gradient,
            kernels,
            strides=geometry.strides,
            dilations=geometry.dilations,
            pads=[*geometry.before, *geometry.after],
            group=geometry.groups,
        )
    if backward.wants[1]:
        parts[1] = choose_kernel_form(geometry, backward.target)(convolved)
    if len(parts) > 2 and backward.wants[2]:
        parts[2] = _bias_gradient(backward)
    return parts


def _geometry(
    backward: Backward, source: onnx_ir.Value, kernels: onnx_ir.Value, result: onnx_ir.Value
) -> Geometry:
    """The sizes of the convolution of a source, as a node's attributes give them."""
    assert backward.text("auto_pad", "NOTSET") == "NOTSET"
    batch, channels, *inputs = dims_of(source)
    filters, _, *kernel = dims_of(kernels)
    rank = len(kernel)
    pads = backward.integers("pads", (0, 0) * rank)
    return Geometry(
        batch=batch,
        groups=backward.integer("group", 1),
        channels=channels,
        filters=filters,
        inputs=tuple(inputs),
        outputs=dims_of(result)[2:],
        kernel=tuple(kernel),
        strides=backward.integers("strides", (1,) * rank),
        dilations=backward.integers("dilations", (1,) * rank),
        before=pads[:rank],
        after=pads[rank:],
    )


def _bias_gradient(backward: Backward) -> onnx_ir.Value:
    axes = [0, *range(2, len(dims_of(backward.gradient)))]
    return backward.op("ReduceSum", backward.gradient, backward.emit.constant(axes), keepdims=0)
