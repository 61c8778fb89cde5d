"""From places in a source to the lines of an excerpt that underlines and labels them.

::

     4 | conv 96@11x11 stride 4
       |               ^^^^^^^^ the label

Everything that is measured is measured in cells of the terminal, not in characters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Literal, TypeAlias

from cnndsl.diagnostics.render.characters import cell, visible
from cnndsl.diagnostics.source import Source, Span
from cnndsl.frozen import frozen

__all__ = ["Mark", "Paint", "Style", "excerpt", "marks"]

Style: TypeAlias = Literal["error", "warning", "other", "strong", "plain"]
Paint: TypeAlias = Callable[[str, Style], str]

_WIDTH = 100
"""The most cells of a source line that are shown; longer lines are cut around the mark."""
_MOST = 4 * _WIDTH
"""The most characters that are looked at in each direction."""


@frozen
class Mark:
    """A stretch to underline within one line; columns count characters from 0."""

    line: int
    start: int
    end: int
    label: str
    primary: bool
    style: Style


def marks(span: Span, label: str, primary: bool, style: Style) -> tuple[Mark, ...]:
    """A span as marks: one, or one on its first and one on its last line."""
    source = span.source
    first = source.position(span.start)
    last = source.position(span.end)
    if last.line > first.line:
        last = source.position(max(span.start, span.start + len(span.text.rstrip())))
    if last.line == first.line:
        return (Mark(first.line, first.column - 1, last.column - 1, label, primary, style),)
    head, tail = source.line(first.line), source.line(last.line)
    # The comment on a first line is not what is meant.
    head_end = max(first.column, len(head.partition(" #")[0].rstrip()))
    indent = min(len(tail) - len(tail.lstrip()), last.column - 2)
    return (
        Mark(first.line, first.column - 1, head_end, "", primary, style),
        Mark(last.line, indent, last.column - 1, label, primary, style),
    )


def excerpt(source: Source, places: Iterable[Mark], gutter: int, paint: Paint) -> Iterator[str]:
    """The lines of one source that carry marks, with the marks beneath; ``...`` for gaps."""
    lines: dict[int, list[Mark]] = {}
    for mark in places:
        lines.setdefault(mark.line, []).append(mark)
    numbers = sorted(lines)
    for number, following in pairwise([*numbers, numbers[-1]]):
        yield from _marked_line(source, number, lines[number], gutter, paint)
        if following - number == 2:
            yield from _marked_line(source, number + 1, [], gutter, paint)
        elif following - number > 2:
            yield paint("...", "other")


def _marked_line(
    source: Source, number: int, places: Sequence[Mark], gutter: int, paint: Paint
) -> Iterator[str]:
    line = source.line(number)
    view = _View.of(line, places)
    yield f"{paint(f'{number:>{gutter}} |', 'other')} {view.text}".rstrip()
    bar = paint(f"{'':>{gutter}} |", "other")
    for row in _rows([_Drawn.of(mark, view) for mark in places], paint):
        yield f"{bar} {row}"


# --- the part of a line that is shown -----------------------------------------------------------


@frozen
class _View:
    """The characters ``start:end`` of a line as shown; ``offsets`` are the cells they begin at."""

    start: int
    end: int
    text: str
    offsets: tuple[int, ...]

    @classmethod
    def of(cls, line: str, places: Sequence[Mark]) -> _View:
        anchor = max(places, key=lambda mark: mark.primary, default=None)
        start, end = _window(line, anchor.start if anchor else 0, anchor.end if anchor else 0)
        cells = [cell(character) for character in line[start:end]]
        left = "…" if start > 0 else ""
        right = "…" if end < len(line) else ""
        offsets = [len(left)]
        for _, width in cells:
            offsets.append(offsets[-1] + width)
        text = left + "".join(shown for shown, _ in cells) + right
        return cls(start, end, text, tuple(offsets))

    def cell(self, column: int) -> int:
        """The cell at which a character begins; what is cut off lies at the edge."""
        if column < self.start:
            return 0
        return self.offsets[min(column, self.end) - self.start]


def _window(line: str, start: int, end: int) -> tuple[int, int]:
    """The characters to show, so that ``start:end`` is among them: all, or as many as fit.

    Of a long line only the neighbourhood of the mark is looked at: a line may have megabytes.
    """
    start, end = min(start, len(line)), min(max(start, end), len(line))
    if len(line) <= _WIDTH and sum(cell(character)[1] for character in line) <= _WIDTH:
        return 0, len(line)
    low = high = start
    budget = _WIDTH
    high, budget = _grow(line, high, end, budget)
    kept = budget // 2
    low, rest = _grow(line, low, 0, budget - kept)
    high, rest = _grow(line, high, len(line), kept + rest)
    low, _ = _grow(line, low, 0, rest)
    return low, high


def _grow(line: str, position: int, goal: int, budget: int) -> tuple[int, int]:
    """Move a boundary towards a goal as far as a budget of cells reaches; what is left of it."""
    step = 1 if goal > position else -1
    # Combining characters take no cells, and there may be any number of them.
    goal = min(goal, position + _MOST) if step > 0 else max(goal, position - _MOST)
    while position != goal:
        width = cell(line[position if step > 0 else position - 1])[1]
        if width > budget:
            break
        position, budget = position + step, budget - width
    return position, budget


# --- what stands beneath ------------------------------------------------------------------------


@frozen
class _Drawn:
    """A mark in cells."""

    mark: Mark
    start: int
    end: int

    @classmethod
    def of(cls, mark: Mark, view: _View) -> _Drawn:
        start = view.cell(mark.start)
        return cls(mark, start, max(start + 1, view.cell(mark.end)))

    @property
    def rank(self) -> tuple[int, bool]:
        """Who is drawn over whom: the shorter over the longer, the primary one over its equals."""
        return (self.start - self.end, self.mark.primary)


def _rows(drawn: Sequence[_Drawn], paint: Paint) -> Iterator[str]:
    """The underlines with the last label beside them, then the other labels hung beneath."""
    if not drawn:
        return
    width = max(item.end for item in drawn)
    beside = max(
        (item for item in drawn if item.mark.label and item.end == width),
        key=lambda item: (item.start, item.mark.primary),
        default=None,
    )
    row: list[tuple[str, Style]] = [(" ", "plain")] * width
    for item in sorted(drawn, key=lambda item: item.rank):
        symbol = "^" if item.mark.primary else "-"
        row[item.start : item.end] = [(symbol, item.mark.style)] * (item.end - item.start)
    if beside:
        row.append((f" {visible(beside.mark.label)}", beside.mark.style))
    yield _painted(row, paint)
    hung = [item for item in drawn if item.mark.label and item is not beside]
    hung.sort(key=lambda item: item.start)
    if hung:
        yield _painted(_hangers(hung), paint)
    while hung:
        item = hung.pop()
        row = _hangers([other for other in hung if other.start < item.start])
        row += [(" ", "plain")] * (item.start - len(row))
        row.append((visible(item.mark.label), item.mark.style))
        yield _painted(row, paint)


def _hangers(hung: Sequence[_Drawn]) -> list[tuple[str, Style]]:
    row: list[tuple[str, Style]] = [(" ", "plain")] * (hung[-1].start + 1 if hung else 0)
    for item in hung:
        row[item.start] = ("|", item.mark.style)
    return row


def _painted(row: Sequence[tuple[str, Style]], paint: Paint) -> str:
    """A row of styled cells as text: neighbours of one style are painted together."""
    parts: list[tuple[str, Style]] = []
    for text, style in row:
        if parts and parts[-1][1] == style:
            parts[-1] = (parts[-1][0] + text, style)
        else:
            parts.append((text, style))
    return "".join(paint(text, style) for text, style in parts)
