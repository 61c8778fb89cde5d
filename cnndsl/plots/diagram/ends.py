"""Finds where a network ends: its outputs, and the heads that only training has."""

from __future__ import annotations

from cnndsl.elaborate.network import TypedNetwork
from cnndsl.frozen import frozen
from cnndsl.plots.diagram.graph import Box
from cnndsl.typecheck.heads import heads_of

__all__ = ["End", "ends_of"]


@frozen
class End:
    """The box of an output or of a loss, and the position of the node that it is the end of."""

    position: int
    box: Box


def ends_of(typed: TypedNetwork) -> tuple[End, ...]:
    """The ends of a network, the main output first.

    Losses are named where there are several; where training has but one, it is that of the output.
    """
    network = typed.network
    heads = {head.position: head for head in heads_of(network)}
    told = len(heads) > 1
    found = []
    for name, position in network.outputs.items():
        words = (
            _loss(heads[position].loss.keyword, heads[position].weight) if position in heads else ()
        )
        found.append(End(position, Box("output", "other", name, after=words if told else ())))
    for position, head in heads.items():
        if position not in network.outputs.values():
            words = _loss(head.loss.keyword, head.weight)
            found.append(End(position, Box("loss", "other", "training only", after=words)))
    return tuple(found)


def _loss(keyword: str, weight: float) -> tuple[str, ...]:
    return (f"loss {keyword} × {weight:g}" if weight != 1 else f"loss {keyword}",)
