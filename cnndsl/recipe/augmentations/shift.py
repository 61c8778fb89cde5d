"""Samples moved by a few cells."""

# No `from __future__ import annotations`: pydantic would have to compile every annotation again.

from pydantic import Field
from typing_extensions import override

from cnndsl.layers.base import Count
from cnndsl.recipe.augmentations.base import Array, Augmentation, Draws, Labels, Misfit, too_far
from cnndsl.types import TensorType

__all__ = ["Shift"]


class Shift(Augmentation):
    """Moved by a random number of cells along each dimension; what comes in is zero."""

    keyword = "shift"
    positional = ("cells",)
    cells: Count = Field(default=2, description="largest distance either way")
    labels: Labels = "moved"

    @override
    def misfit_of(self, what: str, its_type: TensorType) -> Misfit | None:
        return too_far(self, what, its_type, self.cells, "cells")

    @override
    def move(self, x: Array, draws: Draws, *, nearest: bool = False) -> Array:
        from cnndsl.recipe.augmentations.moving import moved

        return moved(x, self.cells, draws.uniform(x.ndim - 2))
