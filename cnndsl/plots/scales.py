"""Turns numbers into the scale of an axis: where it begins and ends, and what stands along it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.ticker import MaxNLocator

from cnndsl.plots.figure import label_ticks

__all__ = ["Scale", "loss_scale", "powers", "rate_scale", "round_numbers", "tame"]

_WIDE = 100
"""Losses whose largest is so many times the smallest go on a logarithmic scale."""


@dataclass(frozen=True, slots=True)
class Scale:
    """The values of an axis: from where to where, and what is written along it."""

    low: float
    high: float
    ticks: tuple[float, ...]
    labels: tuple[str, ...]
    logarithmic: bool = False


def tame(value: float) -> float:
    """A number that scales can be computed with: not beyond 1e250, nor nearer to zero than 1e-250.

    >>> tame(-1e300), tame(5e-324), tame(0.0), tame(0.5)
    (-1e+250, 1e-250, 0.0, 0.5)
    """
    size = min(max(abs(value), 1e-250), 1e250)
    return math.copysign(size, value) if value else 0.0


def loss_scale(values: Sequence[float]) -> Scale:
    """From 0 to a little above the highest, or what there is where it is far from 0."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    if low > 0 and high > _WIDE * low:
        return powers(low, high)
    if 0 <= low < 0.5 * high:
        low = 0.0
    margin = 0.06 * (high - low) or abs(high) * 0.1 or 0.5
    low, high = low - margin if low else 0.0, high + margin
    ticks = round_numbers(low, high, 7)
    return Scale(low, high, ticks, tuple(label_ticks(ticks)))


def powers(low: float, high: float) -> Scale:
    """Powers of ten, and 2 and 5 times them where there is room."""
    room = 0.05 * (math.log10(high) - math.log10(low))
    low, high = low * 10**-room, high * 10**room
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    found = [digit * 10.0**power for power in exponents for digit in (1, 2, 5)]
    ticks = [one for one in found if low <= one <= high]
    if len(ticks) > 10:
        ticks = [10.0**power for power in exponents if low <= 10.0**power <= high]
    ticks = ticks[:: -math.ceil(len(ticks) / 10)]
    return Scale(low, high, tuple(ticks), tuple(label_ticks(ticks)), logarithmic=True)


def rate_scale(values: Sequence[float]) -> Scale:
    """From a round number below the lowest to 100 % or a little above the highest."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    high = 1.0 if high > 0.9 else min(1.0, high * 1.1) or 1.0
    low = 0.0 if low < 0.5 * high else low - 0.06 * (high - low)
    low = low if low < high else low - 0.05
    percents = round_numbers(100 * low, 100 * high, 7)
    ticks = tuple(percent / 100 for percent in percents)
    return Scale(low, high, ticks, tuple(label_ticks(percents, " %")))


def round_numbers(low: float, high: float, most: int, *, whole: bool = False) -> tuple[float, ...]:
    """Some round numbers between two, no more than so many, or one more."""
    locator = MaxNLocator(most - 1, steps=[1, 2, 5, 10], integer=whole, min_n_ticks=1)
    slack = 1e-9 * (high - low)
    found = (float(one) for one in locator.tick_values(low, high))
    return tuple(one for one in found if low - slack <= one <= high + slack)
