"""Turns a confusion matrix into a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy
import numpy.typing
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cnndsl.plots.figure import (
    GRAY,
    INK,
    PALE,
    PIXELS,
    add_axes,
    clipped,
    in_house_style,
    is_drawable,
    new_figure,
    width_of,
    write,
)

__all__ = ["draw_confusion"]

Counts: TypeAlias = "numpy.typing.NDArray[numpy.int64]"
Shares: TypeAlias = "numpy.typing.NDArray[numpy.float64]"
Pixels: TypeAlias = "numpy.typing.NDArray[numpy.uint8]"

_SIDE, _LARGEST_CELL, _SMALLEST_NAMED = 560.0, 52.0, 14.0
"""How large a matrix is, its cells at most, and its cells at least where they are named."""
_COUNTED, _NAMED = 20, 60
"""With no more classes, cells hold their counts, and rows and columns their names."""
_NAME_ROOM, _NAME_SIZE = 130.0, 9.5
_DARK = (17, 66, 120)
_MARGIN, _NARROWEST = 24.0, 400.0


@in_house_style
def draw_confusion(matrix: Counts, classes: Sequence[str], title: str) -> Figure:
    """How often each class (a row) was taken for each (a column), shaded by its share of the row.

    ``matrix`` is of K x K; without ``classes``, their numbers are the names.
    """
    count = len(matrix)
    grid = _grid([_name(number, classes) for number in range(count)])
    width = max(grid.left + grid.side + 84, _NARROWEST)
    figure = new_figure(width, grid.top + grid.side + grid.below)
    total = int(matrix.sum())
    good = f"{100 * int(numpy.trace(matrix)) / total:.2f} % of {total:,} right" if total else ""
    write(figure, (_MARGIN, 20), clipped(title, 18, width - 2 * _MARGIN), 18, INK)
    write(figure, (_MARGIN, 52), good, 10.5, GRAY)
    shares = matrix / numpy.maximum(matrix.sum(1, keepdims=True), 1)
    if count:
        axes = _square(figure, grid)
        axes.imshow(_shaded(shares), interpolation="nearest", extent=(0, count, count, 0))
        _rule(axes, count, grid.cell)
        if count <= _COUNTED:
            _write_counts(axes, matrix, shares, grid.cell)
    _write_names(figure, grid)
    _draw_scale(figure, grid)
    return figure


# --- the layout -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Grid:
    """Where the matrix lies, in points: its corner, a cell's side, the room below it."""

    names: tuple[str, ...]
    left: float
    top: float
    cell: float
    below: float
    upright: bool
    """Whether the columns' names are too wide to stand side by side."""

    @property
    def side(self) -> float:
        """How large the whole matrix is."""
        return self.cell * len(self.names)

    def middle(self, number: int) -> float:
        """From the matrix's corner to the middle of a row or column."""
        return (number + 0.5) * self.cell

    @property
    def shown(self) -> list[tuple[int, str]]:
        """The rows and columns that have their names beside them."""
        if len(self.names) <= _NAMED:
            return list(enumerate(self.names))
        ticks = MaxNLocator(10, steps=[1, 2, 5, 10], integer=True).tick_values(0, len(self.names))
        return [(int(at), f"{at:.0f}") for at in ticks if at < len(self.names)]


def _name(number: int, classes: Sequence[str]) -> str:
    """A class's name, as far as there is room; its number where it has none that can be drawn."""
    if number < len(classes) and is_drawable(classes[number]):
        return clipped(classes[number], _NAME_SIZE, _NAME_ROOM)
    return str(number)


def _grid(names: Sequence[str]) -> _Grid:
    count = len(names)
    named = count <= _NAMED
    cell = min(_LARGEST_CELL, max(_SIDE / max(count, 1), _SMALLEST_NAMED if named else 0))
    cell = max(1, round(cell * PIXELS)) / PIXELS
    widest = max((width_of(name, _NAME_SIZE) for name in names), default=0.0)
    upright = named and widest > cell - 8
    widest = widest if named else width_of(str(count), _NAME_SIZE)
    below = (widest if upright else 12) + 52
    return _Grid(tuple(names), math.ceil(_MARGIN + 30 + widest), 92, cell, below, upright)


