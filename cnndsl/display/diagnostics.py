"""Turns diagnostics into HTML: the text that a terminal shows, in the same colours."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

from cnndsl.diagnostics.model import Diagnostic
from cnndsl.diagnostics.render import render_text

__all__ = ["ansi_as_html", "diagnostics_html"]

# Pages give `pre` fonts of their own; in one of unequal letters nothing is under what it marks.
_FONT = "font-family:ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace"
_ESCAPE = re.compile(r"\x1b\[([0-9;]*)m")
_STYLES = {
    "1;31": "color:#e5484d;font-weight:bold",
    "1;33": "color:#c77700;font-weight:bold",
    "1;34": "color:#3b82f6;font-weight:bold",
    "1": "font-weight:bold",
}
"""The colours of :mod:`cnndsl.diagnostics.render.text`, legible on light and dark ground."""


def diagnostics_html(diagnostics: Iterable[Diagnostic]) -> str:
    """All of them, one below the other, each with the lines it is about."""
    body = ansi_as_html(render_text(diagnostics, color=True))
    return f'<pre style="{_FONT};line-height:1.25;white-space:pre;overflow-x:auto">{body}</pre>'


def ansi_as_html(text: str) -> str:
    r"""A text with our colours as HTML.

    >>> ansi_as_html("\x1b[1;31merror\x1b[0m: a < b")
    '<span style="color:#e5484d;font-weight:bold">error</span>: a &lt; b'
    """
    parts: list[str] = []
    inside = False
    # Between two escapes stands text, in which the renderer has made all others visible.
    for at, piece in enumerate(_ESCAPE.split(text)):
        if at % 2 == 0:
            parts.append(html.escape(piece))
            continue
        parts.append("</span>" * inside)
        inside = piece in _STYLES
        parts.append(f'<span style="{_STYLES[piece]}">' if inside else "")
    return "".join(parts) + "</span>" * inside
