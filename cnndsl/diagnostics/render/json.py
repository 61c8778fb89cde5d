"""From diagnostics to JSON: a list of objects, for programs that read what a check found.

Lines and columns count from 1, offsets from 0, all in code points; an end lies just behind the
last character. A problem outside any spec has ``null`` for ``file``, ``start`` and ``end``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from cnndsl.diagnostics.model import Diagnostic, Fix
from cnndsl.diagnostics.render.user_error import has_place
from cnndsl.diagnostics.source import Position, Span

__all__ = ["render_json"]


def render_json(diagnostics: Iterable[Diagnostic]) -> str:
    """A JSON list of objects: code, severity, message, file, start, end, labels, notes, fixes."""
    return json.dumps([_object(diagnostic) for diagnostic in diagnostics], indent=2)


def _object(diagnostic: Diagnostic) -> dict[str, object]:
    nowhere: dict[str, object] = {"file": None, "start": None, "end": None}
    return {
        "code": diagnostic.code,
        "severity": str(diagnostic.severity),
        "message": diagnostic.message,
        **(_place(diagnostic.span) if has_place(diagnostic) else nowhere),
        "label": diagnostic.label,
        "labels": [{"message": label.message, **_place(label.span)} for label in diagnostic.labels],
        "notes": list(diagnostic.notes),
        "help": diagnostic.help,
        "fixes": [_fix(fix) for fix in diagnostic.fixes],
    }


def _fix(fix: Fix) -> dict[str, object]:
    edits = [{**_place(edit.span), "text": edit.text} for edit in fix.edits]
    return {"title": fix.title, "safe": fix.safe, "edits": edits}


def _place(span: Span) -> dict[str, object]:
    return {
        "file": span.source.name,
        "start": _position(span.first),
        "end": _position(span.last),
    }


def _position(position: Position) -> dict[str, int]:
    return {"line": position.line, "column": position.column, "offset": position.offset}
