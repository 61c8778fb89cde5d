"""RMSprop: steps along the gradient, over the root of the mean of its squares."""

# No `from __future__ import annotations`: pydantic would have to compile every annotation again.

import math
from collections.abc import Mapping
from typing import TypeVar

from pydantic import Field
from typing_extensions import override

from cnndsl.recipe.optimizers.base import Optimizer, Parameter, UpdateBuilder, root_of_squares
from cnndsl.recipe.settings import BelowOne, Positive

__all__ = ["RmsProp"]

V = TypeVar("V")


class RmsProp(Optimizer):
    """RMSprop (Tieleman & Hinton 2012): steps of g / (root of the mean of squares + eps)."""

    keyword = "rmsprop"
    alpha: BelowOne = Field(default=0.99, description="decay of the mean of the squares")
    eps: Positive = Field(default=1e-8, description="added to the root, against division by zero")
    momentum: BelowOne = Field(
        default=0.0, description="share of the last step's velocity that is kept", examples=[0.9]
    )

    @property
    @override
    def states(self) -> tuple[str, ...]:
        return ("square", "velocity") if self.momentum else ("square",)

    @override
    def update(
        self, emit: UpdateBuilder[V], parameter: Parameter[V], state: Mapping[str, V]
    ) -> tuple[V, Mapping[str, V]]:
        """With s' = alpha*s + g*g and v' = mu*v + g / (root(s') + eps), w' = w - lr * v'.

        As s is a sum, eps is scaled, and the learning rate makes up for it.
        """
        spread = math.sqrt(1 - self.alpha)
        gradient = emit.plus(emit.gradient(parameter), parameter.value, parameter.decay)
        root, square = root_of_squares(emit, gradient, state["square"], self.alpha)
        step = emit.op("Div", gradient, emit.op("Add", root, emit.number(self.eps / spread)))
        new = {"square": square}
        if self.momentum:
            step = emit.op("Add", emit.times(state["velocity"], self.momentum), step)
            new["velocity"] = step
        step = emit.op("Mul", step, emit.rate(parameter.rate / spread))
        return emit.op("Sub", parameter.value, step), new
