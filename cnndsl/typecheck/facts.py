"""What type inference knows of the values in a network, and what it found wrong."""

from __future__ import annotations

from dataclasses import field

from cnndsl.diagnostics.model import Diagnostic
from cnndsl.elaborate.network import Network, TypedNetwork
from cnndsl.elaborate.node_types import Fact
from cnndsl.frozen import frozen, mutable
from cnndsl.layers.base import ShapeFault, Weight
from cnndsl.typecheck.budgets import Overrun

__all__ = ["Failure", "Inference"]


@frozen
class Failure:
    """A fault of a layer in its place, and the diagnostic that tells of it."""

    node: int
    fault: ShapeFault
    diagnostic: Diagnostic


@mutable
class Inference:
    """What inference found: a fact for every node, and the failures on the way."""

    network: Network
    facts: list[Fact] = field(default_factory=list)
    """What is known of every node's output, its claims believed or doubted."""
    computed: list[Fact] = field(default_factory=list)
    """The same as the layers alone say it."""
    weights: list[tuple[Weight, ...] | None] = field(default_factory=list)
    """The weights every node owns; None where an earlier mistake leaves them open."""
    failures: list[Failure] = field(default_factory=list)
    doubted: set[int] = field(default_factory=set)
    """The nodes about which a claim does not hold."""
    diagnostics: list[Diagnostic] = field(default_factory=list)
    wrong_claims: list[int] = field(default_factory=list)
    """Which of the diagnostics are about claims."""
    overruns: tuple[Overrun, ...] = ()
    """The budgets that the network does not keep."""

    @property
    def certain(self) -> bool:
        """Whether every type is proven."""
        return all(fact.certain for fact in self.facts)

    def typed(self) -> TypedNetwork:
        """The network with its types. Needs :attr:`certain`."""
        types = tuple(fact.type for fact in self.facts if fact.type is not None)
        return TypedNetwork(self.network, types, tuple(own or () for own in self.weights))
