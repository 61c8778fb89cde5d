"""INTERIM (lead), to let the others integrate: the owner replaces this by the fast, exact forms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy
import onnx_ir

from cnndsl.autodiff.rules import Backward, dims_of, vjp

__all__: list[str] = []


@vjp("GlobalAveragePool")
def _global_average(backward: Backward) -> Sequence[onnx_ir.Value | None]:
    x = dims_of(backward.inputs[0])
    area = int(numpy.prod(x[2:]))
    return [backward.op("Expand", backward.op("Div", backward.gradient, backward.scalar(area)), backward.emit.constant(list(x)))]


@vjp("AveragePool")
def _average(backward: Backward) -> Sequence[onnx_ir.Value | None]:
    x = dims_of(backward.inputs[0])
    kernel, strides = backward.integers("kernel_shape"), backward.integers("strides")
    pads = backward.integers("pads", [0] * 4)
    ones = backward.emit.tensor(numpy.full((x[1], 1, *kernel), 1 / numpy.prod(kernel), backward.gradient.dtype.numpy()))
    extra = [x[2 + i] + pads[i] + pads[i + 2] - ((dims_of(backward.output)[2 + i] - 1) * strides[i] + kernel[i]) for i in range(2)]
    assert not any(pads) and not any(extra)
    return [backward.op("ConvTranspose", backward.gradient, ones, strides=list(strides), group=x[1])]


@vjp("MaxPool")
def _max(backward: Backward) -> Sequence[onnx_ir.Value | None]:
    (x,) = backward.inputs
    sizes = dims_of(x)
    kernel, strides = backward.integers("kernel_shape"), backward.integers("strides")
    pads = backward.integers("pads", [0] * 4)
    out = dims_of(backward.output)[2:]
    emit = backward.emit
    low = emit.scalar(-3e38, x)
    full = [max((o - 1) * s + k, p + n) for o, s, k, p, n in zip(out, strides, kernel, pads[:2], sizes[2:])]
    after = [f - p - n for f, p, n in zip(full, pads[:2], sizes[2:])]
    padded = backward.op("Pad", x, emit.constant([0, 0, *pads[:2], 0, 0, *after]), low)
    total, taken = None, None
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            ends = [i + (out[0] - 1) * strides[0] + 1, j + (out[1] - 1) * strides[1] + 1]
            piece = backward.op("Slice", padded, emit.constant([i, j]), emit.constant(ends), emit.constant([2, 3]), emit.constant(list(strides)))
            hit = backward.op("Equal", piece, backward.output)
            mine = hit if taken is None else backward.op("And", hit, backward.op("Not", taken))
            taken = hit if taken is None else backward.op("Or", taken, hit)
            part = backward.op("Where", mine, backward.gradient, backward.scalar(0))
            delta = emit.tensor(numpy.ones((sizes[1], 1, 1, 1), backward.gradient.dtype.numpy()))
            spread = backward.op("ConvTranspose", part, delta, strides=list(strides), group=sizes[1])
            have = dims_of(spread)[2:]
            spread = backward.op("Pad", spread, emit.constant([0, 0, i, j, 0, 0, full[0] - i - have[0], full[1] - j - have[1]]), backward.scalar(0))
            total = spread if total is None else backward.op("Add", total, spread)
    return [backward.op("Slice", total, emit.constant(list(pads[:2])), emit.constant([p + n for p, n in zip(pads[:2], sizes[2:])]), emit.constant([2, 3]))]
