"""Sliding windows in plain NumPy and any float type, for the ``onnx`` package's evaluator.

Its own MaxPool fails where only one axis has a stride, its GlobalMaxPool outside of two
dimensions, and its Conv is too slow for kernels as large as feature maps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy
import numpy.typing
from onnx.reference.op_run import OpRun
from typing_extensions import override

__all__ = ["AveragePool", "Conv", "ConvTranspose", "GlobalMaxPool", "MaxPool"]

Array = numpy.typing.NDArray[Any]


def _windows(
    x: Array, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> Array:
    """The windows of padded feature maps: [N, C, *outputs, *kernel]."""
    spans = [size * (step - 1) + 1 for size, step in zip(dilations, kernel, strict=True)]
    axes = tuple(range(2, x.ndim))
    views = numpy.lib.stride_tricks.sliding_window_view(x, spans, axes)
    moves = [slice(None, None, stride) for stride in strides]
    steps = [slice(None, None, dilation) for dilation in dilations]
    result: Array = views[(slice(None), slice(None), *moves, *steps)]
    return result


def _padded(x: Array, pads: Sequence[int] | None, value: float) -> Array:
    rank = x.ndim - 2
    pads = pads or [0] * (2 * rank)
    margins = [(0, 0), (0, 0), *zip(pads[:rank], pads[rank:], strict=True)]
    return numpy.pad(x, margins, constant_values=value)


class MaxPool(OpRun):
    """The largest number of each window; padding never counts."""

    @override
    def _run(
        self,
        x: Array,
        auto_pad: str,
        ceil_mode: int,
        dilations: Sequence[int] | None,
        kernel_shape: Sequence[int],
        pads: Sequence[int] | None,
        storage_order: int,
        strides: Sequence[int] | None,
    ) -> tuple[Array]:
        assert auto_pad == "NOTSET"
        assert not ceil_mode
        assert not storage_order
        ones = [1] * len(kernel_shape)
        padded = _padded(x, pads, -numpy.inf)
        windows = _windows(padded, kernel_shape, strides or ones, dilations or ones)
        return (windows.max(tuple(range(x.ndim, windows.ndim))),)


class AveragePool(OpRun):
    """The mean of each window."""

    @override
    def _run(
        self,
        x: Array,
        auto_pad: str,
        ceil_mode: int,
        count_include_pad: int,
        dilations: Sequence[int] | None = None,
        kernel_shape: Sequence[int] = (),
        pads: Sequence[int] | None = None,
        strides: Sequence[int] | None = None,
    ) -> tuple[Array]:
        assert auto_pad == "NOTSET"
        assert not ceil_mode
        assert dilations is None
        ones = [1] * len(kernel_shape)
        axes = tuple(range(x.ndim, x.ndim + len(kernel_shape)))

        def total(values: Array, border: float) -> Array:
            padded = _padded(values, pads, border)
            sums: Array = _windows(padded, kernel_shape, strides or ones, ones).sum(axes)
            return sums

        counts = total(numpy.ones_like(x), float(count_include_pad))
        return (total(x, 0.0) / counts,)


class Conv(OpRun):
    """Cross-correlation."""

    @override
    def _run(
        self,
        x: Array,
        w: Array,
        b: Array | None = None,
        auto_pad: str = "NOTSET",
        dilations: Sequence[int] | None = None,
        group: int = 1,
        kernel_shape: Sequence[int] | None = None,
        pads: Sequence[int] | None = None,
        strides: Sequence[int] | None = None,
    ) -> tuple[Array]:
        assert auto_pad == "NOTSET"
        rank = x.ndim - 2
        ones = [1] * rank
        windows = _windows(_padded(x, pads, 0.0), w.shape[2:], strides or ones, dilations or ones)
        results = [
            numpy.tensordot(
                part, kernels, ([1, *range(rank + 2, 2 * rank + 2)], [*range(1, w.ndim)])
            )
            for part, kernels in zip(
                numpy.split(windows, group, 1), numpy.split(w, group), strict=True
            )
        ]
        result = numpy.moveaxis(numpy.concatenate(results, -1), -1, 1)
        return (result if b is None else result + b.reshape(-1, *ones),)


class ConvTranspose(OpRun):
    """Every cell adds its kernels, times itself, to the output."""

    @override
    def _run(
        self,
        x: Array,
        w: Array,
        b: Array | None = None,
        auto_pad: str = "NOTSET",
        dilations: Sequence[int] | None = None,
        group: int = 1,
        kernel_shape: Sequence[int] | None = None,
        output_padding: Sequence[int] | None = None,
        output_shape: Sequence[int] | None = None,
        pads: Sequence[int] | None = None,
        strides: Sequence[int] | None = None,
    ) -> tuple[Array]:
        assert auto_pad == "NOTSET"
        assert output_shape is None
        rank = x.ndim - 2
        strides, dilations = strides or [1] * rank, dilations or [1] * rank
        pads, extra = pads or [0] * (2 * rank), output_padding or [0] * rank
        kernel, sizes = w.shape[2:], x.shape[2:]
        covered = [
            stride * (size - 1) + dilation * (cells - 1) + 1 + more
            for stride, size, dilation, cells, more in zip(
                strides, sizes, dilations, kernel, extra, strict=True
            )
        ]
        images = numpy.split(x, group, 1)
        kernels = numpy.split(w, group)
        result = numpy.zeros((x.shape[0], w.shape[1] * group, *covered), x.dtype)
        for place in numpy.ndindex(*kernel):
            at = (slice(None), slice(None), *place)
            parts = [
                numpy.moveaxis(numpy.tensordot(image, part[at], (1, 0)), -1, 1)
                for image, part in zip(images, kernels, strict=True)
            ]
            cells = tuple(
                slice(step * dilation, step * dilation + stride * (size - 1) + 1, stride)
                for step, dilation, stride, size in zip(
                    place, dilations, strides, sizes, strict=True
                )
            )
            result[(slice(None), slice(None), *cells)] += numpy.concatenate(parts, 1)
        crop = tuple(
            slice(before, size - after)
            for before, after, size in zip(pads[:rank], pads[rank:], covered, strict=True)
        )
        result = result[(slice(None), slice(None), *crop)]
        return (result if b is None else result + b.reshape(-1, *[1] * rank),)


class GlobalMaxPool(OpRun):
    """The largest number of each feature map."""

    @override
    def _run(self, x: Array) -> tuple[Array]:
        return (x.max(tuple(range(2, x.ndim)), keepdims=True),)
