"""Mirror images."""

# No `from __future__ import annotations`: pydantic would have to compile every annotation again.

from typing import Literal

from pydantic import Field
from typing_extensions import override

from cnndsl.recipe.augmentations.base import Array, Augmentation, Draws, Labels, Misfit
from cnndsl.types import TensorType

__all__ = ["Flip"]


class Flip(Augmentation):
    """Mirrored along the last dimension (horizontal), the one before it (vertical), or each."""

    keyword = "flip"
    fills = False
    positional = ("direction",)
    direction: Literal["horizontal", "vertical", "both"] = Field(
        default="horizontal", description="left to right, top to bottom, or each on its own"
    )
    probability: float = Field(default=0.5, gt=0, le=1, description="how often")
    labels: Labels = "moved"

    @override
    def misfit_of(self, what: str, its_type: TensorType) -> Misfit | None:
        if self.direction == "horizontal" or len(its_type.spatial) > 1:
            return None
        return Misfit(f"{what}, without top and bottom", "write `flip horizontal`", "direction")

    @override
    def move(self, x: Array, draws: Draws, *, nearest: bool = False) -> Array:
        """Of the two draws of each sample the second decides on the last dimension."""
        import numpy

        wanted = draws.uniform(2) < self.probability
        changed = x
        for axis, direction in ((-1, "horizontal"), (-2, "vertical")):
            if self.direction in (direction, "both"):
                before, mirrored = changed, numpy.flip(changed, axis)
                changed = numpy.empty(x.shape, x.dtype)
                for at, chosen in enumerate(wanted[:, axis + 1].tolist()):
                    changed[at] = mirrored[at] if chosen else before[at]
        return changed
