"""Layers that add cells around feature maps, or cut them off: ``pad`` and ``crop``."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

from pydantic import BeforeValidator, Field
from typing_extensions import override

from cnndsl.layers.base import (
    MAX_SIZE,
    POINT,
    Bounds,
    Footprint,
    Layer,
    Real,
    ShapeFault,
    Sizes,
    as_tuple,
    spread,
)
from cnndsl.layers.fault_kind import FaultKind
from cnndsl.layers.formula import Symbol, Term
from cnndsl.layers.lowering import Builder, LoweringContext
from cnndsl.layers.padding import margins
from cnndsl.layers.pool import named_pad
from cnndsl.layers.terms import size_terms, stream_terms
from cnndsl.layers.window import ForwardWindow
from cnndsl.layers.windowed import along, dimension_names, fit, miscount, unusable, vector_fault
from cnndsl.types import TensorType

__all__ = ["Crop", "Pad", "shifted"]

V = TypeVar("V")

Cells: TypeAlias = Annotated[
    tuple[Annotated[int, Field(ge=0, le=MAX_SIZE)], ...],
    BeforeValidator(as_tuple),
    Field(min_length=1),
]
"""Numbers of cells, of which each may be 0."""


def shifted(size: int, before: int, after: int, step: int = 1) -> ForwardWindow:
    """The window of a layer that moves cells: one cell sees one cell.

    ``before`` and ``after`` are the cells added; negative ones are cut off. Cells added that hold
    copies (``mode edge``, ``reflect``) count as if the input went on there.
    """
    return ForwardWindow(size, 1, step, before, after)


def _widened(size: Symbol, before: int, after: int) -> Term:
    """A size with what is added in front and behind."""
    if not before and not after:
        return size
    front = Symbol("A1", before, "cells added in front")
    return size + front + Symbol("A2", after, "cells added behind")


class Pad(Layer):
    """Adds cells around feature maps, and channels of such cells."""

    keyword = "pad"
    family = "shape"
    per_channel = True
    positional = ("padding",)

    padding: Cells = Field(
        default=(0,),
        description=(
            "cells added at the borders: `2` for all sides, `2x1` for each dimension, or the list"
            " of all begins, then all ends: `[top, left, bottom, right]`"
        ),
        examples=["2"],
    )
    channels: Cells = Field(
        default=(0,),
        description="channels added in front of and behind the input's, as many, or `[8, 4]`",
        examples=["[8, 8]"],
    )
    mode: Literal["constant", "reflect", "edge"] = Field(
        default="constant",
        description=(
            "what the added cells hold: `constant` the value, `edge` what the cell at the border"
            " holds, `reflect` what lies as far on the border's other side"
        ),
    )
    value: Real = Field(default=0.0, description="the value that `mode constant` adds")

    def sides(self, source: TensorType) -> tuple[tuple[int, int], ...]:
        """What is added in front of and behind each dimension, channels first."""
        rank, padding = len(source.spatial), self.padding
        if rank and len(padding) != 2 * rank:
            padding = fit(padding, rank)
        ones = (1,) * rank
        channels = fit(self.channels, 2)
        return ((channels[0], channels[1]), *(margins(padding, ones, ones, ones) if rank else ()))

    @override
    def faults(self, *inputs: TensorType) -> Iterator[ShapeFault]:
        rank = len(inputs[0].spatial)
        if rank > 3:
            yield unusable(self, inputs[0])
            return
        if self.mode != "constant" and "value" in self.model_fields_set:
            yield ShapeFault(
                FaultKind.SURPLUS,
                f"`mode {self.mode}` copies cells of the input: it takes no `value`",
                blame=("value", "mode"),
                help="leave `value` out, or write `mode constant`",
            )
        if len(self.channels) > 2:
            yield ShapeFault(
                FaultKind.SIZE_COUNT,
                f"`channels` has {len(self.channels)} numbers, and there are two sides",
                blame=("channels",),
                help="write one number for both sides, or two: in front and behind",
            )
        if any(self.padding) and not rank:
            fault = vector_fault(self, inputs[0])
            yield ShapeFault(
                fault.kind, fault.message, help="write `pad channels 2` to add units to a vector"
            )
        elif rank and len(self.padding) not in {1, rank, 2 * rank}:
            yield miscount("padding", self.padding, rank)
        elif self.mode == "reflect":
            yield from self._reflection_faults(inputs[0])

    def _reflection_faults(self, source: TensorType) -> Iterator[ShapeFault]:
        """Reflecting leaves out the border itself: of W cells, W - 1 can be reflected."""
        names = ("channels", *(dimension_names(len(source.spatial)) if source.spatial else ()))
        for at, (sides, size) in enumerate(zip(self.sides(source), source.dims, strict=True)):
            if max(sides) >= size:
                yield ShapeFault(
                    FaultKind.REFLECTION,
                    f"`reflect` adds {max(sides)} cells along the {names[at]}, whose {size} have"
                    f" {size - 1} to reflect",
                    blame=("padding" if at else "channels", "mode"),
                    help=f"add at most {size - 1}, or write `mode edge`",
                    spatial=at > 0,
                )
                return

    @override
    def output(self, *inputs: TensorType) -> TensorType:
        pairs = zip(inputs[0].dims, self.sides(inputs[0]), strict=True)
        return TensorType(tuple(size + before + after for size, (before, after) in pairs))

    @override
    def output_terms(self, *inputs: TensorType) -> tuple[Term, ...]:
        pairs = zip(stream_terms(inputs[0]), self.sides(inputs[0]), strict=True)
        return tuple(_widened(size, before, after) for size, (before, after) in pairs)

    @override
    def bounds(self, *inputs: Bounds) -> Bounds:
        """Those of its input, and what it adds."""
        least, most = inputs[0]
        if self.mode != "constant":
            return least, most
        return min(least, self.value), max(most, self.value)

    @override
    def footprint(self, *inputs: TensorType) -> Footprint:
        """One cell sees one cell; a cell that is added sees what would lie there."""
        pairs = zip(inputs[0].spatial, self.sides(inputs[0])[1:], strict=True)
        return tuple(shifted(size, before, after) for size, (before, after) in pairs) or POINT

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        """Pad, along the channels too where some are added there."""
        sides = self.sides(context.types[0])
        if not any(map(any, sides)):
            return context.inputs[0]
        amounts = [0, *(before for before, _ in sides), 0, *(after for _, after in sides)]
        value = emit.constant(float(self.value)) if self.mode == "constant" else None
        return named_pad(emit, context.inputs[0], amounts, value, self.mode)


class Crop(Layer):
    """Cuts a part of the given size out of feature maps, from the middle unless told where."""

    keyword = "crop"
    family = "shape"
    per_channel = True
    positional = ("size",)

    size: Sizes = Field(
        description="the size that is left: `24`, `24x32`, or a list of expressions",
        examples=["24x24"],
    )
    offset: Cells | None = Field(
        default=None,
        description=(
            "how many cells are cut off in front, `[y, x]`; by default half of what goes, rounded"
            " down"
        ),
        examples=["[0, 0]"],
    )

    @override
    def implied(self, *inputs: TensorType) -> dict[str, Any]:
        return {"offset": self.starts(inputs[0])}

    def starts(self, source: TensorType) -> tuple[int, ...]:
        """The first cell that stays along each dimension."""
        rank = len(source.spatial)
        if self.offset is not None:
            return fit(self.offset, rank)
        sizes = fit(self.size, rank)
        return tuple((had - size) // 2 for had, size in zip(source.spatial, sizes, strict=True))

    @override
    def faults(self, *inputs: TensorType) -> Iterator[ShapeFault]:
        rank = len(inputs[0].spatial)
        if not 1 <= rank <= 3:
            yield unusable(self, inputs[0])
            return
        miscounted = [
            miscount(name, sizes, rank)
            for name, sizes in (("size", self.size), ("offset", self.offset))
            if sizes is not None and len(sizes) not in {1, rank}
        ]
        yield from miscounted
        if not miscounted:
            yield from self._beyond(inputs[0])

    def _beyond(self, source: TensorType) -> Iterator[ShapeFault]:
        rank, sizes = len(source.spatial), spread(self.size, len(source.spatial))
        starts = self.starts(source) if self.offset is not None else (0,) * rank
        ends = [start + size for start, size in zip(starts, sizes, strict=True)]
        wrong = [
            at for at, (end, had) in enumerate(zip(ends, source.spatial, strict=True)) if end > had
        ]
        if not wrong:
            return
        begun = [f"{starts[at]} + " if self.offset is not None else "" for at in wrong]
        sums = [f" = {ends[at]}" if self.offset is not None else "" for at in wrong]
        numbers = [
            f"{begin}{sizes[at]}{total} > {source.spatial[at]}"
            for at, begin, total in zip(wrong, begun, sums, strict=True)
        ]
        where, comparison = along(rank, wrong, numbers)
        help = "crop to at most " + "x".join(map(str, source.spatial))
        if self.offset is not None and all(
            size <= had for size, had in zip(sizes, source.spatial, strict=True)
        ):
            most = [had - size for had, size in zip(source.spatial, sizes, strict=True)]
            help = f"write an offset of at most [{', '.join(map(str, most))}]"
        yield ShapeFault(
            FaultKind.BEYOND,
            f"the crop reaches beyond the input{where}: {comparison}",
            blame=("size", "offset") if self.offset is None else ("offset", "size"),
            help=help,
            spatial=True,
        )

    @override
    def output(self, *inputs: TensorType) -> TensorType:
        return TensorType((inputs[0].channels, *fit(self.size, len(inputs[0].spatial))))

    @override
    def output_terms(self, *inputs: TensorType) -> tuple[Term, ...]:
        return stream_terms(inputs[0])[0], *size_terms(self.size, inputs[0])

    @override
    def bounds(self, *inputs: Bounds) -> Bounds:
        return inputs[0]

    @override
    def footprint(self, *inputs: TensorType) -> tuple[ForwardWindow, ...]:
        sizes = fit(self.size, len(inputs[0].spatial))
        return tuple(
            shifted(had, -start, start + size - had)
            for had, start, size in zip(inputs[0].spatial, self.starts(*inputs), sizes, strict=True)
        )

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        """Slice."""
        (source,) = context.types
        sizes, starts = context.output.spatial, self.starts(source)
        if context.output.dims == source.dims:
            return context.inputs[0]
        ends = [start + size for start, size in zip(starts, sizes, strict=True)]
        bounds = (starts, ends, range(2, 2 + len(sizes)))
        return emit.op("Slice", context.inputs[0], *(emit.constant([*one]) for one in bounds))
