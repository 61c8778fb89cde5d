"""Turned pictures."""

# No `from __future__ import annotations`: pydantic would have to compile every annotation again.

from pydantic import Field
from typing_extensions import override

from cnndsl.recipe.augmentations.base import Array, Augmentation, Draws, Labels, Misfit
from cnndsl.types import TensorType

__all__ = ["Rotate"]


class Rotate(Augmentation):
    """Pictures turned by a random angle about the middle; what comes in at the corners is zero."""

    keyword = "rotate"
    positional = ("degrees",)
    degrees: float = Field(default=10.0, gt=0, le=180, description="largest angle either way")
    labels: Labels = "moved"

    @override
    def misfit_of(self, what: str, its_type: TensorType) -> Misfit | None:
        if len(its_type.spatial) == 2:
            return None
        return Misfit(f"{what}, and only pictures can be turned", self.without)

    @override
    def move(self, x: Array, draws: Draws, *, nearest: bool = False) -> Array:
        """By angles in radians, evenly from so many degrees one way to as many the other way."""
        from cnndsl.recipe.augmentations.moving import angles, turned

        return turned(x, angles(self.degrees, draws.uniform(1)), nearest=nearest)
