"""The way back through a max pooling: each number returns to where the maximum was."""

import math
from collections.abc import Iterator
from typing import Annotated, TypeAlias, TypeVar

from pydantic import Field, InstanceOf, WithJsonSchema
from typing_extensions import override

from cnndsl.frozen import replace
from cnndsl.layers.base import Bounds, Footprint, Layer, ShapeFault
from cnndsl.layers.fault_kind import FaultKind
from cnndsl.layers.formula import Term
from cnndsl.layers.lowering import Builder, LoweringContext, TrainingBuilder
from cnndsl.layers.pool import MaxPool
from cnndsl.layers.terms import stream_terms
from cnndsl.layers.transposed_window import TransposedWindow
from cnndsl.layers.window import Window
from cnndsl.types import TensorType

__all__ = ["Unpool", "UnpoolOf"]

V = TypeVar("V")

_FLOAT = 1
"""ONNX's number for float32."""

Label: TypeAlias = Annotated[
    str, WithJsonSchema({"type": "string", "format": "label"}, mode="validation")
]
"""The label of another layer."""


class Unpool(Layer):
    """Puts each number back where a pooling found its extreme; all else is 0."""

    keyword = "unpool"
    family = "shape"
    positional = ("pool",)
    reads = "pool"
    reads_what = "a `maxpool` or `minpool`"
    per_channel = True
    sees = 1
    saves = ("inputs",)

    pool: Label = Field(
        description="the label of the `maxpool` or `minpool` to whose places numbers return",
        examples=["P1"],
    )

    @classmethod
    @override
    def can_read(cls, other: Layer) -> bool:
        return isinstance(other, MaxPool)


class UnpoolOf(Unpool):
    """The same, with the pooling that its label means; it reads that one's input too."""

    of: InstanceOf[MaxPool] = Field(description="the pooling, with its settings")

    @override
    def faults(self, *inputs: TensorType) -> Iterator[ShapeFault]:
        source, before = inputs
        if any(True for _ in self.of.faults(before)):
            return  # which is said at the pooling
        pooled = self.of.output(before)
        if source.dims != pooled.dims:
            yield ShapeFault(
                FaultKind.UNLIKE,
                f"`{self.pool}` made {pooled} of {before}, and `unpool` cannot put {source} back",
                inputs=(0, 1),
                help=f"bring its input to {pooled} before it",
                spatial=source.channels == pooled.channels,
            )

    @override
    def output(self, *inputs: TensorType) -> TensorType:
        return inputs[1]

    @override
    def output_terms(self, *inputs: TensorType) -> tuple[Term, ...]:
        return stream_terms(inputs[1], "pooled")

    @override
    def footprint(self, *inputs: TensorType) -> Footprint:
        """A cell may get the number of any window that it lies in."""
        return tuple(map(_undone, self.of.windows(inputs[1])))

    @override
    def bounds(self, *inputs: Bounds) -> Bounds:
        """Where windows overlap, numbers are added up."""
        least, most = inputs[0]
        if self.of.stride is None or self.of.stride == self.of.kernel:
            return min(least, 0.0), max(most, 0.0)
        return (0.0 if least >= 0 else -math.inf), (0.0 if most <= 0 else math.inf)

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        """MaxPool's Indices, which count the numbers of a whole batch, and ScatterElements.

        Where windows overlap and two find the same maximum, their numbers are added up.
        """
        source, before = context.inputs
        places, padded, dims = self.of.places(emit, before, context.types[1])
        flat = emit.constant([-1])
        numbers = emit.op("Reshape", padded, flat)
        # No number is less than itself: zeros whose shape is known where the input's is.
        zeros = emit.op("Cast", emit.op("Less", numbers, numbers), to=_FLOAT)
        spread = emit.op(
            "ScatterElements",
            zeros,
            emit.op("Reshape", places, flat),
            emit.op("Reshape", source, flat),
            axis=0,
            reduction="add",
        )
        whole = emit.op("Reshape", spread, emit.constant([-1, *dims]))
        return self.of.cut(emit, whole, context.types[1])

    @override
    def lower_training(self, emit: TrainingBuilder[V], context: LoweringContext[V]) -> V:
        """The same; the places have no gradient."""
        source, before = context.inputs
        (fixed,) = emit.composite(
            "StopGradient", lambda value: (emit.op("Identity", value),), before
        )
        return self.lower(emit, replace(context, inputs=(source, fixed)))


def _undone(window: Window) -> TransposedWindow:
    """The way back through a window: from its output to all of its input."""
    whole = (window.output - 1) * window.stride - window.before + window.extent
    return TransposedWindow(
        size=window.output,
        kernel=window.kernel,
        stride=window.stride,
        dilation=window.dilation,
        before=window.before,
        after=max(0, whole - window.size),
        output_padding=max(0, window.size - whole),
    )


Unpool.result = UnpoolOf
