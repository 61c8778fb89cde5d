"""Turns failures of the size rule into computed repairs, each proven on the text itself.

For each window that does not fit, the size rule is solved for what could be different (the padding,
the input's size, the rounding, the kernel, the stride); where the inputs of a join differ in size,
for the paddings of its branches. Every candidate is tried out: first on the network, which is cheap
(:mod:`.what_if`), then by checking the edited text once more. Only what makes this error go away
and brings no other is offered.

A repair is *safe*, so that ``--fix`` makes it unasked, only where the spec leaves no choice: there
are no holes, a claim about this value or one that follows from it says what must come out, of all
candidates only one agrees with it (all of them were tried), and that one is a likely padding or an
input near the size written, which leave the weights as they are and throw nothing away.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path

from cnndsl.diagnostics.model import Diagnostic, Fix
from cnndsl.diagnostics.source import Source, Span
from cnndsl.elaborate.network import LayerNode
from cnndsl.elaborate.node_types import Fact
from cnndsl.frozen import frozen, replace
from cnndsl.layers.fault_kind import FaultKind
from cnndsl.layers.window import Window
from cnndsl.repair.candidates import Candidate, Case, Rank, Surroundings
from cnndsl.repair.input_sizes import input_changes
from cnndsl.repair.join_paddings import branch_paddings
from cnndsl.repair.proof import Retry, is_shipped, moved, place_after, retry_cost, uncovered
from cnndsl.repair.solve import changes
from cnndsl.repair.what_if import Budget, WhatIf
from cnndsl.syntax.ast import Expect
from cnndsl.typecheck.facts import Failure, Inference

__all__ = ["Retry", "repair"]

SIZE_RULE = frozenset(
    (
        FaultKind.REMAINDER,
        FaultKind.TOO_LARGE,
        FaultKind.BLIND,
        FaultKind.NOTHING_LEFT,
        FaultKind.OUTPUT_PADDING,
    )
)
"""The failures of the size rule."""

FIXES = 6
"""So many repairs of one failure are offered."""

RETRIES = 10
"""So many are tried on the text."""

TRIED = 20_000
"""So many nodes are inferred again in all trials."""

RETRIED = 10_000
"""So many in all retries, of which at least one is made."""

CASES = 100
"""So many failures are repaired: as many diagnostics as are shown."""

SETTLED = frozenset((Rank.PADDING, Rank.OUTPUT_PADDING, Rank.INPUT))
"""What may be safe."""


def repair(
    inference: Inference,
    diagnostics: tuple[Diagnostic, ...],
    retry: Retry,
    edited: Mapping[Path, str],
) -> tuple[Diagnostic, ...]:
    """The diagnostics, with repairs for the failures of the size rule among them.

    Args:
        inference: what was found, failures included.
        diagnostics: all that was reported about the spec.
        retry: checks the spec with other texts in place of its files, by resolved path.
        edited: the texts that stand for files already.
    """
    cases = _cases(inference)
    if not cases:
        return diagnostics
    workshop = _Workshop(inference, diagnostics, retry, edited)
    waiting = min(len(cases), CASES)
    repaired: list[Diagnostic] = []
    for diagnostic in diagnostics:
        case = cases.get((diagnostic.code, diagnostic.span))
        if case is not None:
            diagnostic = workshop.repaired(diagnostic, case, waiting)
            waiting -= waiting > 0
        repaired.append(diagnostic)
    return tuple(repaired)


def _cases(inference: Inference) -> dict[tuple[str, Span], Case]:
    """The failures, by what is reported of them: a block called twice fails in one place."""
    nodes = inference.network.nodes
    failing: dict[tuple[FaultKind, Span], list[int]] = {}
    for failure in inference.failures:
        if _is_solvable(inference, failure):
            key = (failure.fault.kind, failure.diagnostic.span)
            failing.setdefault(key, []).append(failure.node)
    alike: dict[Span, list[int]] = {nodes[found[0]].span: [] for found in failing.values()}
    for position, node in enumerate(nodes if alike else ()):
        if node.span in alike:
            alike[node.span].append(position)
    around = Surroundings(inference, Counter(kind for kind, _ in failing))
    return {
        (kind.value, place): Case(around, kind, tuple(found), tuple(alike[nodes[found[0]].span]))
        for (kind, place), found in failing.items()
    }


def _is_solvable(inference: Inference, failure: Failure) -> bool:
    """Whether the size rule can be solved for what would mend it."""
    node = inference.network.nodes[failure.node]
    if failure.fault.kind is FaultKind.UNLIKE:
        return isinstance(node, LayerNode) and node.layer.joins and failure.fault.spatial
    return failure.fault.kind in SIZE_RULE and bool(_windows(inference, failure.node))


def _windows(inference: Inference, position: int) -> tuple[Window, ...]:
    """The windows of a node's layer; none where it has none, or its inputs are not known."""
    node = inference.network.nodes[position]
    if not isinstance(node, LayerNode):
        return ()
    types = [kind for at in node.inputs if (kind := inference.facts[at].type) is not None]
    return node.layer.windows(*types) if len(types) == len(node.inputs) else ()


