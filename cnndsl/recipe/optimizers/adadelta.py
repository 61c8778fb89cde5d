"""Adadelta: steps whose size is that of the last steps, over that of the last gradients."""

# No `from __future__ import annotations`: pydantic would have to compile every annotation again.

from collections.abc import Mapping
from typing import TypeVar

from pydantic import Field
from typing_extensions import override

from cnndsl.recipe.optimizers.base import Optimizer, Parameter, UpdateBuilder
from cnndsl.recipe.settings import BelowOne, Positive

__all__ = ["Adadelta"]

V = TypeVar("V")


class Adadelta(Optimizer):
    """Adadelta (Zeiler 2012): g, times the root of mean squared steps over mean squared g."""

    keyword = "adadelta"
    lr: Positive = Field(default=1.0, description="learning rate; the paper has none, that is 1")
    rho: BelowOne = Field(default=0.95, description="decay of both means of squares")
    eps: Positive = Field(
        default=1e-6, description="added to both means: the first steps are of its root's size"
    )

    @property
    @override
    def states(self) -> tuple[str, ...]:
        return ("square", "step_square")

    @override
    def update(
        self, emit: UpdateBuilder[V], parameter: Parameter[V], state: Mapping[str, V]
    ) -> tuple[V, Mapping[str, V]]:
        """Algorithm 1 of the paper: u = g * root((d + eps) / (s' + eps)), w' = w - lr * u.

        Here s' = rho*s + (1-rho)*g*g and d' = rho*d + (1-rho)*u*u. The states are s/(1-rho) and
        d/(1-rho), which leaves the quotient as it is where eps is divided by 1-rho as well.
        """
        gradient = emit.plus(emit.gradient(parameter), parameter.value, parameter.decay)
        eps = emit.number(self.eps / (1 - self.rho))
        old, fading = state["step_square"], emit.times(state["square"], self.rho)
        square = emit.op("Add", fading, emit.op("Mul", gradient, gradient))
        ratio = emit.op("Div", emit.op("Add", old, eps), emit.op("Add", square, eps))
        step = emit.op("Mul", gradient, emit.op("Sqrt", ratio))
        steps = emit.op("Add", emit.times(old, self.rho), emit.op("Mul", step, step))
        moved = emit.op("Mul", step, emit.rate(parameter.rate))
        value = emit.op("Sub", parameter.value, moved)
        return value, {"square": square, "step_square": steps}
