"""Turned pictures."""

# No `from __future__ import annotations`: pydantic would have to compile every annotation again.

from pydantic import Field

from cnndsl.recipe.augmentations.base import Augmentation, Labels

__all__ = ["Rotate"]


class Rotate(Augmentation):
    """Pictures turned by a random angle about the middle; what comes in at the corners is zero."""

    keyword = "rotate"
    positional = ("degrees",)
    degrees: float = Field(default=10.0, gt=0, le=180, description="largest angle either way")
    labels: Labels = "moved"
