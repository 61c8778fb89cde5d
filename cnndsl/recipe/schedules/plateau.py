"""A drop whenever the loss stalls."""

# No `from __future__ import annotations`: pydantic would have to compile every annotation again.

from pydantic import Field

from cnndsl.layers.base import Count
from cnndsl.recipe.schedules.base import Schedule
from cnndsl.recipe.settings import NotNegative, Portion

__all__ = ["Plateau"]


class Plateau(Schedule):
    """Multiplied by a factor when the validation loss (without one, the training loss) stalls."""

    keyword = "plateau"
    patience: Count = Field(default=5, description="epochs without a new best before each drop")
    factor: Portion = Field(default=0.1, description="factor of each drop")
    min_lr: NotNegative = Field(default=0.0, description="learning rate that no drop goes below")