@frozen
class _Proposal:
    """A candidate that passed its trial, and the fix that it would be."""

    candidate: Candidate
    fix: Fix


@dataclass
class _Verified:
    """What trials on the text found: the repairs that mend it, best first."""

    passed: list[_Proposal] = field(default_factory=list)
    unmet: list[tuple[Fix, str]] = field(default_factory=list)
    """Those that leave nothing but an `expect` that does not hold, with a note that says so."""
    complete: bool = False
    """Whether all candidates were tried."""


class _Workshop:
    """Repairs the failures of one spec, one after the other, while the budget lasts."""

    def __init__(
        self,
        inference: Inference,
        diagnostics: Sequence[Diagnostic],
        retry: Retry,
        edited: Mapping[Path, str],
    ) -> None:
        self.inference = inference
        self.diagnostics = diagnostics
        self.retry = retry
        self.edited = edited
        self.what_if = WhatIf(inference)
        self.trials = Budget(TRIED)
        self.retries = Budget(max(RETRIED, self._cost))

    def repaired(self, diagnostic: Diagnostic, case: Case, waiting: int) -> Diagnostic:
        """The diagnostic with the repairs of its failure.

        ``waiting`` failures, with this one, are still to be repaired; none: it gets advice only.
        """
        trial = self._verified(diagnostic, case, waiting) if waiting else _Verified()
        if not trial.passed and not trial.unmet:
            return diagnostic if diagnostic.help else replace(diagnostic, help=_advice(case))
        fixes = [proposal.fix for proposal in trial.passed]
        if trial.complete and len(fixes) == 1 and self._is_settled(trial.passed[0].candidate, case):
            fixes = [replace(fixes[0], safe=True)]
        if not fixes:
            fixes = [fix for fix, _ in trial.unmet]
            diagnostic = replace(diagnostic, notes=(*diagnostic.notes, trial.unmet[0][1]))
        if diagnostic.fixes:  # what was seen in the words themselves comes first
            return replace(diagnostic, fixes=(*diagnostic.fixes, *fixes))
        return replace(diagnostic, help=fixes[0].title, fixes=tuple(fixes))

    def _verified(self, diagnostic: Diagnostic, case: Case, waiting: int) -> _Verified:
        """The candidates that mend the text, best first, and whether all of them were tried."""
        self.trials.begin(waiting)
        proposals = self._proposals(case)
        self.retries.begin(waiting, self._cost)
        found = _Verified()
        others = [item for item in self.diagnostics if item is not diagnostic]
        for tried, proposal in enumerate(proposals):
            full = len(found.passed) == FIXES or tried == RETRIES
            if full or not self.retries.grant(self._cost):
                return found
            wrong = uncovered(proposal.fix, others, self.retry, self.edited)
            if not wrong:
                found.passed.append(proposal)
                if proposal.candidate.rank is Rank.ORDER:
                    return found  # nothing else is meant
                continue
            unmet = [self._expectation(item, proposal.fix) for item in wrong]
            if unmet[0] and None not in unmet and len(found.unmet) < FIXES:
                said = f"`{unmet[0].span.text}` holds with none of these"
                found.unmet.append((proposal.fix, f"{said}: with the first, {wrong[0].message}"))
        found.complete = not self.trials.refused
        return found

    def _proposals(self, case: Case) -> list[_Proposal]:
        """What passes on the network, best first."""
        found: dict[str, _Proposal] = {}
        for kind in self._changes(case):
            for candidate in kind:
                if any(edit.span.source in self._shipped for edit in candidate.edits):
                    continue
                facts = self.what_if.facts(candidate.changed, case.mends, self.trials)
                if facts is not None:
                    title = f"{candidate.action}: {_reason(candidate, case, facts)}"
                    proposal = _Proposal(candidate, Fix(title, candidate.edits))
                    found.setdefault(candidate.action, proposal)
                    break
        return _ranked(found.values())

    def _changes(self, case: Case) -> Iterable[Iterable[Candidate]]:
        """The kinds of changes that may mend it."""
        if case.kind is FaultKind.UNLIKE:
            return branch_paddings(case)
        return chain(changes(case), input_changes(case, self.trials))

    @cached_property
    def _shipped(self) -> frozenset[Source]:
        """The texts that are not the user's to change."""
        sources = {node.span.source for node in self.inference.network.nodes}
        return frozenset(filter(is_shipped, sources))

    @cached_property
    def _cost(self) -> int:
        """What one retry costs, in nodes."""
        return retry_cost(self.inference.network, self.diagnostics)

    @cached_property
    def _has_holes(self) -> bool:
        """Whether the spec leaves numbers open."""
        return any(diagnostic.hole is not None for diagnostic in self.diagnostics)

    def _expectation(self, problem: Diagnostic, fix: Fix) -> Expect | None:
        """The `expect` that a problem of the edited text says does not hold."""
        name, start = place_after(problem)
        for statement in self.inference.network.module.statements:
            if isinstance(statement, Expect) and statement.span.source.name == name:
                begin = moved(name, statement.span.start, fix.edits)
                if begin <= start < begin + len(statement.span.text):
                    return statement
        return None

    def _is_settled(self, candidate: Candidate, case: Case) -> bool:
        """Whether a claim says what must come out, so that there is no choice."""
        if candidate.rank not in SETTLED or self._has_holes:
            return False
        network = self.inference.network
        reached = set(case.failing)
        for position, node in enumerate(network.nodes):
            if isinstance(node, LayerNode) and not reached.isdisjoint(node.inputs):
                reached.add(position)
        return any(claim.node in reached for claim in network.claims)


