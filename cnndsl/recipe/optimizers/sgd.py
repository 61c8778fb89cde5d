"""Stochastic gradient descent, with momentum."""

# No `from __future__ import annotations`: pydantic would have to compile every annotation again.

from pydantic import Field, ValidationInfo, field_validator
from typing_extensions import override

from cnndsl.recipe.optimizers.base import Optimizer
from cnndsl.recipe.settings import BelowOne

__all__ = ["Sgd"]


class Sgd(Optimizer):
    """Stochastic gradient descent: v = momentum*v + g, w = w - lr*v."""

    keyword = "sgd"
    momentum: BelowOne = Field(
        default=0.0, description="share of the last step's velocity that is kept"
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
    def slots(self) -> int:
        """The velocity, where there is momentum."""
        return 1 if self.momentum else 0
