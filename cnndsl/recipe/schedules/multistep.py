"""Drops at given epochs."""

# No `from __future__ import annotations`: pydantic would have to compile every annotation again.

from collections.abc import Iterator
from itertools import pairwise

from pydantic import Field, field_validator
from typing_extensions import override

from cnndsl.layers.base import Count
from cnndsl.recipe.schedules.base import Course, Schedule, ScheduleFault, drop_faults
from cnndsl.recipe.settings import Portion

__all__ = ["MultiStep"]


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

    @override
    def multiplier(self, time: float, epochs: int, drops: int) -> float:
        # The epoch shown as 2 begins at time 1.
        return self.gamma ** sum(1 for epoch in self.at if epoch - 1 <= time)

    @override
    def faults(self, course: Course) -> Iterator[ScheduleFault]:
        yield from drop_faults(self.at, "at", self.warmup, course)
        yield from super().faults(course)
