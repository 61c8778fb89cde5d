"""Locally connected layers: convolutions whose every place has kernels of its own."""

import math
from collections.abc import Sequence
from typing import TypeVar

from pydantic import Field
from typing_extensions import override

from cnndsl.layers.base import Count, Init, Weight
from cnndsl.layers.conv import Convolution
from cnndsl.layers.filters import filters_symbol
from cnndsl.layers.formula import Term, product
from cnndsl.layers.lowering import Builder, LoweringContext
from cnndsl.layers.sliding import pads
from cnndsl.layers.terms import made_terms
from cnndsl.layers.window import Window
from cnndsl.types import TensorType

__all__ = ["LocalConv"]

V = TypeVar("V")


class LocalConv(Convolution):
    """A convolution without weight sharing: each place of the output has kernels of its own."""

    keyword = "localconv"
    positional = ("filters", "kernel")

    filters: Count = Field(description="how many filters: the output's channels", examples=["16"])

    @override
    def channels(self, source: TensorType) -> int:
        return self.filters

    @override
    def channel_term(self, source: TensorType) -> Term:
        return filters_symbol(self.filters)

    @override
    def param_term(self, *inputs: TensorType) -> Term:
        """Kernels for each place, and a bias for each number of the output."""
        kernels = self.mac_term(*inputs)
        places = made_terms(self.output(*inputs))[1:]
        biases = product((self.channel_term(inputs[0]), *places))
        return kernels + biases if self.bias else kernels

    @override
    def divisions(self, source: TensorType) -> int:
        return 1

    @override
    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        """Kernels for each place of the output, and a bias for each of its numbers."""
        output, sizes = self.output(*inputs), [one.kernel for one in self.windows(*inputs)]
        cells, channels = math.prod(sizes), inputs[0].channels
        shape = (math.prod(output.spatial), self.filters, channels, *sizes)
        fans = channels * cells, self.filters * cells
        # Its units stand along two axes, places and filters.
        kernels = Weight("weight", shape, self.init, fans=fans, unit_axis=None)
        if not self.bias:
            return (kernels,)
        init = self.bias_init or Init("constant", 0.0)
        return (kernels, Weight("bias", output.dims, init, decays=False, fans=fans))

    @override
    def macs(self, *inputs: TensorType) -> int:
        return self.weights(*inputs)[0].elements

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        """What each place sees as a matrix, with a sample in each column, and one MatMul each."""
        windows = self.windows(context.types[0])
        places, filters, *kernel = self.weights(*context.types)[0].shape
        seen = _unfolded(emit, context.inputs[0], windows)
        numbers = math.prod(kernel)
        columns = emit.op("Reshape", seen, emit.constant([places, numbers, -1]))
        rows = emit.constant([places, filters, numbers])
        kernels = emit.op("Reshape", context.weights["weight"], rows)
        product = emit.op("MatMul", kernels, columns)
        maps = emit.op("Transpose", product, perm=[2, 1, 0])
        result = emit.op("Reshape", maps, emit.constant([0, *context.output.dims]))
        return emit.op("Add", result, context.weights["bias"]) if self.bias else result


def _unfolded(emit: Builder[V], maps: V, windows: Sequence[Window]) -> V:
    """What each place sees: its place, then the channels, the kernel's cells and the samples.

    The samples go last at once, so that all copies behind are of long rows; the dimensions are
    unfolded one after the other, which takes as many pieces as the kernel's sizes have together.
    """
    rank = len(windows)
    value = emit.op("Transpose", maps, perm=[*range(2, rank + 2), 1, 0])
    margins = pads(windows)
    if any(margins):
        around = [*margins[:rank], 0, 0, *margins[rank:], 0, 0]
        value = emit.op("Pad", value, emit.constant(around))
    for at, window in enumerate(windows):
        behind = rank + 1 + at  # the axis of the cells: behind the channels and earlier cells
        cells = [
            emit.op("Unsqueeze", _strided(emit, value, at, window, cell), emit.constant([behind]))
            for cell in range(window.kernel)
        ]
        value = emit.op("Concat", *cells, axis=behind) if len(cells) > 1 else cells[0]
    return value


def _strided(emit: Builder[V], value: V, axis: int, window: Window, cell: int) -> V:
    """The numbers that one cell of the kernel meets along an axis, one for each place."""
    start = cell * window.dilation
    end = start + (window.output - 1) * window.stride + 1
    bounds = ([start], [end], [axis], [window.stride])
    return emit.op("Slice", value, *(emit.constant(one) for one in bounds))