def _ranked(proposals: Iterable[_Proposal]) -> list[_Proposal]:
    """The proposals, best first; of two of one kind, the second comes after those of others."""
    taken: set[Rank] = set()
    ranked: list[tuple[Rank, _Proposal]] = []
    for proposal in sorted(proposals, key=lambda p: (p.candidate.rank, p.candidate.distance)):
        rank = proposal.candidate.rank
        ranked.append((max(rank, Rank.SECOND) if rank in taken else rank, proposal))
        taken.add(rank)
    return [proposal for _, proposal in sorted(ranked, key=lambda pair: pair[0])]


# --- words ------------------------------------------------------------------------------------


def _reason(candidate: Candidate, case: Case, facts: Sequence[Fact]) -> str:
    """Why a change mends it: the size rule with the new numbers."""
    if candidate.reason:
        return candidate.reason
    node = candidate.changed.get(case.failing[0], case.node)
    assert isinstance(node, LayerNode)
    kind = facts[node.inputs[0]].type
    assert kind is not None
    wrong = [window for at, window in enumerate(node.layer.windows(kind)) if at in case.wrong]
    same = getattr(node.layer, "padding", None) == "same"
    return ", ".join(dict.fromkeys(w.same_formula if same else w.formula for w in wrong))


def _advice(case: Case) -> str:
    """What is true of the size rule here, where there is no repair to promise."""
    wrong = [case.windows[at] for at in case.wrong]
    return next((window for window in wrong if not window.fits), wrong[0]).advice
