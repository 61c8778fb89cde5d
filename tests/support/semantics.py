"""What each layer means, in NumPy and float64: written from the language's documentation alone.

Feature maps are arrays of batch x channels x spatial sizes. Nothing here is taken from the
product, so that it can be held to this.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy
from oracle import Array

__all__ = ["Margins", "Sliding", "avgpool", "batchnorm", "conv", "lrn", "margins", "maxpool"]
__all__ += ["softmax", "sumpool", "upconv"]

Margins: TypeAlias = Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Sliding:
    """How a window moves: kernel, stride, dilation and margins along every dimension."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    margins: Margins
    rounding: str

    @property
    def extents(self) -> tuple[int, ...]:
        """The cells that a dilated kernel spans."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True))

    def spans(self, sizes: Sequence[int]) -> tuple[int, ...]:
        """How far the window can slide along each dimension; negative where it does not fit."""
        borders = (begin + end for begin, end in self.margins)
        return tuple(
            size + border - extent
            for size, border, extent in zip(sizes, borders, self.extents, strict=True)
        )

    def tiles(self, sizes: Sequence[int]) -> bool:
        """Whether the strides divide the way."""
        pairs = zip(self.spans(sizes), self.stride, strict=True)
        return all(span % step == 0 for span, step in pairs)

    def places(self, sizes: Sequence[int]) -> list[Array]:
        """For each dimension, the cells (output x kernel) that are looked at, from 0."""
        places = []
        for at, (size, span) in enumerate(zip(sizes, self.spans(sizes), strict=True)):
            step, (begin, _) = self.stride[at], self.margins[at]
            count = span // step + 1
            # Caffe drops a last window that begins beyond the input and the margin before it.
            if self.rounding == "ceil" and span % step and count * step < size + begin:
                count += 1
            starts = numpy.arange(count) * step - begin
            places.append(starts[:, None] + numpy.arange(self.kernel[at]) * self.dilation[at])
        return places

    def gather(self, x: Array, fill: float) -> Array:
        """The cells of all windows: batch x channels x outputs x kernel."""
        rank = len(self.kernel)
        for axis, places in enumerate(self.places(x.shape[2:]), 2):
            # Each dimension becomes two, the second of which moves to the end.
            before, after = max(0, -places.min()), max(0, places.max() + 1 - x.shape[axis])
            borders = [(0, 0)] * x.ndim
            borders[axis] = (int(before), int(after))
            x = numpy.pad(x, borders, constant_values=fill)
            x = numpy.moveaxis(x.take(places + before, axis), axis + 1, -1)
        assert x.ndim == 2 + 2 * rank
        return x

    def counts(self, sizes: Sequence[int], *, padding: bool) -> Array:
        """How many cells of each window are the input's, or the input's and the margins'."""
        total = numpy.ones(())
        for at, places in enumerate(self.places(sizes)):
            begin, end = self.margins[at] if padding else (0, 0)
            inside = (places >= -begin) & (places < sizes[at] + end)
            total = numpy.multiply.outer(total, inside.sum(1))
        return total


