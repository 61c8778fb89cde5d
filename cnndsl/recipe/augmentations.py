"""The random changes of training samples that `augment` can name."""

# No `from __future__ import annotations`: pydantic would have to compile every annotation again.

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from cnndsl.layers.base import Count
from cnndsl.recipe.settings import Augmentation, Positive

__all__ = ["Crop", "Cutout", "Flip", "Move", "Noise", "Rotate", "Shift"]

Labels: TypeAlias = Annotated[
    Literal["moved", "fixed"],
    Field(description="whether labels of the sample's size move along, or all labels stay"),
]


class Crop(Augmentation):
    """A random piece of the input's size, of the sample with zeros added around it."""

    keyword = "crop"
    padding: Count = Field(default=4, description="zeros added on each side, in cells")
    labels: Labels = "moved"


class Flip(Augmentation):
    """Mirrored along the last dimension (horizontal), the one before it (vertical), or each."""

    keyword = "flip"
    positional = ("direction",)
    direction: Literal["horizontal", "vertical", "both"] = Field(
        default="horizontal", description="left to right, top to bottom, or each on its own"
    )
    probability: float = Field(default=0.5, gt=0, le=1, description="how often")
    labels: Labels = "moved"


class Rotate(Augmentation):
    """Pictures turned by a random angle about the middle; what comes in at the corners is zero."""

    keyword = "rotate"
    positional = ("degrees",)
    degrees: float = Field(default=10.0, gt=0, le=180, description="largest angle either way")
    labels: Labels = "moved"


class Shift(Augmentation):
    """Moved by a random number of cells along each dimension; what comes in is zero."""

    keyword = "shift"
    positional = ("cells",)
    cells: Count = Field(default=2, description="largest distance either way")
    labels: Labels = "moved"


Move: TypeAlias = Crop | Flip | Rotate | Shift
"""What takes cells to other places, and so changes what labels of places say."""


class Noise(Augmentation):
    """Gaussian noise added to every number."""

    keyword = "noise"
    positional = ("std",)
    std: Positive = Field(
        default=0.1, description="standard deviation, in units of the prepared input"
    )


class Cutout(Augmentation):
    """A square at a random place set to zero (DeVries & Taylor 2017)."""

    keyword = "cutout"
    positional = ("size",)
    size: Count = Field(default=8, description="its side, in cells")
