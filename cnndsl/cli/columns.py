"""From columns of texts to aligned lines, by the cells that a terminal gives each character."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

from cnndsl.diagnostics.render.characters import cell

__all__ = ["WIDTH", "Column", "cut", "folded", "padded", "scoped", "short", "table", "width"]

WIDTH = 80
"""Columns that tables of layers keep to, wherever they are written to."""

_BEFORE_A_NAME = re.compile(r" (?=[A-Za-z])(?!(?:yes|no)\b)")
"""Where a layer's text may be divided: not before a number or a list, which are values."""

_NAME = 24
"""Wider names stand in a line of their own."""

_EXACT = 100_000
"""Smaller numbers are never shortened."""


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


def folded(text: str, cells: int) -> list[str]:
    """A layer's text in lines of no more than so many cells, a name and its value together.

    >>> folded("conv 64@7 stride 2 padding 3 bias no", 20)
    ['conv 64@7 stride 2', 'padding 3 bias no']
    >>> folded("conv 64@7 stride 2 padding 3 bias no", 16)
    ['conv 64@7', 'stride 2', 'padding 3', 'bias no']
    >>> folded("conv 3@5 table [[0, 1], [1, 2], [0, 2]]", 20)
    ['conv 3@5', 'table [[0, 1], [1,', '2], [0, 2]]']
    """
    lines = [""]
    for word in _BEFORE_A_NAME.split(text):
        rest = word
        if lines[-1] and width(lines[-1]) + 1 + width(word) <= cells:
            lines[-1] += f" {word}"
            continue
        if lines[-1]:
            lines.append("")
        while width(rest) > cells:
            part = cut(rest, cells + 1)[:-1] or rest[:1]
            items = part.rpartition(" ")[0]  # of a list that is too wide, whole ones
            part = f"{items} " if items else part
            lines[-1] = part.rstrip()
            lines.append("")
            rest = rest[len(part) :]
        lines[-1] = rest
    return lines


def scoped(name: str, before: str) -> tuple[list[str], str, str]:
    """The lines above a layer's own, its name there, and its scope: what lies in one is indented.

    ``before`` is the scope of the layer above. A name that is too wide has a line of its own.

    >>> scoped("layer1.conv1", "")
    (['layer1'], '  conv1', 'layer1')
    """
    scope, _, own = name.rpartition(".")
    lines = [scope] if scope and scope != before else []
    own = f"  {own}" if scope else own
    if width(own) > _NAME:
        return [*lines, own], "", scope
    return lines, own, scope


def short(number: int) -> str:
    """A large number in four digits.

    >>> short(9_408), short(2_359_296), short(999_999)
    ('9,408', '2.359M', '1.000M')
    """
    if number < _EXACT:
        return f"{number:,}"
    value = float(f"{number:.3e}")
    unit = next((one for one in "kMGT" if value / 1000 ** ("kMGT".index(one) + 1) < 1000), "T")
    value /= 1000 ** ("kMGT".index(unit) + 1)
    whole = len(f"{value:.0f}")
    return f"{value:,.{max(4 - whole, 0)}f}{unit}"


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
