"""Trainable subsampling, as in LeNet-5: a window's sum, scaled and shifted by learnt numbers."""

import math
from typing import TypeVar

from pydantic import Field
from typing_extensions import override

from cnndsl.layers.base import Init, InitWord, Weight
from cnndsl.layers.formula import Term
from cnndsl.layers.lowering import Builder, LoweringContext
from cnndsl.layers.pool import Pooling, window_means
from cnndsl.layers.sliding import pads
from cnndsl.layers.terms import stream_terms
from cnndsl.types import TensorType

__all__ = ["Subsample"]

V = TypeVar("V")


class Subsample(Pooling):
    """Adds up the cells of each window, times a coefficient, plus a bias, of the map's own."""

    keyword = "subsample"
    saves = ("inputs",)

    init: InitWord | None = Field(
        default=None,
        description="how the coefficients begin; by default as one over the window's cells: a mean",
        examples=["uniform(0.6)"],
    )
    bias_init: InitWord | None = Field(
        default=None,
        description="how the biases begin; by default at 0",
        examples=["constant(0.1)"],
    )

    @override
    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        cells = math.prod(window.kernel for window in self.windows(*inputs))
        shape, fans = (inputs[0].channels,), (float(cells), 1.0)
        mean, zero = Init("constant", 1 / cells), Init("constant", 0.0)
        return (
            Weight("scale", shape, self.init or mean, decays=False, fans=fans),
            Weight("bias", shape, self.bias_init or zero, decays=False, fans=fans),
        )

    @override
    def param_term(self, *inputs: TensorType) -> Term:
        """A coefficient and a bias for each map."""
        return 2 * stream_terms(inputs[0])[0]

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        """The windows' means, scaled by so many cells' coefficient: maps are gone through once."""
        windows = self.windows(context.types[0])
        column = emit.constant([context.output.channels, *(1 for _ in windows)])
        scale, bias = (
            emit.op("Reshape", context.weights[name], column) for name in ("scale", "bias")
        )
        cells = math.prod(window.kernel for window in windows)
        means = window_means(emit, context.inputs[0], windows, pads(windows), counts=True)
        factor = emit.op("Mul", scale, emit.constant(float(cells)))
        return emit.op("Add", emit.op("Mul", means, factor), bias)
