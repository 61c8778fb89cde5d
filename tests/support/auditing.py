"""What must be true of the answer to any text at all, however wrong it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cnndsl.diagnostics.codes import CODES
from cnndsl.diagnostics.edit import apply_edits
from cnndsl.diagnostics.model import Diagnostic, Edit, Severity
from cnndsl.diagnostics.render import FORMATS, render
from cnndsl.diagnostics.source import Source, Span
from cnndsl.limits import Limits
from cnndsl.pipeline import check_text
from cnndsl.typecheck.checked import Checked

__all__ = ["audit", "complaints"]


def audit(text: str, name: str = "spec.cnn", limits: Limits | None = None) -> list[str]:
    """Check a text, render what is found, and give what is wrong with the answer."""
    checked = check_text(text, name, annotate=True, limits=limits)
    return list(complaints(checked))


def complaints(checked: Checked) -> Iterator[str]:
    """What is wrong with a result, besides the spec."""
    for diagnostic in checked.diagnostics:
        for problem in _of_diagnostic(diagnostic):
            yield f"{diagnostic.code} {diagnostic.message!r}: {problem}"
    for edit in checked.annotations:
        yield from _of_span(edit.span, "an annotation")
    failed = any(d.severity is Severity.ERROR for d in checked.diagnostics)
    if failed and checked.network is not None:
        yield "there are errors and a network"
    for format in FORMATS:
        if not isinstance(render(checked.diagnostics, format), str):
            yield f"no text in the format {format}"
    render(checked.diagnostics, "text", color=True)


def _of_diagnostic(diagnostic: Diagnostic) -> Iterator[str]:
    if diagnostic.code not in CODES:
        yield "unknown code"
    yield from _of_message(diagnostic.message, "the message")
    if not diagnostic.help and diagnostic.severity is Severity.ERROR:
        yield "no help"
    if "\n" in diagnostic.help:
        yield "the help has several lines"
    yield from _of_span(diagnostic.span, "the span")
    for label in diagnostic.labels:
        yield from _of_span(label.span, "a label")
    for fix in diagnostic.fixes:
        if not fix.edits:
            yield f"the fix {fix.title!r} changes nothing"
        for edit in fix.edits:
            yield from _of_span(edit.span, "an edit")
        yield from _of_edits(fix.edits)


def _of_message(message: str, what: str) -> Iterator[str]:
    if not message or "\n" in message:
        yield f"{what} is not one line"
    elif (message[0].isupper() and not message.startswith("U+")) or message.endswith("."):
        yield f"{what} is not in the house style"
    elif len(message) > 2_000:
        yield f"{what} has {len(message)} characters"


def _of_span(span: Span, what: str) -> Iterator[str]:
    if not 0 <= span.start <= span.end <= len(span.source.text):
        yield f"{what} is {span.start}:{span.end} of {len(span.source.text)} characters"


def _of_edits(edits: tuple[Edit, ...]) -> Iterator[str]:
    by_source: dict[Source, list[Edit]] = {}
    for edit in edits:
        by_source.setdefault(edit.span.source, []).append(edit)
    for source, group in by_source.items():
        try:
            changed = apply_edits(source.text, group)
        except ValueError as error:
            yield f"a fix cannot be applied to {Path(source.name).name}: {error}"
        else:
            if changed == source.text:
                yield "a fix leaves the text as it is"
