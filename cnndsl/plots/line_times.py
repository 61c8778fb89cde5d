"""Turns the measured times of a spec's lines into a figure: a bar for each line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cnndsl.plots.figure import (
    GRAY,
    INK,
    PALE,
    add_axes,
    clipped,
    in_house_style,
    new_figure,
    width_of,
    write,
)

__all__ = ["Bar", "TimesLike", "draw_bars"]


class TimesLike(Protocol):
    """Seconds of each part of a run."""

    @property
    def forward(self) -> float:
        """Of the answer."""
        ...

    @property
    def backward(self) -> float:
        """Of the gradients."""
        ...

    @property
    def update(self) -> float:
        """Of the optimizer."""
        ...

    @property
    def seconds(self) -> float:
        """Of all."""
        ...


@dataclass(frozen=True, slots=True)
class Bar:
    """What has a bar: its place in the spec, its text, and its times."""

    place: str
    text: str
    times: TimesLike


_PARTS = (("forward", "#2f6fb0"), ("backward", "#d9622b"), ("update", "#5f9e6e"))
_WIDTH, _MARGIN, _TOP = 960.0, 24.0, 96.0
_ROW, _THICK = 20.0, 0.68
_SIZE, _NUMBER_SIZE = 10.0, 9.5
_PLACE, _TEXT, _NUMBERS = 150.0, 340.0, 110.0
"""How wide the columns are, in points."""
_MOST = 60
"""So many lines have a bar: those that take longest."""


@in_house_style
def draw_bars(title: str, subtitle: str, bars: Sequence[Bar]) -> Figure:
    """A bar for each line, its parts in colours where there are several.

    Of more than 60 lines those are shown that take longest, still in their order.
    """
    shown = _longest(bars)
    height = _TOP + _ROW * max(1, len(shown)) + 28
    figure = new_figure(_WIDTH, height)
    write(figure, (_MARGIN, 20), clipped(title, 18, _WIDTH - 2 * _MARGIN), 18, INK)
    left_out = len(bars) - len(shown)
    if left_out:
        subtitle += f"; the {len(shown)} slowest of {len(bars)} lines"
    write(figure, (_MARGIN, 52), clipped(subtitle, 10.5, _WIDTH - 2 * _MARGIN), 10.5, GRAY)
    total = sum(bar.times.seconds for bar in bars) or 1.0
    texts = [clipped(bar.text, _SIZE, _TEXT) for bar in shown]
    places = [clipped(place, _SIZE, _PLACE) for place in _places(shown)]
    middle = _MARGIN + max((width_of(place, _SIZE) for place in places), default=0.0) + 12
    left = middle + max((width_of(text, _SIZE) for text in texts), default=0.0) + 16
    right = _WIDTH - _MARGIN - _NUMBERS
    axes = add_axes(figure, left, _TOP, right, _TOP + _ROW * max(1, len(shown)))
    _draw(axes, shown)
    for row, (bar, place, text) in enumerate(zip(shown, places, texts, strict=True)):
        y = _TOP + (row + 0.5) * _ROW
        write(figure, (middle - 12, y), place, _SIZE, GRAY, "rm")
        write(figure, (middle, y), text, _SIZE, INK, "lm")
        ms, share = f"{1e3 * bar.times.seconds:,.3g} ms", f"{bar.times.seconds / total:.0%}"
        write(figure, (_WIDTH - _MARGIN - 34, y), ms, _NUMBER_SIZE, GRAY, "rm")
        write(figure, (_WIDTH - _MARGIN, y), share, _NUMBER_SIZE, GRAY, "rm")
    _name_parts(figure, shown, left)
    return figure


def _longest(bars: Sequence[Bar]) -> list[Bar]:
    order = sorted(range(len(bars)), key=lambda at: -bars[at].times.seconds)
    return [bars[at] for at in sorted(order[:_MOST])]


def _places(bars: Iterable[Bar]) -> Iterator[str]:
    """Where each stands: a line's number alone below another one of its file."""
    before = ""
    for bar in bars:
        file, colon, line = bar.place.rpartition(":")
        yield line if colon and file == before else bar.place
        before = file


def _draw(axes: Axes, bars: Sequence[Bar]) -> None:
    longest = max((bar.times.seconds for bar in bars), default=0.0) or 1.0
    axes.set(xlim=(0, longest), ylim=(max(1, len(bars)) - 0.5, -0.5), xticks=[], yticks=[])
    axes.axvline(0, color=PALE, linewidth=2)
    starts = [0.0] * len(bars)
    for name, color in _PARTS:
        lengths = [float(getattr(bar.times, name)) for bar in bars]
        axes.barh(range(len(bars)), lengths, _THICK, starts, color=color, linewidth=0)
        starts = [start + length for start, length in zip(starts, lengths, strict=True)]
    axes.spines[:].set_visible(False)


def _name_parts(figure: Figure, bars: Iterable[Bar], left: float) -> None:
    """The names of the parts behind their colours, where there are several."""
    found = [part for part in _PARTS if any(getattr(bar.times, part[0]) for bar in bars)]
    if len(found) < 2:
        return
    for name, color in found:
        swatch = add_axes(figure, left, _TOP - 21, left + 9, _TOP - 12)
        swatch.set(xticks=[], yticks=[], facecolor=color)
        swatch.spines[:].set_visible(False)
        write(figure, (left + 13, _TOP - 12), name, _SIZE, INK, "lb")
        left += width_of(name, _SIZE) + 30
