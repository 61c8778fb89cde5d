"""The dimensions of a stream by their names: which of them a layer works along."""

from typing import Literal, TypeAlias

from cnndsl.diagnostics.words import count, listed
from cnndsl.layers.base import ShapeFault
from cnndsl.layers.fault_kind import FaultKind
from cnndsl.types import TensorType

__all__ = ["AxisWord", "amount", "axis_fault"]

AxisWord: TypeAlias = Literal["channels", "depth", "height", "width", "length"]
"""The name of a dimension, as ``TensorType.axes`` says which a stream has."""


def axis_fault(keyword: str, axis: str, source: TensorType) -> ShapeFault | None:
    """What is wrong where a layer is to work along a dimension that its input lacks."""
    if axis in source.axes:
        return None
    has = f"it has {listed(source.axes)}" if source.spatial else "a vector has channels alone"
    return ShapeFault(
        FaultKind.UNSUITED,
        f"`{keyword}` works along the {axis} here, and its input has none",
        blame=("axis",),
        notes=(has,),
        help=f"write `axis {source.axes[-1]}`",
        fatal=True,
    )


def amount(axis: str, size: int) -> str:
    """A size of a dimension in words: ``64 channels``, ``a height of 9``."""
    return count(size, "channel") if axis == "channels" else f"a {axis} of {size}"
