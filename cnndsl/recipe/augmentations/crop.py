"""A random piece of the padded sample."""

# No `from __future__ import annotations`: pydantic would have to compile every annotation again.

from pydantic import Field

from cnndsl.layers.base import Count
from cnndsl.recipe.augmentations.base import Augmentation, Labels

__all__ = ["Crop"]


class Crop(Augmentation):
    """A random piece of the input's size, of the sample with zeros added around it."""

    keyword = "crop"
    padding: Count = Field(default=4, description="zeros added on each side, in cells")
    labels: Labels = "moved"
