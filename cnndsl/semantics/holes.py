"""Finds the numbers that ``?`` stands for, by trying them against the layers and claims around.

Layers are gone through in order; at a hole every number in question is tried, and given up at the
first layer that cannot take its input or the first claim that does not hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from pydantic import ValidationError

from cnndsl.diagnostics.model import Diagnostic, Edit, Fix, Report
from cnndsl.diagnostics.source import Span
from cnndsl.limits import Limits
from cnndsl.semantics.draft import Draft, PendingClaim
from cnndsl.semantics.infer import Fact, infer_node
from cnndsl.semantics.network import InputNode, LayerNode, Network, Node
from cnndsl.semantics.values import OpenHole, Value, holes_in
from cnndsl.types import TensorType

__all__ = ["fill"]

LARGEST = 4096
"""No number beyond this is tried."""

TRIES = 20_000
"""So many layers are gone through before the search is given up."""

STRUCTURAL = frozenset({"CNN306", "CNN307", "CNN308", "CNN310"})
"""Faults that no number mends: the search goes on past them."""

SOLUTIONS = 1000
"""So many solutions are looked for; more than a handful help nobody."""

SHOWN = 8
"""So many values of one hole are listed."""

Assignment = dict[Span, int]
"""The number chosen for each group of holes, by the group's place."""


def fill(draft: Draft, report: Report, limits: Limits) -> Network:
    """The network of a draft, with the smallest numbers that fit in place of its holes.

    What was found, or why nothing was, goes into the report.
    """
    holes = _holes(draft)
    if not holes:
        return draft.network()
    search = _Search(draft, min(TRIES, limits.steps))
    solutions = search.solutions()
    for group, members in holes.items():
        values = sorted({solution[group] for solution in solutions if group in solution})
        if solutions and not values:
            report.add(_without_place(members[0]))
        else:
            report.add(_diagnose(members, values, search))
    if not solutions:
        return draft.network()
    best = solutions[0]
    nodes = tuple(
        search.closed(position, best) or node for position, node in enumerate(draft.nodes)
    )
    draft.claims = [replace(claim, dims=_put(claim.dims, best)) for claim in draft.claims]
    return draft.network(nodes)


def _holes(draft: Draft) -> dict[Span, tuple[Span, ...]]:
    """The places of all holes, by group."""
    found: dict[Span, dict[Span, None]] = {}

    def collect(values: Sequence[Value], *, grouped: bool = True) -> None:
        for value in values:
            for hole in holes_in(value):
                found.setdefault(hole.group if grouped else hole.span, {})[hole.span] = None

    for sizes in draft.open_inputs.values():
        collect(sizes)
    for bound in draft.pending.values():
        collect(tuple(bound.values.values()))
    for claim in draft.claims:
        collect(claim.dims, grouped=False)
    return {group: tuple(spans) for group, spans in found.items()}


def _put(values: tuple[Value, ...], assignment: Assignment) -> tuple[Value, ...]:
    return tuple(_filled(value, assignment) for value in values)


def _filled(value: Value, assignment: Assignment) -> Value:
    """A value with the chosen numbers in place of its holes."""
    if isinstance(value, OpenHole):
        return assignment.get(value.group, assignment.get(value.span, value))
    if isinstance(value, tuple):
        return _put(value, assignment)
    return value


