"""Joins: layers that make one stream of several."""

from collections import Counter
from collections.abc import Iterator
from functools import reduce
from typing import TypeVar

from typing_extensions import override

from cnndsl.layers.base import Bounds, Layer, ShapeFault
from cnndsl.layers.fault_kind import FaultKind
from cnndsl.layers.formula import Term, total
from cnndsl.layers.lowering import Builder, LoweringContext
from cnndsl.layers.terms import stream_terms
from cnndsl.types import TensorType

__all__ = ["Add", "Concat", "Join", "Maximum", "Multiply"]

V = TypeVar("V")

_AGREE = "make their sizes agree: the strides and paddings of the branches decide them"


class Join(Layer):
    """What the joins share: which of their inputs do not fit the others."""

    family = "join"

    joins = True

    def fits(self, source: TensorType, reference: TensorType) -> bool:
        """Whether an input can be joined with the one that sets the shape."""
        return source.dims == reference.dims

    def reference(self, inputs: tuple[TensorType, ...]) -> int:
        """The position of the input that sets the shape: the first of the commonest shape."""
        counts = Counter(source.dims for source in inputs)
        return max(range(len(inputs)), key=lambda at: (counts[inputs[at].dims], -at))

    @property
    def wants(self) -> str:
        """What the inputs must have in common."""
        return "inputs of one shape"

    @override
    def faults(self, *inputs: TensorType) -> Iterator[ShapeFault]:
        first = self.reference(inputs)
        wrong = [at for at, source in enumerate(inputs) if not self.fits(source, inputs[first])]
        if wrong:
            named = sorted([first, *wrong])
            shapes = ", ".join(f"input {at + 1} is {inputs[at]}" for at in named)
            yield ShapeFault(
                FaultKind.UNLIKE,
                f"`{self.keyword}` needs {self.wants}: {shapes}",
                inputs=tuple(named),
                help=self._advice(*{inputs[at]: None for at in (*wrong, first)}),
                spatial=all(self._differs_in_size(inputs[at], inputs[first]) for at in wrong),
            )

    def _differs_in_size(self, source: TensorType, reference: TensorType) -> bool:
        """Whether other spatial sizes could mend it: the channels and the rank are right."""
        if len(source.dims) != len(reference.dims):
            return False
        return self.fits(TensorType((source.channels, *reference.spatial)), reference)

    def _advice(self, source: TensorType, *others: TensorType) -> str:
        """How to make inputs fit the last one, which sets the shape."""
        reference = others[-1]
        if len(source.dims) == len(reference.dims):
            if self.fits(TensorType((reference.channels, *source.spatial)), reference):
                layer = f"conv {reference.channels}@1" if source.spatial else None
                return _ending(source, layer or f"dense {reference.channels}")
            in_size = self._differs_in_size(source, reference)
            if in_size and len(others) > 1:
                return _AGREE
            return self._strided(source, reference) or _cropped(source, reference, in_size=in_size)
        maps, vector = sorted((source, reference), key=lambda kind: -len(kind.dims))
        if vector.spatial:
            return f"bring the branch of {source} to {reference}"
        if self.fits(TensorType((reference.channels, *source.spatial)), reference):
            return _ending(source, f"dense {reference.channels}")
        return _ending(maps, self._flattened(maps, vector))

    def _strided(self, source: TensorType, reference: TensorType) -> str | None:
        """The shortcut of a residual network that has the stride of the other path."""
        for large, small in ((source, reference), (reference, source)):
            pairs = [*zip(large.spatial, small.spatial, strict=True)]
            steps = range(2, max(large.spatial, default=0) + 1)
            step = next((s for s in steps if all((a - 1) // s + 1 == b for a, b in pairs)), None)
            if step is not None:
                whole = all((size - 1) % step == 0 for size in large.spatial)
                rounding = "" if whole else " rounding floor"
                return _ending(large, f"conv {small.channels}@1 stride {step}{rounding}")
        return None

    def _flattened(self, maps: TensorType, vector: TensorType) -> str:
        """What makes feature maps a vector that can be joined with another."""
        if maps.channels == vector.channels:
            return "globalavgpool"
        same = maps.elements == vector.channels
        return "flatten" if same else f"flatten -> dense {vector.channels}"

    @override
    def output(self, *inputs: TensorType) -> TensorType:
        return inputs[self.reference(inputs)]

    @override
    def output_terms(self, *inputs: TensorType) -> tuple[Term, ...]:
        return stream_terms(inputs[self.reference(inputs)])


def _ending(branch: TensorType, layers: str) -> str:
    return f"end the branch of {branch} with `{layers}`"


def _cropped(source: TensorType, reference: TensorType, *, in_size: bool) -> str:
    """U-Net's way: the larger feature maps are cut to the size of the smaller ones."""
    for large, small in ((source, reference), (reference, source)):
        pairs = [*zip(large.spatial, small.spatial, strict=True)]
        if in_size and all(part <= whole < 2 * part for whole, part in pairs):
            return _ending(large, f"crop {'x'.join(map(str, small.spatial))}")
    if in_size:
        return _AGREE
    return f"bring the branch of {source} to {reference}"


class Add(Join):
    """The sum, number by number."""

    keyword = "add"

    @override
    def bounds(self, *inputs: Bounds) -> Bounds:
        return sum(least for least, _ in inputs), sum(most for _, most in inputs)

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        return reduce(lambda left, right: emit.op("Add", left, right), context.inputs)


class Maximum(Join):
    """The largest, number by number."""

    keyword = "maximum"
    saves = ("inputs",)

    @override
    def bounds(self, *inputs: Bounds) -> Bounds:
        return max(least for least, _ in inputs), max(most for _, most in inputs)

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        return reduce(lambda left, right: emit.op("Max", left, right), context.inputs)


class Multiply(Join):
    """The product, number by number; a vector of C, Cx1x1 or 1xHxW is stretched over CxHxW."""

    keyword = "multiply"
    saves = ("inputs",)

    @override
    def reference(self, inputs: tuple[TensorType, ...]) -> int:
        """The largest input sets the shape."""
        return max(range(len(inputs)), key=lambda at: (inputs[at].elements, len(inputs[at].dims)))

    @override
    def fits(self, source: TensorType, reference: TensorType) -> bool:
        dims = _column(source, reference)
        return len(dims) == len(reference.dims) and all(
            size in (1, full) for size, full in zip(dims, reference.dims, strict=True)
        )

    @property
    @override
    def wants(self) -> str:
        return "inputs of one shape, or sizes of 1 to stretch"

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        """Mul, which stretches sizes of 1 itself; vectors become columns first."""
        columns = [
            value
            if len(source.dims) == len(context.output.dims)
            else emit.op("Unsqueeze", value, emit.constant(_new_axes(context.output)))
            for value, source in zip(context.inputs, context.types, strict=True)
        ]
        return reduce(lambda left, right: emit.op("Mul", left, right), columns)


def _column(source: TensorType, reference: TensorType) -> tuple[int, ...]:
    """A vector of C over feature maps of CxHxW is Cx1x1."""
    return source.dims if source.spatial else source.dims + (1,) * len(reference.spatial)


def _new_axes(output: TensorType) -> list[int]:
    """The spatial dimensions of a batch of feature maps."""
    return list(range(2, len(output.dims) + 1))


class Concat(Join):
    """The channels of all inputs, one after the other (units, where they are vectors)."""

    keyword = "concat"

    @override
    def reference(self, inputs: tuple[TensorType, ...]) -> int:
        counts = Counter(source.spatial for source in inputs)
        return max(range(len(inputs)), key=lambda at: (counts[inputs[at].spatial], -at))

    @override
    def fits(self, source: TensorType, reference: TensorType) -> bool:
        return source.spatial == reference.spatial

    @property
    @override
    def wants(self) -> str:
        return "inputs alike in all but the channels"

    @override
    def output(self, *inputs: TensorType) -> TensorType:
        channels = sum(source.channels for source in inputs)
        return TensorType((channels, *inputs[self.reference(inputs)].spatial))

    @override
    def output_terms(self, *inputs: TensorType) -> tuple[Term, ...]:
        channels = total(
            stream_terms(one, f"input {at}:", str(at))[0] for at, one in enumerate(inputs, start=1)
        )
        return (channels, *stream_terms(inputs[self.reference(inputs)])[1:])

    @override
    def _strided(self, source: TensorType, reference: TensorType) -> str | None:
        """Maps of the way up of a network that are to be as large as those of its way down."""
        for large, small in ((source, reference), (reference, source)):
            pairs = [*zip(large.spatial, small.spatial, strict=True)]
            factor = pairs[0][0] // pairs[0][1]
            if factor > 1 and all(whole == factor * part for whole, part in pairs):
                return _ending(small, f"upsample {factor}")
        return None

    @override
    def _flattened(self, maps: TensorType, vector: TensorType) -> str:
        return "flatten"

    @override
    def bounds(self, *inputs: Bounds) -> Bounds:
        return min(least for least, _ in inputs), max(most for _, most in inputs)

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        return emit.op("Concat", *context.inputs, axis=1)
