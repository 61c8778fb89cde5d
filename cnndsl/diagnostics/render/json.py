"""From diagnostics to JSON: a list of objects, for programs that read what a check found.

Lines and columns count from 1, offsets from 0, all in code points; an end lies just behind the
last character. A problem outside any spec has ``null`` for ``file``, ``start`` and ``end``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from typing_extensions import TypedDict

from cnndsl.diagnostics.model import Diagnostic, Fix
from cnndsl.diagnostics.render.user_error import has_place
from cnndsl.diagnostics.source import Position, Span

__all__ = [
    "DiagnosticJson",
    "DiagnosticsJson",
    "EditJson",
    "FixJson",
    "LabelJson",
    "PlaceJson",
    "PositionJson",
    "render_json",
]


class PositionJson(TypedDict):
    """A place in a text: line and column count from 1, the offset from 0, in code points."""

    line: int
    column: int
    offset: int


class PlaceJson(TypedDict):
    """A piece of a file; the end lies just behind its last character."""

    file: str
    start: PositionJson
    end: PositionJson


class LabelJson(PlaceJson):
    """A further place, and what is said there."""

    message: str


class EditJson(PlaceJson):
    """A text in the place of another."""

    text: str


class FixJson(TypedDict):
    """Edits that belong together; a safe one may be applied unasked."""

    title: str
    safe: bool
    edits: list[EditJson]


class DiagnosticJson(TypedDict):
    """A problem, where it is, and what helps; one outside any spec has no place."""

    code: str
    severity: str
    message: str
    file: str | None
    start: PositionJson | None
    end: PositionJson | None
    label: str
    labels: list[LabelJson]
    notes: list[str]
    help: str
    fixes: list[FixJson]


DiagnosticsJson = list[DiagnosticJson]
"""What ``cnndsl check --format json`` prints."""


def render_json(diagnostics: Iterable[Diagnostic]) -> str:
    """A JSON list of objects: code, severity, message, file, start, end, labels, notes, fixes."""
    return json.dumps([_object(diagnostic) for diagnostic in diagnostics], indent=2)


def _object(diagnostic: Diagnostic) -> DiagnosticJson:
    place = _place(diagnostic.span) if has_place(diagnostic) else None
    return {
        "code": diagnostic.code,
        "severity": str(diagnostic.severity),
        "message": diagnostic.message,
        "file": place and place["file"],
        "start": place and place["start"],
        "end": place and place["end"],
        "label": diagnostic.label,
        "labels": [{"message": label.message, **_place(label.span)} for label in diagnostic.labels],
        "notes": list(diagnostic.notes),
        "help": diagnostic.help,
        "fixes": [_fix(fix) for fix in diagnostic.fixes],
    }


def _fix(fix: Fix) -> FixJson:
    edits: list[EditJson] = [{**_place(edit.span), "text": edit.text} for edit in fix.edits]
    return {"title": fix.title, "safe": fix.safe, "edits": edits}


def _place(span: Span) -> PlaceJson:
    return {
        "file": span.source.name,
        "start": _position(span.first),
        "end": _position(span.last),
    }


def _position(position: Position) -> PositionJson:
    return {"line": position.line, "column": position.column, "offset": position.offset}
