"""Stochastic gradient descent, with momentum."""

# No `from __future__ import annotations`: pydantic would have to compile every annotation again.

from collections.abc import Mapping
from typing import TypeVar

from pydantic import Field, ValidationInfo, field_validator
from typing_extensions import override

from cnndsl.recipe.optimizers.base import Optimizer, Parameter, UpdateBuilder
from cnndsl.recipe.settings import BelowOne

__all__ = ["Sgd"]

V = TypeVar("V")


class Sgd(Optimizer):
    """Stochastic gradient descent: v = momentum*v + g, w = w - lr*v."""

    keyword = "sgd"
    momentum: BelowOne = Field(
        default=0.0, description="share of the last step's velocity that is kept", examples=[0.9]
    )
    nesterov: bool = Field(
        default=False, description="step along g + momentum*v (Sutskever et al. 2013)"
    )

    @field_validator("nesterov")
    @classmethod
    def _has_momentum(cls, nesterov: bool, info: ValidationInfo) -> bool:
        if nesterov and info.data.get("momentum") == 0:
            raise ValueError("`nesterov yes` needs a `momentum` above 0")
        return nesterov

    @property
    @override
    def states(self) -> tuple[str, ...]:
        return ("velocity",) if self.momentum else ()

    @override
    def update(
        self, emit: UpdateBuilder[V], parameter: Parameter[V], state: Mapping[str, V]
    ) -> tuple[V, Mapping[str, V]]:
        """With v' = mu*v + g + decay*w, w' = w - lr*v'."""
        if not self.momentum:
            return _descended(emit, parameter), {}
        old = state["velocity"]
        if self.nesterov:
            return self._ahead(emit, parameter, old)
        # mu * (v + decay/mu * w) + g
        rest = emit.plus(old, parameter.value, parameter.decay / self.momentum)
        new = emit.op("Add", emit.times(rest, self.momentum), emit.gradient(parameter))
        step = emit.op("Mul", new, emit.rate(parameter.rate))
        return emit.op("Sub", parameter.value, step), {"velocity": new}

    def _ahead(
        self, emit: UpdateBuilder[V], parameter: Parameter[V], old: V
    ) -> tuple[V, Mapping[str, V]]:
        """With v' = mu*v + g + decay*w, w' = w - lr * (g + decay*w + mu*v').

        The old velocity is read for the new one alone, which can then be written over it.
        """
        gradient = emit.plus(emit.gradient(parameter), parameter.value, parameter.decay)
        new = emit.op("Add", emit.times(old, self.momentum), gradient)
        way = emit.op("Add", emit.times(new, self.momentum), gradient)
        step = emit.op("Mul", way, emit.rate(parameter.rate))
        return emit.op("Sub", parameter.value, step), {"velocity": new}


def _descended(emit: UpdateBuilder[V], parameter: Parameter[V]) -> V:
    """Without momentum, w' = w - lr * (g + decay*w)."""
    rate, kept = emit.rate(parameter.rate), emit.shrunk(parameter)
    if emit.scale is not None:
        scale = emit.scale
        rate = emit.shared(("scaled", parameter.rate), lambda: emit.op("Mul", rate, scale))
    return emit.op("Sub", kept, emit.op("Mul", parameter.gradient, rate))
