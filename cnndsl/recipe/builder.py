"""The door to a training step's graph, for losses and optimizers.

They know nothing of ONNX libraries, as layers do not: they lower themselves through a protocol.
"""

# No `from __future__ import annotations`: schemas that use this have none either.

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

from cnndsl.layers.lowering import Builder

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["DOUBLE", "FLOAT", "INT64", "StepBuilder"]

V = TypeVar("V")

Numbers: TypeAlias = "NDArray[Any]"

FLOAT = 1
INT64 = 7
DOUBLE = 11
"""The element types that ``Cast`` gives, by ONNX's numbers (``TensorProto.DataType``)."""


class StepBuilder(Builder[V], Protocol[V]):
    """The door to the graph of a training step. ``V`` is the graph's kind of value."""

    def scalar(self, number: float, like: V) -> V:
        """A number of the type that another value's elements have."""
        ...

    def tensor(self, array: Numbers) -> V:
        """A constant of an array's own type and shape."""
        ...
