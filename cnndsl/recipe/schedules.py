"""The schedules of the learning rate that `schedule` can name."""

# No `from __future__ import annotations`: pydantic would have to compile every annotation again.

from itertools import pairwise

from pydantic import Field, field_validator

from cnndsl.layers.base import Count
from cnndsl.recipe.settings import Constant, NotNegative, Portion, Positive, Schedule

__all__ = [
    "Constant",
    "Cosine",
    "Exponential",
    "Falling",
    "MultiStep",
    "Plateau",
    "Polynomial",
    "Step",
]


class Step(Schedule):
    """Multiplied by gamma after every so many epochs, counted from the start."""

    keyword = "step"
    every: Count = Field(description="epochs between two drops", examples=[30])
    gamma: Portion = Field(default=0.1, description="factor of each drop")


class MultiStep(Schedule):
    """Multiplied by gamma at the start of each of these epochs."""

    keyword = "multistep"
    at: tuple[Count, ...] = Field(
        description="epochs that begin with a drop, rising",
        examples=["[30, 60]"],
    )
    gamma: Portion = Field(default=0.1, description="factor of each drop")

    @field_validator("at", mode="before")
    @classmethod
    def _listed(cls, at: object) -> object:
        """``at 30`` is ``at [30]``."""
        return (at,) if isinstance(at, int | float) else at

    @field_validator("at")
    @classmethod
    def _rises(cls, at: tuple[int, ...]) -> tuple[int, ...]:
        if not at:
            raise ValueError("`at` needs an epoch or more")
        for earlier, later in pairwise(at):
            if later <= earlier:
                raise ValueError(f"epochs must rise, but {later} comes after {earlier}")
        return at


class Falling(Schedule):
    """What the schedules share that would end at 0."""

    min_lr: NotNegative = Field(default=0.0, description="learning rate that it falls to")


class Cosine(Falling):
    """(1 + cos(pi*(t - W)/(E - W)))/2: from 1 to 0 (Loshchilov & Hutter 2017)."""

    keyword = "cosine"


class Exponential(Schedule):
    """gamma to the power of the whole epochs since the warm-up."""

    keyword = "exponential"
    gamma: Portion = Field(default=0.95, description="factor of each epoch")


class Polynomial(Falling):
    """(1 - (t - W)/(E - W)) to a power: from 1 to 0; a straight line where the power is 1."""

    keyword = "polynomial"
    power: Positive = Field(default=1.0, description="the exponent")


class Plateau(Schedule):
    """Multiplied by a factor when the validation loss (without one, the training loss) stalls."""

    keyword = "plateau"
    patience: Count = Field(default=5, description="epochs without a new best before each drop")
    factor: Portion = Field(default=0.1, description="factor of each drop")
    min_lr: NotNegative = Field(default=0.0, description="learning rate that no drop goes below")
