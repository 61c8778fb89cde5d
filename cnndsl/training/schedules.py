"""Turns the time in epochs into the learning rate, and validation losses into decisions.

The formulas behind the warm-up are those of the schedules, :mod:`cnndsl.recipe.schedules`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from cnndsl.recipe.recipe import Recipe

__all__ = ["Patience", "rate"]


def rate(recipe: Recipe, time: float, drops: int = 0, *, steps: int = 1) -> float:
    """The learning rate at a time in epochs; ``drops`` is how often a plateau was met before it.

    An epoch has ``steps`` steps. During the warm-up the rate rises in a straight line, whatever
    the schedule: from ``warmup_lr`` in the first step to that of the optimizer in the first step
    behind. Without a ``warmup_lr`` the first step has one of the rise's equal shares, and never 0.
    At their end and after, cosine and polynomial schedules stay at their least rate.

    >>> from cnndsl.recipe.schedules.cosine import Cosine
    >>> recipe = Recipe(schedule=Cosine(warmup=2))
    >>> [round(rate(recipe, time), 6) for time in (0, 1, 2, 6, 10)]
    [0.003333, 0.006667, 0.01, 0.005, 0.0]
    """
    full = recipe.optimizer.lr
    schedule = recipe.schedule
    if time >= schedule.warmup:
        return schedule.rate(full, time, recipe.epochs, drops)
    start = schedule.warmup_lr
    if start is None:
        start = full / (schedule.warmup * steps + 1)
    return start + (full - start) * time / schedule.warmup


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
