"""Proves the fixes that are made unasked: each is tried on the text, alone and with the others.

A safe fix makes its own error go away and brings no other, unless that is mended in turn: what
``--fix`` leaves has no error that was not there before. Where the mended text has another error,
that may be one that hid behind the first, or the fix may be wrong: nobody but the author knows,
and it is left to them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from cnndsl import resources
from cnndsl.diagnostics.edit import apply_edits, compatible
from cnndsl.diagnostics.model import Diagnostic, Edit, Fix, HoleState, Severity
from cnndsl.diagnostics.source import Source
from cnndsl.elaborate.network import Network
from cnndsl.frozen import replace

__all__ = [
    "Retry",
    "is_shipped",
    "moved",
    "place_after",
    "proved",
    "retry_cost",
    "uncovered",
    "with_edits",
]

Retry: TypeAlias = Callable[[Mapping[Path, str]], tuple[Diagnostic, ...]]
"""Checks the spec with texts that stand in for its files; gives its diagnostics, unrepaired."""

_Known: TypeAlias = tuple[str, HoleState | None, str, int]
"""What was reported before: the code, what is known of a hole, and the place."""

SOLVABLE = frozenset((HoleState.SOLVED, HoleState.UNDETERMINED))
"""What is said of holes that numbers fit; a fix may turn one into the other."""

HOLE_SEARCH = 10_000
"""What looking for the numbers of holes adds to a trial, in nodes."""

CHARACTERS = 20
"""So many characters take as long to parse as one node to infer."""

ROUNDS = 4
"""So often a trial goes on with what it uncovered."""

RETRIED = 20_000
"""What all trials may cost, in layers and the like; at least one is made."""


def proved(
    diagnostics: tuple[Diagnostic, ...],
    retry: Retry,
    edited: Mapping[Path, str],
    cost: int,
) -> tuple[Diagnostic, ...]:
    """The diagnostics, their safe fixes those alone that passed.

    Args:
        diagnostics: all that was reported about the spec.
        retry: checks the spec with other texts in place of its files, by resolved path.
        edited: the texts that stand for files already.
        cost: what one trial costs, in layers.
    """
    wanted = {
        at: fix
        for at, diagnostic in enumerate(diagnostics)
        for fix in diagnostic.fixes[::-1]
        if fix.safe and fix.edits
    }
    if not wanted:
        return diagnostics
    court = _Court(diagnostics, wanted, retry, edited, cost)
    court.settle([*wanted])
    return tuple(
        _judged(diagnostic, wanted[at], court.against.get(at)) if at in wanted else diagnostic
        for at, diagnostic in enumerate(diagnostics)
    )


def _judged(diagnostic: Diagnostic, fix: Fix, against: Diagnostic | None) -> Diagnostic:
    """A diagnostic with its proven fix, or with what speaks against it."""
    fixes = tuple(replace(one, safe=one is fix and against is None) for one in diagnostic.fixes)
    if against is None or against is diagnostic:
        return replace(diagnostic, fixes=fixes)
    if any(_touch(edit, against) for edit in fix.edits):
        fixes = tuple(one for one in fixes if one.edits != fix.edits)
    note = f"with that, line {against.span.first.line} has {against.code}: {against.message}"
    return replace(diagnostic, fixes=fixes, notes=(*diagnostic.notes, note))


def _touch(edit: Edit, other: Diagnostic) -> bool:
    """Whether an error begins in what an edit wrote, seen in the text as it was edited."""
    start, end = edit.span.start, edit.span.start + len(edit.text)
    return other.span.source.name == edit.span.source.name and start <= other.span.start < end


class _Court:
    """Hears fixes, and finds those that can be made together."""

    def __init__(
        self,
        diagnostics: Sequence[Diagnostic],
        wanted: Mapping[int, Fix],
        retry: Retry,
        edited: Mapping[Path, str],
        cost: int,
    ) -> None:
        self.diagnostics = diagnostics
        self.wanted = wanted
        self.retry = retry
        self.edited = edited
        self.cost = cost
        self.left = max(RETRIED, 2 * cost)
        self.accepted: list[int] = []
        self.against: dict[int, Diagnostic] = {}
        """The fixes that failed, and what was wrong then; itself where it was not tried."""

    def settle(self, group: list[int]) -> None:
        """Accept what can be made together; first each fix alone, where there is time."""
        alone = [at for at in group if self.cost * len(group) <= self.left // 2]
        for at in alone:
            found = self._wrong([at])
            if found is not None:
                self.against[at] = found
        waiting = [[at for at in group if at not in self.against]]
        while waiting:
            some = waiting.pop()
            found = self._wrong([*self.accepted, *some]) if some else None
            if found is None:
                self.accepted += some
            elif len(some) == 1 or self.left <= 0:
                self.against.update((at, found) for at in some)
            else:
                half = len(some) // 2
                waiting += [some[half:], some[:half]]

    def _wrong(self, group: Sequence[int]) -> Diagnostic | None:
        """The first error that is there once these fixes are made and should not be.

        What they uncover and is mended in turn does not count.
        """
        fixes = compatible(self.wanted[at] for at in sorted(group))
        mended = {at for at in group if any(self.wanted[at] is fix for fix in fixes)}
        others = [item for at, item in enumerate(self.diagnostics) if at not in mended]
        allowed = [(item.code, item.hole, *place_after(item)) for item in others]
        texts = self.edited
        found: list[Diagnostic] = [self.diagnostics[group[0]]]
        for _ in range(ROUNDS):
            if self.left <= 0 or not fixes:
                break
            self.left -= self.cost
            edits = [edit for fix in fixes for edit in fix.edits]
            texts = with_edits(texts, edits)
            allowed = [
                (code, hole, name, moved(name, at, edits)) for code, hole, name, at in allowed
            ]
            found = _unexpected(self.retry(texts), allowed)
            if not found:
                return None
            next_ones = [next((fix for fix in d.fixes if fix.safe), None) for d in found]
            fixes = compatible(fix for fix in next_ones if fix is not None)
            if len(fixes) < len(found):
                break
        return found[0]


def _unexpected(diagnostics: Iterable[Diagnostic], allowed: Sequence[_Known]) -> list[Diagnostic]:
    """The errors that are not among those allowed."""
    left = Counter((code, name, start) for code, _, name, start in allowed)
    holes = {(name, start) for _, hole, name, start in allowed if hole in SOLVABLE}
    found: list[Diagnostic] = []
    for item in diagnostics:
        place = place_after(item)
        solvable = item.hole in SOLVABLE and place in holes
        if item.severity is Severity.ERROR and not solvable:
            left[(item.code, *place)] -= 1
            if left[(item.code, *place)] < 0:
                found.append(item)
    return found


def retry_cost(network: Network, diagnostics: Iterable[Diagnostic]) -> int:
    """What checking the text once more costs, in nodes that are inferred."""
    has_holes = any(diagnostic.hole is not None for diagnostic in diagnostics)
    characters = len(network.module.source.text)
    return len(network.nodes) + characters // CHARACTERS + has_holes * HOLE_SEARCH


def uncovered(
    fix: Fix, others: Iterable[Diagnostic], retry: Retry, edited: Mapping[Path, str]
) -> list[Diagnostic]:
    """The problems of the text with a fix that are not among the ``others`` of the one without."""
    left: Counter[tuple[str, str, int]] = Counter()
    holes: set[tuple[str, int]] = set()
    for item in others:
        place = place_after(item, fix.edits)
        left[(item.code, *place)] += 1
        holes |= {place} if item.hole is not None else set()
    found: list[Diagnostic] = []
    for item in retry(with_edits(edited, fix.edits)):
        place = place_after(item)
        if item.hole not in SOLVABLE or place not in holes:
            left[(item.code, *place)] -= 1
            if left[(item.code, *place)] < 0:
                found.append(item)
    return found


def moved(name: str, start: int, edits: Iterable[Edit]) -> int:
    """Where what begins at a place begins once the edits are made."""
    return start + sum(
        len(edit.text) - (edit.span.end - edit.span.start)
        for edit in edits
        if edit.span.source.name == name and edit.span.end <= start
    )


def with_edits(edited: Mapping[Path, str], edits: Iterable[Edit]) -> dict[Path, str]:
    """The texts that stand for files, by resolved path, once edits of their sources are made."""
    by_source: dict[Source, list[Edit]] = {}
    for edit in edits:
        by_source.setdefault(edit.span.source, []).append(edit)
    changed = {
        Path(source.name).resolve(): apply_edits(source.text, own)
        for source, own in by_source.items()
    }
    return {**edited, **changed}


def is_shipped(source: Source) -> bool:
    """Whether a text is of the shipped library, which is not the user's to change."""
    library = resources.specs().resolve() / "std"
    return Path(source.name).resolve().is_relative_to(library)


def place_after(diagnostic: Diagnostic, edits: Iterable[Edit] = ()) -> tuple[str, int]:
    """The file that a diagnostic is about, and where it begins once the edits are made."""
    span = diagnostic.span
    return span.source.name, moved(span.source.name, span.start, edits)
