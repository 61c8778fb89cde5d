"""Gaussian noise."""

# No `from __future__ import annotations`: pydantic would have to compile every annotation again.

import math

from pydantic import Field
from typing_extensions import override

from cnndsl.recipe.augmentations.base import Array, Augmentation, Draws
from cnndsl.recipe.settings import Positive

__all__ = ["Noise"]


class Noise(Augmentation):
    """Gaussian noise added to every number."""

    keyword = "noise"
    spatial = False
    positional = ("std",)
    std: Positive = Field(
        default=0.1, description="standard deviation, in units of the prepared input"
    )

    @override
    def change(self, x: Array, draws: Draws, number: int) -> Array:
        """Noise of its own for every input."""
        import numpy

        noise = draws.normal(math.prod(x.shape[1:]), first=number << 32)
        return numpy.asarray(x + numpy.float32(self.std) * noise.reshape(x.shape))
