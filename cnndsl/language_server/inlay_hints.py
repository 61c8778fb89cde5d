"""Shows at the ends of lines the shapes that come out there, where no claim says them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from lsprotocol import types

from cnndsl.diagnostics.source import Span
from cnndsl.language_server.positions import Lines
from cnndsl.language_server.view import View
from cnndsl.syntax.ast import Link
from cnndsl.syntax.walk import walk

__all__ = ["hints"]

SHOWN = 3
"""Of a line that is carried out often, so many shapes are shown."""


def hints(
    views: Sequence[View], path: Path, lines: Lines, first: int, last: int
) -> list[types.InlayHint]:
    """The hints of the lines from ``first`` to ``last``, both included."""
    if not views:
        return []
    module = views[0].analysis.modules[path]
    comments = {lines.line_of(one.start): one.start for one in module.comments}
    outer: dict[int, Link] = {}
    for node in walk(module):
        if isinstance(node, Link):
            line = lines.line_of(node.span.end)
            known = outer.get(line)
            if first <= line <= last and (known is None or known.span.end < node.span.end):
                outer[line] = node
    found: list[types.InlayHint] = []
    for line, link in sorted(outer.items()):
        end = _end_of_code(lines, line, comments)
        if not link.claims and _ends_there(lines.text[link.span.end : end]):
            found += _hint(views, path, lines, link.span, end)
    return found


def _end_of_code(lines: Lines, line: int, comments: dict[int, int]) -> int:
    end = min(lines.ends[line], comments.get(line, lines.ends[line]))
    text = lines.text[lines.starts[line] : end]
    return lines.starts[line] + len(text.rstrip())


def _ends_there(behind: str) -> bool:
    """Whether nothing but brackets and commas stands behind a link in its line."""
    return not behind.strip(" \t,)}")


def _hint(
    views: Sequence[View], path: Path, lines: Lines, span: Span, end: int
) -> Iterator[types.InlayHint]:
    shapes = _shapes(views, path, span)
    if not shapes or all(shape == "?" for shape in shapes):
        return
    more = f", … {len(shapes)} shapes" if len(shapes) > SHOWN else ""
    text = f"=> {', '.join(shapes[:SHOWN])}{more}"
    edits = None
    if len(shapes) == 1 and "?" not in shapes[0] and "," not in shapes[0] and span.end == end:
        edits = [types.TextEdit(lines.range(end, end), f"  {text}")]
    yield types.InlayHint(
        position=lines.position(end),
        label=text,
        kind=types.InlayHintKind.Type,
        text_edits=edits,
        padding_left=True,
        tooltip="the shape here; with the edit, a claim that is checked" if edits else None,
    )


def _shapes(views: Sequence[View], path: Path, span: Span) -> list[str]:
    """The shapes that a link gives, each once: by the first check that has carried it out."""
    for view in views:
        passings = view.passings(path, span)
        if passings:
            texts = (", ".join(view.shape(at) for at in one.results) for one in passings)
            return list(dict.fromkeys(filter(None, texts)))
    return []
