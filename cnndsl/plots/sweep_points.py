"""Turns the results of a sweep into its figure: the points in order, and each axis by itself."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from cnndsl.plots.figure import (
    GRAY,
    INK,
    PALE,
    add_axes,
    clipped,
    in_house_style,
    label_ticks,
    new_figure,
    width_of,
    write,
)
from cnndsl.plots.scales import Scale, loss_scale, powers, rate_scale, round_numbers, tame

__all__ = ["SweptPoint", "draw_sweep"]


@dataclass(frozen=True, slots=True)
class SweptPoint:
    """A point: its name, its value on each axis that varies, and what its runs came to."""

    name: str
    values: Mapping[str, str]
    numbers: tuple[float, ...]


_RUN, _MEAN = "#9dbfe0", "#2f6fb0"
_WIDTH, _MARGIN, _TOP = 960.0, 24.0, 112.0
_ROW, _SIZE = 20.0, 10.0
_NAMES, _RIGHT = 380.0, 936.0
"""How wide the names may be, and where the numbers end."""
_MOST = 30
"""So many points have a row: the best."""
_PANELS, _PANEL, _GAP = 3, 190.0, 96.0
"""Panels side by side, how high they are, and the room between two rows of them."""
_EACH = 12
"""Values of an axis that have a mean of their own; more are shown by their runs alone."""
_WORDS = 8
"""So many words stand along an axis."""


@in_house_style
def draw_sweep(points: Sequence[SweptPoint], title: str, subtitle: str, measure: str) -> Figure:
    """The points, the best first, with all their runs; below, all runs over each axis.

    A pale dot is a run, a dark one a mean, the line through it the deviation over the seeds. An
    axis of numbers that span a power of ten is logarithmic. Points without numbers are left out.
    """
    known = [tamed for point in points if (tamed := _tamed(point)).numbers]
    shown = known[:_MOST]
    axes = list(shown[0].values) if shown else []
    rows = math.ceil(len(axes) / _PANELS)
    middle = _TOP + _ROW * max(1, len(shown)) + 44
    figure = new_figure(_WIDTH, middle + rows * (_PANEL + _GAP) + (0 if rows else 8))
    write(figure, (_MARGIN, 20), clipped(title, 18, _WIDTH - 2 * _MARGIN), 18, INK)
    if len(known) > len(shown):
        subtitle += f"; the best {len(shown)} of {len(known)} points"
    write(figure, (_MARGIN, 52), clipped(subtitle, 10.5, _WIDTH - 2 * _MARGIN), 10.5, GRAY)
    scale = _scale([number for point in shown for number in point.numbers], measure)
    _draw_ranks(figure, shown, scale, measure)
    every = _scale([number for point in known for number in point.numbers], measure)
    for at, axis in enumerate(axes):
        row, column = divmod(at, _PANELS)
        _draw_axis(figure, known, axis, every, (column, middle + 40 + row * (_PANEL + _GAP)))
    return figure


def _tamed(point: SweptPoint) -> SweptPoint:
    numbers = tuple(tame(number) for number in point.numbers if math.isfinite(number))
    return SweptPoint(point.name, point.values, numbers)


def _scale(numbers: Sequence[float], measure: str) -> Scale:
    return rate_scale(numbers) if measure == "accuracy" else loss_scale(numbers)


# --- the points in order ------------------------------------------------------------------------


def _draw_ranks(figure: Figure, shown: Sequence[SweptPoint], scale: Scale, measure: str) -> None:
    names = [clipped(point.name, _SIZE, _NAMES) for point in shown]
    left = _MARGIN + max((width_of(name, _SIZE) for name in names), default=0.0) + 18
    bottom = _TOP + _ROW * max(1, len(shown))
    label = f"{measure}, logarithmic" if scale.logarithmic else measure
    write(figure, (left, _TOP - 14), label, 12, INK, "lb")
    axes = add_axes(figure, left, _TOP, _RIGHT, bottom)
    if scale.logarithmic:
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
    axes.set(xlim=(scale.low, scale.high), ylim=(max(1, len(shown)) - 0.5, -0.5), yticks=[])
    axes.set_xticks(scale.ticks, scale.labels)
    axes.xaxis.grid(visible=True, color=PALE, linewidth=1)
    axes.set_axisbelow(True)
    for row, (point, name) in enumerate(zip(shown, names, strict=True)):
        write(figure, (left - 12, _TOP + (row + 0.5) * _ROW), name, _SIZE, INK, "rm")
        _draw_spread(axes, point.numbers, row, scale)


def _draw_spread(axes: Axes, numbers: Sequence[float], row: int, scale: Scale) -> None:
    """A row's runs, their mean, and the deviation around it."""
    mean = fmean(numbers)
    deviation = stdev(numbers) if len(numbers) > 1 else 0.0
    low, high = max(mean - deviation, scale.low), min(mean + deviation, scale.high)
    if deviation:
        axes.plot([low, high], [row, row], color=_MEAN, linewidth=1.6, zorder=2)
        rows = [row] * len(numbers)
        axes.plot(numbers, rows, "o", color=_RUN, markersize=5, clip_on=False, zorder=3)
    (dot,) = axes.plot(mean, row, "o", color=_MEAN, markersize=7, clip_on=False, zorder=4)
    dot.set(markeredgecolor="white", markeredgewidth=1)


