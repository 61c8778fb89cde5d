"""Gradients of depthwise convolutions on feature maps whose channels lie in blocks.

Each picture's map of a channel is a channel of its own, and the gradient of its output the kernel
that slides over it: a depthwise convolution again, large as the kernel is. Blocked maps of all
pictures lie as such kernels do, so that only what the other convolutions block as well is blocked.
"""

from __future__ import annotations

import onnx_ir

from cnndsl.autodiff.geometry import Geometry
from cnndsl.training.host.kernels import BLOCKED
from cnndsl.training.host.nodes import BlockedNodes

__all__ = ["depthwise_kernel_gradient"]


def depthwise_kernel_gradient(
    emit: BlockedNodes, g: Geometry, source: onnx_ir.Value, gradient: onnx_ir.Value
) -> onnx_ir.Value:
    """That of the kernels: strides are dilations and the other way round, as in any convolution.

    Cells at the end that no window reaches must be padding (see ``can_block_kernel_gradient``).
    """
    maps = g.batch * g.channels
    ends = [after - rest for after, rest in zip(g.after, g.unreached, strict=True)]
    result = emit.op(
        "Conv",
        emit.shaped(emit.blocked(source), 1, maps, *g.inputs),
        emit.shaped(emit.blocked(gradient), maps, 1, *g.outputs),
        domain=BLOCKED,
        dims=(1, maps, *g.kernel),
        kernel_shape=g.outputs,
        strides=g.dilations,
        dilations=g.strides,
        pads=[*g.before, *ends],
        group=maps,
    )
    result = emit.plain(emit.shaped(result, g.batch, g.channels, *g.kernel))
    if g.batch > 1:
        axes = emit.integers(0)
        result = emit.op("ReduceSum", result, axes, dims=(1, g.channels, *g.kernel))
    return emit.shaped(result, g.channels, 1, *g.kernel)
