"""What all figures share: colours, type, the room of words, and how a figure becomes a file.

Lengths are in points of 1/72 inch; a PNG has two pixels for each. Matplotlib is loaded where a
figure is drawn, and nowhere else.
"""

from __future__ import annotations

import io
import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, wraps
from pathlib import Path
from typing import ParamSpec

import matplotlib
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font

from cnndsl.diagnostics.model import UserError
from cnndsl.graph.files import write_atomically

__all__ = [
    "FORMATS",
    "GRAY",
    "INK",
    "PALE",
    "PIXELS",
    "add_axes",
    "clipped",
    "encoded",
    "format_of",
    "in_house_style",
    "is_drawable",
    "label_ticks",
    "new_figure",
    "save_figure",
    "width_of",
    "write",
]

INK = "#1f2933"
"""The colour of titles and names."""
GRAY = "#66727f"
"""The colour of what explains."""
PALE = "#e4e8ec"
"""The colour of rules."""

POINTS = 72
PIXELS = 2
"""Pixels of a point."""

FORMATS = ("png", "svg", "pdf")
"""What a figure's file may be, by its ending."""

_FONT = "DejaVu Sans"
"""It comes with Matplotlib, so that figures look alike everywhere."""
_UNKNOWN = "\N{WHITE SQUARE}"

P = ParamSpec("P")


@contextmanager
def _house_style() -> Iterator[None]:
    """Matplotlib's defaults and ours on top, whatever its user has set up; undone at the end."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(
            {
                "font.family": _FONT,
                "text.parse_math": False,
                "text.color": INK,
                "axes.edgecolor": GRAY,
                "axes.linewidth": 0.8,
                "axes.spines.left": False,
                "axes.spines.right": False,
                "axes.spines.top": False,
                "xtick.color": GRAY,
                "ytick.color": GRAY,
                "xtick.labelsize": 9.5,
                "ytick.labelsize": 9.5,
                "ytick.major.size": 0,
                "ytick.major.pad": 8,
                "image.composite_image": False,
                "svg.hashsalt": "cnndsl",
                "pdf.fonttype": 42,
            }
        )
        yield


def in_house_style(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """A function that draws a figure, which draws it in the style of all."""

    @wraps(draw)
    def styled(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with _house_style():
            return draw(*args, **kwargs)

    return styled


def new_figure(width: float, height: float) -> Figure:
    """A white sheet of a size in points, rounded up to whole pixels."""
    whole = (math.ceil(side * PIXELS) / PIXELS / POINTS for side in (width, height))
    return _Sheet(figsize=(next(whole), next(whole)), dpi=POINTS * PIXELS)


class _Sheet(Figure):
    """A figure that a notebook shows by itself, with or without pyplot."""

    def _repr_png_(self) -> tuple[bytes, dict[str, float]]:
        """The picture and the size to show it in: a pixel for each point, as in other files."""
        width, height = _size(self)
        return encoded(self, "png"), {"width": width, "height": height}


def _size(figure: Figure) -> tuple[float, float]:
    width, height = figure.get_size_inches()
    return POINTS * float(width), POINTS * float(height)


def add_axes(figure: Figure, left: float, top: float, right: float, bottom: float) -> Axes:
    """Axes that fill a rectangle, in points from the sheet's top left corner."""
    width, height = _size(figure)
    place = left / width, 1 - bottom / height, (right - left) / width, (bottom - top) / height
    return figure.add_axes(place)


def write(
    figure: Figure, at: tuple[float, float], words: str, size: float, color: str, how: str = "lt"
) -> None:
    """Write a line of text at a point from the sheet's top left corner.

    ``how`` says what of the text lies there: ``l``, ``c`` or ``r`` across, ``t``, ``m`` or ``b``
    (its base line) down, and ``u`` behind these for a text that reads upwards.
    """
    width, height = _size(figure)
    figure.text(
        at[0] / width,
        1 - at[1] / height,
        words,
        fontsize=size,
        color=color,
        ha={"l": "left", "c": "center", "r": "right"}[how[0]],
        va={"t": "top", "m": "center_baseline", "b": "baseline"}[how[1]],
        rotation=90 if how.endswith("u") else 0,
    )


# --- words ------------------------------------------------------------------------------------


@cache
def _font() -> FT2Font:
    return font_manager.get_font(font_manager.findfont(_FONT))


def width_of(text: str, size: float) -> float:
    """How wide a text is, in points."""
    font = _font()
    font.set_size(size, POINTS)
    font.set_text(text)
    return float(font.get_width_height()[0]) / 64


def _has(letter: str) -> bool:
    return bool(_font().get_char_index(ord(letter)))


def is_drawable(text: str) -> bool:
    """Whether the font has all letters of a text, and there are any.

    >>> is_drawable("cat"), is_drawable("猫"), is_drawable(" ")
    (True, False, False)
    """
    letters = "".join(text.split())
    return bool(letters) and all(map(_has, letters))


def clipped(text: str, size: float, room: float) -> str:
    """A text on one line, its end left out where it is wider than the room.

    What the font does not have becomes a square.
    """
    # No letter is narrower than a twentieth of its height, so this bounds the search.
    text = " ".join(text.split())
    shown = text[: int(room / size * 20) + 1]
    shown = "".join(letter if _has(letter) else _UNKNOWN for letter in shown)
    if len(shown) == len(text) and width_of(shown, size) <= room:
        return shown
    while shown and width_of(f"{shown}…", size) > room:
        shown = shown[:-1]
    return f"{shown.rstrip()}…"


def label_ticks(ticks: Sequence[float], unit: str = "") -> list[str]:
    """The numbers of a scale, with as few digits as tell them apart.

    >>> label_ticks([0, 0.5, 1]), label_ticks([90, 95, 100], " %"), label_ticks([1, 1.0000001])
    (['0', '0.5', '1'], ['90 %', '95 %', '100 %'], ['1', '1.0000001'])
    """
    labels: list[str] = []
    for digits in range(6, 18):
        labels = [f"{tick:,.{digits}g}{unit}" for tick in ticks]
        if len(set(labels)) == len(labels):
            break
    return labels


# --- files ------------------------------------------------------------------------------------


def format_of(path: str | os.PathLike[str]) -> str:
    """The format of a figure's file, by its ending: one of :data:`FORMATS`.

    Raises:
        UserError: CNN609 for another ending.
    """
    ending = Path(path).suffix.lower().removeprefix(".")
    if ending in FORMATS:
        return ending
    raise UserError(
        "CNN609",
        f"`{os.fspath(path)}` says no format of a figure by its ending",
        help="let it end in `.png`, `.svg` or `.pdf`",
    )


def save_figure(path: str | os.PathLike[str], figure: Figure) -> None:
    """Write a figure as its file's ending says, whole or not at all; equal ones give equal bytes.

    Raises:
        UserError: CNN609 for an ending that is none of :data:`FORMATS`, CNN603 where the file
            cannot be written.
    """
    write_atomically(path, encoded(figure, format_of(path)))


def encoded(figure: Figure, ending: str, title: str = "") -> bytes:
    """The bytes of a figure's file in one of :data:`FORMATS`; equal figures give equal ones.

    A PDF has the ``title`` among its metadata.
    """
    # No dates and no versions: they would make every file another.
    unsaid = {
        "png": ["Software"],
        "svg": ["Date", "Creator"],
        "pdf": ["Creator", "CreationDate", "Producer"],
    }
    said = {"Title": title} if title and ending == "pdf" else {}
    file = io.BytesIO()
    with _house_style():
        figure.savefig(file, format=ending, metadata=dict.fromkeys(unsaid[ending]) | said)
    return file.getvalue()
