"""AdaGrad: steps along the gradient, over the root of the sum of all its squares so far."""

# No `from __future__ import annotations`: pydantic would have to compile every annotation again.

from collections.abc import Mapping
from typing import TypeVar

from pydantic import Field
from typing_extensions import override

from cnndsl.recipe.optimizers.base import Optimizer, Parameter, UpdateBuilder
from cnndsl.recipe.settings import Positive

__all__ = ["AdaGrad"]

V = TypeVar("V")


class AdaGrad(Optimizer):
    """AdaGrad (Duchi, Hazan & Singer 2011): steps of g / (root of the sum of squares + eps)."""

    keyword = "adagrad"
    eps: Positive = Field(default=1e-10, description="added to the root, against division by zero")

    @property
    @override
    def states(self) -> tuple[str, ...]:
        return ("square",)

    @override
    def update(
        self, emit: UpdateBuilder[V], parameter: Parameter[V], state: Mapping[str, V]
    ) -> tuple[V, Mapping[str, V]]:
        """With s' = s + g*g, w' = w - lr * g / (root(s') + eps)."""
        gradient = emit.plus(emit.gradient(parameter), parameter.value, parameter.decay)
        square = emit.op("Add", state["square"], emit.op("Mul", gradient, gradient))
        root = emit.op("Add", emit.op("Sqrt", square), emit.number(self.eps))
        step = emit.op("Mul", emit.op("Div", gradient, root), emit.rate(parameter.rate))
        return emit.op("Sub", parameter.value, step), {"square": square}
