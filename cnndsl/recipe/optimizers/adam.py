"""Adam: steps along the mean of the gradients, over the root of the mean of their squares."""

# No `from __future__ import annotations`: pydantic would have to compile every annotation again.

from collections.abc import Mapping
from typing import ClassVar, TypeVar

from pydantic import Field
from typing_extensions import override

from cnndsl.recipe.builder import DOUBLE, FLOAT
from cnndsl.recipe.optimizers.base import Optimizer, Parameter, UpdateBuilder, root_of_squares
from cnndsl.recipe.settings import BelowOne, Positive

__all__ = ["Adam"]

V = TypeVar("V")


class Adam(Optimizer):
    """Adam (Kingma & Ba 2015), with bias correction; weight decay is added to the gradient."""

    keyword = "adam"
    decoupled: ClassVar[bool] = False
    """Whether weight decay acts apart from the gradient."""

    lr: Positive = Field(default=0.001, description="learning rate")
    beta1: BelowOne = Field(default=0.9, description="decay of the mean of the gradients")
    beta2: BelowOne = Field(default=0.999, description="decay of the mean of their squares")
    eps: Positive = Field(default=1e-8, description="added to the root, against division by zero")

    @property
    @override
    def states(self) -> tuple[str, ...]:
        return ("moment1", "moment2")

    @override
    def update(
        self, emit: UpdateBuilder[V], parameter: Parameter[V], state: Mapping[str, V]
    ) -> tuple[V, Mapping[str, V]]:
        """With m' = beta1*m + g and s' = beta2*s + g*g, w' = w - size * m' / (root(s') + eps').

        The bias corrections of both sums are in the scalars; see :meth:`_scalars`.
        """
        gradient = emit.gradient(parameter)
        value = emit.shrunk(parameter) if self.decoupled else parameter.value
        if not self.decoupled:
            gradient = emit.plus(gradient, parameter.value, parameter.decay)
        mean = emit.op("Add", emit.times(state["moment1"], self.beta1), gradient)
        root, square = root_of_squares(emit, gradient, state["moment2"], self.beta2)
        size, eps = self._scalars(emit, parameter.rate)
        step = emit.op("Mul", emit.op("Div", mean, emit.op("Add", root, eps)), size)
        return emit.op("Sub", value, step), {"moment1": mean, "moment2": square}

    def _scalars(self, emit: UpdateBuilder[V], rate: float) -> tuple[V, V]:
        """What Kingma & Ba (section 2, efficient form) have, for sums instead of means.

        With r = root((1 - beta2^t) / (1 - beta2)), size = lr * r * (1 - beta1) / (1 - beta1^t)
        and eps' = eps * r; in float64, as 1 - beta2^t loses its digits in float32.
        """

        def make_root() -> V:
            gap = _gap(emit, self.beta2)
            return emit.op("Sqrt", emit.op("Mul", gap, _double(emit, 1 / (1 - self.beta2))))

        def make_factor() -> V:
            root, rest = emit.shared("root", make_root), _double(emit, 1 - self.beta1)
            whole = emit.op("Mul", root, rest)
            return _single(emit, emit.op("Div", whole, _gap(emit, self.beta1)))

        def make_size() -> V:
            return emit.op("Mul", emit.rate(rate), emit.shared("factor", make_factor))

        def make_eps() -> V:
            root = emit.shared("root", make_root)
            return _single(emit, emit.op("Mul", root, _double(emit, self.eps)))

        return emit.shared(("size", rate), make_size), emit.shared("eps", make_eps)


def _gap(emit: UpdateBuilder[V], beta: float) -> V:
    """1 - beta^t, where t counts the steps from 1."""

    def make_time() -> V:
        return emit.op("Add", emit.emit.op("Cast", emit.step, to=DOUBLE), _double(emit, 1))

    time = emit.shared("time", make_time)
    return emit.op("Sub", _double(emit, 1), emit.op("Pow", _double(emit, beta), time))


def _double(emit: UpdateBuilder[V], number: float) -> V:
    import numpy

    return emit.emit.tensor(numpy.array(number, numpy.float64))


def _single(emit: UpdateBuilder[V], value: V) -> V:
    return emit.emit.op("Cast", value, to=FLOAT)
