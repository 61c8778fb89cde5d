"""Tries a changed network out: whether a failure goes away and no other comes in its place.

From a network that was inferred and some nodes that take the place of others, to the facts as they
would be. Only what a change reaches is inferred again, and only until something goes wrong, so that
many changes can be tried; whatever passes here is still proven on the text (:mod:`.repair`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from cnndsl.elaborate.network import LayerNode, Node, NodeClaim
from cnndsl.elaborate.node_types import Fact, infer_node
from cnndsl.layers.fault_kind import FaultKind
from cnndsl.typecheck.facts import Inference
from cnndsl.types import TensorType

__all__ = ["Budget", "WhatIf"]

Inferred: TypeAlias = tuple[Fact, tuple[FaultKind, ...]]


@dataclass
class Budget:
    """How much may still be spent, counted in nodes that are inferred again.

    Counting nodes, not seconds, makes the same spec give the same repairs everywhere.
    """

    left: int
    kept: int = 0
    """What must be left for the failures that come later."""
    refused: bool = False
    """Whether something was wanted and not granted, since the last share began."""

    def begin(self, failures: int, least: int = 0) -> None:
        """Begin the share of the next failure, of so many: half of what is left, or its part."""
        self.kept = max(0, self.left - max(self.left // 2, self.left // failures, least))
        self.refused = False

    def grant(self, amount: int) -> bool:
        """Spend, if the share has enough left."""
        if self.left - amount < self.kept:
            self.refused = True
            return False
        self.left -= amount
        return True


@dataclass
class WhatIf:
    """Tries changes of one inferred network out."""

    inference: Inference
    known: frozenset[tuple[int, FaultKind]] = field(init=False)
    claims: dict[int, list[NodeClaim]] = field(init=False, default_factory=dict)
    seen: dict[tuple[int, tuple[Fact, ...]], Inferred] = field(init=False, default_factory=dict)
    """What was inferred of the network's own layers; many are equal and read equal values."""

    def __post_init__(self) -> None:
        self.known = frozenset((f.node, f.fault.kind) for f in self.inference.failures)
        for claim in self.inference.network.claims:
            self.claims.setdefault(claim.node, []).append(claim)

    def facts(
        self,
        changed: Mapping[int, Node],
        mends: Collection[tuple[int, FaultKind]],
        budget: Budget,
        last: int | None = None,
    ) -> list[Fact] | None:
        """The facts of the changed network, or None where the change is no good.

        Args:
            changed: the nodes that take the place of others, by position.
            mends: the failures that must go away, each a node's position and a kind of fault.
            budget: pays for every node that is inferred again.
            last: the node behind which none is looked at; by default the last one.
        """
        facts = list(self.inference.facts)
        moved: set[int] = set()
        nodes = self.inference.network.nodes
        for position in range(min(changed), len(nodes) if last is None else last + 1):
            node = changed.get(position, nodes[position])
            follows = isinstance(node, LayerNode) and not moved.isdisjoint(node.inputs)
            if not follows and position not in changed:
                continue
            if not budget.grant(1):
                return None
            fact, kinds = self._inferred(node, facts, fresh=position in changed)
            met = {(position, kind) for kind in kinds}
            if not met <= self.known or not met.isdisjoint(mends):
                return None
            for claim in self.claims.get(position, ()):
                if fact.certain and fact.type is not None and claim.dims != fact.type.dims:
                    if position not in self.inference.doubted:
                        return None
                    fact = Fact(fact.type, frozenset(range(len(fact.type.dims))))
                elif not fact.certain and min(claim.dims, default=0) > 0:
                    fact = Fact(TensorType(claim.dims))
            if fact != facts[position]:
                moved.add(position)
                facts[position] = fact
        return facts

    def _inferred(self, node: Node, facts: Sequence[Fact], *, fresh: bool) -> Inferred:
        """The fact about a node's output, and the kinds of its layer's faults."""
        if fresh or not isinstance(node, LayerNode):
            fact, faults = infer_node(node, facts)
            return fact, tuple(fault.kind for fault in faults)
        key = (id(node.layer), tuple(facts[position] for position in node.inputs))
        if key not in self.seen:
            fact, faults = infer_node(node, facts)
            self.seen[key] = fact, tuple(fault.kind for fault in faults)
        return self.seen[key]
