"""Turns a confusion matrix into a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy
import numpy.typing
from PIL import Image

from cnndsl.plots.drawing import (
    GRAY,
    INK,
    PALE,
    PIXELS,
    Canvas,
    clipped,
    is_drawable,
    ticks,
    width_of,
)

__all__ = ["draw_confusion"]

Counts: TypeAlias = "numpy.typing.NDArray[numpy.int64]"
Shares: TypeAlias = "numpy.typing.NDArray[numpy.float64]"
Pixels: TypeAlias = "numpy.typing.NDArray[numpy.uint8]"

_SIDE, _LARGEST_CELL, _SMALLEST_NAMED = 560.0, 52.0, 14.0
"""How large a matrix is, its cells at most, and its cells at least where they are named."""
_COUNTED, _NAMED = 20, 60
"""With no more classes, cells hold their counts, and rows and columns their names."""
_NAME_ROOM = 130.0
_DARK = (17, 66, 120)
_MARGIN, _NARROWEST = 24.0, 400.0


def draw_confusion(matrix: Counts, classes: Sequence[str], title: str) -> Image.Image:
    """How often each class (a row) was taken for each (a column), shaded by its share of the row.

    ``matrix`` is of K x K; without ``classes``, their numbers are the names.
    """
    count = len(matrix)
    grid = _grid([_name(number, classes) for number in range(count)])
    width = max(grid.left + grid.side + 84, _NARROWEST)
    canvas = Canvas(width, grid.top + grid.side + grid.below)
    total = int(matrix.sum())
    good = f"{100 * int(numpy.trace(matrix)) / total:.2f} % of {total:,} right" if total else ""
    canvas.words((_MARGIN, 20), clipped(title, 19, width - 2 * _MARGIN), 19, INK)
    canvas.words((_MARGIN, 49), good, 12, GRAY)
    shares = matrix / numpy.maximum(matrix.sum(1, keepdims=True), 1)
    right, bottom = grid.left + grid.side, grid.top + grid.side
    canvas.box((grid.left - 1, grid.top - 1), (right + 1, bottom + 1), PALE)
    canvas.picture((grid.left, grid.top), _heat_map(shares, grid))
    if count <= _COUNTED:
        _write_counts(canvas, matrix, shares, grid)
    _write_names(canvas, grid)
    _draw_scale(canvas, grid)
    return canvas.finished()


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
        return [(int(at), f"{at:.0f}") for at in ticks(0, len(self.names) - 1, 11, least_step=1)]


def _name(number: int, classes: Sequence[str]) -> str:
    """A class's name, as far as there is room; its number where it has none that can be drawn."""
    if number < len(classes) and is_drawable(classes[number]):
        return clipped(classes[number], 11, _NAME_ROOM)
    return str(number)


def _grid(names: Sequence[str]) -> _Grid:
    count = len(names)
    named = count <= _NAMED
    cell = min(_LARGEST_CELL, max(_SIDE / max(count, 1), _SMALLEST_NAMED if named else 0))
    cell = max(1, round(cell * PIXELS)) / PIXELS
    widest = max((width_of(name, 11) for name in names), default=0.0)
    upright = named and widest > cell - 8
    widest = widest if named else width_of(str(count), 11)
    below = (widest if upright else 12) + 52
    return _Grid(tuple(names), _MARGIN + 30 + widest, 92, cell, below, upright)


# --- its parts --------------------------------------------------------------------------------


def _shaded(shares: Shares) -> Pixels:
    """Colours from white to dark blue; by the root, so that rare confusions show too."""
    strength = numpy.sqrt(shares)[..., None]
    colors: Shares = 255 - strength * (255 - numpy.array(_DARK, numpy.float64))
    return colors.round().astype(numpy.uint8)


def _heat_map(shares: Shares, grid: _Grid) -> Image.Image:
    cell = round(grid.cell * PIXELS)
    pixels = _shaded(shares).repeat(cell, 0).repeat(cell, 1)
    rule = tuple(bytes.fromhex(PALE[1:]))
    if cell >= 16:
        pixels[::cell] = rule
        pixels[:, ::cell] = rule
    return Image.fromarray(pixels)


def _write_counts(canvas: Canvas, matrix: Counts, shares: Shares, grid: _Grid) -> None:
    texts = [[_short(int(number)) for number in row] for row in matrix]
    widest = max((width_of(text, 12) for row in texts for text in row), default=1.0)
    size = round(min(12.0, 12 * (grid.cell - 6) / widest), 1)
    for row, line in enumerate(texts):
        for column, text in enumerate(line):
            share = shares[row, column]
            color = "white" if share > 0.2 else INK if share else "#b6bfc8"
            at = (grid.left + grid.middle(column), grid.top + grid.middle(row))
            canvas.words(at, text, size, color, "mm")


def _short(number: int) -> str:
    """A count in few letters: ``999``, ``12,345``, ``1.2M``."""
    if number < 100_000:
        return f"{number:,}"
    return f"{number / 1000:,.0f}k" if number < 1_000_000 else f"{number / 1e6:,.1f}M"


def _write_names(canvas: Canvas, grid: _Grid) -> None:
    bottom = grid.top + grid.side
    for number, name in grid.shown:
        middle = grid.middle(number)
        canvas.words((grid.left - 8, grid.top + middle), name, 11, INK, "rm")
        at = (grid.left + middle, bottom + 8)
        canvas.words(at, name, 11, INK, "rm" if grid.upright else "ma", upright=grid.upright)
    half = grid.side / 2
    canvas.words((grid.left + half, bottom + grid.below - 20), "taken for", 12, GRAY, "mm")
    canvas.words((_MARGIN + 6, grid.top + half), "class", 12, GRAY, "mm", upright=True)


def _draw_scale(canvas: Canvas, grid: _Grid) -> None:
    """What the shades mean: a bar with the shares of a row along it."""
    height = min(grid.side, 180.0)
    left, steps = grid.left + grid.side + 20, round(height * PIXELS)
    # The shade is the root of the share, so the bar runs evenly through the roots.
    shades = _shaded(numpy.linspace(1, 0, steps)[:, None] ** 2)
    canvas.picture((left, grid.top), Image.fromarray(shades.repeat(12 * PIXELS, 1)))
    for share in (0.0, 0.05, 0.25, 0.5, 1.0):
        y = grid.top + height * (1 - share**0.5)
        canvas.words((left + 18, y), f"{100 * share:.0f} %", 10, GRAY, "lm")
