"""From a text and the edits of some fixes to the changed text."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator

from cnndsl.diagnostics.model import Diagnostic, Edit, Fix
from cnndsl.diagnostics.source import Source

__all__ = ["FIX_COMMAND", "apply_edits", "compatible", "safe_fixes"]


def apply_edits(text: str, edits: Iterable[Edit]) -> str:
    """The text with all the edits made; they belong to one source and do not overlap.

    Several insertions at one place are made in the order given.

    Raises:
        ValueError: where two edits overlap, or one lies outside the text.

    >>> from cnndsl.diagnostics.source import Source, Span
    >>> source = Source("a.cnn", "conv 6@5 stride 4")
    >>> apply_edits(source.text, [Edit(Span(source, 16, 17), "2"), Edit(Span(source, 5, 6), "8")])
    'conv 8@5 stride 2'
    """
    pieces: list[str] = []
    done = 0
    for edit in sorted(edits, key=lambda edit: (edit.span.start, edit.span.end)):
        start, end = edit.span.start, edit.span.end
        if not done <= start <= end <= len(text):
            raise ValueError(f"the edit at {start}:{end} overlaps another one or leaves the text")
        pieces += [text[done:start], edit.text]
        done = end
    return "".join([*pieces, text[done:]])


FIX_COMMAND = "cnndsl check --fix"
"""What makes safe fixes, as messages name it; who has another way puts that in its place."""


def safe_fixes(diagnostics: Iterable[Diagnostic]) -> Iterator[Fix]:
    """The first safe fix of each problem that has one."""
    for diagnostic in diagnostics:
        yield from [fix for fix in diagnostic.fixes if fix.safe and fix.edits][:1]


def compatible(fixes: Iterable[Fix]) -> tuple[Fix, ...]:
    """The fixes that can be made together: each whole, or not at all.

    The first one wins where two touch: both might insert at the same place, or the same change
    might be proposed twice.
    """
    chosen: list[Fix] = []
    taken: dict[Source, list[tuple[int, int]]] = {}
    for fix in fixes:
        if any(_touches(edit, taken.get(edit.span.source, [])) for edit in fix.edits):
            continue
        chosen.append(fix)
        for edit in fix.edits:
            insort(taken.setdefault(edit.span.source, []), (edit.span.start, edit.span.end))
    return tuple(chosen)


def _touches(edit: Edit, taken: list[tuple[int, int]]) -> bool:
    """Whether an edit meets one of the places, which are in order and do not overlap."""
    at = bisect_left(taken, (edit.span.start, -1))
    before, behind = taken[at - 1 : at], taken[at : at + 1]
    return any(end >= edit.span.start for _, end in before) or any(
        start <= edit.span.end for start, _ in behind
    )
