"""Fully connected layers: ``flatten`` and ``dense``."""

import math
from collections.abc import Iterator
from typing import TypeVar

from pydantic import Field
from typing_extensions import override

from cnndsl.layers.base import WHOLE, Count, Footprint, Init, InitWord, Layer, ShapeFault, Weight
from cnndsl.layers.fault_kind import FaultKind
from cnndsl.layers.formula import Symbol, Term, product
from cnndsl.layers.lowering import Builder, LoweringContext
from cnndsl.layers.terms import stream_terms
from cnndsl.types import TensorType

__all__ = ["Dense", "Flatten"]

V = TypeVar("V")


class Flatten(Layer):
    """Makes one vector of all feature maps: channel by channel, each row by row."""

    keyword = "flatten"
    family = "shape"
    shares = "always"

    @override
    def output(self, *inputs: TensorType) -> TensorType:
        return TensorType((inputs[0].elements,))

    @override
    def output_terms(self, *inputs: TensorType) -> tuple[Term, ...]:
        return (product(stream_terms(inputs[0])),)

    @override
    def keeps_rows(self, source: TensorType) -> bool:
        """A channel with several places becomes several numbers."""
        return math.prod(source.spatial) == 1

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        """Flatten; nothing where the input is a vector already."""
        if not context.types[0].spatial:
            return context.inputs[0]
        return emit.op("Flatten", context.inputs[0], axis=1)


class Dense(Layer):
    """Connects every unit to every input: y = W x + b."""

    keyword = "dense"
    family = "dense"
    positional = ("units",)
    saves = ("inputs",)

    units: Count = Field(description="how many units: the output's size", examples=["10"])
    bias: bool = Field(default=True, description="whether each unit has a bias")
    init: InitWord | None = Field(
        default=None,
        description="how the weights begin; by default as `init` in `train` says",
        examples=["he"],
    )
    bias_init: InitWord | None = Field(
        default=None,
        description="how the biases begin; by default at 0",
        examples=["constant(0.1)"],
    )

    @override
    def faults(self, *inputs: TensorType) -> Iterator[ShapeFault]:
        if inputs[0].spatial:
            yield ShapeFault(
                FaultKind.FEATURE_MAPS,
                f"`{self.keyword}` needs a vector, and its input is feature maps of {inputs[0]}",
                help=f"put `flatten` before it: it makes a vector of {inputs[0].elements}",
                insert="flatten",
            )

    @override
    def output(self, *inputs: TensorType) -> TensorType:
        return TensorType((self.units,))

    @override
    def output_terms(self, *inputs: TensorType) -> tuple[Term, ...]:
        return (self._units,)

    @override
    def param_term(self, *inputs: TensorType) -> Term:
        weights = self.mac_term(*inputs)
        return weights + self._units if self.bias else weights

    @override
    def mac_term(self, *inputs: TensorType) -> Term:
        return self._units * product(stream_terms(inputs[0]))

    @property
    def _units(self) -> Symbol:
        return Symbol("U", self.units, "units", "units")

    @override
    def fixed_output(self) -> TensorType | None:
        return TensorType((self.units,))

    @override
    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        fans = inputs[0].elements, self.units
        weight = Weight("weight", (self.units, inputs[0].elements), self.init, fans=fans)
        if not self.bias:
            return (weight,)
        init = self.bias_init or Init("constant", 0.0)
        return (weight, Weight("bias", (self.units,), init, decays=False, fans=fans))

    @override
    def keeps_rows(self, source: TensorType) -> bool:
        return True

    @override
    def macs(self, *inputs: TensorType) -> int:
        return self.units * inputs[0].elements

    @override
    def footprint(self, *inputs: TensorType) -> Footprint:
        return WHOLE

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        """Gemm with the weight transposed: its shape is (units, inputs)."""
        bias = [context.weights["bias"]] if self.bias else []
        return emit.op("Gemm", context.inputs[0], context.weights["weight"], *bias, transB=1)
