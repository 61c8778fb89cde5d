"""Turns diagnostics into what an editor shows: at their places, with what else matters there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from lsprotocol import types

from cnndsl.diagnostics.edit import FIX_COMMAND
from cnndsl.diagnostics.model import Diagnostic, Severity
from cnndsl.language_server.project import Project
from cnndsl.language_server.view import View
from cnndsl.resources import error_page

__all__ = ["SOURCE", "problem", "problems"]

SOURCE = "cnndsl"
"""What editors name as the origin of a diagnostic."""

_SEVERITY = {
    Severity.ERROR: types.DiagnosticSeverity.Error,
    Severity.WARNING: types.DiagnosticSeverity.Warning,
}


def problems(view: View, project: Project) -> dict[Path, list[types.Diagnostic]]:
    """What a check found, by the file that it is in; the spec's own, and those it imports."""
    found: dict[Path, list[types.Diagnostic]] = {view.path: []}
    for diagnostic in view.analysis.checked.diagnostics:
        path = view.path_of(diagnostic.span.source)
        if path is not None:
            found.setdefault(path, []).append(problem(diagnostic, view, project))
    return found


def problem(diagnostic: Diagnostic, view: View, project: Project) -> types.Diagnostic:
    """A diagnostic as an editor shows it."""
    path = view.path_of(diagnostic.span.source)
    assert path is not None
    return types.Diagnostic(
        range=project.range_of(path, diagnostic.span),
        message="\n".join(_said(diagnostic)),
        severity=_SEVERITY[diagnostic.severity],
        code=diagnostic.code,
        # With the package, so that it is of this version.
        code_description=types.CodeDescription(href=error_page(diagnostic.code).as_uri()),
        source=SOURCE,
        related_information=list(_related(diagnostic, view, project)),
    )


def _said(diagnostic: Diagnostic) -> Iterator[str]:
    """The message, and what the text says below it."""
    yield diagnostic.message + (f" ({diagnostic.label})" if diagnostic.label else "")
    yield from (f"note: {note}" for note in diagnostic.notes)
    if diagnostic.help:
        yield f"help: {diagnostic.help.replace(f'`{FIX_COMMAND}`', 'the quick fix')}"


def _related(
    diagnostic: Diagnostic, view: View, project: Project
) -> Iterable[types.DiagnosticRelatedInformation]:
    for label in diagnostic.labels:
        path = view.path_of(label.span.source)
        if path is not None:
            where = project.location_of(path, label.span)
            yield types.DiagnosticRelatedInformation(location=where, message=label.message)
