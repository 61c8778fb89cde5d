"""Turns many small pictures into one figure: a grid of tiles, each with a name above it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import matplotlib
import numpy
import numpy.typing
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cnndsl.plots.figure import GRAY, INK, add_axes, clipped, new_figure, width_of, write

__all__ = ["MOST", "Tile", "draw_tiles"]

Array: TypeAlias = "numpy.typing.NDArray[Any]"

MOST = 256
"""How many tiles a figure has at most."""

_WIDTH, _SMALLEST, _LARGEST, _HEIGHT = 640.0, 34.0, 150.0, 900.0
_CELL = 10.0
_MARGIN, _TOP, _NAME, _GAP = 24.0, 78.0, 7.0, 5.0
_LINES, _PALE = "viridis", "#c9d0d7"
_WORD, _READABLE = 10.0, 5.0
_BLACK_ABOVE = 0.46
"""The gray on which black and white letters have the same contrast, by WCAG's formula."""


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """A small picture: gray values from 0 to 1 ``[h, w]``, or colours ``[h, w, 3]``.

    As ``lines`` it is a curve for each row instead, from -1 to 1. ``words`` stand in the cells of
    gray values, row by row, where there are any and all of them have room.
    """

    name: str
    values: Array
    lines: bool = False
    words: tuple[str, ...] = ()


def draw_tiles(tiles: Sequence[Tile], title: str, facts: Sequence[str], columns: int = 0) -> Figure:
    """The tiles in rows, by default about as many as there are columns, and lines of text above."""
    columns = columns or _columns(tiles)
    rows = math.ceil(len(tiles) / columns)
    height, width = _tile_size(tiles, columns)
    step = width + _GAP, height + _GAP + _NAME + 3
    words = max(width_of(fact, 10.5) for fact in facts)
    sheet = max(columns * step[0] + 2 * _MARGIN, min(words, 520.0) + 2 * _MARGIN, 280.0)
    top = _TOP + 16 * (len(facts) - 1)
    whole = top + rows * step[1] + _MARGIN
    figure = new_figure(sheet, whole)
    room = sheet - 2 * _MARGIN
    write(figure, (_MARGIN, 18), clipped(title, 16, room), 16, INK)
    for at, fact in enumerate(facts):
        write(figure, (_MARGIN, 46 + 16 * at), clipped(fact, 10.5, room), 10.5, GRAY)
    axes = add_axes(figure, 0, 0, sheet, whole)
    axes.set_axis_off()
    for at, tile in enumerate(tiles):
        row, column = divmod(at, columns)
        left, upper = _MARGIN + column * step[0], top + row * step[1] + _NAME + 3
        name = clipped(tile.name, _NAME, width + _GAP)
        axes.text(left, upper - 3, name, fontsize=_NAME, color=GRAY, va="baseline")
        _draw(axes, tile, left, upper, width, height)
    axes.set(xlim=(0, sheet), ylim=(whole, 0))
    return figure


def _draw(axes: Axes, tile: Tile, left: float, top: float, width: float, height: float) -> None:
    right, bottom = left + width, top + height
    if not tile.lines:
        values = numpy.clip(numpy.nan_to_num(tile.values), 0, 1)
        shown = values if values.ndim == 3 else numpy.repeat(values[..., None], 3, axis=2)
        # Without interpolation, .svg and .pdf files hold the values, and not a screen's pixels.
        # Viewers may smooth over the edges of a pixel, so a large cell is many equal ones.
        times = max(1, int(_LARGEST) // max(shown.shape[:2]))
        shown = shown.repeat(times, axis=0).repeat(times, axis=1)
        axes.imshow(shown, interpolation="none", aspect="auto", extent=(left, right, bottom, top))
        frame = [left, right, right, left, left], [top, top, bottom, bottom, top]
        axes.plot(*frame, color=_PALE, linewidth=0.5)  # where white ends
        if tile.words:
            _write_in_cells(axes, tile.words, values, (left, top, width, height))
        return
    middle = (top + bottom) / 2
    # A curve that reaches the edge stays clear of its neighbour's.
    left, right = left + 4, right - 4
    rows = numpy.clip(numpy.nan_to_num(tile.values), -1, 1)
    shades = matplotlib.colormaps[_LINES](numpy.linspace(0, 0.85, max(len(rows), 2)))
    axes.plot([left, right], [middle, middle], color=_PALE, linewidth=0.5)
    for row, shade in zip(rows, shades, strict=False):
        across = numpy.linspace(left, right, len(row)) if len(row) > 1 else [(left + right) / 2]
        axes.plot(across, middle - row * height / 2, color=shade, linewidth=0.9, marker=".", ms=2.5)


def _write_in_cells(
    axes: Axes, words: Sequence[str], values: Array, place: tuple[float, float, float, float]
) -> None:
    """A word in each cell, dark on light cells; none where the widest has no room."""
    left, top, width, height = place
    down, across = values.shape
    wide, high = width / across, height / down
    size = min(_WORD, high * 0.6)
    widest = max(width_of(word, _WORD) for word in words) / _WORD
    size = min(size, 0.85 * wide / widest)
    if size < _READABLE:
        return
    for at, (word, value) in enumerate(zip(words, values.flat, strict=True)):
        row, column = divmod(at, across)
        middle = left + (column + 0.5) * wide, top + (row + 0.5) * high
        color = "black" if value > _BLACK_ABOVE else "white"
        axes.text(*middle, word, fontsize=size, color=color, ha="center", va="center_baseline")


def _columns(tiles: Sequence[Tile]) -> int:
    """As many columns as make the whole about square."""
    height, width = tiles[0].values.shape[:2]
    height, width = (1, 1) if tiles[0].lines else (height, width)
    ratio = min(max(height / width, 0.1), 10)
    return max(1, min(len(tiles), round(math.sqrt(len(tiles) * ratio))))


def _tile_size(tiles: Sequence[Tile], columns: int) -> tuple[float, float]:
    """The height and width of each tile, in points, in the proportions of the values."""
    height, width = tiles[0].values.shape[:2]
    ratio = 1.0 if tiles[0].lines else min(max(height / width, 0.05), 8)
    rows = math.ceil(len(tiles) / columns)
    # A picture alone, as the rows of a signal are one, may take the whole width.
    largest = _LARGEST if len(tiles) > 1 else max(_LARGEST, _CELL * max(height, width))
    across = min(_WIDTH / columns, _HEIGHT / rows / ratio, largest)
    across = max(across, _SMALLEST)
    return max(across * ratio, 6.0), across
