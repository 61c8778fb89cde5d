"""Adaptive pooling: an output of a given size, whatever the size of the input.

Along an axis of ``W`` cells, bin ``i`` of ``O`` has those from ``floor(i*W/O)`` up to, and without,
``ceil((i + 1)*W/O)``, as in PyTorch. Bins overlap by a cell where ``O`` does not divide ``W``.
"""

import math
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from pydantic import Field
from typing_extensions import override

from cnndsl.layers.base import WHOLE, Bounds, Footprint, Layer, ShapeFault, Sizes
from cnndsl.layers.formula import Term
from cnndsl.layers.lowering import Builder, LoweringContext
from cnndsl.layers.pool import window_means
from cnndsl.layers.terms import size_terms, stream_terms
from cnndsl.layers.window import ForwardWindow
from cnndsl.layers.windowed import fit, miscount, unusable
from cnndsl.types import TensorType

__all__ = [
    "AdaptiveAvgPool",
    "AdaptiveMaxPool",
    "AdaptivePooling",
    "axis_by_axis",
    "bin_maxima",
    "bins",
]

V = TypeVar("V")


def bins(size: int, count: int) -> list[range]:
    """The cells of each bin of an axis.

    >>> bins(7, 3)
    [range(0, 3), range(2, 5), range(4, 7)]
    """
    return [range(at * size // count, -(-(at + 1) * size // count)) for at in range(count)]


def axis_by_axis(
    emit: Builder[V],
    source: V,
    kind: TensorType,
    counts: Sequence[int],
    pool: Callable[[int, V, tuple[int, ...]], V],
) -> V:
    """Feature maps pooled along one axis after the other, the last one first.

    ``pool`` gets an axis, the maps with that axis as their last, and their channels and other
    sizes; it gives ``counts`` numbers for it, in any shape.
    """
    sizes, rank = list(kind.spatial), len(kind.spatial)
    for axis in reversed(range(rank)):
        sizes.pop()
        before = (kind.channels, *sizes)
        shape = emit.constant([0, *before, counts[axis]])
        source = emit.op("Reshape", pool(axis, source, before), shape)
        sizes.insert(0, counts[axis])
        if rank > 1:
            source = emit.op("Transpose", source, perm=[0, 1, rank + 1, *range(2, rank + 1)])
    return source


class AdaptivePooling(Layer):
    """What the adaptive pools share: sizes, and the bins along each dimension."""

    family = "pooling"

    positional = ("size",)
    per_channel = True

    size: Sizes = Field(
        description="the output's size: `6`, `6x4`, or a list `[k, 1]` of expressions",
        examples=["6"],
    )

    @override
    def faults(self, *inputs: TensorType) -> Iterator[ShapeFault]:
        rank = len(inputs[0].spatial)
        if rank not in (1, 2, 3):
            yield unusable(self, inputs[0])
        elif len(self.size) not in (1, rank):
            yield miscount("size", self.size, rank)

    @override
    def output(self, *inputs: TensorType) -> TensorType:
        return TensorType((inputs[0].channels, *fit(self.size, len(inputs[0].spatial))))

    @override
    def output_terms(self, *inputs: TensorType) -> tuple[Term, ...]:
        return stream_terms(inputs[0])[0], *size_terms(self.size, inputs[0])

    @override
    def arithmetic_notes(self, *inputs: TensorType) -> tuple[str, ...]:
        return ("bin i of O has the cells from floor(i*W/O) up to, and without, ceil((i + 1)*W/O)",)

    @override
    def bounds(self, *inputs: Bounds) -> Bounds:
        return inputs[0]

    def even_windows(self, source: TensorType) -> tuple[ForwardWindow, ...]:
        """The windows that the bins are where each size divides the input's; else none."""
        pairs = list(zip(source.spatial, fit(self.size, len(source.spatial)), strict=True))
        if any(size % count for size, count in pairs):
            return ()
        return tuple(ForwardWindow(size, size // count, size // count) for size, count in pairs)

    @override
    def footprint(self, *inputs: TensorType) -> Footprint:
        """Bins that are unlike are no window: of their cells only all of the input is certain."""
        return self.even_windows(inputs[0]) or WHOLE

    @abstractmethod
    def pooled(self, emit: Builder[V], source: V, windows: tuple[ForwardWindow, ...]) -> V:
        """The pooling where all bins are windows side by side."""

    @abstractmethod
    def binned(self, emit: Builder[V], source: V, dims: tuple[int, ...], cells: list[range]) -> V:
        """One number for each bin of the last axis; ``dims`` are (channels, sizes, bins, cells)."""

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        """A pooling where the bins are windows; else axis by axis, each last when it is its turn.

        A bin of several axes is a product of bins, and its mean or maximum that of its lines'.
        """
        (kind,), (source,) = context.types, context.inputs
        windows = self.even_windows(kind)
        if windows:
            return self.pooled(emit, source, windows)
        counts = context.output.spatial

        def pool(axis: int, source: V, before: tuple[int, ...]) -> V:
            cells = bins(kind.spatial[axis], counts[axis])
            most = max(map(len, cells))
            places = [one[min(at, len(one) - 1)] for one in cells for at in range(most)]
            if places != [*range(len(places))]:
                last = len(counts) + 1
                source = emit.op("Gather", source, emit.constant(places), axis=last)
            return self.binned(emit, source, (*before, counts[axis], most), cells)

        return axis_by_axis(emit, source, kind, counts, pool)


class AdaptiveAvgPool(AdaptivePooling):
    """Takes the mean of each of as many bins as the output has cells."""

    keyword = "adaptiveavgpool"

    @override
    def pooled(self, emit: Builder[V], source: V, windows: tuple[ForwardWindow, ...]) -> V:
        return window_means(emit, source, windows, (0, 0) * len(windows), counts=False)

    @override
    def binned(self, emit: Builder[V], source: V, dims: tuple[int, ...], cells: list[range]) -> V:
        """The sum of the cells, each times its share: 0 for those that only fill up a bin."""
        count, most = dims[-2:]
        shares = [1 / len(one) if at < len(one) else 0.0 for one in cells for at in range(most)]
        shares_of = emit.op("Reshape", emit.constant(shares), emit.constant([count, most]))
        split = emit.op("Reshape", source, emit.constant([0, *dims]))
        weighed = emit.op("Mul", split, shares_of)
        return emit.op("ReduceSum", weighed, emit.constant([-1]), keepdims=0)


class AdaptiveMaxPool(AdaptivePooling):
    """Keeps the largest cell of each of as many bins as the output has cells."""

    keyword = "adaptivemaxpool"
    saves = ("inputs", "output")

    @override
    def pooled(self, emit: Builder[V], source: V, windows: tuple[ForwardWindow, ...]) -> V:
        kernel = [window.kernel for window in windows]
        return emit.op("MaxPool", source, kernel_shape=kernel, strides=kernel)

    @override
    def binned(self, emit: Builder[V], source: V, dims: tuple[int, ...], cells: list[range]) -> V:
        return bin_maxima(emit, source, dims)


def bin_maxima(emit: Builder[V], source: V, dims: tuple[int, ...]) -> V:
    """The largest cell of each bin of the last axis; ``dims`` are (channels, sizes, bins, cells).

    By GlobalMaxPool with the bins as channels: the first of equal cells gets the gradient.
    """
    lines = emit.constant([0, math.prod(dims[:-1]), dims[-1]])
    return emit.op("GlobalMaxPool", emit.op("Reshape", source, lines))
