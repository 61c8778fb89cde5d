"""Layers that put numbers in other places: shapes, orders, channels dealt out anew."""

import math
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

from pydantic import BeforeValidator, Field
from typing_extensions import override

from cnndsl.diagnostics.words import count
from cnndsl.frozen import replace
from cnndsl.layers.base import (
    MAX_SIZE,
    POINT,
    WHOLE,
    Bounds,
    Count,
    Footprint,
    Layer,
    ShapeFault,
    Sizes,
    as_tuple,
)
from cnndsl.layers.fault_kind import FaultKind
from cnndsl.layers.formula import Symbol, Term, product
from cnndsl.layers.groups import split_faults
from cnndsl.layers.lowering import Builder, LoweringContext
from cnndsl.layers.terms import made_terms, stream_terms
from cnndsl.layers.transposed_window import TransposedWindow
from cnndsl.layers.window import ForwardWindow
from cnndsl.layers.windowed import along, unusable
from cnndsl.types import TensorType

__all__ = [
    "Blocks",
    "ChannelShuffle",
    "DepthToSpace",
    "Rearranging",
    "Reshape",
    "SpaceToDepth",
    "Transpose",
]

V = TypeVar("V")


class Rearranging(Layer):
    """A layer whose output holds its input's numbers, each once."""

    family = "shape"

    @override
    def bounds(self, *inputs: Bounds) -> Bounds:
        return inputs[0]


