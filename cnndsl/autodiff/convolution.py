"""Turns the gradient of a convolution's output into those of its input, kernels and biases."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir

from cnndsl.autodiff.forms import Geometry, input_gradient, weight_gradient
from cnndsl.autodiff.rules import Backward, vjp

__all__: list[str] = []


@vjp("Conv")
def _conv(backward: Backward) -> Sequence[onnx_ir.Value | None]:
    geometry = Geometry.of(backward)
    parts = [
        input_gradient(backward, geometry) if backward.wants[0] else None,
        weight_gradient(backward, geometry) if backward.wants[1] else None,
    ]
    if len(backward.inputs) > 2:
        wanted = backward.wants[2]
        axes = [0, *range(2, 2 + geometry.rank)]
        parts.append(
            backward.op("ReduceSum", backward.gradient, backward.emit.constant(axes), keepdims=0)
            if wanted
            else None
        )
    return parts
