"""Says once, in the recipe, how weights begin where most layers of a network begin alike."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from cnndsl.frozen import replace as changed
from cnndsl.importers.networks.graph import ImportedNetwork, ImportedNode
from cnndsl.layers.init import Init
from cnndsl.recipe.recipe import Recipe

__all__ = ["with_usual_init"]


def with_usual_init(network: ImportedNetwork) -> ImportedNetwork:
    """The network with the initialiser that most of its layers have in the recipe.

    Nothing changes where one of them does not say how its weights begin.
    """
    owners = [node for node in network.nodes if "init" in type(node.layer).model_fields]
    owners = [node for node in owners if not node.share and node.keyword not in _OTHERS]
    counted = Counter(node.settings.get("init") for node in owners)
    if not owners or None in counted:
        return network
    usual = counted.most_common(1)[0][0]
    if not isinstance(usual, Init):
        return network
    recipe = network.recipe or Recipe()
    nodes = tuple(
        _without(node) if node.settings.get("init") == usual else node for node in network.nodes
    )
    return replace(network, nodes=nodes, recipe=changed(recipe, init=usual))


_OTHERS = ("bias", "embedding", "subsample")
"""Layers whose `init` has a default of its own, which the recipe does not change."""


def _without(node: ImportedNode) -> ImportedNode:
    """A node that does not say how its weights begin."""
    if node.keyword in _OTHERS:
        return node
    return replace(
        node,
        layer=node.layer.model_copy(update={"init": None}),
        settings={name: value for name, value in node.settings.items() if name != "init"},
    )