# --- its parts --------------------------------------------------------------------------------


def _shaded(shares: Shares) -> Pixels:
    """Colours from white to dark blue; by the root, so that rare confusions show too."""
    strength = numpy.sqrt(shares)[..., None]
    colors: Shares = 255 - strength * (255 - numpy.array(_DARK, numpy.float64))
    return colors.round().astype(numpy.uint8)


def _square(figure: Figure, grid: _Grid) -> Axes:
    """Bare axes over the whole matrix, on a square that is seen around them as a frame."""
    right, bottom = grid.left + grid.side, grid.top + grid.side
    frame = add_axes(figure, grid.left - 1, grid.top - 1, right + 1, bottom + 1)
    frame.set(xticks=[], yticks=[], facecolor=PALE)
    axes = add_axes(figure, grid.left, grid.top, right, bottom)
    for one in (frame, axes):
        one.spines[:].set_visible(False)
    axes.set(xticks=[], yticks=[])
    return axes


def _rule(axes: Axes, count: int, cell: float) -> None:
    """Draw the lines between cells, where these are large enough."""
    if cell * PIXELS >= 16:
        for at in range(1, count):
            axes.axhline(at, color=PALE, linewidth=0.5)
            axes.axvline(at, color=PALE, linewidth=0.5)


def _write_counts(axes: Axes, matrix: Counts, shares: Shares, cell: float) -> None:
    texts = [[_short(int(number)) for number in row] for row in matrix]
    widest = max(width_of(text, 10.5) for row in texts for text in row)
    size = round(min(10.5, 10.5 * (cell - 6) / widest), 1)
    for row, line in enumerate(texts):
        for column, text in enumerate(line):
            share = shares[row, column]
            color = "white" if share > 0.2 else INK if share else "#b6bfc8"
            at = (column + 0.5, row + 0.5)
            axes.text(*at, text, fontsize=size, color=color, ha="center", va="center_baseline")


def _short(number: int) -> str:
    """A count in few letters: ``999``, ``12,345``, ``1.2M``."""
    if number < 100_000:
        return f"{number:,}"
    return f"{number / 1000:,.0f}k" if number < 1_000_000 else f"{number / 1e6:,.1f}M"


def _write_names(figure: Figure, grid: _Grid) -> None:
    bottom = grid.top + grid.side
    for number, name in grid.shown:
        middle = grid.middle(number)
        write(figure, (grid.left - 8, grid.top + middle), name, _NAME_SIZE, INK, "rm")
        at = (grid.left + middle, bottom + 8)
        write(figure, at, name, _NAME_SIZE, INK, "ctu" if grid.upright else "ct")
    half = grid.side / 2
    write(figure, (grid.left + half, bottom + grid.below - 20), "taken for", 10.5, GRAY, "cm")
    write(figure, (_MARGIN + 6, grid.top + half), "class", 10.5, GRAY, "cmu")


def _draw_scale(figure: Figure, grid: _Grid) -> None:
    """What the shades mean: a bar with the shares of a row along it."""
    height = min(grid.side, 180.0)
    left = grid.left + grid.side + 20
    if not height:
        return
    axes = add_axes(figure, left, grid.top, left + 12, grid.top + height)
    axes.set_axis_off()
    # The shade is the root of the share, so the bar runs evenly through the roots.
    shades = _shaded(numpy.linspace(1, 0, 256)[:, None] ** 2)
    axes.imshow(shades, aspect="auto", interpolation="bilinear")
    for share in (0.0, 0.05, 0.25, 0.5, 1.0):
        y = grid.top + height * (1 - share**0.5)
        write(figure, (left + 18, y), f"{100 * share:.0f} %", 9, GRAY, "lm")
