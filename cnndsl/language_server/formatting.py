"""Lays a text out in the canonical way, as ``cnndsl fmt`` does, line by line where it differs."""

from __future__ import annotations

from difflib import SequenceMatcher

from lsprotocol import types

from cnndsl.diagnostics.compile_error import CompileError
from cnndsl.language_server.documents import Document
from cnndsl.texts import format

__all__ = ["formatting"]


def formatting(document: Document) -> list[types.TextEdit]:
    """The edits that lay a text out; none where it cannot be read, or is laid so already."""
    lines = document.lines  # of one version, whatever is typed meanwhile
    text = lines.text
    if text != document.checked_text:
        return []  # it holds half a character, which no file can
    try:
        laid = format(text, document.path.name)
    except CompileError:
        return []
    old, new = text.splitlines(keepends=True), laid.splitlines(keepends=True)
    offsets = [0]
    for line in old:
        offsets.append(offsets[-1] + len(line))
    found: list[types.TextEdit] = []
    for kind, first, last, begin, end in SequenceMatcher(None, old, new, False).get_opcodes():
        if kind != "equal":
            where = lines.range(offsets[first], offsets[last])
            found.append(types.TextEdit(where, "".join(new[begin:end])))
    return found
