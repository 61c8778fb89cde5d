"""Finds the layer that decides how many classes there are, and makes that a parameter.

So the spec can be trained for other classes: ``-D classes=5``.
"""

from __future__ import annotations

from dataclasses import dataclass

from cnndsl.frozen import replace
from cnndsl.importers.networks.graph import ImportedNetwork
from cnndsl.importers.networks.items import LayerItem, Linear, Sequence
from cnndsl.layers import find

__all__ = ["CLASSES", "Head", "with_classes"]

CLASSES = "classes"
"""The parameter's name."""

_WIDTHS = {"dense": "units", "conv": "filters"}

_BEHIND = frozenset(
    ("dropout", "globalavgpool", "globalmaxpool", "flatten", "avgpool", "batchnorm")
)
"""What may stand behind a head beside activations: it keeps the channels as they are."""


@dataclass(frozen=True)
class Head:
    """The head's place in the main sequence, and how many classes there are."""

    item: int
    classes: int


def with_classes(network: ImportedNetwork, main: Sequence) -> tuple[Sequence, Head | None]:
    """The main sequence with ``classes`` as the width of its last layer, if it ends so."""
    types = network.types
    if network.classes:  # their names stand in the spec, and say how many there are
        return main, None
    value = next(iter(network.outputs.values()))
    for at in range(len(main.items) - 1, -1, -1):
        item = main.items[at]
        if not isinstance(item, LayerItem):
            return main, None
        if item.keyword in _WIDTHS:
            width = dict(item.settings).get(_WIDTHS[item.keyword])
            if width != types[value].channels or types[value].elements != width:
                return main, None
            settings = tuple(
                (name, Linear(CLASSES) if name == _WIDTHS[item.keyword] else one)
                for name, one in item.settings
            )
            items = (*main.items[:at], replace(item, settings=settings), *main.items[at + 1 :])
            return Sequence(main.start, items), Head(at, int(width))
        if not _keeps_channels(network, item):
            return main, None
    return main, None


def _keeps_channels(network: ImportedNetwork, item: LayerItem) -> bool:
    layer = find(item.keyword)
    assert layer is not None
    node = network.nodes[item.node]
    before = network.types[node.inputs[0]]
    if item.keyword == "flatten" and before.elements != before.channels:
        return False
    return layer.activation or item.keyword in _BEHIND
