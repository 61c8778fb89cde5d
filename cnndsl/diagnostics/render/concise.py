"""From diagnostics to one line each, in the form that editors and ``grep`` expect."""

from __future__ import annotations

from collections.abc import Iterable

from cnndsl.diagnostics.model import Diagnostic
from cnndsl.diagnostics.render.characters import visible
from cnndsl.diagnostics.render.user_error import has_place

__all__ = ["render_concise"]


def render_concise(diagnostics: Iterable[Diagnostic]) -> str:
    """One line each: ``file:line:column: error[CODE] message``."""
    return "\n".join(_line(diagnostic) for diagnostic in diagnostics)


def _line(diagnostic: Diagnostic) -> str:
    place = ""
    if has_place(diagnostic):
        first = diagnostic.span.first
        place = f"{visible(diagnostic.span.source.name)}:{first.line}:{first.column}: "
    return f"{place}{diagnostic.severity}[{diagnostic.code}] {visible(diagnostic.message)}"