@dataclass
class _Search:
    """A depth-first search over the numbers that the holes of a draft can have."""

    draft: Draft
    budget: int
    claims: dict[int, list[PendingClaim]] = field(default_factory=dict)
    exhausted: bool = False

    def __post_init__(self) -> None:
        for claim in self.draft.claims:
            self.claims.setdefault(claim.node, []).append(claim)
        sizes = [dim for claim in self.draft.claims for dim in claim.dims if isinstance(dim, int)]
        for node in self.draft.nodes:
            if isinstance(node, InputNode):
                sizes.extend(node.type.dims)
        scale = 8 if self.draft.open_inputs else 1  # an input is larger than what comes of it
        self.domain = range(min(LARGEST, scale * max(64, *sizes, 0)) + 1)

    def solutions(self) -> list[Assignment]:
        """The assignments that satisfy everything, the smallest numbers first."""
        found: list[Assignment] = []
        for assignment in self._from(0, [], {}):
            found.append(assignment)
            if len(found) == SOLUTIONS:
                self.exhausted = True
                break
        return found

    def _from(
        self, position: int, facts: list[Fact], assignment: Assignment
    ) -> Iterator[Assignment]:
        """Solutions for the nodes from ``position`` on, given what is known of those before."""
        for at in range(position, len(self.draft.nodes)):
            group = next(self._open(at, assignment), None)
            if group is not None:
                for number in self.domain:
                    if self.budget <= 0:
                        self.exhausted = True
                        return
                    yield from self._from(at, facts[:at], {**assignment, group: number})
                return
            fact = self._fact(at, facts, assignment)
            if fact is None:
                return
            facts.append(fact)
        yield assignment

    def _open(self, position: int, assignment: Assignment) -> Iterator[Span]:
        bound = self.draft.pending.get(position)
        values = bound.values.values() if bound else self.draft.open_inputs.get(position, ())
        return (
            hole.group
            for value in values
            for hole in holes_in(value)
            if hole.group not in assignment
        )

    def _fact(self, position: int, facts: list[Fact], assignment: Assignment) -> Fact | None:
        """What is known of a node's output, or None where the assignment does not fit it."""
        self.budget -= 1
        node = self.closed(position, assignment)
        if node is None:
            return None
        fact, faults = infer_node(node, facts, tolerated=STRUCTURAL if assignment else None)
        if assignment and any(fault.code not in STRUCTURAL for fault in faults):
            return None
        for claim in self.claims.get(position, ()):
            if fact.certain and not self._holds(claim, fact, assignment):
                return None
            fact = self._believe(claim, fact)
        return fact

    def _holds(self, claim: PendingClaim, fact: Fact, assignment: Assignment) -> bool:
        """Whether a claim holds; its own holes take what they find."""
        assert fact.type is not None
        if len(claim.dims) != len(fact.type.dims):
            return not assignment
        for said, true in zip(claim.dims, fact.type.dims, strict=True):
            if isinstance(said, OpenHole):
                assignment[said.span] = true
            elif said != true and assignment:
                return False
        return True

    def _believe(self, claim: PendingClaim, fact: Fact) -> Fact:
        if fact.certain:
            return fact
        dims = tuple(dim for dim in claim.dims if isinstance(dim, int))
        return Fact(TensorType(dims)) if len(dims) == len(claim.dims) and min(dims) > 0 else fact

    def closed(self, position: int, assignment: Assignment) -> Node | None:
        """The node with numbers in place of its holes; None where its schema refuses them."""
        node = self.draft.nodes[position]
        bound = self.draft.pending.get(position)
        if bound is not None and isinstance(node, LayerNode):
            values = {name: _filled(value, assignment) for name, value in bound.values.items()}
            try:
                return replace(node, layer=replace(bound, values=values).validate())
            except ValidationError:
                return None
        sizes = self.draft.open_inputs.get(position)
        if sizes is not None and isinstance(node, InputNode):
            dims = tuple(dim for dim in _put(sizes, assignment) if isinstance(dim, int))
            return replace(node, type=TensorType(dims)) if min(dims) > 0 else None
        return node


def _without_place(span: Span) -> Diagnostic:
    """A hole in a claim that has another number of sizes than the output."""
    return Diagnostic(
        "CNN404",
        "the output here has another number of sizes than the claim",
        span,
        help="write a `?` for each of them, as in `=> ?x?x?`",
    )


def _diagnose(places: tuple[Span, ...], values: list[int], search: _Search) -> Diagnostic:
    """What was found for one group of holes."""
    span = places[0]
    if not values and search.exhausted:
        return Diagnostic(
            "CNN405",
            "there are too many `?` to try all numbers together",
            span,
            help="write some of the numbers, or state sizes between them, as in `=> 96x55x55`",
        )
    if not values:
        return Diagnostic(
            "CNN404",
            "no number fits here",
            span,
            label=f"0 to {search.domain[-1]} were tried",
            help="check the layers and claims around it: with any number, one of them fails",
        )
    if len(values) >= len(search.domain) - 1:
        return Diagnostic(
            "CNN405",
            "nothing around it determines this `?`",
            span,
            help="state what must come out, as in `=> 96x55x55`, or write a number",
        )
    return Diagnostic(
        "CNN403",
        _possible(values, complete=not search.exhausted),
        span,
        help=f"write {values[0]}; `cnndsl check --fix` does",
        fixes=tuple(
            Fix(
                f"write {value}",
                tuple(Edit(place, str(value)) for place in places),
                safe=value == values[0],
            )
            for value in values[:SHOWN]
        ),
    )


def _possible(values: list[int], *, complete: bool) -> str:
    """What a hole can be, in words."""
    if len(values) == 1 and complete:
        return f"`?` can only be {values[0]} here"
    listed = [str(value) for value in values[:SHOWN]]
    if not complete:
        return f"`?` can be {', '.join(listed)} here, and perhaps more"
    more = len(values) - len(listed)
    last = f"{more} more" if more else listed.pop()
    return f"`?` can be {', '.join(listed)} or {last} here"
