"""Finds the numbers that ``?`` stands for, and says what was found.

One text may be carried out more than once (a loop's body, a block, an import): a number is one
only where it is right every time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cnndsl.diagnostics.edit import FIX_COMMAND
from cnndsl.diagnostics.model import Diagnostic, Edit, Fix, HoleState, Report
from cnndsl.diagnostics.source import Span
from cnndsl.elaborate.draft import Draft, SolvedLayer
from cnndsl.elaborate.network import Network
from cnndsl.elaborate.values import OpenHole, Value, holes_in
from cnndsl.frozen import replace
from cnndsl.limits import Limits
from cnndsl.typecheck.hole_search import Assignment, Search, filled

__all__ = ["fill"]

TRIES = 20_000
"""So many layers are gone through before the search is given up."""

SHOWN = 8
"""So many values of one hole are listed."""


def fill(draft: Draft, report: Report, limits: Limits) -> Network:
    """The network of a draft, with the smallest numbers that fit in place of its holes.

    What was found, or why nothing was, goes into the report.
    """
    tried = _tried(draft)
    search, solutions = _searched(draft, frozenset(tried), min(TRIES, limits.steps))
    silent = _settled(draft, search)
    for hole, places in {**tried, **_claimed(draft, search)}.items():
        if hole not in silent:
            report.extend(_diagnose(hole, places, search, solutions))
    draft.open_claims = {
        claim.claim.span
        for claim in draft.claims
        if any(isinstance(dim, OpenHole) for dim in claim.dims)
    }
    if not solutions:
        return draft.network()
    draft.solved = {at: _solved(at, draft, search, solutions) for at in draft.pending}
    best = solutions[0]
    numbers = {hole: number for hole, number in best.items() if hole not in search.disputed}
    nodes = tuple(
        search.closed(position, best) or node for position, node in enumerate(draft.nodes)
    )
    draft.claims = [replace(claim, dims=filled(claim.dims, numbers)) for claim in draft.claims]
    return draft.network(nodes)


def _solved(
    position: int, draft: Draft, search: Search, solutions: Sequence[Assignment]
) -> SolvedLayer:
    """What the parameters of a layer can be together, in all solutions."""
    bound = draft.pending[position]
    open_ones = {
        name: value for name, value in bound.values.items() if any(True for _ in holes_in(value))
    }
    rows = [
        {name: filled((value,), one)[0] for name, value in open_ones.items()} for one in solutions
    ]
    holes = {hole.group for value in open_ones.values() for hole in holes_in(value)}
    seen = [sorted({one[hole] for one in solutions if hole in one}) for hole in holes]
    last = search.domain[-1]
    complete = not search.exhausted and not any(_goes_on(one, last) for one in seen)
    distinct = {str(sorted(row.items())): row for row in rows}
    return SolvedLayer(tuple(distinct.values()), complete, not search.exhausted, last, bound)


def _searched(draft: Draft, tried: frozenset[Span], budget: int) -> tuple[Search, list[Assignment]]:
    """The search, and what it found.

    Where nothing was found because a claim's own hole would need two numbers, that is the claim's
    fault, and the others are looked for without it.
    """
    search = Search(draft, budget, tried)
    solutions = search.solutions()
    if not solutions and search.refused:
        second = Search(draft, budget, tried, tolerant=True)
        solutions = second.solutions()
        if solutions:
            return second, solutions
    return search, solutions


def _tried(draft: Draft) -> dict[Span, tuple[Span, ...]]:
    """The places of the holes in layers and inputs, by group."""
    values: list[Value] = [size for sizes in draft.open_inputs.values() for size in sizes]
    for bound in draft.pending.values():
        values.extend(bound.values.values())
    found: dict[Span, dict[Span, None]] = {}
    for value in values:
        for hole in holes_in(value):
            found.setdefault(hole.group, {})[hole.span] = None
    return {group: tuple(spans) for group, spans in found.items()}


def _claimed(draft: Draft, search: Search) -> dict[Span, tuple[Span, ...]]:
    """The places of the holes that stand in claims alone."""
    found: dict[Span, tuple[Span, ...]] = {}
    for claim in draft.claims:
        for hole in holes_in(claim.dims):
            name = search.name(hole)
            if name not in search.tried:
                found.setdefault(name, (hole.span,))
    return found


def _settled(draft: Draft, search: Search) -> set[Span]:
    """The holes of claims that cannot hold, but for the one at which that is said.

    Numbers for the others would make no such claim true.
    """
    found: set[Span] = set()
    for claim in draft.claims:
        holes = [search.name(dim) for dim in claim.dims if isinstance(dim, OpenHole)]
        disputed = [hole for hole in holes if hole in search.disputed]
        found.update(hole for hole in holes if disputed and hole != disputed[0])
    return found - search.tried


# --- what is said -----------------------------------------------------------------------------


def _diagnose(
    hole: Span, places: tuple[Span, ...], search: Search, solutions: Sequence[Mapping[Span, int]]
) -> tuple[Diagnostic, ...]:
    """What was found for one hole; nothing where an earlier mistake leaves its output open."""
    span = places[0]
    if hole in search.disputed:
        return (_disputed(span, search.disputed[hole]),)
    values = [solution[hole] for solution in solutions if hole in solution]
    if solutions and not values:
        return ()
    if not values and search.exhausted:
        return (
            Diagnostic(
                "CNN405",
                "there are too many `?` to try all numbers together",
                span,
                help="write some of the numbers, or state sizes between them, as in `=> 96x55x55`",
                hole=HoleState.UNDETERMINED,
            ),
        )
    if not values:
        return (
            Diagnostic(
                "CNN404",
                "no number fits here",
                span,
                label=f"0 to {search.domain[-1]} were tried",
                help="check the layers and claims around it: with any number, one of them fails",
                hole=HoleState.IMPOSSIBLE,
            ),
        )
    return (_found(hole, places, values, search),)


def _disputed(span: Span, numbers: tuple[int, ...]) -> Diagnostic:
    """A hole in a claim that is carried out several times, with unlike outputs, or misplaced."""
    if not numbers:
        return Diagnostic(
            "CNN404",
            "the output here has another number of sizes than the claim",
            span,
            help="write a `?` for each of them, as in `=> ?x?x?`",
            hole=HoleState.IMPOSSIBLE,
        )
    first, other = numbers
    return Diagnostic(
        "CNN404",
        f"no number fits here: the size is {first} once and {other} another time",
        span,
        label=f"{first}, then {other}",
        help="move the claim out of what is carried out several times, or leave it out",
        hole=HoleState.IMPOSSIBLE,
    )


def _found(
    hole: Span, places: tuple[Span, ...], values: Sequence[int], search: Search
) -> Diagnostic:
    """The numbers of a hole: the one of the first solution is what ``--fix`` writes.

    It does not where some numbers were not tried, or the hole's claim is false in any case.
    """
    best, numbers = values[0], sorted(set(values))
    if len(numbers) >= len(search.domain) - 1:
        return Diagnostic(
            "CNN405",
            "nothing around it determines this `?`",
            places[0],
            help="state what must come out, as in `=> 96x55x55`, or write a number",
            hole=HoleState.UNDETERMINED,
        )
    complete = not search.exhausted and not _goes_on(numbers, search.domain[-1])
    safe = complete and hole not in search.disproved
    fixes = tuple(
        Fix(
            f"write {value}",
            tuple(Edit(place, str(value)) for place in places),
            safe=safe and value == best,
        )
        for value in dict.fromkeys((best, *numbers[:SHOWN]))
    )
    help = f"write {best}; `{FIX_COMMAND}` does"
    if not safe:
        help = f"write {best}, say"
    return Diagnostic(
        "CNN403",
        _possible(numbers, complete=complete),
        places[0],
        help=help,
        fixes=fixes,
        hole=HoleState.SOLVED,
    )


def _goes_on(numbers: Sequence[int], largest: int) -> bool:
    """Whether numbers beyond the largest that was tried would fit too, as it seems."""
    return len(numbers) > 1 and 2 * numbers[-1] - numbers[-2] > largest


def _possible(values: Sequence[int], *, complete: bool) -> str:
    """What a hole can be, in words."""
    if len(values) == 1 and complete:
        return f"`?` can only be {values[0]} here"
    listed = [str(value) for value in values[:SHOWN]]
    if not complete:
        return f"`?` can be {', '.join(listed)} here, and perhaps more"
    more = len(values) - len(listed)
    last = f"{more} more" if more else listed.pop()
    return f"`?` can be {', '.join(listed)} or {last} here"
