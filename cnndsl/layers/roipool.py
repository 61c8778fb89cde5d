"""Pooling over regions by the maximum, as in Fast R-CNN.

Each region is divided into a grid of bins, and each bin becomes its largest cell. Where the bins
lie is only known when the network runs, so their maxima come out of a table: the largest cells of
all windows whose sides are powers of two. Any bin is covered by four such windows, which may
overlap, and the maximum of the four is the bin's (a *sparse table* for range maxima in two
dimensions, Bender & Farach-Colton 2000).
"""

from collections.abc import Iterator
from itertools import accumulate, product
from typing import Generic, NamedTuple, TypeVar

from typing_extensions import override

from cnndsl.layers.base import MAX_SIZE, Bounds, ShapeFault
from cnndsl.layers.fault_kind import FaultKind
from cnndsl.layers.lowering import Builder, LoweringContext
from cnndsl.layers.regions import RegionPooling, coordinates, scaled_regions
from cnndsl.layers.windowed import fit
from cnndsl.types import TensorType

__all__ = ["RoiPool"]

V = TypeVar("V")


class _Bins(NamedTuple, Generic[V]):
    """The bins of all regions along one axis: the two windows that cover each, and if it is empty.

    ``level`` is the power of two that the windows have as their side.
    """

    first: V
    second: V
    level: V
    is_empty: V


class RoiPool(RegionPooling):
    """Keeps the largest cell of each bin of a grid over each region."""

    keyword = "roipool"

    @override
    def faults(self, *inputs: TensorType) -> Iterator[ShapeFault]:
        yield from super().faults(*inputs)
        if len(inputs[0].dims) == 3:
            channels, height, width = inputs[0].dims
            numbers = channels * sum(_sides(height)) * sum(_sides(width))
            if numbers > MAX_SIZE:
                yield ShapeFault(
                    FaultKind.UNSUITED,
                    f"the maxima of all windows of {inputs[0]} are {numbers:,} numbers",
                    help="make the feature maps smaller before it, by strides or pooling",
                )

    @override
    def bounds(self, *inputs: Bounds) -> Bounds:
        """An empty bin is 0."""
        least, most = inputs[0]
        return min(least, 0.0), max(most, 0.0)

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        """The largest of four windows for each bin, 0 where it is empty."""
        maps, boxes = context.types
        regions = scaled_regions(emit, context.inputs[1], boxes, self.scale, 0.5)
        x1, y1, x2, y2 = coordinates(emit, emit.op("Floor", regions))
        sides, counts = maps.spatial, fit(self.size, 2)
        ends = zip(((y1, y2), (x1, x2)), sides, counts, strict=True)
        rows, columns = (
            _bins(emit, first, last, side, count) for (first, last), side, count in ends
        )
        rows, columns = (
            _Bins(*(emit.op("Unsqueeze", value, emit.constant([axis])) for value in one))
            for one, axis in ((rows, 3), (columns, 2))
        )
        corners = [
            _place(emit, maps, (row, column), (rows.level, columns.level))
            for row, column in product((rows.first, rows.second), (columns.first, columns.second))
        ]
        # Looked up at once, so that differentiation makes one gradient of the table and not four.
        table, places = _table(emit, context.inputs[0], maps), emit.op("Concat", *corners, axis=1)
        windows = emit.op("GatherND", table, places, batch_dims=1)
        four = emit.op("Reshape", windows, emit.constant([0, 4, -1, maps.channels]))
        largest = emit.op("ReduceMax", four, emit.constant([1]), keepdims=0)
        is_empty = emit.op("Or", rows.is_empty, columns.is_empty)
        flat = emit.op("Reshape", is_empty, emit.constant([0, -1, 1]))
        pooled = emit.op("Where", flat, emit.constant(0.0), largest)
        channels_first = emit.op("Transpose", pooled, perm=[0, 2, 1])
        return emit.op("Reshape", channels_first, emit.constant([0, *context.output.dims]))


def _bins(emit: Builder[V], first: V, last: V, side: int, count: int) -> _Bins[V]:
    """The bins along an axis, [N, R, count]: ``floor(i*r/count)`` to ``ceil((i + 1)*r/count)``.

    In float32, in the order of ONNX Runtime, Caffe and torchvision, to round as they do.
    """
    cells = emit.op("Add", emit.op("Sub", last, first), emit.constant(1.0))
    step = emit.op("Div", emit.op("Max", cells, emit.constant(1.0)), emit.constant(float(count)))
    ends: list[V] = []
    for rounding, shift in (("Floor", 0.0), ("Ceil", 1.0)):
        places = emit.constant([at + shift for at in range(count)])
        place = emit.op("Add", emit.op(rounding, emit.op("Mul", step, places)), first)
        inside = emit.op("Clip", place, emit.constant(0.0), emit.constant(float(side)))
        ends.append(emit.op("Cast", inside, to=7))
    low, high = ends
    length = emit.op("Sub", high, low)
    none, one = emit.constant(0), emit.constant(1)
    covered = emit.op("Max", length, one)
    levels = emit.constant([max(0, cell.bit_length() - 1) for cell in range(side + 1)])
    powers = emit.constant([1 << max(0, cell.bit_length() - 1) for cell in range(side + 1)])
    second = emit.op("Sub", high, emit.op("Gather", powers, covered))
    return _Bins(
        emit.op("Min", low, emit.constant(side - 1)),
        emit.op("Max", second, none),
        emit.op("Gather", levels, covered),
        emit.op("Less", length, one),
    )


def _sides(side: int) -> list[int]:
    """How many windows of 1, 2, 4 … cells an axis has."""
    return [side - (1 << level) + 1 for level in range(side.bit_length())]


def _table(emit: Builder[V], source: V, maps: TensorType) -> V:
    """The largest cells of all windows, [N, windows, channels], those of each shape row by row."""
    rows = emit.op("Transpose", source, perm=[0, 2, 3, 1])
    flat: list[V] = []
    for level in range(maps.spatial[0].bit_length()):
        if level:
            rows = _doubled(emit, rows, 1, level, _sides(maps.spatial[0])[level])
        columns = rows
        for across in range(maps.spatial[1].bit_length()):
            if across:
                columns = _doubled(emit, columns, 2, across, _sides(maps.spatial[1])[across])
            flat.append(emit.op("Reshape", columns, emit.constant([0, -1, maps.channels])))
    return emit.op("Concat", *flat, axis=1)


def _doubled(emit: Builder[V], windows: V, axis: int, level: int, count: int) -> V:
    """The maxima of windows that are twice as long: each of two that lie side by side."""
    half = 1 << (level - 1)
    near, far = (
        emit.op("Slice", windows, *map(emit.constant, ([start], [start + count], [axis])))
        for start in (0, half)
    )
    return emit.op("Max", near, far)


def _place(emit: Builder[V], maps: TensorType, corner: tuple[V, V], levels: tuple[V, V]) -> V:
    """Where in the table the windows stand that begin at a corner, [N, bins, 1].

    A corner is a row and a column among the windows of a shape, which the levels say.
    """
    heights, widths = (_sides(side) for side in maps.spatial)
    sizes = [height * width for height, width in product(heights, widths)]
    starts = emit.constant([0, *accumulate(sizes)][:-1])
    shape = emit.op("Mul", levels[0], emit.constant(len(widths)))
    start = emit.op("Gather", starts, emit.op("Add", shape, levels[1]))
    row = emit.op("Mul", corner[0], emit.op("Gather", emit.constant(widths), levels[1]))
    place = emit.op("Add", emit.op("Add", start, row), corner[1])
    return emit.op("Reshape", place, emit.constant([0, -1, 1]))
