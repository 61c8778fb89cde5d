"""Activations that cut numbers off at two bounds: `clip`, `relu6`, `hardtanh`."""

from abc import abstractmethod
from typing import Annotated, TypeVar

from pydantic import AfterValidator, Field, ValidationInfo
from typing_extensions import override

from cnndsl.frozen import replace
from cnndsl.layers.base import Bounds, Real
from cnndsl.layers.elementwise import Elementwise
from cnndsl.layers.lowering import Builder, LoweringContext, TrainingBuilder

__all__ = ["Clip", "HardTanh", "Relu6"]

V = TypeVar("V")


class _Clipping(Elementwise):
    """What is below one number becomes it, and so does what is above another."""

    saves = ("inputs", "output")

    @property
    @abstractmethod
    def ends(self) -> Bounds:
        """The two numbers."""

    @override
    def of(self, number: float) -> float:
        least, most = self.ends
        return min(max(number, least), most)

    @property
    @override
    def slope_below_zero(self) -> float:
        return float(self.ends[0] < 0)

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        least, most = self.ends
        return emit.op("Clip", context.inputs[0], emit.constant(least), emit.constant(most))


class _Ramp(_Clipping):
    """An activation that is flat on both of its ends, as a relu is on its one."""

    @override
    def lower_training(self, emit: TrainingBuilder[V], context: LoweringContext[V]) -> V:
        """The same; on an end its slope is 0, as in PyTorch and TensorFlow, where Clip's is 1.

        Ends are met: where a picture is black and biases begin at 0, a relu6 begins at its own.
        """

        def body(source: V) -> tuple[V, ...]:
            return (self.lower(emit, replace(context, inputs=(source,))),)

        least, most = self.ends
        (value,) = emit.composite("Ramp", body, context.inputs[0], least=least, most=most)
        return value


class Relu6(_Ramp):
    """min(max(0, x), 6): a relu whose output ends at 6 (Krizhevsky 2010)."""

    keyword = "relu6"

    @property
    @override
    def ends(self) -> Bounds:
        return 0.0, 6.0


class HardTanh(_Ramp):
    """min(max(-1, x), 1): the hyperbolic tangent of straight lines (Collobert 2004)."""

    keyword = "hardtanh"

    @property
    @override
    def ends(self) -> Bounds:
        return -1.0, 1.0


def _above(most: float, info: ValidationInfo) -> float:
    least = info.data.get("least")
    if least is not None and most <= least:
        raise ValueError(f"the upper bound of `clip` must be above the lower one, {least:g}")
    return most


class Clip(_Clipping):
    """min(max(least, x), most): numbers between two bounds."""

    keyword = "clip"
    positional = ("least", "most")
    spaced = True

    least: Real = Field(description="the lower bound", examples=["0"])
    most: Annotated[Real, AfterValidator(_above)] = Field(
        description="the upper bound, above the lower one", examples=["6"]
    )

    @property
    @override
    def ends(self) -> Bounds:
        return float(self.least), float(self.most)
