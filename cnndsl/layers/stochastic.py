"""Stochastic pooling: training draws a cell of each window, the likelier the larger it is."""

import math
from collections.abc import Iterator
from itertools import product
from typing import TypeVar

from typing_extensions import override

from cnndsl.layers.base import Bounds, ShapeFault
from cnndsl.layers.fault_kind import FaultKind
from cnndsl.layers.lowering import Builder, LoweringContext, TrainingBuilder
from cnndsl.layers.pool import Pooling, padded, window_sums
from cnndsl.layers.sliding import pads
from cnndsl.layers.window import Window

__all__ = ["StochasticPool"]

V = TypeVar("V")

_MOST_CELLS = 1024
"""Of more cells a window is not drawn from: each of them is an operator of the graph."""


class StochasticPool(Pooling):
    """In training, draws a cell of each window by its share of the sum; else, their mean by it."""

    keyword = "stochasticpool"
    draws = True
    arithmetic = "float32"
    least_input = 0.0
    saves = ("inputs", "output")

    @override
    def size_faults(self, windows: tuple[Window, ...]) -> Iterator[ShapeFault]:
        yield from super().size_faults(windows)
        cells = math.prod(window.kernel for window in windows)
        if cells > _MOST_CELLS:
            yield ShapeFault(
                FaultKind.UNSUITED,
                f"a window of {cells:,} cells is too large to draw from: at most {_MOST_CELLS:,}",
                blame=("kernel",),
                help="write a smaller kernel, or several such layers",
            )

    @override
    def bounds(self, *inputs: Bounds) -> Bounds:
        """A window of zeros is 0."""
        return 0.0, max(0.0, inputs[0][1])

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        """The sum of a*(a/S) of the cells a of a window with the sum S; 0 where S is."""
        windows = self.windows(context.types[0])
        weights = emit.op("Relu", context.inputs[0])
        sums = window_sums(emit, weights, windows)
        squares = window_sums(emit, emit.op("Mul", weights, weights), windows)
        is_empty = emit.op("Equal", sums, emit.constant(0.0))
        return emit.op("Div", squares, emit.op("Where", is_empty, emit.constant(1.0), sums))

    @override
    def lower_training(self, emit: TrainingBuilder[V], context: LoweringContext[V]) -> V:
        """The first cell, row by row, up to which the cells add up to more than a drawn number.

        The number is evenly distributed between 0 and the window's sum. A cell of 0 never is the
        first, as it adds nothing; in a window of zeros the last cell stands for all.
        """
        windows = self.windows(context.types[0])
        weights, borders = emit.op("Relu", context.inputs[0]), pads(windows)
        source = padded(emit, weights, borders, 0.0) if any(borders) else weights
        cells = [self._cells(emit, source, windows, at) for at in self._places(windows)]
        sums = [cells[0]]
        for cell in cells[1:]:
            sums.append(emit.op("Add", sums[-1], cell))
        drawn = emit.op("Mul", emit.uniform(sums[-1]), sums[-1])
        chosen = cells[-1]
        for cell, total in zip(reversed(cells[:-1]), reversed(sums[:-1]), strict=True):
            chosen = emit.op("Where", emit.op("Greater", total, drawn), cell, chosen)
        return chosen

    def _places(self, windows: tuple[Window, ...]) -> Iterator[tuple[int, ...]]:
        """The places of a window's cells, row by row."""
        return product(*(range(window.kernel) for window in windows))

    def _cells(
        self, emit: Builder[V], source: V, windows: tuple[Window, ...], place: tuple[int, ...]
    ) -> V:
        """The cells at one place of all windows."""
        ends = [
            at + (window.output - 1) * window.stride + 1
            for at, window in zip(place, windows, strict=True)
        ]
        axes = [*range(2, 2 + len(windows))]
        strides = [window.stride for window in windows]
        bounds = (place, ends, axes, strides)
        return emit.op("Slice", source, *(emit.constant(list(one)) for one in bounds))
