"""Makes pieces of HTML: tables, pictures and bars, whatever text is in them.

Styles stand in the elements themselves: notebooks and the pages they become drop style sheets.
Colours are legible on light and dark ground.
"""

from __future__ import annotations

import html
from base64 import b64encode
from collections.abc import Iterable, Sequence

from cnndsl.diagnostics.render.characters import visible
from cnndsl.frozen import frozen

__all__ = ["Column", "bar", "escaped", "note", "picture", "table", "titled"]

_CELL = "padding:1px 10px 1px 0;text-align:{side};white-space:nowrap"
_HEAD = f"{_CELL};font-weight:600;border-bottom:1px solid #8884"
_GRAY = "color:#808890"


@frozen
class Column:
    """A column: its head, its cells, and whether these are words."""

    head: str
    cells: Sequence[str]
    words: bool = False


def escaped(text: str) -> str:
    r"""A text as HTML; what cannot be printed is made visible.

    >>> escaped("a<b\x00")
    'a&lt;b␀'
    """
    return html.escape(visible(text))


def titled(title: str, facts: Iterable[str]) -> str:
    """A bold title and facts beside it."""
    beside = " &middot; ".join(map(escaped, facts))
    return f'<div><b>{escaped(title)}</b> <span style="{_GRAY}">{beside}</span></div>'


def note(text: str) -> str:
    """A line of small print."""
    return f'<div style="{_GRAY};font-size:90%">{escaped(text)}</div>'


def table(columns: Sequence[Column], marked: Iterable[int] = ()) -> str:
    """A table; the rows with ``marked`` numbers stand out. Long ones can be scrolled."""
    faulty = set(marked)
    head = "".join(f'<th style="{_style(_HEAD, one)}">{escaped(one.head)}</th>' for one in columns)
    rows = []
    for at, row in enumerate(zip(*(one.cells for one in columns), strict=True)):
        style = "background:#e5484d33" if at in faulty else "background:none"
        cells = "".join(
            f'<td style="{_style(_CELL, column)}">{escaped(cell)}</td>'
            for column, cell in zip(columns, row, strict=True)
        )
        rows.append(f'<tr style="{style}">{cells}</tr>')
    return (
        '<div style="max-height:26em;overflow:auto;margin:4px 0">'
        '<table style="border-collapse:collapse;margin:0;font-size:90%">'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _style(pattern: str, column: Column) -> str:
    return pattern.format(side="left" if column.words else "right")


def picture(content: bytes, kind: str, words: str, width: int = 0) -> str:
    """A picture within the page; ``words`` say what it shows, ``width`` is in pixels."""
    source = f"data:image/{kind};base64,{b64encode(content).decode()}"
    size = f"width:{width}px;" if width else ""
    return f'<img alt="{escaped(words)}" src="{source}" style="{size}max-width:100%"/>'


def bar(share: float) -> str:
    """A bar for a number from 0 to 1."""
    width = 100 * min(max(share, 0.0), 1.0) if share == share else 0.0
    inner = f'<div style="background:#3b82f6;height:8px;width:{width:.1f}%"></div>'
    return f'<div style="background:#8883;width:160px;display:inline-block">{inner}</div>'
