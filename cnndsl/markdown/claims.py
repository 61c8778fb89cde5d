"""Compares what a page says is wrong with its blocks with what is: `# error: CNN301 "54.25"`.

Such a comment claims an error that begins on its line, with that text in its message,
`# warning:` a warning. It is how a page shows mistakes, and stays right.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from cnndsl.diagnostics.model import Diagnostic
from cnndsl.diagnostics.source import Span
from cnndsl.frozen import frozen
from cnndsl.markdown.fences import Fence

__all__ = ["settled"]

_CLAIM = re.compile(r'# *(error|warning): *(CNN\d{3})(?: +"([^"]*)")?')


@frozen
class _Claim:
    """One comment: where it stands, and what it claims."""

    span: Span
    severity: str
    code: str
    words: str

    def meets(self, diagnostic: Diagnostic) -> bool:
        """Whether this is the problem that is claimed."""
        span = diagnostic.span
        return (
            (str(diagnostic.severity), diagnostic.code) == (self.severity, self.code)
            and span.source is self.span.source
            and span.first.line == self.span.first.line
            and self.words in diagnostic.message
        )


def settled(fences: Iterable[Fence], diagnostics: Iterable[Diagnostic]) -> Iterator[Diagnostic]:
    """The problems that no comment claims, and those of claims that no problem meets."""
    left = list(diagnostics)
    unmet: list[Diagnostic] = []
    for claim in (claim for fence in fences for claim in _claims(fence)):
        met = next((one for one in left if claim.meets(one)), None)
        if met is None:
            unmet.append(_missing(claim, left))
        else:
            left = [one for one in left if one is not met]
    yield from left
    yield from unmet


def _claims(fence: Fence) -> Iterator[_Claim]:
    """The claims in a block, with their places in the page."""
    for found in _CLAIM.finditer(fence.text):
        span = Span(fence.source, fence.place(found.start()), fence.place(found.end()))
        yield _Claim(span, found[1], found[2], found[3] or "")


def _missing(claim: _Claim, left: Iterable[Diagnostic]) -> Diagnostic:
    line = claim.span.first.line
    here = [
        one for one in left if one.span.source is claim.span.source and one.span.first.line == line
    ]
    notes = tuple(f"here is {one.severity} {one.code}: {one.message}" for one in here)
    what = f'`{claim.code}` with "{claim.words}"' if claim.words else f"`{claim.code}`"
    return Diagnostic(
        "CNN690",
        f"this line has no {claim.severity} {what}",
        claim.span,
        notes=notes,
        help="correct the comment" if here else "leave the comment out, or move it to its line",
    )
