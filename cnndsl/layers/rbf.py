"""Radial basis units: how far the input lies from a code that each unit has."""

import math
from collections.abc import Iterator
from typing import TypeVar

from pydantic import Field
from typing_extensions import override

from cnndsl.diagnostics.words import count
from cnndsl.layers.base import (
    WHOLE,
    Bounds,
    Count,
    Footprint,
    InitWord,
    Layer,
    ShapeFault,
    Weight,
)
from cnndsl.layers.fault_kind import FaultKind
from cnndsl.layers.formula import Number, Symbol, Term, product
from cnndsl.layers.lists import Matrix
from cnndsl.layers.lowering import Builder, LoweringContext, TrainingBuilder
from cnndsl.layers.terms import stream_terms
from cnndsl.types import TensorType

__all__ = ["RadialBasis"]

V = TypeVar("V")

_AT_ONCE = 2**18
"""Differences of one sample that are in memory at once."""


class RadialBasis(Layer):
    """The squared distance of the input to the code of each unit: the sum of (x_j - w_ij)^2."""

    keyword = "rbf"
    family = "dense"
    arithmetic = "float32"
    positional = ("units",)
    saves = ("inputs",)

    units: Count = Field(description="how many units: the output's size", examples=["10"])
    codes: Matrix | None = Field(
        default=None,
        description="a row for each unit, which never learns; by default codes that learn",
        examples=["[[1, -1, 1], [-1, -1, 1]]"],
    )
    negate: bool = Field(
        default=False, description="whether to turn the sign, so that the nearest is the largest"
    )
    init: InitWord | None = Field(
        default=None,
        description="how codes begin that learn; by default as `init` in `train` says",
        examples=["uniform(1)"],
    )

    @override
    def faults(self, *inputs: TensorType) -> Iterator[ShapeFault]:
        (source,) = inputs
        if source.spatial:
            yield ShapeFault(
                FaultKind.FEATURE_MAPS,
                f"`rbf` needs a vector, and its input is feature maps of {source}",
                help=f"put `flatten` before it: it makes a vector of {source.elements}",
                insert="flatten",
            )
        if self.codes is None:
            return
        rows, length = len(self.codes), len(self.codes[0])
        if rows != self.units:
            yield self._misfit(
                f"`codes` has {count(rows, 'row')}, and the layer {count(self.units, 'unit')}",
                f"write `rbf {rows}`, or {self.units} rows",
                "units",
            )
        if length != source.elements:
            yield self._misfit(
                f"each of the codes has {length} numbers, and the input {source.elements}",
                f"give codes of {source.elements} numbers, or bring the input to {length}",
            )

    def _misfit(self, message: str, help: str, *also: str) -> ShapeFault:
        return ShapeFault(FaultKind.MATRIX, message, blame=("codes", *also), help=help)

    @override
    def output(self, *inputs: TensorType) -> TensorType:
        return TensorType((self.units,))

    @override
    def fixed_output(self) -> TensorType | None:
        return TensorType((self.units,))

    @override
    def bounds(self, *inputs: Bounds) -> Bounds:
        return (-math.inf, 0.0) if self.negate else (0.0, math.inf)

    @override
    def keeps_rows(self, source: TensorType) -> bool:
        """Fixed codes stay where the spec has them."""
        return self.codes is None

    @override
    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        if self.codes is not None:
            return ()
        size = inputs[0].elements
        return (Weight("weight", (self.units, size), self.init, fans=(size, self.units)),)

    @override
    def macs(self, *inputs: TensorType) -> int:
        return self.units * inputs[0].elements

    @override
    def output_terms(self, *inputs: TensorType) -> tuple[Term, ...]:
        return (Symbol("U", self.units, "units", "units"),)

    @override
    def param_term(self, *inputs: TensorType) -> Term:
        return Number(0) if self.codes is not None else self.mac_term(*inputs)

    @override
    def mac_term(self, *inputs: TensorType) -> Term:
        return product((*self.output_terms(*inputs), *stream_terms(inputs[0])))

    @override
    def footprint(self, *inputs: TensorType) -> Footprint:
        return WHOLE

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        """The differences themselves, squared and summed: near a code nothing cancels."""
        codes = self._codes(emit, context)
        distances = _distances(emit, context.inputs[0], codes, *self._sizes(context))
        return self._signed(emit, distances)

    @override
    def lower_training(self, emit: TrainingBuilder[V], context: LoweringContext[V]) -> V:
        """The same, with a gradient that keeps no difference."""
        sizes = self._sizes(context)

        def body(source: V, codes: V) -> tuple[V, ...]:
            return (_distances(emit, source, codes, *sizes),)

        codes = self._codes(emit, context)
        (distances,) = emit.composite("SquaredDistances", body, context.inputs[0], codes)
        return self._signed(emit, distances)

    def _sizes(self, context: LoweringContext[V]) -> tuple[int, int]:
        return self.units, context.types[0].elements

    def _codes(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        if self.codes is None:
            return context.weights["weight"]
        numbers = emit.constant([number for row in self.codes for number in row])
        return emit.op("Reshape", numbers, emit.constant([*self._sizes(context)]))

    def _signed(self, emit: Builder[V], distances: V) -> V:
        return emit.op("Neg", distances) if self.negate else distances


def _distances(emit: Builder[V], source: V, codes: V, units: int, size: int) -> V:
    """Squared distances to all codes, of some units at a time."""
    each = emit.op("Unsqueeze", source, emit.constant([1]))
    at_once = max(1, _AT_ONCE // size)
    parts = []
    for start in range(0, units, at_once):
        some = codes
        if units > at_once:
            bounds = ([start], [min(start + at_once, units)], [0])
            some = emit.op("Slice", codes, *(emit.constant(one) for one in bounds))
        differences = emit.op("Sub", each, some)
        parts.append(emit.op("ReduceSumSquare", differences, emit.constant([2]), keepdims=0))
    return emit.op("Concat", *parts, axis=1) if len(parts) > 1 else parts[0]
