"""Texts and places in them: a source knows its lines, a span is a stretch of one source."""

from __future__ import annotations

from bisect import bisect_right
from functools import cached_property

from typing_extensions import override

from cnndsl.frozen import frozen

__all__ = ["Position", "Source", "Span"]


@frozen
class Position:
    """A place in a text: line and column from 1, offset from 0, all in code points."""

    line: int
    column: int
    offset: int


@frozen
class Source:
    """One text and the name it is shown under (a path as the user typed it, or ``<text>``)."""

    name: str
    text: str

    __eq__ = object.__eq__  # two files with the same text are two sources
    __hash__ = object.__hash__

    @override
    def __repr__(self) -> str:
        # Every node and diagnostic refers to its source: shown whole, a few of them fill megabytes.
        return f"<Source {self.name}: {len(self.text)} characters>"

    @cached_property
    def line_starts(self) -> tuple[int, ...]:
        """The offset at which every line begins."""
        starts = [0]
        find = self.text.find
        at = find("\n")
        while at >= 0:
            starts.append(at + 1)
            at = find("\n", at + 1)
        return tuple(starts)

    def position(self, offset: int) -> Position:
        r"""Where an offset lies.

        >>> Source("a.cnn", "input 1x2\nrelu").position(10)
        Position(line=2, column=1, offset=10)
        """
        line = bisect_right(self.line_starts, offset)
        return Position(line, offset - self.line_starts[line - 1] + 1, offset)

    def line(self, number: int) -> str:
        """The text of a line (from 1), without its line end."""
        start = self.line_starts[number - 1]
        end = self.line_starts[number] if number < len(self.line_starts) else len(self.text)
        return self.text[start:end].rstrip("\r\n")


@frozen
class Span:
    """The stretch ``start:end`` of a source's text."""

    # There are more spans than anything else: half of what reading a text costs is making them.
    __slots__ = ("end", "source", "start")

    source: Source
    start: int
    end: int

    def __init__(self, source: Source, start: int, end: int) -> None:
        _set_source(self, source)
        _set_start(self, start)
        _set_end(self, end)

    @override
    def __reduce__(self) -> tuple[type[Span], tuple[Source, int, int]]:
        return Span, (self.source, self.start, self.end)

    @override
    def __repr__(self) -> str:
        return f"<Span {self.source.name}:{self.start}-{self.end}>"

    @property
    def text(self) -> str:
        """The characters it covers."""
        return self.source.text[self.start : self.end]

    @property
    def first(self) -> Position:
        """Where it begins."""
        return self.source.position(self.start)

    @property
    def last(self) -> Position:
        """Where it ends: the place just behind its last character."""
        return self.source.position(self.end)

    def to(self, other: Span) -> Span:
        """From the beginning of this span to the end of another one in the same source."""
        return Span(self.source, self.start, max(self.end, other.end))


_set_source = Span.source.__set__  # type: ignore[attr-defined, misc]
_set_start = Span.start.__set__  # type: ignore[attr-defined, misc]
_set_end = Span.end.__set__  # type: ignore[attr-defined, misc]
