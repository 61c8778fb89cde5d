"""Says with fewer layers what a foreign network says with many: one file for each family of rules.

A rule looks at one node and those around it, and gives what stands in their place; the outputs of
the network stay what they are, number by number. Rules run until none applies.
"""

from __future__ import annotations

from cnndsl.importers.networks.graph import ImportedNetwork
from cnndsl.importers.networks.rewriting import activations, joins, movement, weights
from cnndsl.importers.networks.rewriting.rewriter import Rewriter

__all__ = ["simplified"]

_RULES = (*weights.RULES, *movement.RULES, *activations.RULES, *joins.RULES)

_ROUNDS = 20


def simplified(network: ImportedNetwork) -> ImportedNetwork:
    """The same network in fewer layers."""
    rewriter = Rewriter(network)
    for _ in range(_ROUNDS):
        changed = [rewriter.apply(rule) for rule in _RULES]
        if not any(changed):
            break
    return rewriter.network()
