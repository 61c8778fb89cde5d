"""Turns boxes and frames into lines of text, and lines into the room that they take, in points."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from cnndsl.frozen import frozen
from cnndsl.plots.diagram.graph import Box, Frame
from cnndsl.plots.figure import clipped
from cnndsl.plots.figure import width_of as measured

__all__ = [
    "DOT",
    "PILE",
    "SMALL",
    "TITLE",
    "Label",
    "Line",
    "frame_title",
    "label_of",
    "remark_of",
    "title_of",
    "width_of",
    "wrapped",
]

TITLE = 9.0
SMALL = 7.5
"""The sizes of type, in points."""
_WIDEST = 150.0
"""No text is wider; longer ones go on in further lines, or are cut."""
_LINES = 3
"""No box has more lines of remarks."""

PILE = 5.0
"""How far the boxes behind one that is repeated stand out."""
DOT = " · "


@frozen
class Line:
    """A line of a box: pieces of text side by side, each in its size and emphasis."""

    name: str
    text: str
    size: float
    times: str = ""

    @property
    def pieces(self) -> tuple[tuple[float, str, bool], ...]:
        """The texts side by side: where each begins, and whether it stands out."""
        found, x = [], 0.0
        for text, emphasis in ((self.name, True), (self.text, False), (self.times, True)):
            if text:
                found.append((x, text, emphasis))
                x += width_of(text, self.size) + _GAP
        return tuple(found)

    @property
    def width(self) -> float:
        """Its width in points."""
        x, text, _ = self.pieces[-1]
        return x + width_of(text, self.size)


_GAP = 6.0
"""Between a box's name, what it is, and how often."""


@frozen
class Label:
    """What stands in a box, and how large the box is for it."""

    lines: tuple[Line, ...]
    width: float
    height: float


@lru_cache(2**14)
def width_of(text: str, size: float) -> float:
    """How wide a text is, in points."""
    return measured(text, size)


def title_of(box: Box) -> str:
    """What a box is, with its name and how often it follows itself, in one line."""
    times = f"×{box.times}" if box.times else ""
    return "  ".join(filter(None, (box.name, box.title, times)))


def remark_of(box: Box) -> tuple[str, ...]:
    """What is said below a box's title."""
    shares = (f"weights of {box.shares}",) if box.shares else ()
    before = (f"{DOT.join(box.before)} →",) if box.before else ()
    return (*before, *([DOT.join(box.after)] if box.after else ()), *shares)


def frame_title(frame: Frame) -> tuple[str, ...]:
    """The title of a frame, in pieces: ``layer1``, ``bottlenecks ×3``."""
    times = f"×{frame.times}" if frame.times else ""
    shares = f"weights of {frame.shares}" if frame.shares else ""
    return tuple(filter(None, (frame.name, " ".join(filter(None, (frame.title, times))), shares)))


@lru_cache(2**14)
def label_of(box: Box) -> Label:
    """The lines of a box and its size."""
    if box.kind in ("join", "input", "output"):
        return _pill(box)
    times = clipped(f"×{box.times}", TITLE, _WIDEST / 3) if box.times else ""
    name = clipped(box.name, TITLE, _WIDEST / 2) if box.name else ""
    room = _WIDEST - sum(width_of(one, TITLE) + _GAP for one in (name, times) if one)
    first = Line(name, clipped(box.title, TITLE, room), TITLE, times)
    before = [f"{DOT.join(box.before)} →"] if box.before else []
    above = [Line("", clipped(one, SMALL, _WIDEST), SMALL) for one in before]
    below = [Line("", one, SMALL) for one in wrapped(box.after, max(first.width, 96.0))]
    if box.shares:
        below.append(Line("", clipped(f"weights of {box.shares}", SMALL, _WIDEST), SMALL))
    lines = (*above, first, *below)
    width = max(line.width for line in lines) + 16
    height = 12.0 + 9.5 * (len(lines) - 1) + 7
    return Label(lines, max(width, 64.0), height)


def _pill(box: Box) -> Label:
    words = [box.title, *box.before, *box.after]
    times = clipped(f"×{box.times}", SMALL, _WIDEST / 3) if box.times else ""
    name = clipped(box.name, SMALL, _WIDEST / 2) if box.name else ""
    line = Line(name, clipped(DOT.join(words), SMALL, _WIDEST), SMALL, times)
    return Label((line,), line.width + 18, 17.0)


def wrapped(words: Sequence[str], room: float, size: float = SMALL, joint: str = DOT) -> list[str]:
    """Remarks in lines, broken between them; of very many in wide lines, and some left out."""
    lines = _lines(words, room, size, joint)
    if len(lines) > _LINES:
        lines = _lines(words, _WIDEST, size, joint)
    shown = [clipped(line, size, _WIDEST) for line in lines[:_LINES]]
    if len(lines) > _LINES:
        shown[-1] = clipped(f"{shown[-1]} …", size, _WIDEST)
    return shown


def _lines(words: Sequence[str], room: float, size: float, joint: str) -> list[str]:
    lines: list[str] = []
    for word in words:
        longer = f"{lines[-1]}{joint}{word}" if lines else word
        if lines and width_of(longer, size) <= room:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
