"""From diagnostics to the text that a person reads: the source line, underlined and explained."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from cnndsl.diagnostics.model import Diagnostic, Severity
from cnndsl.diagnostics.render.characters import visible
from cnndsl.diagnostics.render.snippet import Mark, Paint, Style, excerpt, marks
from cnndsl.diagnostics.render.user_error import has_place
from cnndsl.diagnostics.source import Source

__all__ = ["render_text"]

_ESCAPES: dict[Style, str] = {
    "error": "\x1b[1;31m",
    "warning": "\x1b[1;33m",
    "other": "\x1b[1;34m",
    "strong": "\x1b[1m",
}


def render_text(diagnostics: Iterable[Diagnostic], color: bool = False) -> str:
    r"""The diagnostics one below the other, a blank line between them, none at the end.

    >>> from cnndsl.diagnostics.source import Source, Span
    >>> place = Span(Source("a.cnn", "input 1x28x28\nconv"), 14, 18)
    >>> print(render_text([Diagnostic("CNN202", "`conv` needs a kernel", place)]))
    error[CNN202]: `conv` needs a kernel
     --> a.cnn:2:1
      |
    2 | conv
      | ^^^^
    """
    paint = _colored if color else _plain
    return "\n\n".join("\n".join(_lines(diagnostic, paint)) for diagnostic in diagnostics)


def _plain(text: str, style: Style) -> str:
    return text


def _colored(text: str, style: Style) -> str:
    escape = _ESCAPES.get(style)
    return f"{escape}{text}\x1b[0m" if escape and text.strip() else text


def _lines(diagnostic: Diagnostic, paint: Paint) -> Iterator[str]:
    kind: Style = "error" if diagnostic.severity is Severity.ERROR else "warning"
    head = paint(f"{kind}[{diagnostic.code}]", kind)
    yield head + paint(f": {visible(diagnostic.message)}", "strong")
    remarks = list(_remarks(diagnostic))
    gutter = 1
    if has_place(diagnostic):
        places = _places(diagnostic, kind)
        gutter = max(len(str(mark.line)) for group in places.values() for mark in group)
        yield from _excerpts(diagnostic, places, gutter, paint)
        if remarks:
            yield paint(f"{'':>{gutter}} |", "other")
    for name, text in remarks:
        yield from _remark(name, text, gutter, paint)


def _places(diagnostic: Diagnostic, kind: Style) -> dict[Source, list[Mark]]:
    """All marks, by source; the diagnostic's own source first."""
    span = diagnostic.span
    places = {span.source: [*marks(span, diagnostic.label, True, kind)]}
    for label in diagnostic.labels:
        found = marks(label.span, label.message, False, "other")
        places.setdefault(label.span.source, []).extend(found)
    return places


def _excerpts(
    diagnostic: Diagnostic, places: dict[Source, list[Mark]], gutter: int, paint: Paint
) -> Iterator[str]:
    bar = paint(f"{'':>{gutter}} |", "other")
    for source, group in places.items():
        if source is diagnostic.span.source:
            arrow, mark = f"{'':>{gutter}}-->", group[0]
        else:
            yield bar
            arrow, mark = f"{'':>{gutter}}:::", group[0]
        where = f"{visible(source.name)}:{mark.line}:{mark.start + 1}"
        yield f"{paint(arrow, 'other')} {where}"
        yield bar
        yield from excerpt(source, group, gutter, paint)


def _remarks(diagnostic: Diagnostic) -> Iterator[tuple[str, str]]:
    """Notes, help and the fixes that the help does not name already."""
    for note in diagnostic.notes:
        yield "note", note
    if diagnostic.help:
        yield "help", diagnostic.help
    for fix in diagnostic.fixes:
        if not _says(diagnostic.help, fix.title):
            yield "fix", fix.title


def _says(help: str, title: str) -> bool:
    """Whether a help line says what a fix does: in its words, or with all the code in it."""
    named = {word for code in _codes(help) for word in (code, *code.split())}
    codes = _codes(title)
    return title.casefold() in help.casefold() or (bool(codes) and named.issuperset(codes))


def _codes(text: str) -> list[str]:
    """What stands between backticks."""
    return text.split("`")[1::2]


def _remark(name: str, text: str, gutter: int, paint: Paint) -> Iterator[str]:
    head = f"{'':>{gutter}} = "
    lines: Sequence[str] = text.split("\n")
    yield f"{paint(head, 'other')}{paint(f'{name}:', 'strong')} {visible(lines[0])}"
    indent = " " * (len(head) + len(name) + 2)
    for line in lines[1:]:
        yield f"{indent}{visible(line)}".rstrip()
