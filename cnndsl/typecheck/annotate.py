"""Works out the edits of ``cnndsl check --annotate``: claims written, and made true."""

from __future__ import annotations

from collections.abc import Container, Iterator

from cnndsl.analysis.cost import quantity
from cnndsl.diagnostics.model import Edit
from cnndsl.diagnostics.source import Span
from cnndsl.elaborate.draft import Draft
from cnndsl.elaborate.network import LayerNode, Network, TypedNetwork
from cnndsl.limits import Limits
from cnndsl.syntax.ast import ChainStatement
from cnndsl.typecheck.budgets import written
from cnndsl.typecheck.claims import stated_dims
from cnndsl.typecheck.infer import infer

__all__ = ["claim_edits"]


def claim_edits(network: Network, draft: Draft, limits: Limits) -> tuple[Edit, ...]:
    """The edits that make every claim true, and add one to each chain of the top level.

    None where the network has faults: its sizes are not known then; none where a parameter is set,
    for claims speak of the spec as it stands. Claims inside a block that is called with several
    shapes are left alone, and so is all that hangs on a hole: the number that stands in for it
    while nothing is known is no fact, and a claim would make it one.
    """
    if not network.nodes or not network.outputs or draft.overridden:
        return ()
    inference = infer(network, limits, claims=False)
    if inference.failures or not inference.certain:
        return ()
    typed = inference.typed()
    hanging = _hanging(network, draft)
    edits = [*_refreshed(typed, draft, hanging), *_added(typed, draft, hanging)]
    return (*edits, *(() if hanging else _expected(typed, draft)))


def _hanging(network: Network, draft: Draft) -> frozenset[int]:
    """The nodes whose outputs hang on a hole: its own, and all behind it."""
    found = {*draft.pending, *draft.open_inputs}
    for position, node in enumerate(network.nodes):
        if isinstance(node, LayerNode) and not found.isdisjoint(node.inputs):
            found.add(position)
    return frozenset(found)


def _refreshed(network: TypedNetwork, draft: Draft, hanging: Container[int]) -> Iterator[Edit]:
    """Edits of the claims that are there and do not hold."""
    true: dict[Span, set[str]] = {}
    left = set(draft.open_claims)
    for claim in draft.claims:
        true.setdefault(claim.claim.span, set()).add(str(network.types[claim.node]))
        if claim.node in hanging:
            left.add(claim.claim.span)
    for claim in draft.claims:
        span = claim.claim.span
        if span in left or len(true[span]) > 1:
            continue
        if claim.dims != network.types[claim.node].dims:
            yield Edit(stated_dims(span), *true[span])
            left.add(span)


def _added(network: TypedNetwork, draft: Draft, hanging: Container[int]) -> Iterator[Edit]:
    """Claims for the chains of the top level that have none at their end."""
    ends = {
        (node.span.source, node.span.end): position
        for position, node in enumerate(network.network.nodes)
        if position not in hanging
    }
    for statement in draft.module.statements:
        if not isinstance(statement, ChainStatement):
            continue
        last = statement.chain.links[-1]
        position = ends.get((last.element.span.source, last.element.span.end))
        if not last.claims and position is not None:
            end = last.element.span.end
            yield Edit(Span(last.span.source, end, end), f" => {network.types[position]}")


def _expected(network: TypedNetwork, draft: Draft) -> Iterator[Edit]:
    """Edits of the expectations that do not hold."""
    if draft.overridden:
        return
    for expected in draft.expectations:
        if expected.is_budget:
            continue
        true = quantity(network, expected.statement.quantity.name)
        if expected.value != true:
            values = expected.statement.values
            yield Edit(values[0].span.to(values[-1].span), written(true))
