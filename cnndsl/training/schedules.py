"""Turns the time in epochs into the learning rate, and validation losses into decisions.

All formulas are those of docs/training.md: *t* is the time in epochs with its fraction, *E* the
number of epochs, *W* that of the warm-up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from cnndsl.recipe.recipe import Recipe
from cnndsl.recipe.schedules.base import Schedule
from cnndsl.recipe.schedules.constant import Constant
from cnndsl.recipe.schedules.cosine import Cosine
from cnndsl.recipe.schedules.exponential import Exponential
from cnndsl.recipe.schedules.multistep import MultiStep
from cnndsl.recipe.schedules.plateau import Plateau
from cnndsl.recipe.schedules.polynomial import Polynomial
from cnndsl.recipe.schedules.step import Step

__all__ = ["Patience", "rate"]


def rate(recipe: Recipe, time: float, drops: int = 0, *, steps: int = 1) -> float:
    """The learning rate at a time in epochs; ``drops`` is how often a plateau was met before it.

    An epoch has ``steps`` steps. During the warm-up the rate rises in a straight line, whatever
    the schedule: from ``warmup_lr`` in the first step to that of the optimizer in the first step
    behind. Without a ``warmup_lr`` the first step has one of the rise's equal shares, and never 0.
    At their end and after, cosine and polynomial schedules stay at their least rate.

    >>> recipe = Recipe(schedule=Cosine(warmup=2))
    >>> [round(rate(recipe, time), 6) for time in (0, 1, 2, 6, 10)]
    [0.003333, 0.006667, 0.01, 0.005, 0.0]
    """
    full = recipe.optimizer.lr
    schedule = recipe.schedule
    if time >= schedule.warmup:
        return _scheduled(schedule, full, time, recipe.epochs, drops)
    start = schedule.warmup_lr
    if start is None:
        start = full / (schedule.warmup * steps + 1)
    return start + (full - start) * time / schedule.warmup


def _scheduled(schedule: Schedule, full: float, time: float, epochs: int, drops: int) -> float:
    """The learning rate once the warm-up is over."""
    factor = _factor(schedule, time, epochs, drops)
    match schedule:
        case Cosine() | Polynomial():
            return schedule.min_lr + (full - schedule.min_lr) * factor
        case Plateau() if drops:
            return max(full * factor, schedule.min_lr)
        case _:
            return full * factor


def _factor(schedule: Schedule, time: float, epochs: int, drops: int) -> float:
    """How much of the learning rate is left once the warm-up is over."""
    since = time - schedule.warmup
    match schedule:
        case Constant():
            return 1.0
        case Step():
            return float(schedule.gamma ** (time // schedule.every))
        case MultiStep():
            # The epoch shown as 2 begins at time 1.
            return schedule.gamma ** sum(1 for epoch in schedule.at if epoch - 1 <= time)
        case Cosine():
            return (1 + math.cos(math.pi * _progress(since, epochs - schedule.warmup))) / 2
        case Exponential():
            return schedule.gamma ** math.floor(since)
        case Polynomial():
            return float((1 - _progress(since, epochs - schedule.warmup)) ** schedule.power)
        case Plateau():
            return schedule.factor**drops
        case _:
            raise NotImplementedError(f"no formula for the schedule `{schedule.keyword}`")


def _progress(since: float, span: int) -> float:
    """How much of the time after the warm-up is over, from 0 to 1."""
    return min(since / span, 1.0) if span > 0 else 1.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a loss has had no new best: the best one, and the epochs since.

    ``drops`` is how often that took as long as it may, for the plateau schedule; where training
    stops early, it does so at the first. The fields are plain, so that a checkpoint holds them.
    A loss that is no number is never the best.

    >>> patience = Patience()
    >>> for loss in (3.0, 2.0, 2.0, 2.5):
    ...     patience = patience.after(loss, epochs=2)
    >>> patience
    Patience(best=2.0, stalled=0, drops=1)
    """

    best: float | None = None
    stalled: int = 0
    drops: int = 0

    def after(self, loss: float, epochs: int) -> Patience:
        """The same after another epoch: so many without a new best are a drop, and begin anew."""
        if not math.isnan(loss) and (self.best is None or loss < self.best):
            return Patience(loss, 0, self.drops)
        if self.stalled + 1 < epochs:
            return Patience(self.best, self.stalled + 1, self.drops)
        return Patience(self.best, 0, self.drops + 1)
