"""A power of what is left of the time."""

# No `from __future__ import annotations`: pydantic would have to compile every annotation again.

from pydantic import Field
from typing_extensions import override

from cnndsl.recipe.schedules.falling import Falling
from cnndsl.recipe.settings import Positive

__all__ = ["Polynomial"]


class Polynomial(Falling):
    """(1 - (t - W)/(E - W)) to a power: from 1 to 0; a straight line where the power is 1."""

    keyword = "polynomial"
    power: Positive = Field(default=1.0, description="the exponent")

    @override
    def multiplier(self, time: float, epochs: int, drops: int) -> float:
        return float((1 - self.progress(time, epochs)) ** self.power)
