"""Damaged and odd texts: every answer holds together, and every change that is offered is sound."""

from __future__ import annotations

from collections import Counter
from functools import cache

from auditing import complaints
from mutation import Mutator, seeds

from cnndsl.diagnostics.edit import apply_edits
from cnndsl.diagnostics.model import Diagnostic, Severity
from cnndsl.limits import Limits
from cnndsl.pipeline import check_text
from cnndsl.typecheck.checked import Checked

__all__ = ["damaged_texts"]

LIMITS = Limits(layers=500, steps=3_000)
"""What one damaged spec may cost."""

_TEXTS = 40
"""How many texts make a case: a process for each would cost more than the text."""


@cache
def _seeds() -> tuple[str, ...]:
    return tuple(seeds(longest=1_500))


def damaged_texts(seed: int) -> list[str]:
    """Specs with one to a few mistakes."""
    mutator = Mutator(_seeds(), f"hunt {seed}")
    found = []
    for _ in range(_TEXTS):
        text = mutator.text()
        found += [f"{wrong}\n{text}" for wrong in _wrong(text)]
    return found


def _wrong(text: str) -> list[str]:
    checked = check_text(text, annotate=True, limits=LIMITS)
    found = list(complaints(checked))
    found += _wrong_fixes(text, checked)
    found += _wrong_claims(text, checked)
    return found


def _errors(diagnostics: tuple[Diagnostic, ...]) -> Counter[str]:
    return Counter(d.code for d in diagnostics if d.severity is Severity.ERROR)


def _wrong_fixes(text: str, checked: Checked) -> list[str]:
    """A safe fix takes its problem away and brings no error."""
    found = []
    before = _errors(checked.diagnostics)
    for diagnostic in checked.diagnostics:
        for fix in diagnostic.fixes:
            if not fix.safe or any(e.span.source is not checked.source for e in fix.edits):
                continue
            edited = apply_edits(text, fix.edits)
            after = check_text(edited, limits=LIMITS).diagnostics
            if sum(_errors(after).values()) > sum(before.values()):
                new = sorted((_errors(after) - before).elements())
                found.append(f"{diagnostic.code}'s fix {fix.title!r} brings {new}\n{edited}\n---")
    return found


def _wrong_claims(text: str, checked: Checked) -> list[str]:
    """Claims that `--annotate` writes hold, and are all there are to write."""
    if checked.network is None or not checked.annotations:
        return []
    edits = [edit for edit in checked.annotations if edit.span.source is checked.source]
    edited = apply_edits(text, edits)
    again = check_text(edited, annotate=True, limits=LIMITS)
    if again.network is None:
        codes = sorted(_errors(again.diagnostics).elements())
        return [f"--annotate brings {codes}\n{edited}\n---"]
    changed = apply_edits(edited, [e for e in again.annotations if e.span.source is again.source])
    if changed != edited:
        return [f"--annotate is not done after once\n{edited}\n---\n{changed}\n---"]
    return []
