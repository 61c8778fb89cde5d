"""From diagnostics to GitHub's workflow commands, which annotate the lines of a pull request."""

from __future__ import annotations

from collections.abc import Iterable

from cnndsl.diagnostics.model import Diagnostic
from cnndsl.diagnostics.render.user_error import has_place

__all__ = ["render_github"]


def render_github(diagnostics: Iterable[Diagnostic]) -> str:
    """One command each: ``::error file=…,line=…,endLine=…,col=…,endColumn=…,title=CODE::message``.

    Columns are left out where a place covers several lines: GitHub refuses them there.
    """
    return "\n".join(_command(diagnostic) for diagnostic in diagnostics)


def _command(diagnostic: Diagnostic) -> str:
    properties: dict[str, str | int] = {}
    if has_place(diagnostic):
        first, last = diagnostic.span.first, diagnostic.span.last
        properties = {
            "file": diagnostic.span.source.name,
            "line": first.line,
            "endLine": last.line,
        }
        if first.line == last.line:
            properties |= {"col": first.column, "endColumn": last.column}
    properties["title"] = diagnostic.code
    pairs = ",".join(f"{name}={_property(str(value))}" for name, value in properties.items())
    message = diagnostic.message
    if diagnostic.help:
        message += f"\nhelp: {diagnostic.help}"
    return f"::{diagnostic.severity} {pairs}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