# --- each axis by itself ------------------------------------------------------------------------


def _draw_axis(
    figure: Figure,
    points: Sequence[SweptPoint],
    axis: str,
    scale: Scale,
    place: tuple[int, float],
) -> None:
    """A panel with all runs over the values of an axis, and the mean of those of each value."""
    column, top = place
    room = (_WIDTH - 2 * _MARGIN) / _PANELS
    left, right = _MARGIN + column * room + 46, _MARGIN + (column + 1) * room - 14
    write(figure, (left, top - 12), clipped(axis, 12, right - left), 12, INK, "lb")
    axes = add_axes(figure, left, top, right, top + _PANEL)
    texts = list(dict.fromkeys(point.values[axis] for point in points))
    across = _across(axes, texts, right - left)
    if scale.logarithmic:
        axes.set_yscale("log")
        axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylim(scale.low, scale.high)
    axes.set_yticks(scale.ticks, scale.labels)
    axes.yaxis.grid(visible=True, color=PALE, linewidth=1)
    axes.set_axisbelow(True)
    runs = [(across[p.values[axis]], number) for p in points for number in p.numbers]
    xs, ys = zip(*runs, strict=True)
    axes.plot(xs, ys, "o", color=_RUN, markersize=4.5, clip_on=False, zorder=2)
    if len(texts) <= _EACH:
        places = sorted(set(xs))
        means = [fmean(y for x, y in runs if x == at) for at in places]
        line = {"linewidth": 1.6, "markersize": 7.0, "zorder": 3, "clip_on": False}
        (dots,) = axes.plot(places, means, "-o", color=_MEAN, **line)  # type: ignore[arg-type]
        dots.set(markeredgecolor="white", markeredgewidth=1)


def _across(axes: Axes, texts: Sequence[str], room: float) -> dict[str, float]:
    """Where each value lies, with the axis laid out for them."""
    numbers = [_number(text) for text in texts]
    known = [number for number in numbers if number is not None]
    if len(known) < len(texts):
        return _words_across(axes, texts, room)
    low, high, is_short = min(known), max(known), len(known) <= _WORDS
    if low > 0 and high >= 10 * low:
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
        scale = powers(low, high)
        axes.set_xlim(scale.low, scale.high)
        axes.set_xticks(*_few(sorted(known) if is_short else list(scale.ticks), room))
        return dict(zip(texts, known, strict=True))
    margin = 0.05 * (high - low) or abs(high) * 0.1 or 0.5
    axes.set_xlim(low - margin, high + margin)
    whole = all(number == int(number) for number in known)
    ticks = sorted(known) if is_short else list(round_numbers(low, high, 6, whole=whole))
    axes.set_xticks(*_few(ticks, room))
    return dict(zip(texts, known, strict=True))


def _few(ticks: list[float], room: float) -> tuple[list[float], list[str]]:
    """As many of the ticks as have room for their numbers."""
    labels = label_ticks(ticks)
    widest = max((width_of(label, 9.5) for label in labels), default=1.0) + 10
    step = math.ceil(len(ticks) * widest / room) or 1
    return ticks[::step], labels[::step]


def _words_across(axes: Axes, texts: Sequence[str], room: float) -> dict[str, float]:
    axes.set_xlim(-0.5, len(texts) - 0.5)
    step = math.ceil(len(texts) / _WORDS)
    shown = range(0, len(texts), step)
    each = room / len(shown) - 6
    axes.set_xticks(list(shown), [clipped(texts[at], 9.5, each) for at in shown])
    return {text: float(at) for at, text in enumerate(texts)}


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return tame(number) if math.isfinite(number) else None
