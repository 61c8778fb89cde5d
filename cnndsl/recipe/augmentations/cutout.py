"""A square of zeros."""

# No `from __future__ import annotations`: pydantic would have to compile every annotation again.

from pydantic import Field
from typing_extensions import override

from cnndsl.diagnostics.words import count
from cnndsl.layers.base import Count
from cnndsl.recipe.augmentations.base import Array, Augmentation, Draws, Misfit
from cnndsl.types import TensorType

__all__ = ["Cutout"]


class Cutout(Augmentation):
    """A square at a random place set to zero (DeVries & Taylor 2017)."""

    keyword = "cutout"
    positional = ("size",)
    size: Count = Field(default=8, description="its side, in cells")

    @override
    def misfit_of(self, what: str, its_type: TensorType) -> Misfit | None:
        smallest = min(its_type.spatial)
        if self.size <= smallest:
            return None
        why = f"{what}, smaller than a square of {count(self.size, 'cell')}"
        return Misfit(why, f"write a number of at most {smallest}", "size")

    @override
    def change(self, x: Array, draws: Draws, number: int) -> Array:
        """The square (line, cube) lies about a random cell; at the border it is a part of one."""
        import numpy

        rank = x.ndim - 2
        middles = draws.uniform(rank)
        hidden = numpy.ones((len(x), *(1,) * (x.ndim - 1)), bool)
        for axis, length in enumerate(x.shape[2:]):
            starts = (middles[:, axis] * length).astype(numpy.int64)[:, None] - self.size // 2
            cells = numpy.arange(length)
            inside = (cells >= starts) & (cells < starts + self.size)
            shape = [len(x), 1, *(1,) * rank]
            shape[axis + 2] = length
            hidden = hidden & inside.reshape(shape)
        return numpy.where(hidden, numpy.float32(0), x)
