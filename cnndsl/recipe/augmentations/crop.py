"""A random piece of the padded sample."""

# No `from __future__ import annotations`: pydantic would have to compile every annotation again.

from pydantic import Field
from typing_extensions import override

from cnndsl.layers.base import Count
from cnndsl.recipe.augmentations.base import Array, Augmentation, Draws, Labels, Misfit, too_far
from cnndsl.types import TensorType

__all__ = ["Crop"]


class Crop(Augmentation):
    """A random piece of the input's size, of the sample with zeros added around it."""

    keyword = "crop"
    padding: Count = Field(default=4, description="zeros added on each side, in cells")
    labels: Labels = "moved"

    @override
    def misfit_of(self, what: str, its_type: TensorType) -> Misfit | None:
        return too_far(self, what, its_type, self.padding, "padding")

    @override
    def move(self, x: Array, draws: Draws, *, nearest: bool = False) -> Array:
        """A random piece of a padded sample is the sample moved."""
        from cnndsl.recipe.augmentations.moving import moved

        return moved(x, self.padding, draws.uniform(x.ndim - 2))
