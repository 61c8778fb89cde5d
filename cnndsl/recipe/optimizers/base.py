"""What an optimizer is: one class that holds its parameters and its update of a weight.

An update is emitted into a training step, weight by weight, through an :class:`UpdateBuilder`.
Those of this package are PyTorch's ``torch.optim``, to rounding, in forms that take fewer passes
over the weights: what a pass would only scale is scaled once, as a scalar, and the moving means are
kept as sums. Where PyTorch has ``m = beta*m + (1-beta)*g``, the state here is m/(1-beta).

To add an optimizer, write one class in a file of its own, here or in a package of your own that
declares the entry point ``cnndsl.optimizers``.
"""

# No `from __future__ import annotations`: pydantic would have to compile every annotation again.

from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from pydantic import Field

from cnndsl.frozen import frozen
from cnndsl.recipe.builder import StepBuilder
from cnndsl.recipe.settings import Positive, Variant

__all__ = ["Optimizer", "Parameter", "UpdateBuilder", "root_of_squares"]

V = TypeVar("V")


@frozen
class Parameter(Generic[V]):
    """A weight that learns: its value before the step and its gradient.

    ``decay`` is its weight decay, ``rate`` what its learning rate is multiplied by. Behind a step,
    the norm of each unit along ``unit_axis`` is held to ``max_norm``, where there is one.
    """

    name: str
    value: V
    gradient: V
    decay: float = 0.0
    rate: float = 1.0
    max_norm: float | None = None
    unit_axis: int = 0


class UpdateBuilder(Generic[V]):
    """The door to the graph that updates are emitted into, with what all weights share.

    ``lr`` is the learning rate, a float32 scalar, ``step`` the number of steps before this one, an
    int64 scalar, and ``scale`` the factor of all gradients, where they are clipped.
    """

    def __init__(self, emit: StepBuilder[V], lr: V, step: V, scale: V | None = None) -> None:
        self.emit = emit
        self.lr = lr
        self.step = step
        self.scale = scale
        self._shared: dict[object, V] = {}

    def op(self, op_type: str, *inputs: V) -> V:
        """Emit one node of the standard ONNX domain and give its output."""
        return self.emit.op(op_type, *inputs)

    def shared(self, key: object, make: Callable[[], V]) -> V:
        """What is emitted once for all weights, the first time that it is asked for."""
        if key not in self._shared:
            self._shared[key] = make()
        return self._shared[key]

    def number(self, number: float) -> V:
        """A float32 number."""
        return self.shared(number, lambda: self.emit.scalar(number, self.lr))

    def rate(self, factor: float) -> V:
        """The learning rate times a number."""
        if factor == 1:
            return self.lr
        return self.shared(("rate", factor), lambda: self.times(self.lr, factor))

    def times(self, value: V, factor: float) -> V:
        """A value times a number."""
        return self.op("Mul", value, self.number(factor))

    def plus(self, value: V, other: V, factor: float) -> V:
        """Give value + factor * other, where the factor may be 0."""
        return self.op("Add", value, self.times(other, factor)) if factor else value

    def shrunk(self, parameter: Parameter[V]) -> V:
        """The weight times 1 - lr*decay: weight decay apart from the gradient."""
        decay = parameter.rate * parameter.decay
        if not decay:
            return parameter.value
        keep = self.shared(
            ("keep", decay), lambda: self.op("Sub", self.number(1), self.rate(decay))
        )
        return self.op("Mul", parameter.value, keep)

    def gradient(self, parameter: Parameter[V]) -> V:
        """The gradient, scaled where all are clipped."""
        if self.scale is None:
            return parameter.gradient
        return self.op("Mul", parameter.gradient, self.scale)


class Optimizer(Variant):
    """How a step follows from the gradients."""

    needed = ("update",)

    lr: Positive = Field(default=0.01, description="learning rate")

    @property
    def states(self) -> tuple[str, ...]:
        """What it keeps for each weight from step to step, by name: of its shape, first zero."""
        return ()

    @property
    def slots(self) -> int:
        """How many numbers of state it keeps for each parameter."""
        return len(self.states)

    def update(
        self, emit: UpdateBuilder[V], parameter: Parameter[V], state: Mapping[str, V]
    ) -> tuple[V, Mapping[str, V]]:
        """Emit a weight's new value, and that of each of its :attr:`states`."""
        raise NotImplementedError


# --- what optimizers share --------------------------------------------------------------------


def root_of_squares(emit: UpdateBuilder[V], gradient: V, old: V, beta: float) -> tuple[V, V]:
    """The root of the sum of the gradient's squares, each step's share fading by beta; the sum."""
    square = emit.op("Mul", gradient, gradient)
    new = emit.op("Add", emit.times(old, beta), square)
    return emit.op("Sqrt", new), new
