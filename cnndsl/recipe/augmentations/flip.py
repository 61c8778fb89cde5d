"""Mirror images."""

# No `from __future__ import annotations`: pydantic would have to compile every annotation again.

from typing import Literal

from pydantic import Field

from cnndsl.recipe.augmentations.base import Augmentation, Labels

__all__ = ["Flip"]


class Flip(Augmentation):
    """Mirrored along the last dimension (horizontal), the one before it (vertical), or each."""

    keyword = "flip"
    positional = ("direction",)
    direction: Literal["horizontal", "vertical", "both"] = Field(
        default="horizontal", description="left to right, top to bottom, or each on its own"
    )
    probability: float = Field(default=0.5, gt=0, le=1, description="how often")
    labels: Labels = "moved"
