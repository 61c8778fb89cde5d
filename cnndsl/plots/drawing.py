"""Turns lines, dots and words into a picture: what charts are drawn with, on Pillow alone.

Lengths are in points; a picture has two pixels for each. Pillow draws lines without smoothing, so
they are drawn larger and shrunk; words, which it does smooth, come last and at full sharpness.
"""

from __future__ import annotations

import io
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

from PIL import Image, ImageDraw, ImageFont

from cnndsl.graph.files import write_atomically

__all__ = [
    "GRAY",
    "INK",
    "PALE",
    "PIXELS",
    "Canvas",
    "clipped",
    "is_drawable",
    "number_text",
    "save_picture",
    "ticks",
    "width_of",
]

INK = "#1f2933"
"""The colour of titles and names."""
GRAY = "#66727f"
"""The colour of what explains."""
PALE = "#e4e8ec"
"""The colour of rules."""

PIXELS = 2
"""Pixels of a point."""

_FINER = 3
"""How much larger lines are drawn before they are shrunk."""

Point: TypeAlias = tuple[float, float]
Font: TypeAlias = "ImageFont.FreeTypeFont | ImageFont.ImageFont"


@dataclass(frozen=True, slots=True)
class _Words:
    """A text, and the point that its ``anchor`` (Pillow's letters) lies at."""

    at: Point
    text: str
    size: float
    color: str
    anchor: str
    upright: bool


class Canvas:
    """A white sheet of a size in points."""

    def __init__(self, width: float, height: float) -> None:
        self.size = (math.ceil(width * PIXELS), math.ceil(height * PIXELS))
        large = tuple(side * _FINER for side in self.size)
        self._sheet = Image.new("RGB", (large[0], large[1]), "white")
        self._draw = ImageDraw.Draw(self._sheet)
        self._pictures: list[tuple[Point, Image.Image]] = []
        self._words: list[_Words] = []

    def line(self, points: Sequence[Point], color: str, width: float) -> None:
        """A line through points, with round corners and ends."""
        self._draw.line(_scaled(points), color, round(width * _UNIT), joint="curve")
        for end in (points[0], points[-1]):
            self.dot(end, (width - 1 / _UNIT) / 2, color)

    def dashes(self, start: Point, end: Point, color: str, width: float) -> None:
        """A dashed line from one point to another."""
        length = math.dist(start, end)
        for at in range(0, int(length), 7):
            shares = (at / length, min(at + 4, length) / length)
            piece = [
                (start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share)
                for share in shares
            ]
            self._draw.line(_scaled(piece), color, round(width * _UNIT))

    def dot(self, middle: Point, radius: float, color: str) -> None:
        """A filled circle."""
        x, y = middle
        corners = [(x - radius, y - radius), (x + radius, y + radius)]
        self._draw.ellipse(_scaled(corners), color)

    def box(self, start: Point, end: Point, color: str) -> None:
        """A filled rectangle between two corners."""
        (left, top), (right, bottom) = _scaled([start, end])
        self._draw.rectangle((left, top, right - 1, bottom - 1), color)

    def picture(self, at: Point, picture: Image.Image) -> None:
        """A picture, pixel by pixel, whose top left corner lies at a point."""
        self._pictures.append((at, picture))

    def words(
        self,
        at: Point,
        text: str,
        size: float,
        color: str,
        anchor: str = "la",
        *,
        upright: bool = False,
    ) -> None:
        """A line of text at a point; ``upright`` text reads from the bottom to the top."""
        self._words.append(_Words(at, text, size, color, anchor, upright))

    def finished(self) -> Image.Image:
        """The picture."""
        sheet = self._sheet.reduce(_FINER)
        for (x, y), picture in self._pictures:
            sheet.paste(picture, (round(x * PIXELS), round(y * PIXELS)))
        draw = ImageDraw.Draw(sheet)
        for words in self._words:
            at = (words.at[0] * PIXELS, words.at[1] * PIXELS)
            if words.upright:
                _write_upright(sheet, at, words)
            else:
                draw.text(at, words.text, words.color, _font(words.size), words.anchor)
        return sheet


_UNIT = PIXELS * _FINER


