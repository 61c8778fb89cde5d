"""The parts of a stream along one dimension: a layer with several results."""

from collections.abc import Iterator
from typing import Annotated, TypeAlias, TypeVar

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticKnownError
from typing_extensions import override

from cnndsl.layers.axes import AxisWord, amount, axis_fault
from cnndsl.layers.base import MAX_SIZE, Bounds, ItemError, Layer, Lists, ShapeFault
from cnndsl.layers.fault_kind import FaultKind
from cnndsl.layers.formula import Symbol, Term
from cnndsl.layers.lowering import Builder, LoweringContext
from cnndsl.layers.terms import stream_terms
from cnndsl.types import TensorType

__all__ = ["Part", "Split"]

V = TypeVar("V")


def _as_parts(value: object) -> object:
    """A number of parts, 2 at least, or their sizes."""
    if not isinstance(value, tuple):
        if type(value) is int and value < 2:
            raise PydanticKnownError("greater_than_equal", {"ge": 2})
        if type(value) is not int:
            raise PydanticKnownError("int_type")
        return value
    if len(value) < 2:
        raise ItemError((), "there must be two parts at least")
    for at, size in enumerate(value):
        if type(size) is not int or not 1 <= size <= MAX_SIZE:
            raise ItemError((at,), "a part's size must be a whole number, at least 1")
    return value


_PARTS_SCHEMA = {
    "anyOf": [
        {"type": "integer", "minimum": 2},
        {"type": "array", "items": {"type": "integer", "minimum": 1}},
    ]
}

Parts: TypeAlias = Annotated[
    int | tuple[int, ...],
    BeforeValidator(_as_parts),
    Lists(),
    WithJsonSchema(_PARTS_SCHEMA, mode="validation"),
]
"""How many equal parts, or the size of each."""


class Split(Layer):
    """Gives the parts of a stream, one after the other along a dimension."""

    keyword = "split"
    family = "shape"
    positional = ("parts",)

    parts: Parts = Field(description="how many equal parts, or the size of each", examples=["2"])
    axis: AxisWord = Field("channels", description="the dimension that is split")

    @property
    @override
    def results(self) -> int:
        return self.parts if isinstance(self.parts, int) else len(self.parts)

    def _sizes(self, whole: int) -> tuple[int, ...]:
        """The sizes of the parts; of a dimension that they do not fit, the nearest."""
        if isinstance(self.parts, tuple):
            return self.parts
        return (max(1, whole // self.parts),) * self.parts

    @override
    def faults(self, *inputs: TensorType) -> Iterator[ShapeFault]:
        (source,) = inputs
        if lacking := axis_fault(self.keyword, self.axis, source):
            yield lacking
            return
        whole = source.dims[source.axes.index(self.axis)]
        if sum(self._sizes(whole)) != whole:
            message, sizes = self._misfit(whole)
            yield ShapeFault(
                FaultKind.PARTS,
                message,
                blame=("parts",),
                help=f"write `{list(sizes)}`, say, whose sum is {whole}"
                if sizes
                else f"write sizes that add up to {whole}",
                spatial=self.axis != "channels",
            )

    def _misfit(self, whole: int) -> tuple[str, tuple[int, ...]]:
        """Why the parts do not fit, and sizes that would; none where there are no near ones."""
        if isinstance(self.parts, tuple):
            total, last = sum(self.parts), self.parts[-1]
            message = f"the parts add up to {total}, and there is {amount(self.axis, whole)}"
            if self.axis == "channels" and whole > 1:
                message = message.replace("there is", "there are")
            right = last + whole - total
            return message, (*self.parts[:-1], right) if right > 0 else ()
        each, left = divmod(whole, self.parts)
        do = "does" if self.axis != "channels" or whole == 1 else "do"
        message = (
            f"{amount(self.axis, whole)} {do} not split into {self.parts} equal parts:"
            f" {whole} = {each}*{self.parts} + {left}"
        )
        sizes = [each + 1] * left + [each] * (self.parts - left)
        return message, tuple(sizes) if each and self.parts <= 16 else ()

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        raise NotImplementedError("each of its results is a `Part`, which is lowered by itself")


class Part(Split):
    """One of the results of a split."""

    index: int = Field(ge=0, description="which of the parts it is, counted from 0")

    @override
    def output(self, *inputs: TensorType) -> TensorType:
        (source,) = inputs
        at = source.axes.index(self.axis)
        size = self._sizes(source.dims[at])[self.index]
        return TensorType((*source.dims[:at], size, *source.dims[at + 1 :]), source.dtype)

    @override
    def output_terms(self, *inputs: TensorType) -> tuple[Term, ...]:
        (source,) = inputs
        at = source.axes.index(self.axis)
        terms: list[Term] = [*stream_terms(source)]
        if isinstance(self.parts, int):
            terms[at] = terms[at] / Symbol("N", self.parts, "parts", "parts")
        else:
            size = self.parts[self.index]
            terms[at] = Symbol("N", size, f"size of part {self.index + 1}", "parts")
        return tuple(terms)

    @override
    def bounds(self, *inputs: Bounds) -> Bounds:
        return inputs[0]

    @override
    def keeps_rows(self, source: TensorType) -> bool:
        return self.axis != "channels"

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        """A Slice; ONNX's Split has several outputs, of which some may be unused."""
        (source,) = context.types
        at = source.axes.index(self.axis)
        sizes = self._sizes(source.dims[at])
        start = sum(sizes[: self.index])
        bounds = (emit.constant([number]) for number in (start, start + sizes[self.index], at + 1))
        return emit.op("Slice", context.inputs[0], *bounds)


Split.result = Part
