"""What a schedule is: one class that holds its parameters, its formula and what works against it.

Two kinds of time: epochs are counted from 1, as training shows them; a *time* is in epochs with its
fraction (the middle of the first epoch is 0.5).

To add a schedule, write one class in a file of its own, here or in a package of your own that
declares the entry point ``cnndsl.schedules``.
"""

# No `from __future__ import annotations`: pydantic would have to compile every annotation again.

from collections.abc import Iterator, Sequence
from typing import ClassVar

from pydantic import Field

from cnndsl.diagnostics.words import count
from cnndsl.frozen import frozen
from cnndsl.recipe.settings import Positive, Variant, Whole

__all__ = [
    "Course",
    "Schedule",
    "ScheduleFault",
    "drop_faults",
]


@frozen
class Course:
    """What a schedule is for: the epochs of training, the optimizer's learning rate, patience.

    ``early_stop`` is after how many epochs without a new best training ends; None for never.
    """

    epochs: int
    lr: float
    early_stop: int | None = None


@frozen
class ScheduleFault:
    """Something that a schedule says and that does nothing, or works against another setting.

    ``blame`` is the attribute that says it, ``beside`` the setting that makes it so.
    """

    message: str
    help: str
    blame: str
    beside: str = ""


class Schedule(Variant):
    """How the learning rate goes over the epochs: the factor that `lr` is multiplied by."""

    needed = ("multiplier",)

    to_the_end: ClassVar[bool] = False
    """Whether it looks at the last epoch from the first one on."""

    warmup: Whole = Field(
        default=0,
        description="epochs over which the learning rate first rises, linearly",
        examples=[5],
    )
    warmup_lr: Positive | None = Field(
        default=None,
        description="learning rate of the first step; by default one share of the rise",
        examples=[1e-4],
    )

    @property
    def waits(self) -> int | None:
        """After how many epochs without a new best loss it drops; None where no loss matters."""
        return None

    def multiplier(self, time: float, epochs: int, drops: int) -> float:
        """What the learning rate is multiplied by at a time behind the warm-up.

        ``epochs`` are those of training, ``drops`` how often it has waited in vain for a new best.
        """
        raise NotImplementedError

    def rate(self, full: float, time: float, epochs: int, drops: int) -> float:
        """The learning rate at a time behind the warm-up; ``full`` is the optimizer's."""
        return full * self.multiplier(time, epochs, drops)

    def progress(self, time: float, epochs: int) -> float:
        """How much of the time behind the warm-up is over, from 0 to 1."""
        span = epochs - self.warmup
        return min((time - self.warmup) / span, 1.0) if span > 0 else 1.0

    def faults(self, course: Course) -> Iterator[ScheduleFault]:
        """What of it does nothing, or works against another setting."""
        start = self.warmup_lr
        if start is not None and not self.warmup:
            message = "`warmup_lr` does nothing without a `warmup`"
            yield ScheduleFault(message, "write `warmup 1`", "warmup_lr")
        elif start is not None and start >= course.lr:
            message = f"the warm-up from {start:g} does not rise: `lr` is {course.lr:g}"
            yield ScheduleFault(message, "write a `warmup_lr` below `lr`", "warmup_lr", "optimizer")


# --- what schedules share ---------------------------------------------------------------------


def drop_faults(
    drops: Sequence[int], attribute: str, warmup: int, course: Course
) -> Iterator[ScheduleFault]:
    """Drops at the beginning of these epochs that never come, or that the warm-up hides."""
    late = [epoch for epoch in drops if epoch > course.epochs]
    if late:
        message = f"no drop at {_these(late)}: training has {count(course.epochs, 'epoch')}"
        help = "let it drop earlier, or train for more `epochs`"
        yield ScheduleFault(message, help, attribute, "epochs")
    if drops[0] == 1:
        message = f"the drop at epoch 1 comes first of all: the rate is never {course.lr:g}"
        help = "write a smaller `lr`, and the epochs of the later drops"
        yield ScheduleFault(message, help, attribute)
    early = [epoch for epoch in drops if 1 < epoch <= warmup]
    if early:
        whole = count(warmup, "epoch")
        message = f"the drop at {_these(early)} falls into the warm-up, which takes {whole}"
        help = "let it drop after the warm-up, or warm up for less long"
        yield ScheduleFault(message, help, attribute)


def _these(epochs: list[int]) -> str:
    """``epoch 9``, ``the epochs 7 and 9``."""
    if len(epochs) == 1:
        return f"epoch {epochs[0]}"
    return f"the epochs {', '.join(map(str, epochs[:-1]))} and {epochs[-1]}"