def _scaled(points: Sequence[Point]) -> list[Point]:
    return [(round(x * _UNIT), round(y * _UNIT)) for x, y in points]


def _write_upright(sheet: Image.Image, at: Point, words: _Words) -> None:
    """A text turned left; its anchor counts before the turn."""
    font = _font(words.size)
    left, top, right, bottom = font.getbbox(words.text, anchor=words.anchor)
    mask = Image.new("L", (math.ceil(right - left) + 2, math.ceil(bottom - top) + 2))
    ImageDraw.Draw(mask).text((1 - left, 1 - top), words.text, 255, font, words.anchor)
    mask = mask.transpose(Image.Transpose.ROTATE_90)
    corner = (round(at[0] + top - 1), round(at[1] - right - 1))
    sheet.paste(Image.new("RGB", mask.size, words.color), corner, mask)


# --- words ------------------------------------------------------------------------------------


@cache
def _font(size: float) -> Font:
    """The font that Pillow brings along."""
    return ImageFont.load_default(size * PIXELS)


def width_of(text: str, size: float) -> float:
    """How wide a text is, in points."""
    return _font(size).getlength(text) / PIXELS


def is_drawable(text: str) -> bool:
    """Whether the font has all letters of a text, and there are any.

    >>> is_drawable("cat"), is_drawable("猫"), is_drawable(" ")
    (True, False, False)
    """
    letters = set("".join(text.split()))
    return bool(letters) and not any(_glyph(letter) == _glyph("\uffff") for letter in letters)


def _glyph(letter: str) -> bytes:
    return bytes(_font(12).getmask(letter))


def clipped(text: str, size: float, room: float) -> str:
    """A text on one line, its end left out where it is wider than the room."""
    text = " ".join(text.split())
    if width_of(text, size) <= room:
        return text
    # No letter is narrower than a twentieth of its height, so this bounds the search.
    text = text[: int(room / size * 20) + 1]
    while text and width_of(f"{text}…", size) > room:
        text = text[:-1]
    return f"{text.rstrip()}…"


# --- scales -----------------------------------------------------------------------------------


def ticks(low: float, high: float, most: int, least_step: float = 0.0) -> list[float]:
    """Round numbers from ``low`` to ``high``: at most so many, by steps of 1, 2 or 5 times 10^n.

    >>> ticks(0, 1, 6), ticks(1, 30, 8, 1)
    ([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [5.0, 10.0, 15.0, 20.0, 25.0, 30.0])
    """
    step = _step(low, high, most, least_step)
    slack = 1e-9 * step
    first, last = math.ceil((low - slack) / step), math.floor((high + slack) / step)
    digits = max(0, 1 - math.floor(math.log10(step)))
    return [round(at * step, digits) for at in range(first, last + 1)]


def _step(low: float, high: float, most: int, least: float) -> float:
    """The smallest round step with which there are not too many ticks."""
    wanted = max((high - low) / max(1, most - 1), least, 1e-300)
    power = 10.0 ** math.floor(math.log10(wanted))
    return next(n * power for n in (1, 2, 5, 10, 20) if n * power >= wanted * (1 - 1e-9))


def number_text(value: float, step: float) -> str:
    """A number on a scale of such steps: ``0.25``, ``1,500``, ``2e+09``.

    >>> number_text(0.5, 0.25), number_text(1500, 500), number_text(3e7, 1e7)
    ('0.50', '1,500', '3e+07')
    """
    if value == 0:
        return "0"
    if abs(value) >= 1e6 or step < 1e-5:
        return f"{value:.6g}" if abs(value) < 1e6 else f"{value:.3g}"
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    if digits and abs(step * 10**digits - round(step * 10**digits)) > 1e-6:
        digits += 1
    return f"{value:,.{digits}f}"


# --- files ------------------------------------------------------------------------------------


def save_picture(path: str | os.PathLike[str], image: Image.Image) -> None:
    """Write a picture as PNG, whole or not at all; equal pictures give equal bytes.

    Raises:
        UserError: CNN603 where it cannot be written.
    """
    file = io.BytesIO()
    image.save(file, "PNG")
    write_atomically(path, file.getvalue())
