"""What a layer is lowered with: the door to a graph, and the values that stand before it.

``V`` is the graph's kind of value: layers know no ONNX library.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import Generic, Protocol, TypeAlias, TypeVar

from cnndsl.frozen import frozen
from cnndsl.types import TensorType

__all__ = ["Attribute", "Builder", "LoweringContext", "TrainingBuilder"]

V = TypeVar("V")

Attribute: TypeAlias = int | float | str | Sequence[int] | Sequence[float]
"""What an ONNX attribute can hold, as far as layers need it."""


class Builder(Protocol[V]):
    """The door to the graph that a layer is lowered into. ``V`` is the graph's kind of value."""

    def op(self, op_type: str, *inputs: V | None, **attributes: Attribute) -> V:
        """Emit one node of the standard ONNX domain (opset 18) and give its first output."""
        ...

    def several(
        self, op_type: str, count: int, *inputs: V | None, **attributes: Attribute
    ) -> Sequence[V]:
        """Emit one node and give its first outputs, so many of them."""
        ...

    def constant(self, value: float | Sequence[int] | Sequence[float]) -> V:
        """A constant: float32 for floats, int64 for ints, a scalar or one dimension."""
        ...


class TrainingBuilder(Builder[V], Protocol[V]):
    """The door to a graph that trains: it has chance, and buffers that change at every step."""

    def composite(
        self,
        name: str,
        body: Callable[..., Sequence[V]],
        *inputs: V,
        **attributes: Attribute,
    ) -> Sequence[V]:
        """Emit what ``body(*inputs)`` emits as one node of several outputs, and give them.

        The gradient of its first output is then not made operator by operator, but by the rule
        for composites of that name (:mod:`cnndsl.autodiff.composites`), which has the inputs, the
        outputs and the attributes. Further outputs have no gradient.
        """
        ...

    @property
    def batch(self) -> int:
        """How many samples a step sees."""
        ...

    def uniform(self, like: V | tuple[int, ...], *, by_sample: bool = True) -> V:
        """Numbers drawn evenly from [0, 1), of another value's sizes or these, anew each step.

        The first size is that of the batch: each sample has numbers of its own. What is drawn for
        all samples together, as for a weight, is not ``by_sample``.
        """
        ...

    def normal(self, like: V) -> V:
        """Numbers drawn from the standard normal distribution, likewise."""
        ...

    def update(self, weight: V, value: V) -> None:
        """Let a buffer have this value after the step."""
        ...


@frozen
class LoweringContext(Generic[V]):
    """Where a layer is lowered: its input values and types, its output's type, its weights."""

    inputs: tuple[V, ...]
    types: tuple[TensorType, ...]
    output: TensorType
    weights: Mapping[str, V] = field(default_factory=dict)
