"""Chooses what a spec says of rounding: one rule for the file, and attributes where it fails."""

from __future__ import annotations

from collections import Counter

from cnndsl.importers.networks.graph import ImportedNetwork
from cnndsl.importers.networks.settings import roundings

__all__ = ["rounding_rules"]


def rounding_rules(network: ImportedNetwork) -> tuple[str, dict[int, str]]:
    """The file's rule, and the rules of the layers, by position, that need another one.

    Where the stride divides, all rules give the same, and nothing need be said.
    """
    types = network.types
    allowed = [roundings(node.layer, [types[one] for one in node.inputs]) for node in network.nodes]
    needed = Counter(min(one) for one in allowed if one and "exact" not in one)
    if not needed:
        return "exact", {}
    rule = needed.most_common(1)[0][0]
    return rule, {at: min(one) for at, one in enumerate(allowed) if one and rule not in one}
