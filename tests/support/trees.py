"""Syntax trees in tests: read from a text, compared without their spans."""

from __future__ import annotations

from cnndsl.diagnostics.model import Diagnostic, Report
from cnndsl.diagnostics.source import Source, Span
from cnndsl.frozen import field_names
from cnndsl.limits import Limits
from cnndsl.syntax.ast import Module
from cnndsl.syntax.parser import parse

__all__ = ["read", "read_right", "without_spans"]


def read(text: str, limits: Limits | None = None) -> tuple[Module, tuple[Diagnostic, ...]]:
    """A text's tree, and what is wrong with it from top to bottom."""
    report = Report()
    module = parse(Source("<test>", text), report, limits)
    return module, report.sorted()


def read_right(text: str) -> Module:
    """The tree of a text that must be right."""
    module, diagnostics = read(text)
    assert not diagnostics, [f"{d.code} {d.message}: {d.span.text}" for d in diagnostics]
    return module


def without_spans(node: object) -> object:
    """A tree as nested tuples of types and values, its spans left out."""
    if isinstance(node, tuple):
        return tuple(without_spans(item) for item in node)
    fields = [getattr(node, name) for name in field_names(node)]
    if not fields:
        return type(node).__name__, repr(node) if not hasattr(node, "span") else ""
    kept = [without_spans(value) for value in fields if not isinstance(value, Span)]
    return (type(node).__name__, *kept)
