"""What schedules share that fall to a least rate."""

# No `from __future__ import annotations`: pydantic would have to compile every annotation again.

from collections.abc import Iterator

from pydantic import Field
from typing_extensions import override

from cnndsl.recipe.schedules.base import Course, Schedule, ScheduleFault
from cnndsl.recipe.settings import NotNegative

__all__ = ["Falling", "least_rate_faults"]


class Falling(Schedule):
    """What the schedules share that would end at 0."""

    to_the_end = True

    min_lr: NotNegative = Field(default=0.0, description="learning rate that it falls to")

    @override
    def rate(self, full: float, time: float, epochs: int, drops: int) -> float:
        """At the end of training and after, the least rate."""
        return self.min_lr + (full - self.min_lr) * self.multiplier(time, epochs, drops)

    @override
    def faults(self, course: Course) -> Iterator[ScheduleFault]:
        yield from super().faults(course)
        yield from least_rate_faults(self.min_lr, course)


def least_rate_faults(least: float, course: Course) -> Iterator[ScheduleFault]:
    """A least rate that is no smaller than what falls to it."""
    if least >= course.lr:
        message = f"the rate never falls: `min_lr` is {least:g}, and `lr` {course.lr:g}"
        yield ScheduleFault(message, "write a `min_lr` below `lr`", "min_lr", "optimizer")
