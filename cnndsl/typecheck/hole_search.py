"""Tries numbers for the holes of a draft: a search over its layers, depth first.

Layers are gone through in order; at a hole every number in question is tried, and given up at the
first layer that cannot take its input or the first claim that does not hold. A hole in a claim
alone is not tried: it takes the size that it finds, and must find the same one each time its text
is carried out. The search holds its choices in a list, so that no text makes it too deep.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from pydantic import ValidationError

from cnndsl.diagnostics.source import Span
from cnndsl.elaborate.draft import Draft, PendingClaim
from cnndsl.elaborate.network import InputNode, LayerNode, Node
from cnndsl.elaborate.node_types import Fact, infer_node
from cnndsl.elaborate.values import OpenHole, Value, holes_in
from cnndsl.frozen import replace
from cnndsl.layers.fault_kind import FaultKind
from cnndsl.typecheck.sharing import differing_setting, unlike_weights
from cnndsl.types import TensorType

__all__ = ["Assignment", "Search", "filled"]

LARGEST = 4096
"""No number beyond this is tried."""

SOLUTIONS = 1000
"""So many solutions are looked for; more than a handful help nobody."""

NUMBERS = 200_000
"""So many numbers are kept in all solutions together."""

STRUCTURAL = frozenset(
    {FaultKind.VECTOR, FaultKind.FEATURE_MAPS, FaultKind.SIZE_COUNT, FaultKind.UNSUITED}
)
"""Faults that no number mends: the search goes on past them."""

Assignment: TypeAlias = dict[Span, int]
"""The number chosen for each hole, by the hole's name: the place of its group, or its own."""


def filled(values: tuple[Value, ...], numbers: Mapping[Span, int]) -> tuple[Value, ...]:
    """Values with the chosen numbers in place of their holes; a hole without one stays."""
    return tuple(_filled(value, numbers) for value in values)


def _filled(value: Value, numbers: Mapping[Span, int]) -> Value:
    if isinstance(value, OpenHole):
        return numbers.get(value.group, numbers.get(value.span, value))
    return filled(value, numbers) if isinstance(value, tuple) else value


@dataclass
class _Choice:
    """A hole at which the search stands: how much was known, and the numbers still to try."""

    hole: Span
    position: int
    known: int
    disputed: int
    numbers: Iterator[int]