def margins(
    padding: str | Sequence[int],
    sizes: Sequence[int],
    extents: Sequence[int],
    strides: Sequence[int],
) -> Margins:
    """What `padding` adds before and behind each dimension."""
    rank = len(sizes)
    if padding == "valid":
        return [(0, 0)] * rank
    if padding == "full":
        return [(extent - 1, extent - 1) for extent in extents]
    if padding == "same":
        # ceil(W/S) outputs; the odd cell stands at the end.
        totals = [
            max(0, (math.ceil(size / step) - 1) * step + extent - size)
            for size, extent, step in zip(sizes, extents, strides, strict=True)
        ]
        return [(total // 2, math.ceil(total / 2)) for total in totals]
    assert not isinstance(padding, str)
    if len(padding) == 2 * rank:
        return list(zip(padding[:rank], padding[rank:], strict=True))
    return [(one, one) for one in (padding if len(padding) == rank else [*padding] * rank)]


def conv(x: Array, how: Sliding, weight: Array, bias: Array | None, groups: int) -> Array:
    """Cross-correlation with filters x (channels/groups) x kernel."""
    rank = len(how.kernel)
    seen = how.gather(x, 0.0)
    channels, filters = x.shape[1] // groups, len(weight) // groups
    outputs = []
    for group in range(groups):
        own = seen[:, group * channels : (group + 1) * channels]
        bank = weight[group * filters : (group + 1) * filters]
        over = [1, *range(2 + rank, 2 + 2 * rank)]
        product = numpy.tensordot(own, bank, (over, range(1, 2 + rank)))
        outputs.append(numpy.moveaxis(product, -1, 1))
    y = numpy.concatenate(outputs, 1)
    return y if bias is None else y + column(bias, rank)


def upconv(
    x: Array,
    how: Sliding,
    weight: Array,
    bias: Array | None,
    groups: int,
    added: Sequence[int],
) -> Array:
    """Each cell times channels x (filters/groups) x kernel, added up where it falls.

    The margins of ``how`` are cropped, and some cells are added at the ends.
    """
    rank, sizes = len(how.kernel), x.shape[2:]
    columns = zip(sizes, how.stride, how.extents, added, strict=True)
    whole = [(size - 1) * step + extent + extra for size, step, extent, extra in columns]
    channels, filters = x.shape[1] // groups, weight.shape[1]
    y = numpy.zeros((len(x), groups * filters, *whole))
    for place in numpy.ndindex(*how.kernel):
        cells = tuple(
            slice(at * gap, at * gap + (size - 1) * step + 1, step)
            for at, gap, size, step in zip(place, how.dilation, sizes, how.stride, strict=True)
        )
        for group in range(groups):
            given = slice(group * channels, (group + 1) * channels)
            made = slice(group * filters, (group + 1) * filters)
            kernel = weight[(given, slice(None), *place)]
            parts = numpy.tensordot(x[:, given], kernel, (1, 0))
            y[(slice(None), made, *cells)] += numpy.moveaxis(parts, -1, 1)
    ends = zip(whole, how.margins, strict=True)
    kept = tuple(slice(begin, size - end) for size, (begin, end) in ends)
    y = y[(slice(None), slice(None), *kept)]
    return y if bias is None else y + column(bias, rank)


def maxpool(x: Array, how: Sliding) -> Array:
    return numpy.asarray(how.gather(x, -numpy.inf).max(_kernel_axes(how)))


def sumpool(x: Array, how: Sliding) -> Array:
    return numpy.asarray(how.gather(x, 0.0).sum(_kernel_axes(how)))


def avgpool(x: Array, how: Sliding, *, count_padding: bool) -> Array:
    return sumpool(x, how) / how.counts(x.shape[2:], padding=count_padding)


def batchnorm(x: Array, weights: Sequence[Array], eps: float) -> Array:
    scale, bias, mean, var = (column(one, x.ndim - 2) for one in weights)
    return (x - mean) / numpy.sqrt(var + eps) * scale + bias


def lrn(x: Array, size: int, alpha: float, beta: float, k: float) -> Array:
    """Each channel is divided by a power of k + alpha * (sum of squares of neighbours)/size."""
    channels = x.shape[1]
    y = numpy.empty_like(x)
    for at in range(channels):
        near = x[:, max(0, at - size // 2) : min(channels, at + size // 2 + 1)]
        y[:, at] = x[:, at] / (k + alpha / size * (near**2).sum(1)) ** beta
    return y


def softmax(x: Array) -> Array:
    powers = numpy.exp(x - x.max(1, keepdims=True))
    return numpy.asarray(powers / powers.sum(1, keepdims=True))


def column(vector: Array, rank: int) -> Array:
    """A number for each channel, to be stretched over the spatial dimensions."""
    return vector.reshape(-1, *(1,) * rank)


def _kernel_axes(how: Sliding) -> tuple[int, ...]:
    rank = len(how.kernel)
    return tuple(range(2 + rank, 2 + 2 * rank))
