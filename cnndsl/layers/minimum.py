"""The join that takes the smallest of several numbers: `minimum`."""

from functools import reduce
from typing import TypeVar

from typing_extensions import override

from cnndsl.layers.base import Bounds
from cnndsl.layers.join import Join
from cnndsl.layers.lowering import Builder, LoweringContext

__all__ = ["Minimum"]

V = TypeVar("V")


class Minimum(Join):
    """The smallest, number by number."""

    keyword = "minimum"
    saves = ("inputs",)

    @override
    def bounds(self, *inputs: Bounds) -> Bounds:
        return min(least for least, _ in inputs), min(most for _, most in inputs)

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        return reduce(lambda left, right: emit.op("Min", left, right), context.inputs)
