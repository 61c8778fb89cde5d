"""From a problem outside any spec to a diagnostic without a place, which every format takes."""

from __future__ import annotations

from cnndsl.diagnostics.model import Diagnostic, UserError
from cnndsl.diagnostics.source import Source, Span

__all__ = ["as_diagnostic", "has_place"]

_NOWHERE = Span(Source("", ""), 0, 0)


def as_diagnostic(error: UserError) -> Diagnostic:
    """The same problem as a diagnostic without a place."""
    return Diagnostic(error.code, error.message, _NOWHERE, notes=error.notes, help=error.help)


def has_place(diagnostic: Diagnostic) -> bool:
    """Whether a diagnostic points into a text."""
    return diagnostic.span is not _NOWHERE
