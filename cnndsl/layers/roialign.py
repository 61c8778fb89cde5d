"""Pooling over regions by bilinear samples, as in Mask R-CNN.

A sample is a weighted mean of the rows, then of the columns around it, so each region is two
matrices: ``rows @ maps @ columns``. All gradients are those of these products.
"""

from typing import TypeVar

from pydantic import Field
from typing_extensions import override

from cnndsl.frozen import replace
from cnndsl.layers.base import Bounds, Count
from cnndsl.layers.lowering import Builder, LoweringContext, TrainingBuilder
from cnndsl.layers.regions import RegionPooling, coordinates, scaled_regions
from cnndsl.layers.windowed import fit

__all__ = ["RoiAlign"]

V = TypeVar("V")


class RoiAlign(RegionPooling):
    """Takes the mean of bilinear samples in each bin of a grid over each region."""

    keyword = "roialign"

    samples: Count = Field(
        default=2, description="how many samples a bin has along each side, evenly apart"
    )
    aligned: bool = Field(
        default=True,
        description="whether pixel 0 begins at coordinate 0 and has its middle at 0.5; `no` takes 0"
        " for its middle, and regions for at least one cell, as the first version did",
    )

    @override
    def bounds(self, *inputs: Bounds) -> Bounds:
        """A sample outside of the map is 0."""
        least, most = inputs[0]
        return min(least, 0.0), max(most, 0.0)

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        maps, boxes = context.types
        shift = -0.5 if self.aligned else 0.0
        regions = scaled_regions(emit, context.inputs[1], boxes, self.scale, shift)
        x1, y1, x2, y2 = coordinates(emit, regions)
        (height, width), (tall, wide) = maps.spatial, fit(self.size, 2)
        rows = self._weights(emit, (y1, y2), height, tall)
        columns = self._weights(emit, (x1, x2), width, wide)
        # Unlike regions of a picture see the same maps: all their rows are one matrix.
        count = boxes.dims[0] if len(boxes.dims) > 1 else 1
        stacked = emit.op("Reshape", rows, emit.constant([0, 1, count * tall, height]))
        seen = emit.op("MatMul", stacked, context.inputs[0])
        seen = emit.op("Reshape", seen, emit.constant([0, maps.channels, count, tall, width]))
        turned = emit.op("Transpose", columns, perm=[0, 1, 3, 2])
        across = emit.op("Unsqueeze", turned, emit.constant([1]))
        pooled = emit.op("MatMul", seen, across)
        return emit.op("Reshape", pooled, emit.constant([0, *context.output.dims]))

    @override
    def lower_training(self, emit: TrainingBuilder[V], context: LoweringContext[V]) -> V:
        """The same with the regions as data: they have no gradient, as in other tools."""
        maps, regions = context.inputs
        (fixed,) = emit.composite(
            "StopGradient", lambda value: (emit.op("Identity", value),), regions
        )
        return self.lower(emit, replace(context, inputs=(maps, fixed)))

    def _weights(self, emit: Builder[V], ends: tuple[V, V], side: int, count: int) -> V:
        """How much each cell of an axis counts in each bin, [N, R, count, side].

        A sample counts for the two cells around it, by how near they are. Up to a cell beyond the
        border it lies on the border; farther out it is 0.
        """
        first, last = ends
        length = emit.op("Sub", last, first)
        length = emit.op("Max", length, emit.constant(0.0 if self.aligned else 1.0))
        step = emit.op("Div", length, emit.constant(float(count)))
        inner = [(at + 0.5) / self.samples for at in range(self.samples)]
        places = emit.constant([bin + one for bin in range(count) for one in inner])
        place = emit.op("Add", emit.op("Mul", step, places), first)
        place = emit.op("Unsqueeze", place, emit.constant([-1]))
        below = emit.op("Less", place, emit.constant(-1.0))
        above = emit.op("Greater", place, emit.constant(float(side)))
        on_map = emit.op("Clip", place, emit.constant(0.0), emit.constant(float(side - 1)))
        cells = emit.constant([float(cell) for cell in range(side)])
        distance = emit.op("Abs", emit.op("Sub", on_map, cells))
        near = emit.op("Max", emit.op("Sub", emit.constant(1.0), distance), emit.constant(0.0))
        share = emit.op("Where", emit.op("Or", below, above), emit.constant(0.0), near)
        bins = emit.op("Reshape", share, emit.constant([0, -1, count, self.samples, side]))
        return emit.op("ReduceMean", bins, emit.constant([3]), keepdims=0)
