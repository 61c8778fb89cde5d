"""RMSprop: steps along the gradient, over the root of the mean of its squares."""

# No `from __future__ import annotations`: pydantic would have to compile every annotation again.

from pydantic import Field
from typing_extensions import override

from cnndsl.recipe.optimizers.base import Optimizer
from cnndsl.recipe.settings import BelowOne, Positive

__all__ = ["RmsProp"]


class RmsProp(Optimizer):
    """RMSprop (Tieleman & Hinton 2012): steps of g / (root of the mean of squares + eps)."""

    keyword = "rmsprop"
    alpha: BelowOne = Field(default=0.99, description="decay of the mean of the squares")
    eps: Positive = Field(default=1e-8, description="added to the root, against division by zero")
    momentum: BelowOne = Field(
        default=0.0, description="share of the last step's velocity that is kept"
    )

    @property
    @override
    def slots(self) -> int:
        """The mean of squares, and the velocity where there is momentum."""
        return 2 if self.momentum else 1
