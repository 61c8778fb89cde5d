"""A square of zeros."""

# No `from __future__ import annotations`: pydantic would have to compile every annotation again.

from pydantic import Field

from cnndsl.layers.base import Count
from cnndsl.recipe.augmentations.base import Augmentation

__all__ = ["Cutout"]


class Cutout(Augmentation):
    """A square at a random place set to zero (DeVries & Taylor 2017)."""

    keyword = "cutout"
    positional = ("size",)
    size: Count = Field(default=8, description="its side, in cells")
