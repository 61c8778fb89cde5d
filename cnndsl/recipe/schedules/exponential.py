"""A drop after every epoch."""

# No `from __future__ import annotations`: pydantic would have to compile every annotation again.

import math

from pydantic import Field
from typing_extensions import override

from cnndsl.recipe.schedules.base import Schedule
from cnndsl.recipe.settings import Portion

__all__ = ["Exponential"]


class Exponential(Schedule):
    """gamma to the power of the whole epochs since the warm-up."""

    keyword = "exponential"
    gamma: Portion = Field(default=0.95, description="factor of each epoch")

    @override
    def multiplier(self, time: float, epochs: int, drops: int) -> float:
        return self.gamma ** math.floor(time - self.warmup)
