"""Rectifiers that bend smoothly below zero: `elu`, `selu`."""

import math
from typing import TypeVar

from pydantic import Field
from typing_extensions import override

from cnndsl.layers.base import Positive
from cnndsl.layers.elementwise import Elementwise
from cnndsl.layers.lowering import Builder, LoweringContext

__all__ = ["Elu", "Selu"]

V = TypeVar("V")

_ALPHA, _GAMMA = 1.6732632423543772, 1.0507009873554805
"""With these two, mean 0 and variance 1 are a fixed point (Klambauer et al. 2017, eq. 14)."""


class Elu(Elementwise):
    """x where x is positive, alpha (exp(x) - 1) elsewhere (Clevert et al. 2016)."""

    keyword = "elu"
    positional = ("alpha",)
    saves = ("inputs", "output")

    alpha: Positive = Field(default=1.0, description="it falls to minus this number")

    @override
    def of(self, number: float) -> float:
        return number if number > 0 else self.alpha * math.expm1(number)

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        return emit.op("Elu", context.inputs[0], alpha=float(self.alpha))


class Selu(Elementwise):
    """An elu that is scaled so as to keep mean 0 and variance 1 (Klambauer et al. 2017)."""

    keyword = "selu"
    saves = ("inputs", "output")

    @override
    def of(self, number: float) -> float:
        return _GAMMA * (number if number > 0 else _ALPHA * math.expm1(number))

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        return emit.op("Selu", context.inputs[0], alpha=_ALPHA, gamma=_GAMMA)
