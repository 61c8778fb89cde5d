"""The smallest cell: pooling by the minimum."""

from typing import TypeVar

from typing_extensions import override

from cnndsl.frozen import replace
from cnndsl.layers.lowering import Builder, LoweringContext
from cnndsl.layers.pool import MaxPool
from cnndsl.types import TensorType

__all__ = ["MinPool"]

V = TypeVar("V")


class MinPool(MaxPool):
    """Keeps the smallest cell of each window."""

    keyword = "minpool"

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        """The negative of the maximum of the negatives: ONNX has no pooling by the minimum."""
        negative = emit.op("Neg", context.inputs[0])
        largest = super().lower(emit, replace(context, inputs=(negative,)))
        return emit.op("Neg", largest)

    @override
    def places(self, emit: Builder[V], source: V, type: TensorType) -> tuple[V, V, tuple[int, ...]]:
        """Where each minimum stands: that of the negatives' maximum."""
        return super().places(emit, emit.op("Neg", source), type)
