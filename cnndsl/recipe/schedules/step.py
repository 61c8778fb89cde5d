"""A drop after every so many epochs."""

# No `from __future__ import annotations`: pydantic would have to compile every annotation again.

from pydantic import Field

from cnndsl.layers.base import Count
from cnndsl.recipe.schedules.base import Schedule
from cnndsl.recipe.settings import Portion

__all__ = ["Step"]


class Step(Schedule):
    """Multiplied by gamma after every so many epochs, counted from the start."""

    keyword = "step"
    every: Count = Field(description="epochs between two drops", examples=[30])
    gamma: Portion = Field(default=0.1, description="factor of each drop")
