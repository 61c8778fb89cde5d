"""A network while it is being resolved: it may still have holes and layers nobody understood."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import ClassVar

from cnndsl.diagnostics.model import Diagnostic
from cnndsl.diagnostics.source import Span
from cnndsl.elaborate.bound import Bound
from cnndsl.elaborate.network import Budget, Expectation, InputNode, Network, Node, NodeClaim
from cnndsl.elaborate.recording import Recording
from cnndsl.elaborate.scope import BlockCall, BlockDefinition
from cnndsl.elaborate.values import OpenHole, Value
from cnndsl.frozen import frozen, mutable
from cnndsl.layers.base import Layer
from cnndsl.recipe.recipe import Recipe
from cnndsl.syntax.ast import Claim, Expect, Module

__all__ = ["Draft", "PendingClaim", "PendingExpectation", "Poison", "SolvedLayer", "whole"]


class Poison(Layer):
    """Stands where a layer could not be understood; nothing is known of its output."""

    keyword: ClassVar[str] = "?"


@frozen
class PendingClaim:
    """A claim about a node's output, perhaps with holes."""

    node: int
    dims: tuple[Value, ...]
    claim: Claim


@frozen
class PendingExpectation:
    """An expectation, perhaps with holes."""

    value: tuple[Value, ...]
    statement: Expect

    @property
    def is_budget(self) -> bool:
        """Whether it says between which bounds a quantity lies, and not what it is."""
        return self.statement.comparison is not None


@frozen
class SolvedLayer:
    """The values that a layer's parameters with holes can have together, the first ones best.

    ``complete`` says whether there are no others, ``all_tried`` whether all numbers up to the
    ``largest`` were tried. ``bound`` is the layer as it is written.
    """

    values: tuple[Mapping[str, Value], ...]
    complete: bool
    all_tried: bool
    largest: int
    bound: Bound[Layer]


@mutable
class Draft:
    """What resolving has found so far. Nodes are in topological order, and stay where they are."""

    module: Module
    name: str
    nodes: list[Node] = field(default_factory=list)
    outputs: dict[str, int] = field(default_factory=dict)
    scopes: dict[str, int] = field(default_factory=dict)
    claims: list[PendingClaim] = field(default_factory=list)
    expectations: list[PendingExpectation] = field(default_factory=list)
    classes: tuple[str, ...] = ()
    recipe: Recipe | None = None
    imported: tuple[BlockDefinition, ...] = ()
    parameters: dict[str, Value] = field(default_factory=dict)
    calls: Mapping[str, BlockCall] = field(default_factory=dict)
    labels: frozenset[str] = frozenset()
    overridden: bool = False
    """Whether a parameter was set to something else than its default."""
    misnamed: list[Diagnostic] = field(default_factory=list)
    """The labels that stand before a stream, and what is wrong with each."""
    misnamed_readers: dict[int, Diagnostic] = field(default_factory=dict)
    """The nodes that read a stream through such a label, by position."""
    exhausted: bool = False
    """Whether a limit was reached: the network is then no more than its beginning."""
    pending: dict[int, Bound[Layer]] = field(default_factory=dict)
    """Layers with holes, by position."""
    open_inputs: dict[int, tuple[Value, ...]] = field(default_factory=dict)
    """Sizes of inputs with holes, by position."""
    open_claims: set[Span] = field(default_factory=set)
    """The claims that were written with holes, by place."""
    recording: Recording | None = None
    """Takes note of what happens where, if anybody asks."""
    solved: dict[int, SolvedLayer] = field(default_factory=dict)
    """What was found for the layers with holes, by position."""

    @property
    def inputs(self) -> tuple[InputNode, ...]:
        """The inputs declared so far."""
        return tuple(node for node in self.nodes if isinstance(node, InputNode))

    @property
    def is_open(self) -> bool:
        """Whether it has holes in its inputs, layers or claims."""
        dims = (dim for claim in self.claims for dim in claim.dims)
        return bool(
            self.pending or self.open_inputs or any(isinstance(dim, OpenHole) for dim in dims)
        )

    @property
    def poisoned(self) -> bool:
        """Whether a layer could not be understood."""
        return any(isinstance(getattr(node, "layer", None), Poison) for node in self.nodes)

    def _budgets(self) -> Iterator[Budget]:
        for expected in self.expectations:
            numbers = tuple(one for one in expected.value if isinstance(one, int | float))
            sign = expected.statement.comparison
            if sign is not None and len(numbers) == len(expected.value):
                yield Budget(expected.statement.quantity.name, sign, numbers)

    def network(self, nodes: tuple[Node, ...] | None = None) -> Network:
        """The network, once nothing is open."""
        return Network(
            name=self.name,
            nodes=tuple(self.nodes) if nodes is None else nodes,
            outputs=dict(self.outputs),
            scopes=dict(self.scopes),
            claims=tuple(
                NodeClaim(claim.node, dims, claim.claim.span)
                for claim in self.claims
                if (dims := whole(claim.dims)) is not None
            ),
            expectations=tuple(
                Expectation(
                    expected.statement.quantity.name,
                    value,
                    expected.statement.span,
                    expected.statement.values[0].span.to(expected.statement.values[-1].span),
                )
                for expected in self.expectations
                if not expected.is_budget and (value := whole(expected.value)) is not None
            ),
            budgets=tuple(self._budgets()),
            overridden=self.overridden,
            classes=self.classes,
            recipe=self.recipe,
            parameters=dict(self.parameters),
            module=self.module,
            imported=self.imported,
            calls=self.calls,
            labels=self.labels,
        )


def whole(values: tuple[Value, ...]) -> tuple[int, ...] | None:
    """Sizes as numbers, or None where one is a hole."""
    found: list[int] = []
    for value in values:
        if isinstance(value, OpenHole) or not isinstance(value, int):
            return None
        found.append(value)
    return tuple(found)
