"""Embeddings: a vector for every token of a text."""

from collections.abc import Iterator
from typing import Annotated, Literal, TypeAlias, TypeVar

from pydantic import Field
from typing_extensions import override

from cnndsl.layers.base import MAX_SIZE, Count, Init, InitWord, Layer, ShapeFault, Weight
from cnndsl.layers.fault_kind import FaultKind
from cnndsl.layers.formula import Number, Symbol, Term
from cnndsl.layers.lowering import Builder, LoweringContext, TrainingBuilder
from cnndsl.layers.terms import stream_terms
from cnndsl.types import TensorType

__all__ = ["Embedding"]

V = TypeVar("V")

_Id: TypeAlias = Annotated[int, Field(ge=0, le=MAX_SIZE)]


class Embedding(Layer):
    """Looks up a vector for each token id, in a table with a row for each id of the vocabulary."""

    keyword = "embedding"
    family = "embedding"
    positional = ("size",)
    takes_tokens = True
    saves = ("inputs",)

    size: Count = Field(description="how many numbers stand for a token", examples=["300"])
    layout: Literal["signal", "image"] = Field(
        default="signal",
        description="what becomes of L tokens: `signal` gives SIZExL, `image` gives 1xLxSIZE",
    )
    padding_id: _Id | None = Field(
        default=None,
        description="the id that fills up short texts: its vector begins at 0 and never learns",
        examples=["0"],
    )
    init: InitWord = Field(
        default=Init("uniform", 0.25),
        description="how the table begins",
        examples=["normal(1)"],
    )

    @override
    def faults(self, *inputs: TensorType) -> Iterator[ShapeFault]:
        (source,) = inputs
        if not source.is_tokens:
            yield ShapeFault(
                FaultKind.UNSUITED,
                f"`embedding` looks up token ids, but its input {source} are numbers",
                help="read from an input of tokens: `input tokens 56 vocabulary 20000`",
            )
            return
        if self.layout == "image" and source.spatial:
            yield ShapeFault(
                FaultKind.UNSUITED,
                f"`layout image` lays a row of tokens out, and the input has {source}",
                blame=("layout",),
                help=f"leave it out: `embedding {self.size}` gives {self._signal(source)}",
            )
        known = source.vocabulary
        if known is not None and self.padding_id is not None and self.padding_id >= known:
            yield ShapeFault(
                FaultKind.NO_SUCH_ID,
                f"`padding_id {self.padding_id}` is none of the vocabulary's {known:,} ids",
                blame=("padding_id",),
                help=f"write an id from 0 to {known - 1}",
            )

    def _signal(self, source: TensorType) -> TensorType:
        return TensorType((self.size, *source.dims))

    @override
    def output(self, *inputs: TensorType) -> TensorType:
        if self.layout == "image" and not inputs[0].spatial:
            return TensorType((1, *inputs[0].dims, self.size))
        return self._signal(inputs[0])

    @override
    def output_terms(self, *inputs: TensorType) -> tuple[Term, ...]:
        size, tokens = self._size_symbol, stream_terms(inputs[0])
        if self.layout == "image" and not inputs[0].spatial:
            return (Number(1), *tokens, size)
        return (size, *tokens)

    @override
    def param_term(self, *inputs: TensorType) -> Term:
        return Symbol("V", inputs[0].vocabulary or 1, "vocabulary") * self._size_symbol

    @property
    def _size_symbol(self) -> Symbol:
        return Symbol("E", self.size, "numbers for a token", "size")

    @override
    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        """The table. One number of the output is one number of it: nothing is summed over."""
        rows = inputs[0].vocabulary or 1
        zeros = () if self.padding_id is None or self.padding_id >= rows else (self.padding_id,)
        shape = rows, self.size
        return (Weight("weight", shape, self.init, fans=(1, self.size), zero_rows=zeros),)

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        """Gather, and the vectors' numbers moved to where the layout has them."""
        table, (ids,) = context.weights["weight"], context.inputs
        return self._laid_out(emit, context, emit.op("Gather", table, ids, axis=0))

    @override
    def lower_training(self, emit: TrainingBuilder[V], context: LoweringContext[V]) -> V:
        """The same; the padding's row has no gradient."""
        if self.padding_id is None:
            return self.lower(emit, context)

        def body(table: V, ids: V) -> tuple[V, ...]:
            return (emit.op("Gather", table, ids, axis=0),)

        table, (ids,) = context.weights["weight"], context.inputs
        (rows,) = emit.composite("Embedding", body, table, ids, padding=self.padding_id)
        return self._laid_out(emit, context, rows)

    def _laid_out(self, emit: Builder[V], context: LoweringContext[V], vectors: V) -> V:
        if self.layout == "image":
            return emit.op("Unsqueeze", vectors, emit.constant([1]))
        rank = len(context.types[0].dims)
        return emit.op("Transpose", vectors, perm=[0, rank + 1, *range(1, rank + 1)])
