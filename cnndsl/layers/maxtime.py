"""Max over time: of each feature, the largest number of a sentence or a signal."""

import math
from collections.abc import Iterator
from typing import TypeVar

from typing_extensions import override

from cnndsl.layers.base import WHOLE, Bounds, Footprint, Layer, ShapeFault
from cnndsl.layers.formula import Term
from cnndsl.layers.lowering import Builder, LoweringContext
from cnndsl.layers.terms import stream_terms
from cnndsl.layers.windowed import vector_fault
from cnndsl.types import TensorType

__all__ = ["MaxTime"]

V = TypeVar("V")


class MaxTime(Layer):
    """Keeps the largest number along the first spatial dimension, which is time."""

    keyword = "maxtime"
    family = "pooling"
    per_channel = True
    saves = ("inputs", "output")

    @override
    def faults(self, *inputs: TensorType) -> Iterator[ShapeFault]:
        if not inputs[0].spatial:
            yield vector_fault(self, inputs[0])

    @override
    def output(self, *inputs: TensorType) -> TensorType:
        """What is left of the sizes; sizes of 1 alone leave a vector."""
        others = inputs[0].spatial[1:]
        return TensorType((inputs[0].channels, *(others if math.prod(others) > 1 else ())))

    @override
    def output_terms(self, *inputs: TensorType) -> tuple[Term, ...]:
        channels, _, *others = stream_terms(inputs[0])
        return (channels, *(others if math.prod(inputs[0].spatial[1:]) > 1 else ()))

    @override
    def bounds(self, *inputs: Bounds) -> Bounds:
        return inputs[0]

    @override
    def footprint(self, *inputs: TensorType) -> Footprint:
        return WHOLE

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        """GlobalMaxPool, of maps that are as they were made where time is all that they have.

        ONNX Runtime keeps those in blocks from the convolution on.
        """
        if math.prod(context.types[0].spatial[1:]) > 1:
            return self.lower_training(emit, context)
        largest = emit.op("GlobalMaxPool", context.inputs[0])
        return emit.op("Reshape", largest, emit.constant([0, *context.output.dims]))

    @override
    def lower_training(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        """GlobalMaxPool over time, behind which all other places stand as channels.

        So the first of equal numbers gets the gradient, as in all pooling by maxima.
        """
        (source,), (kind,) = context.inputs, context.types
        time, *others = kind.spatial
        if math.prod(others) > 1:
            rank = len(kind.dims)
            source = emit.op("Transpose", source, perm=[0, 1, *range(3, rank + 1), 2])
        if others:
            lines = kind.channels * math.prod(others)
            source = emit.op("Reshape", source, emit.constant([0, lines, time]))
        largest = emit.op("GlobalMaxPool", source)
        return emit.op("Reshape", largest, emit.constant([0, *context.output.dims]))
