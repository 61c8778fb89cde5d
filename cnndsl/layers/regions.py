"""What the pools over regions share: feature maps and boxes in, a grid of cells for each box out.

A region is ``(x1, y1, x2, y2)`` in pixels of the network's input picture; ``scale`` takes it to
cells of the feature maps. There is one region for each picture, an input of 4, or R of them, Rx4.
"""

from collections.abc import Iterator
from typing import Annotated, TypeVar

from pydantic import AfterValidator, Field
from typing_extensions import override

from cnndsl.layers.base import WHOLE, Footprint, Layer, ShapeFault, Sizes
from cnndsl.layers.fault_kind import FaultKind
from cnndsl.layers.formula import Symbol, Term
from cnndsl.layers.lowering import Builder
from cnndsl.layers.terms import size_terms, stream_terms
from cnndsl.layers.windowed import fit, miscount, vector_fault
from cnndsl.types import TensorType

__all__ = ["RegionPooling", "coordinates", "scaled_regions"]

V = TypeVar("V")

_FAR = float(1 << 22)
"""No coordinate counts beyond it: such a region lies outside of any map, and float32 is exact."""


def _shrinking(scale: float) -> float:
    if scale > 1:
        raise ValueError(f"`scale` is one by the strides, at most 1, not {scale:g}")
    return scale


class RegionPooling(Layer):
    """What the pools over regions share: their parameters, what they take, what they give."""

    family = "pooling"

    joins = True
    streams = 2
    roles = ("features", "regions")
    saves = ("inputs",)

    size: Sizes = Field(
        description="the cells that each region becomes: `7x7`, or `7` for both", examples=["7x7"]
    )
    scale: Annotated[float, AfterValidator(_shrinking)] = Field(
        gt=0,
        description="cells of the feature maps for each pixel of the picture: one by the strides"
        " of all layers between them",
        examples=["1/16"],
    )

    @override
    def faults(self, *inputs: TensorType) -> Iterator[ShapeFault]:
        yield from self._input_faults(*inputs)
        if len(self.size) not in (1, 2):
            yield miscount("size", self.size, 2)

    def _input_faults(self, maps: TensorType, boxes: TensorType) -> Iterator[ShapeFault]:
        swapped = len(boxes.dims) == 3 and maps.dims[-1] == 4
        if len(maps.dims) == 1 and not swapped:
            yield vector_fault(self, maps, fatal=True)
        elif len(maps.dims) != 3:
            yield ShapeFault(
                FaultKind.UNSUITED,
                f"`{self.keyword}` works along height and width; its first input is {maps}",
                help=f"write `{self.keyword}(features, regions, …)`: feature maps come first"
                if swapped
                else "let the first stream be feature maps of channels, height and width",
                fatal=True,
            )
        elif len(boxes.dims) not in (1, 2) or boxes.dims[-1] != 4:
            yield ShapeFault(
                FaultKind.UNSUITED,
                f"a region has 4 numbers, x1, y1, x2, y2; the second input is {boxes}",
                inputs=(1,),
                help="write `input regions 4` for one region of each picture, `input regions 64x4`"
                " for 64",
                fatal=True,
            )

    @override
    def output(self, *inputs: TensorType) -> TensorType:
        maps, boxes = inputs
        return TensorType((maps.channels, *boxes.dims[:-1], *fit(self.size, 2)))

    @override
    def output_terms(self, *inputs: TensorType) -> tuple[Term, ...]:
        maps, boxes = inputs
        regions = (Symbol("R", count, "regions") for count in boxes.dims[:-1])
        return (stream_terms(maps)[0], *regions, *size_terms(self.size, maps))

    @override
    def footprint(self, *inputs: TensorType) -> Footprint:
        """A region may lie anywhere."""
        return WHOLE


def scaled_regions(emit: Builder[V], regions: V, kind: TensorType, scale: float, shift: float) -> V:
    """All regions of all pictures, [N, R, 4], as ``coordinate*scale + shift``.

    A region with a coordinate that is no number lies outside of the map as a whole.
    """
    if len(kind.dims) == 1:
        regions = emit.op("Unsqueeze", regions, emit.constant([1]))
    broken = emit.op("Cast", emit.op("IsNaN", regions), to=1)
    any_broken = emit.op("ReduceMax", broken, emit.constant([-1]), keepdims=1)
    is_broken = emit.op("Greater", any_broken, emit.constant(0.5))
    scaled = emit.op("Mul", regions, emit.constant(float(scale)))
    if shift:
        scaled = emit.op("Add", scaled, emit.constant(shift))
    known = emit.op("Where", is_broken, emit.constant(-_FAR), scaled)
    return emit.op("Clip", known, emit.constant(-_FAR), emit.constant(_FAR))


def coordinates(emit: Builder[V], regions: V) -> tuple[V, V, V, V]:
    """x1, y1, x2 and y2 of all regions, each [N, R, 1]."""
    x1, y1, x2, y2 = (
        emit.op("Slice", regions, *map(emit.constant, ([at], [at + 1], [2]))) for at in range(4)
    )
    return x1, y1, x2, y2
