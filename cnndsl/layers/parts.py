"""Layers that take a part of a stream: ``slice``."""

from collections.abc import Iterator
from typing import Annotated, TypeAlias, TypeVar

from pydantic import BeforeValidator, Field, InstanceOf, WithJsonSchema
from typing_extensions import override

from cnndsl.layers.axes import AxisWord, axis_fault
from cnndsl.layers.base import POINT, Bounds, Count, Footprint, Layer, ShapeFault
from cnndsl.layers.borders import shifted
from cnndsl.layers.fault_kind import FaultKind
from cnndsl.layers.formula import Symbol, Term, floored
from cnndsl.layers.lowering import Builder, LoweringContext
from cnndsl.layers.terms import stream_terms
from cnndsl.layers.windowed import unusable
from cnndsl.types import TensorType

__all__ = ["Slice"]

V = TypeVar("V")


def _as_range(value: object) -> object:
    """A range that goes up, and begins at 0 or behind it; a single number is a range of one."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = range(value, value + 1)
    if isinstance(value, range) and (value.start < 0 or not value):
        places = f"{value.start}..{value.stop - 1}"
        raise ValueError(f"a slice begins at 0 or behind it and goes up, and {places} does not")
    return value


Places: TypeAlias = Annotated[
    InstanceOf[range],
    BeforeValidator(_as_range),
    WithJsonSchema({"type": "string", "examples": ["0..15", "3"]}, mode="validation"),
]
"""``0..15``, both ends included, or ``3`` alone."""


class Slice(Layer):
    """Takes a part of a stream along one dimension: channels, unless another is named."""

    keyword = "slice"
    family = "shape"
    per_channel = True
    positional = ("places",)

    places: Places = Field(
        description="what is taken: from the first to the last, counted from 0, both included",
        examples=["0..15"],
    )
    axis: AxisWord = Field(default="channels", description="the dimension that is cut")
    step: Count = Field(default=1, description="takes every such place only, from the first on")

    def part(self, source: TensorType) -> tuple[int, range]:
        """The dimension that is cut, and the places that are taken along it."""
        axis = source.axes.index(self.axis)
        return axis, range(self.places.start, self.places.stop, self.step)

    @override
    def faults(self, *inputs: TensorType) -> Iterator[ShapeFault]:
        (source,) = inputs
        if len(source.spatial) > 3:
            yield unusable(self, source)
            return
        if fault := axis_fault(self.keyword, self.axis, source):
            yield fault
            return
        axis, places = self.part(source)
        size = source.dims[axis]
        if places.stop > size:
            last = self.places.stop - 1
            yield ShapeFault(
                FaultKind.BEYOND,
                f"the slice reaches beyond the input's {self.axis}: {last} >= {size}",
                blame=("places",),
                help=f"write a last place of at most {size - 1}",
                notes=(f"places are counted from 0: the last of {size} is {size - 1}",),
                spatial=axis > 0,
            )

    @override
    def output(self, *inputs: TensorType) -> TensorType:
        axis, places = self.part(inputs[0])
        dims = list(inputs[0].dims)
        dims[axis] = len(places)
        return TensorType(tuple(dims), inputs[0].dtype)

    @override
    def output_terms(self, *inputs: TensorType) -> tuple[Term, ...]:
        """Every step-th place from the first to the last."""
        axis, places = self.part(inputs[0])
        terms: list[Term] = [*stream_terms(inputs[0])]
        first = Symbol("A", places.start, "first place", "places")
        way = Symbol("B", self.places.stop - 1, "last place", "places") - first
        step = Symbol("S", self.step, "step", "step")
        terms[axis] = (way if self.step == 1 else floored(way / step)) + 1
        return tuple(terms)

    @override
    def bounds(self, *inputs: Bounds) -> Bounds:
        return inputs[0]

    @override
    def footprint(self, *inputs: TensorType) -> Footprint:
        """One cell sees one cell; of vectors and channels each its own, as all of them do."""
        axis, places = self.part(inputs[0])
        if axis == 0:
            return POINT
        windows = [shifted(size, 0, 0) for size in inputs[0].spatial]
        beyond = places[-1] + 1 - inputs[0].dims[axis]
        windows[axis - 1] = shifted(inputs[0].dims[axis], -places.start, beyond, places.step)
        return tuple(windows)

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        """Slice; nothing where all is taken."""
        (source,) = context.types
        if context.output.dims == source.dims:
            return context.inputs[0]
        axis, places = self.part(source)
        bounds = (places.start, places[-1] + 1, axis + 1, places.step)
        kept = bounds if self.step > 1 else bounds[:3]
        return emit.op("Slice", context.inputs[0], *(emit.constant([one]) for one in kept))
