"""Finds the nodes of a network that some of its outputs depend on."""

from __future__ import annotations

from collections.abc import Iterable

from cnndsl.elaborate.network import Network

__all__ = ["live_nodes"]


def live_nodes(network: Network, outputs: Iterable[int] | None = None) -> list[int]:
    """The positions of the nodes that outputs depend on (by default all), in topological order."""
    live: set[int] = set()
    pending = list(network.outputs.values() if outputs is None else outputs)
    while pending:
        position = pending.pop()
        if position not in live:
            live.add(position)
            pending.extend(network.nodes[position].inputs)
    return sorted(live)
