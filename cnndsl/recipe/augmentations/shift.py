"""Samples moved by a few cells."""

# No `from __future__ import annotations`: pydantic would have to compile every annotation again.

from pydantic import Field

from cnndsl.layers.base import Count
from cnndsl.recipe.augmentations.base import Augmentation, Labels

__all__ = ["Shift"]


class Shift(Augmentation):
    """Moved by a random number of cells along each dimension; what comes in is zero."""

    keyword = "shift"
    positional = ("cells",)
    cells: Count = Field(default=2, description="largest distance either way")
    labels: Labels = "moved"
