"""From columns of texts to aligned lines, by the cells that a terminal gives each character."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

from cnndsl.diagnostics.render.characters import cell

__all__ = ["Column", "cut", "padded", "table", "width"]


def width(text: str) -> int:
    """How many cells a text takes.

    >>> width("cat"), width("\u732b")
    (3, 2)
    """
    return len(text) if text.isascii() else sum(cell(character)[1] for character in text)


def padded(text: str, cells: int, *, left: bool = True) -> str:
    """A text with spaces behind it, or before it, up to a width."""
    space = " " * (cells - width(text))
    return text + space if left else space + text


def cut(text: str, cells: int) -> str:
    """A text of no more than so many cells, with an ellipsis where something is missing."""
    if width(text) <= cells:
        return text
    kept, room = "", cells - 1
    for character in text:
        room -= cell(character)[1]
        if room < 0:
            break
        kept += character
    return f"{kept}\u2026"


@dataclass(frozen=True, slots=True)
class Column:
    """A heading with what stands below it: words to the left, numbers to the right."""

    head: str
    cells: Sequence[str]
    left: bool = False
    least: int = 0

    @property
    def width(self) -> int:
        """The cells that it needs."""
        return max(self.least, *map(width, (self.head, *self.cells)))

    def at_least(self, least: int) -> Self:
        """The same, as wide as others."""
        return replace(self, least=least)


def table(columns: Sequence[Column]) -> Iterator[str]:
    """The headings and the rows below them."""
    widths = [column.width for column in columns]
    rows = zip(*((column.head, *column.cells) for column in columns), strict=True)
    for row in rows:
        cells = zip(row, widths, columns, strict=True)
        line = (padded(text, wide, left=column.left) for text, wide, column in cells)
        yield "  ".join(line).rstrip()