@dataclass
class Search:
    """The search over the numbers that the holes of a draft can have."""

    draft: Draft
    budget: int
    """So many layers are gone through before the search is given up."""
    tried: frozenset[Span]
    """The holes of layers and inputs, by name: numbers are tried for these."""
    tolerant: bool = False
    """Whether to go on where a claim's own hole would need two numbers."""
    exhausted: bool = False
    refused: bool = False
    """Whether something was given up because of a claim's own hole."""
    disputed: dict[Span, tuple[int, ...]] = field(default_factory=dict)
    """The holes of claims that cannot be right in the first solution: the two numbers that one
    would have to be; none where the claim has another number of sizes than an output."""
    disproved: set[Span] = field(default_factory=set)
    """The holes of claims that are false whatever the hole is."""

    def __post_init__(self) -> None:
        self.claims: dict[int, list[PendingClaim]] = {}
        for claim in self.draft.claims:
            self.claims.setdefault(claim.node, []).append(claim)
        sizes = [dim for claim in self.draft.claims for dim in claim.dims if isinstance(dim, int)]
        for node in self.draft.nodes:
            if isinstance(node, InputNode):
                sizes.extend(node.type.dims)
        scale = 8 if self.draft.open_inputs else 1  # an input is larger than what comes of it
        self.domain = range(min(LARGEST, scale * max(64, *sizes, 0)) + 1)
        positions = {node.name: at for at, node in enumerate(self.draft.nodes)}
        self.owners = {
            at: positions[node.owner]
            for at, node in enumerate(self.draft.nodes)
            if isinstance(node, LayerNode) and node.share
        }
        self.assignment: Assignment = {}
        self.bound = 0
        """How many of the numbers in the assignment are of holes that are tried."""

    def solutions(self) -> list[Assignment]:
        """The assignments that satisfy everything, the smallest numbers first."""
        found: list[Assignment] = []
        facts: list[Fact] = []
        choices: list[_Choice] = []
        disputes: dict[Span, tuple[int, ...]] = self.disputed
        while True:
            hole = self._advance(facts)
            if isinstance(hole, Span):
                known = len(facts), len(self.assignment), len(self.disputed)
                choices.append(_Choice(hole, *known, iter(self.domain)))
            elif hole:
                if not found:
                    disputes, self.disputed = self.disputed, dict(self.disputed)
                found.append(dict(self.assignment))
                if len(found) * (1 + len(self.assignment)) >= NUMBERS or len(found) == SOLUTIONS:
                    self.exhausted = self.exhausted or bool(choices)
                    break
            if not self._next(choices, facts):
                break
        self.disputed = disputes
        return found

    def _advance(self, facts: list[Fact]) -> Span | bool:
        """Go on to the next hole that is open; True at the end, False where it does not fit."""
        for at in range(len(facts), len(self.draft.nodes)):
            hole = self._open(at)
            if hole is not None:
                return hole
            fact = self._fact(at, facts)
            if fact is None:
                return False
            facts.append(fact)
        return True

    def _next(self, choices: list[_Choice], facts: list[Fact]) -> bool:
        """Take the next number of the last choice that has one; False where none has."""
        while choices:
            choice = choices[-1]
            while len(self.assignment) > choice.known:
                hole, _ = self.assignment.popitem()
                self.bound -= hole in self.tried
            while len(self.disputed) > choice.disputed:
                self.disputed.popitem()
            del facts[choice.position :]
            number = next(choice.numbers, None)
            if number is not None and self.budget <= 0:
                self.exhausted = True
                return False
            if number is not None:
                self._assign(choice.hole, number)
                return True
            choices.pop()
        return False

    def _assign(self, hole: Span, number: int) -> None:
        self.assignment[hole] = number
        self.bound += hole in self.tried

    def _open(self, position: int) -> Span | None:
        """A hole of a node that has no number yet."""
        bound = self.draft.pending.get(position)
        values = bound.values.values() if bound else self.draft.open_inputs.get(position, ())
        names = (hole.group for value in values for hole in holes_in(value))
        return next((name for name in names if name not in self.assignment), None)

    def _fact(self, position: int, facts: list[Fact]) -> Fact | None:
        """What is known of a node's output, or None where the assignment does not fit it.

        What is wrong before the first hole that is tried is no matter of numbers.
        """
        self.budget -= 1
        node = self.closed(position, self.assignment)
        if node is None:
            return None
        fact, faults = infer_node(node, facts, tolerated=STRUCTURAL if self.bound else None)
        if self.bound and any(fault.kind not in STRUCTURAL for fault in faults):
            return None
        if self.bound and not faults and not self._same_as_owner(position, node, facts):
            return None
        for claim in self.claims.get(position, ()):
            if fact.certain and not self._holds(claim, fact):
                return None
            fact = _believe(claim, fact)
        return fact

    def _same_as_owner(self, position: int, node: Node, facts: list[Fact]) -> bool:
        """Whether a layer that uses another's weights can do so with these numbers."""
        at = self.owners.get(position)
        owner = self.closed(at, self.assignment) if at is not None else None
        if not isinstance(node, LayerNode) or not isinstance(owner, LayerNode):
            return True
        return differing_setting(node, owner) is None and not unlike_weights(node, owner, facts)

    # --- claims ---

    def name(self, hole: OpenHole) -> Span:
        """What a hole in a claim is known by: in a constant it may be tried elsewhere too."""
        return hole.group if hole.group in self.tried else hole.span

    def _holds(self, claim: PendingClaim, fact: Fact) -> bool:
        """Whether a claim can hold; its own holes take what they find."""
        assert fact.type is not None
        holes = [self.name(dim) for dim in claim.dims if isinstance(dim, OpenHole)]
        if len(claim.dims) != len(fact.type.dims):
            goes_on = [self._disputes(hole) for hole in holes]
            return all(goes_on) if holes else not self.bound
        fits = True
        for said, true in zip(claim.dims, fact.type.dims, strict=True):
            if isinstance(said, OpenHole):
                fits &= self._takes(self.name(said), true)
            elif said != true:
                fits = False
                if not self.bound:
                    self.disproved.update(holes)
        return fits or not self.bound

    def _takes(self, hole: Span, true: int) -> bool:
        """Whether a hole in a claim can have the number that it finds."""
        known = self.assignment.get(hole)
        if known is None:
            self._assign(hole, true)
        elif known != true and hole not in self.tried:
            return self._disputes(hole, known, true)
        return known is None or known == true

    def _disputes(self, hole: Span, *numbers: int) -> bool:
        """Take note of a hole that cannot be right; whether to go on."""
        if self.bound and (hole in self.tried or not self.tolerant):
            self.refused = True
            return False
        self.disputed.setdefault(hole, numbers)
        return True

    # --- nodes ---

    def closed(self, position: int, numbers: Mapping[Span, int]) -> Node | None:
        """The node with numbers in place of its holes; None where its schema refuses them."""
        node = self.draft.nodes[position]
        bound = self.draft.pending.get(position)
        if bound is not None and isinstance(node, LayerNode):
            values = {name: _filled(value, numbers) for name, value in bound.values.items()}
            try:
                return replace(node, layer=replace(bound, values=values).validate())
            except ValidationError:
                return None
        sizes = self.draft.open_inputs.get(position)
        if sizes is not None and isinstance(node, InputNode):
            dims = tuple(dim for dim in filled(sizes, numbers) if isinstance(dim, int))
            if min(dims) < 1:
                return None
            return replace(node, type=node.type.resized(dims), assumed=frozenset())
        return node


def _believe(claim: PendingClaim, fact: Fact) -> Fact:
    if fact.certain:
        return fact
    dims = tuple(dim for dim in claim.dims if isinstance(dim, int))
    return Fact(TensorType(dims)) if len(dims) == len(claim.dims) and min(dims) > 0 else fact
