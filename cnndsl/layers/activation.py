"""Activations: a function of each number, or of the channels at each place."""

from collections.abc import Iterator
from typing import TypeVar

from pydantic import Field
from typing_extensions import override

from cnndsl.layers.base import POINT, WHOLE, Bounds, Footprint, Layer, NotNegative, ShapeFault
from cnndsl.layers.fault_kind import FaultKind
from cnndsl.layers.lowering import Builder, LoweringContext
from cnndsl.types import TensorType

__all__ = ["LeakyRelu", "Relu", "ScaledTanh", "Sigmoid", "Softmax", "Tanh"]

V = TypeVar("V")


class Relu(Layer):
    """max(0, x): the rectified linear unit (Nair & Hinton 2010)."""

    keyword = "relu"
    family = "activation"
    activation = True
    per_channel = True
    saves = ("output",)

    @override
    def bounds(self, *inputs: Bounds) -> Bounds:
        least, most = inputs[0]
        return max(0.0, least), max(0.0, most)

    @property
    @override
    def slope_below_zero(self) -> float:
        return 0.0

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        return emit.op("Relu", context.inputs[0])


class LeakyRelu(Layer):
    """x where x is positive, slope*x elsewhere (Maas et al. 2013)."""

    keyword = "leakyrelu"
    family = "activation"
    activation = True
    per_channel = True
    positional = ("slope",)
    saves = ("inputs",)

    slope: NotNegative = Field(default=0.01, description="what negative numbers are multiplied by")

    @override
    def bounds(self, *inputs: Bounds) -> Bounds:
        least, most = inputs[0]
        if self.slope == 0:
            return max(0.0, least), max(0.0, most)
        return min(least, least * self.slope), max(most, most * self.slope)

    @property
    @override
    def slope_below_zero(self) -> float:
        return self.slope

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        return emit.op("LeakyRelu", context.inputs[0], alpha=float(self.slope))


class Tanh(Layer):
    """The hyperbolic tangent, between -1 and 1."""

    keyword = "tanh"
    family = "activation"
    activation = True
    per_channel = True
    saves = ("output",)

    @override
    def bounds(self, *inputs: Bounds) -> Bounds:
        return -1.0, 1.0

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        return emit.op("Tanh", context.inputs[0])


class ScaledTanh(Layer):
    """1.7159 tanh(2x/3), which maps 1 to 1 and -1 to -1 (LeCun et al. 1998, appendix A)."""

    keyword = "scaledtanh"
    family = "activation"
    activation = True
    per_channel = True
    saves = ("output",)

    @override
    def bounds(self, *inputs: Bounds) -> Bounds:
        return -1.7159, 1.7159

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        slope, amplitude = emit.constant(2 / 3), emit.constant(1.7159)
        tanh = emit.op("Tanh", emit.op("Mul", context.inputs[0], slope))
        return emit.op("Mul", tanh, amplitude)


class Sigmoid(Layer):
    """1/(1 + exp(-x)), between 0 and 1."""

    keyword = "sigmoid"
    family = "activation"
    activation = True
    per_channel = True
    makes = "probabilities"
    saves = ("output",)

    @override
    def bounds(self, *inputs: Bounds) -> Bounds:
        return 0.0, 1.0

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        return emit.op("Sigmoid", context.inputs[0])


class Softmax(Layer):
    """exp(x_i)/sum_j exp(x_j) over the units of a vector, or over the channels at each place."""

    keyword = "softmax"
    family = "activation"
    activation = True
    per_channel = True
    makes = "distribution"
    saves = ("output",)

    @override
    def faults(self, *inputs: TensorType) -> Iterator[ShapeFault]:
        if inputs[0].channels == 1:
            what = "channel" if inputs[0].spatial else "unit"
            yield ShapeFault(
                FaultKind.UNSUITED,
                f"`softmax` over a single {what} is always 1",
                help="write `sigmoid` for the probability of one class, or give it two or more",
            )

    @override
    def footprint(self, *inputs: TensorType) -> Footprint:
        """A unit of a vector sees all units; a cell of feature maps its own place only."""
        return POINT if inputs[0].spatial else WHOLE

    @override
    def bounds(self, *inputs: Bounds) -> Bounds:
        return 0.0, 1.0

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        return emit.op("Softmax", context.inputs[0], axis=1)
