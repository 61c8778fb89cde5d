"""The texts that an editor has open: their versions, and the changes that it tells of."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from lsprotocol import types

from cnndsl.frozen import mutable
from cnndsl.language_server.positions import Lines

__all__ = ["Document", "changed"]

_HALF = re.compile("[\ud800-\udfff]")
"""Halves of characters, which JSON can hold and no file can."""


@mutable
class Document:
    """An open text: the file that it stands for, resolved, and how the editor counts in it."""

    uri: str
    path: Path
    text: str
    version: int | None
    encoding: str
    _lines: Lines | None = None

    @property
    def lines(self) -> Lines:
        """The places in the text."""
        if self._lines is None or self._lines.text is not self.text:
            self._lines = Lines(self.text, self.encoding)
        return self._lines

    @property
    def checked_text(self) -> str:
        """The text as a file could have it: of the same length, without halves of characters."""
        return _HALF.sub("\ufffd", self.text)

    def change(
        self, changes: Sequence[types.TextDocumentContentChangeEvent], version: int | None
    ) -> None:
        """Take over what the editor has changed, one after the other."""
        for change in changes:
            self.text = changed(self.lines, change)
        self.version = version


def changed(lines: Lines, change: types.TextDocumentContentChangeEvent) -> str:
    """The text after one change: of a stretch of it, or as a whole."""
    if isinstance(change, types.TextDocumentContentChangeWholeDocument):
        return change.text
    start, end = sorted((lines.offset(change.range.start), lines.offset(change.range.end)))
    return f"{lines.text[:start]}{change.text}{lines.text[end:]}"
