"""The logarithm of the softmax: `logsoftmax`."""

import math
from collections.abc import Iterator
from typing import TypeVar

from typing_extensions import override

from cnndsl.layers.base import POINT, WHOLE, Bounds, Footprint, Layer, ShapeFault
from cnndsl.layers.fault_kind import FaultKind
from cnndsl.layers.lowering import Builder, LoweringContext
from cnndsl.types import TensorType

__all__ = ["LogSoftmax"]

V = TypeVar("V")


class LogSoftmax(Layer):
    """x_i - ln(sum_j exp(x_j)): the logarithms of what `softmax` gives."""

    keyword = "logsoftmax"
    family = "activation"
    activation = True
    per_channel = True
    makes = "logarithms"
    logits_as = "softmax"
    saves = ("output",)

    @override
    def faults(self, *inputs: TensorType) -> Iterator[ShapeFault]:
        if inputs[0].channels == 1:
            what = "channel" if inputs[0].spatial else "unit"
            yield ShapeFault(
                FaultKind.UNSUITED,
                f"`logsoftmax` over a single {what} is always 0",
                help="let the layer before it have a channel for each class, two or more",
            )

    @override
    def footprint(self, *inputs: TensorType) -> Footprint:
        """As of `softmax`: all units of a vector, a place of feature maps by itself."""
        return POINT if inputs[0].spatial else WHOLE

    @override
    def bounds(self, *inputs: Bounds) -> Bounds:
        return -math.inf, 0.0

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        return emit.op("LogSoftmax", context.inputs[0], axis=1)