class Reshape(Rearranging):
    """Gives the same numbers other sizes: channel by channel, each row by row."""

    keyword = "reshape"
    positional = ("shape",)
    shares = "always"

    shape: Sizes = Field(
        description="channels and sizes as in a claim: `16x5x5`, or `400` for a vector",
        examples=["16x5x5"],
    )

    @override
    def faults(self, *inputs: TensorType) -> Iterator[ShapeFault]:
        had, made = inputs[0].elements, math.prod(self.shape)
        if had != made:
            written = "x".join(map(str, self.shape))
            rest = math.prod(self.shape[1:])
            help = f"write sizes whose product is {had}"
            if had % rest == 0:
                help = "write `" + "x".join(map(str, (had // rest, *self.shape[1:]))) + "`, say"
            yield ShapeFault(
                FaultKind.ELEMENTS,
                f"the input {inputs[0]} has {_product(inputs[0].dims)} numbers, and {written} has"
                f" {_product(self.shape)}",
                blame=("shape",),
                help=help,
                spatial=True,
            )

    @override
    def output(self, *inputs: TensorType) -> TensorType:
        return TensorType(self.shape, inputs[0].dtype)

    @override
    def output_terms(self, *inputs: TensorType) -> tuple[Term, ...]:
        names = made_terms(self.output(*inputs))
        return tuple(replace(one, meaning="as written", parameter="shape") for one in names)

    @override
    def arithmetic_notes(self, *inputs: TensorType) -> tuple[str, ...]:
        had, made = _product(inputs[0].dims), _product(self.shape)
        return (f"as many numbers before as after: {had}, {made}",)

    @override
    def keeps_rows(self, source: TensorType) -> bool:
        """Where the channels stay as many, each keeps its numbers."""
        return self.shape[0] == source.channels

    @override
    def footprint(self, *inputs: TensorType) -> Footprint:
        """Which cells a cell sees follows no window: where sizes change, each counts as all."""
        return POINT if self.shape[1:] == inputs[0].spatial else WHOLE

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        """Reshape; nothing where the sizes are those of the input."""
        if context.output.dims == context.types[0].dims:
            return context.inputs[0]
        return _reshaped(emit, context.inputs[0], context.output.dims)


Order: TypeAlias = Annotated[
    tuple[Annotated[int, Field(ge=0, le=MAX_SIZE)], ...],
    BeforeValidator(as_tuple),
    Field(min_length=1),
]


class Transpose(Rearranging):
    """Puts the dimensions in another order."""

    keyword = "transpose"
    positional = ("order",)

    order: Order | None = Field(
        default=None,
        description=(
            "which of the input's dimensions comes first, second and so on; channels are 0. By"
            " default the two of a signal change places: `[1, 0]`"
        ),
        examples=["[1, 0]"],
    )

    @override
    def implied(self, *inputs: TensorType) -> dict[str, Any]:
        return {"order": self.order_of(inputs[0])}

    def order_of(self, source: TensorType) -> tuple[int, ...]:
        """The dimensions in their new order; as they were where none is written that fits."""
        rank = len(source.dims)
        order = self.order if self.order is not None or rank != 2 else (1, 0)
        natural = tuple(range(rank))
        return order if order is not None and tuple(sorted(order)) == natural else natural

    @override
    def faults(self, *inputs: TensorType) -> Iterator[ShapeFault]:
        rank = len(inputs[0].dims)
        natural = tuple(range(rank))
        if self.order is None and rank != 2:
            dims = count(rank, "dimension")
            yield ShapeFault(
                FaultKind.MISSING,
                f"`transpose` needs an order: its input {inputs[0]} has {dims}, not 2",
                help=f"write `transpose {[*natural[:-2], *natural[:-3:-1]]}`, say"
                if rank > 1
                else "leave it out: a vector has one dimension",
            )
        elif self.order is not None and tuple(sorted(self.order)) != natural:
            yield ShapeFault(
                FaultKind.ORDER,
                f"`{[*self.order]}` is no order of the {rank} dimensions of {inputs[0]}"
                if rank > 1
                else f"`{[*self.order]}` is no order of the single dimension of {inputs[0]}",
                blame=("order",),
                help=f"write each of {', '.join(map(str, natural))} once; 0 are the channels"
                if rank > 1
                else "leave `transpose` out",
            )

    @override
    def output(self, *inputs: TensorType) -> TensorType:
        dims = inputs[0].dims
        return TensorType(tuple(dims[at] for at in self.order_of(inputs[0])), inputs[0].dtype)

    @override
    def output_terms(self, *inputs: TensorType) -> tuple[Term, ...]:
        terms = stream_terms(inputs[0])
        return tuple(terms[at] for at in self.order_of(inputs[0]))

    @override
    def keeps_rows(self, source: TensorType) -> bool:
        return self.order_of(source)[0] == 0

    @override
    def footprint(self, *inputs: TensorType) -> Footprint:
        """Fields are along the input's dimensions: where these change places, a cell sees all."""
        order = self.order_of(inputs[0])
        return POINT if order == tuple(sorted(order)) else WHOLE

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        """Transpose."""
        order = self.order_of(context.types[0])
        if order == tuple(sorted(order)):
            return context.inputs[0]
        return emit.op("Transpose", context.inputs[0], perm=[0, *(at + 1 for at in order)])


class ChannelShuffle(Rearranging):
    """Deals the channels out anew: one of each group in turn (Zhang et al. 2017, ShuffleNet)."""

    keyword = "channelshuffle"
    positional = ("groups",)

    groups: Count = Field(description="how many groups the channels are in", examples=["2"])

    @override
    def faults(self, *inputs: TensorType) -> Iterator[ShapeFault]:
        yield from split_faults(inputs[0].channels, self.groups, "groups")

    @override
    def keeps_rows(self, source: TensorType) -> bool:
        return self.groups in (1, source.channels)

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        """Reshape, Transpose and Reshape: C channels as G rows of C/G, read column by column."""
        dims = context.output.dims
        if self.groups in (1, dims[0]):
            return context.inputs[0]
        rows = (self.groups, dims[0] // self.groups, math.prod(dims[1:]))
        columns = _reshaped(emit, context.inputs[0], rows)
        return _reshaped(emit, emit.op("Transpose", columns, perm=[0, 2, 1, 3]), dims)


BlockOrder: TypeAlias = Literal["crd", "dcr"]


class Blocks(Rearranging):
    """Moves numbers between channels and blocks of N cells along every dimension."""

    positional = ("block",)

    block: Count = Field(description="the size of a block along every dimension", examples=["2"])
    order: BlockOrder = Field(
        default="crd",
        description=(
            "how channels are counted: `crd` channel first, then the place in the block, as"
            " PyTorch's PixelShuffle; `dcr` the place first, as TensorFlow"
        ),
    )

    @override
    def keeps_rows(self, source: TensorType) -> bool:
        return self.block == 1

    @property
    def symbol(self) -> Symbol:
        """The size of a block."""
        return Symbol("B", self.block, "block", "block")

    def split(self, dims: Sequence[int]) -> tuple[int, ...]:
        """The sizes of the map with few cells, its channels as what they stand for.

        ``dims`` are those of the map with many cells.
        """
        spatial = [size // self.block for size in dims[1:]]
        inner = [self.block] * len(spatial)
        return (dims[0], *inner, *spatial) if self.order == "crd" else (*inner, dims[0], *spatial)

    def moves(self, rank: int) -> tuple[int, ...]:
        """Where :meth:`split`'s dimensions go: the channels first, then each cell and its block."""
        first = 0 if self.order == "crd" else rank
        inner = 1 if self.order == "crd" else 0
        pairs = ((rank + 1 + at, inner + at) for at in range(rank))
        return (first, *(one for pair in pairs for one in pair))


class DepthToSpace(Blocks):
    """Makes a block of cells of several channels: PyTorch's PixelShuffle (Shi et al. 2016)."""

    keyword = "depthtospace"

    @override
    def faults(self, *inputs: TensorType) -> Iterator[ShapeFault]:
        rank = len(inputs[0].spatial)
        if not 1 <= rank <= 3:
            yield unusable(self, inputs[0])
            return
        places = self.block**rank
        power = f"{self.block}^{rank} = " if rank > 1 else ""
        yield from split_faults(inputs[0].channels, places, "block", power=power)

    @override
    def output(self, *inputs: TensorType) -> TensorType:
        channels, spatial = inputs[0].channels, inputs[0].spatial
        made = max(1, channels // self.block ** len(spatial))
        return TensorType((made, *(size * self.block for size in spatial)))

    @override
    def output_terms(self, *inputs: TensorType) -> tuple[Term, ...]:
        channels, *sizes = stream_terms(inputs[0])
        places = product(self.symbol for _ in sizes)
        return (channels / places, *(size * self.symbol for size in sizes))

    @override
    def footprint(self, *inputs: TensorType) -> tuple[TransposedWindow, ...]:
        """The cells of a block see the one cell of which it is made."""
        return tuple(TransposedWindow(size, self.block, self.block) for size in inputs[0].spatial)

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        """Reshape, Transpose and Reshape, in any rank; ONNX's DepthToSpace has two only."""
        if self.block == 1:
            return context.inputs[0]
        dims = context.output.dims
        parts = _reshaped(emit, context.inputs[0], self.split(dims))
        moves = [0, *(at + 1 for at in self.moves(len(dims) - 1))]
        return _reshaped(emit, emit.op("Transpose", parts, perm=moves), dims)


class SpaceToDepth(Blocks):
    """Makes channels of each block of cells: the inverse of `depthtospace`, PixelUnshuffle."""

    keyword = "spacetodepth"

    @override
    def faults(self, *inputs: TensorType) -> Iterator[ShapeFault]:
        rank, spatial = len(inputs[0].spatial), inputs[0].spatial
        if not 1 <= rank <= 3:
            yield unusable(self, inputs[0])
            return
        wrong = [at for at, size in enumerate(spatial) if size % self.block]
        if wrong:
            numbers = [
                f"{spatial[at]}/{self.block} leaves {spatial[at] % self.block}" for at in wrong
            ]
            where, arithmetic = along(rank, wrong, numbers)
            divided = " and ".join(map(str, dict.fromkeys(spatial)))
            yield ShapeFault(
                FaultKind.BLOCKS,
                f"blocks of {self.block} do not tile the input{where}: {arithmetic}",
                blame=("block",),
                help=f"choose a block that divides {divided}, or `pad` before it",
                spatial=True,
            )

    @override
    def output(self, *inputs: TensorType) -> TensorType:
        channels, spatial = inputs[0].channels, inputs[0].spatial
        sizes = (max(1, size // self.block) for size in spatial)
        return TensorType((channels * self.block ** len(spatial), *sizes))

    @override
    def output_terms(self, *inputs: TensorType) -> tuple[Term, ...]:
        channels, *sizes = stream_terms(inputs[0])
        places = (self.symbol for _ in sizes)
        return (product((channels, *places)), *(size / self.symbol for size in sizes))

    @override
    def footprint(self, *inputs: TensorType) -> tuple[ForwardWindow, ...]:
        """The channels of a cell see, together, the cells of a block."""
        return tuple(ForwardWindow(size, self.block, self.block) for size in inputs[0].spatial)

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        """Reshape, Transpose and Reshape, in any rank; ONNX's SpaceToDepth has two only."""
        if self.block == 1:
            return context.inputs[0]
        dims = context.types[0].dims
        parts, moves = self.split(dims), self.moves(len(dims) - 1)
        cells = _reshaped(emit, context.inputs[0], tuple(parts[at] for at in moves))
        back = [0, *(moves.index(at) + 1 for at in range(len(moves)))]
        return _reshaped(emit, emit.op("Transpose", cells, perm=back), context.output.dims)


def _product(dims: Sequence[int]) -> str:
    """``16*5*5 = 400``, or the only number."""
    if len(dims) == 1:
        return str(dims[0])
    return f"{'*'.join(map(str, dims))} = {math.prod(dims)}"


def _reshaped(emit: Builder[V], value: V, dims: Sequence[int]) -> V:
    """The same numbers with other dimensions; 0 keeps the batch's."""
    return emit.op("Reshape", value, emit.constant((0, *dims)))
