r"""Turns places as editors count them into offsets of a text, and back.

An editor counts lines from 0 and, in a line, the units of an encoding that it chooses, mostly
UTF-16, where an emoji is two. A line ends at ``\n``, ``\r\n`` or a lone ``\r``, and nowhere
else: Python's ``splitlines`` knows more ends, by which edits would go astray.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import cached_property
from itertools import accumulate

from lsprotocol import types

from cnndsl.diagnostics.source import Span

__all__ = ["Lines"]

_END = re.compile(r"\r\n|\n|\r")


class Lines:
    r"""The lines of one text.

    >>> lines = Lines("# \U0001f600 x\nrelu")
    >>> lines.offset(types.Position(line=0, character=5)), lines.position(9).character
    (4, 3)
    """

    def __init__(self, text: str, encoding: str = types.PositionEncodingKind.Utf16) -> None:
        self.text = text
        self._plain = text.isascii() or encoding == types.PositionEncodingKind.Utf32
        self._wide = encoding == types.PositionEncodingKind.Utf8

    @cached_property
    def starts(self) -> list[int]:
        """The offset at which every line begins."""
        return [0, *(match.end() for match in _END.finditer(self.text))]

    @cached_property
    def ends(self) -> list[int]:
        """The offset at which every line's text ends, before what ends the line."""
        return [*(match.start() for match in _END.finditer(self.text)), len(self.text)]

    def offset(self, position: types.Position) -> int:
        """The offset of a place; one behind the end of its line or of the text is that end."""
        if position.line >= len(self.starts):
            return len(self.text)
        start, end = self.starts[position.line], self.ends[position.line]
        if self._plain:
            return min(start + position.character, end)
        units = accumulate(map(self._units, self.text[start:end]))
        return start + sum(reached <= position.character for reached in units)

    def position(self, offset: int) -> types.Position:
        """The place of an offset."""
        offset = min(offset, len(self.text))
        line = self.line_of(offset)
        start = self.starts[line]
        if self._plain:
            return types.Position(line=line, character=offset - start)
        return types.Position(line=line, character=sum(map(self._units, self.text[start:offset])))

    def range(self, start: int, end: int) -> types.Range:
        """The stretch between two offsets."""
        return types.Range(start=self.position(start), end=self.position(end))

    def span(self, span: Span) -> types.Range:
        """The stretch that a span of this text covers."""
        return self.range(span.start, span.end)

    def line_of(self, offset: int) -> int:
        """The line that an offset lies in, from 0."""
        return bisect_right(self.starts, offset) - 1

    def _units(self, character: str) -> int:
        code = ord(character)
        if self._wide:
            return 1 + (code > 0x7F) + (code > 0x7FF) + (code > 0xFFFF)
        return 1 + (code > 0xFFFF)
