"""A drop whenever the loss stalls."""

# No `from __future__ import annotations`: pydantic would have to compile every annotation again.

from collections.abc import Iterator

from pydantic import Field
from typing_extensions import override

from cnndsl.diagnostics.words import count
from cnndsl.layers.base import Count
from cnndsl.recipe.schedules.base import Course, Schedule, ScheduleFault
from cnndsl.recipe.schedules.falling import least_rate_faults
from cnndsl.recipe.settings import NotNegative, Portion

__all__ = ["Plateau"]


class Plateau(Schedule):
    """Multiplied by a factor when the validation loss (without one, the training loss) stalls."""

    keyword = "plateau"
    patience: Count = Field(default=5, description="epochs without a new best before each drop")
    factor: Portion = Field(default=0.1, description="factor of each drop")
    min_lr: NotNegative = Field(default=0.0, description="learning rate that no drop goes below")

    @property
    @override
    def waits(self) -> int:
        return self.patience

    @override
    def multiplier(self, time: float, epochs: int, drops: int) -> float:
        return self.factor**drops

    @override
    def rate(self, full: float, time: float, epochs: int, drops: int) -> float:
        """Without a drop ``lr`` itself, were it below the least rate."""
        rate = full * self.factor**drops
        return max(rate, self.min_lr) if drops else rate

    @override
    def faults(self, course: Course) -> Iterator[ScheduleFault]:
        """The first epoch is always a new best: only then the waiting begins."""
        waits, stop = self.patience, course.early_stop
        if waits + 1 >= course.epochs:
            whole = count(course.epochs, "epoch")
            message = f"a plateau of {count(waits, 'epoch')} never drops in {whole}"
            help = "write a smaller `patience`, or more `epochs`"
            yield ScheduleFault(message, help, "patience", "epochs")
        elif stop is not None and stop <= waits:
            message = f"`early_stop {stop}` ends training before a plateau of {waits} drops"
            help = "write a smaller `patience`, or let `early_stop` wait for longer"
            yield ScheduleFault(message, help, "patience", "early_stop")
        yield from super().faults(course)
        yield from least_rate_faults(self.min_lr, course)
