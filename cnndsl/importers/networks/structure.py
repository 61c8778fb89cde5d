"""Finds the chains and joins of a graph: turns its list of nodes into one sequence of items.

What leads from a value ``D`` to a join ``J`` and is read nowhere else is ``J``'s arms, each a chain
that starts from ``D``: ``add(conv … -> batchnorm, identity)``. ``D`` is the join's immediate
dominator: the last value that all paths to it go through. What cannot be said so is named by a
label, and read by its name.

Where one arm is long, or goes down in resolution and up again (U-Net), it stays in the main
chain, and the other arm is read by name.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from cnndsl.elaborate.bound import validate
from cnndsl.importers.networks.graph import ImportedNetwork, ImportedNode
from cnndsl.importers.networks.items import (
    BindItem,
    FromItem,
    Item,
    JoinItem,
    LayerItem,
    Leaf,
    Ref,
    Sequence,
    size,
)
from cnndsl.importers.networks.settings import brief_settings
from cnndsl.layers.parts import Slice
from cnndsl.layers.split import Split

if TYPE_CHECKING:
    from cnndsl.elaborate.values import Value

__all__ = ["structured", "without_inner_splits"]

_LONG = 30
"""An arm of more layers is not written into a join."""

_SHORT = 3
"""An arm of no more layers may stand beside a long one."""


def structured(
    network: ImportedNetwork, extra: Mapping[int, tuple[tuple[str, Leaf], ...]]
) -> Sequence:
    """The whole network as one sequence that ends with its main output.

    ``extra`` are settings to add to nodes, by position: their rounding, whose weights they share.
    A ``split`` must stand in the main chain (:func:`without_inner_splits`).
    """
    return _Structure(network, extra).sequence()


def without_inner_splits(network: ImportedNetwork) -> ImportedNetwork:
    """A network whose splits all stand in the main chain: those in arms become slices.

    An arm is one chain, in which parts cannot be named; a part is a slice in ONNX too.
    """
    main = _Structure(network, {}).main_chain()
    nodes: list[ImportedNode] = []
    for node in network.nodes:
        if len(node.outputs) > 1 and node.inputs[0] not in main:
            nodes += _slices(node)
        else:
            nodes.append(node)
    return network if len(nodes) == len(network.nodes) else replace(network, nodes=tuple(nodes))


def _slices(node: ImportedNode) -> Iterator[ImportedNode]:
    """A slice for each part of a split."""
    layer = node.layer
    assert isinstance(layer, Split)
    start = 0
    for value, type in zip(node.outputs, node.types, strict=True):
        size = type.dims[type.axes.index(layer.axis)]
        settings: dict[str, Value] = {"places": range(start, start + size), "axis": layer.axis}
        made = validate(Slice, settings)
        yield replace(node, layer=made, settings=settings, outputs=(value,), types=(type,))
        start += size


class _Structure:
    """The graph of a network, and what of it stands in the sequence already."""

    def __init__(
        self, network: ImportedNetwork, extra: Mapping[int, tuple[tuple[str, Leaf], ...]]
    ) -> None:
        self.network = network
        self.extra = extra
        self._places = {id(node): at for at, node in enumerate(network.nodes)}
        self._made: set[str] = {one.name for one in network.inputs}
        self._items: list[Item] = []
        self._current = network.inputs[0].name
        self._above, self._depths = _dominators(network)

    def sequence(self) -> Sequence:
        """The main chain, then a name for each other output that is not in it."""
        network = self.network
        main, *others = dict.fromkeys((*network.outputs.values(), *network.heads.values()))
        self._extend(main)
        for value in others:
            if value not in self._made:
                self._bind(value)
        return Sequence(None, tuple(self._items))

    def main_chain(self) -> set[str]:
        """The values that the main chain goes through, and the inputs."""
        main = next(iter(self.network.outputs.values()))
        spine, _ = self._spine(main, self._current)
        return {value for value, _ in spine} | self._made

    # --- chains ---

    def _extend(self, value: str) -> None:
        """Carry the main chain on to a value."""
        spine, begin = self._spine(value, self._current)
        if begin is not None:
            self._items.append(FromItem(begin))
        before = begin.value if begin else self._current
        for one, through in spine:
            if self._is_part(one):
                self._split(one, before)
                self._items.append(FromItem(Ref(one)))
            else:
                self._items.append(self._item(one, before, through, main=True))
            self._made.add(one)
            before = self._current = one
        if not spine and begin is None:
            self._items.append(BindItem(Sequence(None, ()), (value,)))

    def _bind(self, value: str) -> None:
        """Name a value that is beside the main chain."""
        self._items.append(BindItem(self._chain(value, None), (value,)))

    def _chain(self, value: str, start: str | None) -> Sequence:
        """The chain that makes a value: from ``start``, or from what has a name."""
        spine, begin = self._spine(value, start)
        before = begin.value if begin else start
        items: list[Item] = []
        for one, through in spine:
            if self._is_part(one):
                self._split(one, before)
                begin, items = Ref(one), []
            else:
                items.append(self._item(one, before, through, main=False))
            self._made.add(one)
            before = one
        return Sequence(begin, tuple(items))

    def _spine(
        self, value: str, start: str | None
    ) -> tuple[list[tuple[str, int | None]], Ref | None]:
        """What a chain goes through to a value, and the named value that it begins with.

        With each value goes the input of its node that comes before it in the chain; None where
        that is a dominator farther up, between which and the value are only arms.
        """
        spine: list[tuple[str, int | None]] = []
        at = value
        while at and at != start and at not in self._made:
            node = self.network.producers[at]
            through = self._through(node) if len(node.inputs) > 1 else 0
            spine.append((at, through))
            at = self._above[at] if through is None else node.inputs[through]
        return spine[::-1], Ref(at) if at and at != start else None

    # --- items ---

    def _item(self, value: str, before: str | None, through: int | None, *, main: bool) -> Item:
        """The item that makes a value from the one before it in its chain."""
        node = self.network.producers[value]
        place = self._places[id(node)]
        known = self.network.types
        brief = brief_settings(node.layer, [known[one] for one in node.inputs])
        settings = (*brief.items(), *self.extra.get(place, ()))
        if len(node.inputs) == 1:
            return LayerItem(node.keyword, settings, node.outputs, place)
        arms = []
        for at, source in enumerate(node.inputs):
            if at == through:
                arms.append(Sequence(None, ()))
            elif through is None and before:
                arms.append(self._chain(source, before))
            else:
                arms.append(self._apart(source, main=main))
        return JoinItem(node.keyword, settings, tuple(arms), node.outputs, place)

    def _apart(self, source: str, *, main: bool) -> Sequence:
        """An arm that does not start from the current stream: by name where it is long."""
        chain = self._chain(source, None)
        if main and sum(map(size, chain.items)) > _SHORT:
            self._items.append(BindItem(chain, (source,)))
            return Sequence(Ref(source), ())
        return chain

    def _is_part(self, value: str) -> bool:
        return len(self.network.producers[value].outputs) > 1

    def _split(self, value: str, before: str | None) -> None:
        """Name the parts of a stream, if that has not been done yet."""
        node = self.network.producers[value]
        if node.outputs[0] in self._made or node.outputs[-1] in self._made:
            return
        place = self._places[id(node)]
        start = None if before == self._current else Ref(node.inputs[0])
        brief = brief_settings(node.layer, [self.network.types[node.inputs[0]]])
        item = LayerItem(node.keyword, tuple(brief.items()), node.outputs, place)
        self._items.append(BindItem(Sequence(start, (item,)), node.outputs))
        self._made.update(node.outputs)

    # --- which arms are long ---

    def _through(self, node: ImportedNode) -> int | None:
        """Which input of a join comes before it in its chain, its arm being long; None for none."""
        start = self._above[node.outputs[0]]
        if not start:
            return None
        arms = [self._between(start, one) for one in node.inputs]
        longest = max(range(len(arms)), key=lambda at: len(arms[at]))
        if any(len(arm) > _SHORT for at, arm in enumerate(arms) if at != longest):
            return None
        value = node.inputs[longest]
        if len(arms[longest]) > _LONG or self._is_hourglass(arms[longest], value):
            return longest
        return None

    def _is_hourglass(self, arm: set[int], end: str) -> bool:
        """Whether maps become small in an arm, and larger again."""
        types = self.network.types
        wide = math.prod(types[end].spatial)
        rank = len(types[end].spatial)
        inside = (types[self.network.nodes[at].outputs[0]].spatial for at in arm)
        return rank > 0 and any(math.prod(one) < wide for one in inside if len(one) == rank)

    def _between(self, start: str, value: str) -> set[int]:
        """The positions of the nodes on the paths from a value that dominates another to it."""
        found: set[int] = set()
        waiting = [value]
        while waiting:
            one = waiting.pop()
            node = self.network.producers.get(one)
            if one == start or node is None or self._places[id(node)] in found:
                continue
            found.add(self._places[id(node)])
            waiting += node.inputs
        return found


def _dominators(network: ImportedNetwork) -> tuple[dict[str, str], dict[str, int]]:
    """Every value's immediate dominator, which is `""` above all inputs, and its depth.

    In an order of computation, a value's is the nearest common dominator of what it is made of
    (Cooper, Harvey & Kennedy 2001, "A simple, fast dominance algorithm").
    """
    above: dict[str, str] = {}
    depths = {"": 0}
    for one in network.inputs:
        above[one.name], depths[one.name] = "", 1
    for node in network.nodes:
        common = node.inputs[0]
        for value in node.inputs[1:]:
            common = _common(common, value, above, depths)
        for value in node.outputs:
            above[value], depths[value] = common, depths[common] + 1
    return above, depths


def _common(one: str, other: str, above: Mapping[str, str], depths: Mapping[str, int]) -> str:
    while one != other:
        if depths[one] >= depths[other]:
            one = above[one]
        else:
            other = above[other]
    return one
