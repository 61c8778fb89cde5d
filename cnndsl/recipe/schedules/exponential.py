"""A drop after every epoch."""

# No `from __future__ import annotations`: pydantic would have to compile every annotation again.

from pydantic import Field

from cnndsl.recipe.schedules.base import Schedule
from cnndsl.recipe.settings import Portion

__all__ = ["Exponential"]


class Exponential(Schedule):
    """gamma to the power of the whole epochs since the warm-up."""

    keyword = "exponential"
    gamma: Portion = Field(default=0.95, description="factor of each epoch")
