"""Adam: steps along the mean of the gradients, over the root of the mean of their squares."""

# No `from __future__ import annotations`: pydantic would have to compile every annotation again.

from pydantic import Field
from typing_extensions import override

from cnndsl.recipe.optimizers.base import Optimizer
from cnndsl.recipe.settings import BelowOne, Positive

__all__ = ["Adam"]


class Adam(Optimizer):
    """Adam (Kingma & Ba 2015), with bias correction; weight decay is added to the gradient."""

    keyword = "adam"
    lr: Positive = Field(default=0.001, description="learning rate")
    beta1: BelowOne = Field(default=0.9, description="decay of the mean of the gradients")
    beta2: BelowOne = Field(default=0.999, description="decay of the mean of their squares")
    eps: Positive = Field(default=1e-8, description="added to the root, against division by zero")

    @property
    @override
    def slots(self) -> int:
        """The two moving means."""
        return 2
