"""Smooth relatives of the relu and the hyperbolic tangent: `softplus`, `softsign`."""

import math
from typing import TypeVar

from typing_extensions import override

from cnndsl.layers.elementwise import Elementwise
from cnndsl.layers.lowering import Builder, LoweringContext

__all__ = ["Softplus", "Softsign"]

V = TypeVar("V")


class Softplus(Elementwise):
    """ln(1 + exp(x)): a relu without its corner (Dugas et al. 2001)."""

    keyword = "softplus"
    saves = ("inputs",)

    @override
    def of(self, number: float) -> float:
        return max(number, 0.0) + math.log1p(math.exp(-abs(number)))

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        return emit.op("Softplus", context.inputs[0])


class Softsign(Elementwise):
    """x/(1 + |x|), between -1 and 1 (Bergstra et al. 2009)."""

    keyword = "softsign"
    saves = ("output",)

    @override
    def of(self, number: float) -> float:
        return math.copysign(1.0, number) if math.isinf(number) else number / (1 + abs(number))

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        return emit.op("Softsign", context.inputs[0])
