"""A drop after every so many epochs."""

# No `from __future__ import annotations`: pydantic would have to compile every annotation again.

from collections.abc import Iterator

from pydantic import Field
from typing_extensions import override

from cnndsl.layers.base import Count
from cnndsl.recipe.schedules.base import Course, Schedule, ScheduleFault, drop_faults
from cnndsl.recipe.settings import Portion

__all__ = ["Step"]


class Step(Schedule):
    """Multiplied by gamma after every so many epochs, counted from the start."""

    keyword = "step"
    every: Count = Field(description="epochs between two drops", examples=[30])
    gamma: Portion = Field(default=0.1, description="factor of each drop")

    @override
    def multiplier(self, time: float, epochs: int, drops: int) -> float:
        return float(self.gamma ** (time // self.every))

    @override
    def faults(self, course: Course) -> Iterator[ScheduleFault]:
        yield from drop_faults([self.every + 1], "every", self.warmup, course)
        yield from super().faults(course)
