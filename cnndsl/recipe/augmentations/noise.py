"""Gaussian noise."""

# No `from __future__ import annotations`: pydantic would have to compile every annotation again.

from pydantic import Field

from cnndsl.recipe.augmentations.base import Augmentation
from cnndsl.recipe.settings import Positive

__all__ = ["Noise"]


class Noise(Augmentation):
    """Gaussian noise added to every number."""

    keyword = "noise"
    positional = ("std",)
    std: Positive = Field(
        default=0.1, description="standard deviation, in units of the prepared input"
    )
