"""Smooth gates: each number times a share of it that grows with it: `silu`, `gelu`, `mish`.

In training each is a composite, whose gradient has a closed form: without, forward and backward of
`silu` take twice as long.
"""

import math
from abc import abstractmethod
from collections.abc import Mapping
from typing import Literal, TypeVar

from pydantic import Field
from typing_extensions import override

from cnndsl.layers.elementwise import Elementwise
from cnndsl.layers.lowering import Builder, LoweringContext, TrainingBuilder

__all__ = ["Gelu", "Mish", "Silu"]

V = TypeVar("V")

_SLOPE = 2 * math.sqrt(2 / math.pi)
_BEND = 0.044715
"""The tanh form is x sigmoid(_SLOPE (x + _BEND x^3)): tanh(u) is 2 sigmoid(2u) - 1."""


class _Gate(Elementwise):
    """x times a share of it."""

    saves = ("inputs", "output")

    @property
    def composite(self) -> str:
        """The name of the rule for its gradient."""
        return type(self).__name__

    @property
    def numbers(self) -> Mapping[str, float]:
        """What that rule has to know besides."""
        return {}

    @abstractmethod
    def parts(self, emit: Builder[V], source: V) -> tuple[V, V]:
        """Its value, and the share that the gradient needs."""

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        return self.parts(emit, context.inputs[0])[0]

    @override
    def lower_training(self, emit: TrainingBuilder[V], context: LoweringContext[V]) -> V:
        def body(source: V) -> tuple[V, V]:
            return self.parts(emit, source)

        value, _ = emit.composite(self.composite, body, context.inputs[0], **self.numbers)
        return value


class Silu(_Gate):
    """x sigmoid(x), the swish (Elfwing et al. 2018; Ramachandran et al. 2017)."""

    keyword = "silu"
    lowest = -1.2784645

    @override
    def of(self, number: float) -> float:
        return number / (1 + math.exp(-number)) if number > -700 else -0.0

    @override
    def parts(self, emit: Builder[V], source: V) -> tuple[V, V]:
        share = emit.op("Sigmoid", source)
        return emit.op("Mul", source, share), share


class Gelu(_Gate):
    """x times the probability that a normal number is below x (Hendrycks & Gimpel 2016)."""

    keyword = "gelu"
    lowest = -0.7517915

    form: Literal["exact", "tanh"] = Field(
        default="exact", description="the formula itself, or its approximation by tanh"
    )

    @property
    @override
    def composite(self) -> str:
        return "Gelu" if self.form == "exact" else "TanhGelu"

    @property
    @override
    def numbers(self) -> Mapping[str, float]:
        return {} if self.form == "exact" else {"slope": _SLOPE, "bend": _SLOPE * _BEND}

    @override
    def of(self, number: float) -> float:
        if number < -30:
            return -0.0
        if self.form == "exact":
            return number * 0.5 * math.erfc(-number / math.sqrt(2))
        return number / (1 + math.exp(-_SLOPE * (number + _BEND * number**3)))

    @override
    def parts(self, emit: Builder[V], source: V) -> tuple[V, V]:
        """The exact form as ONNX Runtime knows it: it makes one kernel of it in inference."""
        if self.form == "tanh":
            square = emit.op("Mul", source, source)
            slope = emit.op("Mul", square, emit.constant(_SLOPE * _BEND))
            slope = emit.op("Add", slope, emit.constant(_SLOPE))
            share = emit.op("Sigmoid", emit.op("Mul", source, slope))
            return emit.op("Mul", source, share), share
        scaled = emit.op("Div", source, emit.constant(math.sqrt(2)))
        twice = emit.op("Add", emit.op("Erf", scaled), emit.constant(1.0))
        return emit.op("Mul", emit.op("Mul", source, twice), emit.constant(0.5)), twice


class Mish(_Gate):
    """x tanh(softplus(x)) (Misra 2019)."""

    keyword = "mish"
    lowest = -1.1924312

    @override
    def of(self, number: float) -> float:
        softplus = max(number, 0.0) + math.log1p(math.exp(-abs(number)))
        return number * math.tanh(softplus) if number > -700 else -0.0

    @override
    def parts(self, emit: Builder[V], source: V) -> tuple[V, V]:
        """With e = exp(x), the hyperbolic tangent is n/(n + 2) for n = e (e + 2).

        Beyond 20 it is 1 in float32. ONNX Runtime's Mish and Softplus compute one logarithm after
        another: 77 ms against 25 for 64x32x56x56 numbers.
        """
        two = emit.constant(2.0)
        power = emit.op("Exp", emit.op("Min", source, emit.constant(20.0)))
        part = emit.op("Mul", power, emit.op("Add", power, two))
        share = emit.op("Div", part, emit.op("Add", part, two))
        return emit.op("Mul", source, share), share
