"""The sigmoid of straight lines and the gate that it makes: `hardsigmoid`, `hardswish`."""

from typing import TypeVar

from typing_extensions import override

from cnndsl.layers.elementwise import Elementwise
from cnndsl.layers.lowering import Builder, LoweringContext

__all__ = ["HardSigmoid", "HardSwish"]

V = TypeVar("V")


class HardSigmoid(Elementwise):
    """x/6 + 1/2 between -3 and 3, 0 below and 1 above (Howard et al. 2019)."""

    keyword = "hardsigmoid"
    makes = "probabilities"
    saves = ("output",)

    @override
    def of(self, number: float) -> float:
        return min(max(number / 6 + 0.5, 0.0), 1.0)

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        return emit.op("HardSigmoid", context.inputs[0], alpha=1 / 6, beta=0.5)


class HardSwish(Elementwise):
    """x hardsigmoid(x): 0 up to -3, x from 3 on (Howard et al. 2019)."""

    keyword = "hardswish"
    saves = ("inputs",)
    lowest = -1.5

    @override
    def of(self, number: float) -> float:
        return number * min(number / 6 + 0.5, 1.0) if number > -3 else 0.0

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        return emit.op("HardSwish", context.inputs[0])
