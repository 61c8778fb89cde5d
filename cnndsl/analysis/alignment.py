"""Finds which layer of one network is which of another: what was added, removed, changed, renamed.

Networks are graphs, so a layer is known by all that stands before it and by all that comes behind
it: an edit leaves the layers above it alike in the one, and those below alike in the other. Where
that says too little, layers are known by their labels, and last by the alignment of the two lists
that keeps most layers as they are (dynamic programming, as of two texts); of alignments that keep
as many, names and neighbours choose.

Swapping the networks swaps the pairs: of two alignments as good, the same is taken.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from difflib import SequenceMatcher
from itertools import pairwise

from cnndsl.elaborate.network import InputNode, LayerNode, Network, TypedNetwork
from cnndsl.frozen import mutable
from cnndsl.layers.base import Layer
from cnndsl.layers.window import Window
from cnndsl.types import TensorType

__all__ = ["WINDOWED", "Alignment", "aligned", "is_generated", "settings_of"]

CELLS = 100_000
"""A table of more pairs is not filled: what is alike on one side is then paired first."""


SAME, CHANGED = 10**6, 4 * 10**5
"""What a pair of one kind counts, with the same settings and with others: what else speaks for it
only chooses among alignments that keep as many layers."""


WINDOWED = ("kernel", "stride", "padding", "dilation", "output_padding", "rounding")
"""The settings that a layer's windows are made by, in whichever way they are written."""


def settings_of(layer: Layer, inputs: Sequence[TensorType]) -> dict[str, object]:
    """What a layer's numbers are made by, however it is written: labels of others left out.

    ``5x5`` is ``5`` along two dimensions, ``padding valid`` is 0, and where the stride leaves
    nothing over, all roundings are one.
    """
    names = [*layer.parameter_names(), *(("index",) if hasattr(layer, "index") else ())]
    settings = {name: getattr(layer, name) for name in names if name != layer.reads}
    if windows := layer.windows(*inputs):
        for name in WINDOWED:
            settings.pop(name, None)
        settings["window"] = tuple(map(_numbers, windows))
    rank = len(inputs[0].spatial)
    return {name: _one_size(value, rank) for name, value in settings.items()}


def _numbers(window: Window) -> tuple[int, ...]:
    """What a window does, without the size of its input."""
    added = getattr(window, "output_padding", 0) or window.overhang
    return window.kernel, window.stride, window.before, window.after, window.dilation, added


def _one_size(value: object, rank: int) -> object:
    """Sizes that are alike along all dimensions, as the one that means the same."""
    if isinstance(value, tuple) and len(value) == rank > 1 and len({*map(repr, value)}) == 1:
        return value[:1]
    return value


def is_generated(name: str, keyword: str) -> bool:
    """Whether a name's last part is a keyword and a counter, as layers without a label have it."""
    return re.fullmatch(rf"{re.escape(keyword)}\d+", name.rpartition(".")[2]) is not None


@mutable
class Alignment:
    """Pairs of nodes of two networks, by position; each node has at most one partner."""

    old: dict[int, int]
    """The partner of a node of the old network."""
    new: dict[int, int]

    def pair(self, old: int, new: int) -> None:
        """Take two nodes for one."""
        self.old[old], self.new[new] = new, old


def aligned(old: TypedNetwork, new: TypedNetwork) -> Alignment:
    """Which nodes are the same."""
    ids: dict[Hashable, int] = {}
    first, second = _Side(old, ids), _Side(new, ids)
    # The order of the two must not matter: of alignments as good, one direction finds another one.
    swapped = second.written < first.written
    if swapped:
        first, second = second, first
    found = _Aligner(first, second).found()
    return Alignment(found.new, found.old) if swapped else found


class _Side:
    """One of the networks, with what its nodes are known by."""

    def __init__(self, typed: TypedNetwork, ids: dict[Hashable, int]) -> None:
        network = typed.network
        self.network: Network = network
        self.nodes = network.nodes
        self.inputs = [node.inputs for node in network.nodes]
        self.readers: list[list[tuple[int, int]]] = [[] for _ in network.nodes]
        for at, inputs in enumerate(self.inputs):
            for place, source in enumerate(inputs):
                self.readers[source].append((at, place))
        self.kinds = [_kind(node) for node in network.nodes]
        keys = [_key(at, typed) for at in range(len(network.nodes))]
        self.written = [f"{key} {node.name}" for key, node in zip(keys, network.nodes, strict=True)]
        self.keys = [_numbered(key, ids) for key in keys]
        self.shapes = [kind.dims for kind in typed.types]
        self.before = self._before(ids)
        self.behind = self._behind(ids)
        self.around = [
            _numbered(("around", self.keys[at], self._near(at)), ids)
            for at in range(len(network.nodes))
        ]

    def _near(self, at: int) -> Hashable:
        inputs = tuple(self.keys[one] for one in self.inputs[at])
        return inputs, tuple(sorted(self.keys[one] for one, _ in self.readers[at]))

    def _before(self, ids: dict[Hashable, int]) -> list[int]:
        """What each node and all before it are."""
        found: list[int] = []
        for at in range(len(self.nodes)):
            inputs = tuple(found[source] for source in self.inputs[at])
            found.append(_numbered(("before", self.keys[at], inputs), ids))
        return found

    def _behind(self, ids: dict[Hashable, int]) -> list[int]:
        """What each node and all behind it are: whose outputs they reach, too."""
        found = [0] * len(self.nodes)
        names: dict[int, list[str]] = defaultdict(list)
        for name, at in self.network.outputs.items():
            names[at].append(name)
        for at in reversed(range(len(self.nodes))):
            readers = tuple(sorted((found[one], place) for one, place in self.readers[at]))
            key = ("behind", self.keys[at], readers, tuple(sorted(names[at])))
            found[at] = _numbered(key, ids)
        return found


def _numbered(key: Hashable, ids: dict[Hashable, int]) -> int:
    """A number that stands for a key: equal keys have equal ones."""
    return ids.setdefault(key, len(ids))


def _kind(node: object) -> str:
    return node.layer.keyword if isinstance(node, LayerNode) else "input"


def _key(at: int, typed: TypedNetwork) -> Hashable:
    """What a node is by itself: its kind and settings, without its name."""
    node = typed.network.nodes[at]
    if isinstance(node, InputNode):
        order = sum(isinstance(one, InputNode) for one in typed.network.nodes[:at])
        return "input", order
    written = settings_of(node.layer, typed.input_types(node))
    settings = tuple(sorted((name, repr(one)) for name, one in written.items()))
    return node.layer.keyword, settings, node.share is not None


class _Aligner:
    """Aligns two networks, step by step."""

    def __init__(self, first: _Side, second: _Side) -> None:
        self.first = first
        self.second = second
        self.pairs = Alignment({}, {})

    def found(self) -> Alignment:
        """The pairs."""
        self._alike(lambda side: [*zip(side.before, side.behind, strict=True)])
        self._alike(lambda side: side.before, by_name=True)
        self._alike(lambda side: side.behind, by_name=True)
        self._labelled()
        ones, others = self._open()
        if len(ones) * len(others) > CELLS:
            self._alike(lambda side: side.before)
            self._alike(lambda side: side.behind)
        for low, high, start, stop in self._gaps():
            self._sequences(
                [at for at in range(low, high) if at not in self.pairs.old],
                [at for at in range(start, stop) if at not in self.pairs.new],
            )
        self._replaced()
        return self.pairs

    def _open(self) -> tuple[list[int], list[int]]:
        return (
            [at for at in range(len(self.first.nodes)) if at not in self.pairs.old],
            [at for at in range(len(self.second.nodes)) if at not in self.pairs.new],
        )

    def _alike(
        self, known: Callable[[_Side], Sequence[Hashable]], *, by_name: bool = False
    ) -> None:
        """Pair nodes that are alike: of several, those of one name, and others then in order."""
        ones, others = self._open()
        groups: dict[Hashable, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
        for at in ones:
            groups[known(self.first)[at]][0].append(at)
        for at in others:
            groups[known(self.second)[at]][1].append(at)
        for left, right in groups.values():
            self._in_order(left, right, by_name=by_name)

    def _in_order(self, left: Sequence[int], right: Sequence[int], *, by_name: bool) -> None:
        names = {self.second.nodes[at].name: at for at in right}
        taken: set[int] = set()
        rest = []
        for at in left:
            partner = names.get(self.first.nodes[at].name)
            if partner is not None and self._consistent(at, partner):
                self.pairs.pair(at, partner)
                taken.add(partner)
            else:
                rest.append(at)
        free = [at for at in right if at not in taken]
        for at in () if by_name else rest:
            partner = next((one for one in free if self._consistent(at, one)), None)
            if partner is not None:
                self.pairs.pair(at, partner)
                free.remove(partner)

    def _consistent(self, one: int, other: int) -> bool:
        """Whether nothing that was paired speaks against a pair: inputs that have partners."""
        for mine, theirs in zip(self.first.inputs[one], self.second.inputs[other], strict=False):
            known, back = self.pairs.old.get(mine), self.pairs.new.get(theirs)
            alike = self.first.before[mine] == self.second.before[theirs]
            if alike and known is not None and back is not None and known != theirs:
                return False
        return True

    def _labelled(self) -> None:
        """Pair layers of one kind that have one label; names that are counted say nothing."""
        ones, others = self._open()
        names = {self.second.nodes[at].name: at for at in others}
        for at in ones:
            node = self.first.nodes[at]
            partner = names.get(node.name)
            kind = self.first.kinds[at]
            if partner is None or kind != self.second.kinds[partner]:
                continue
            if not is_generated(node.name, kind):
                self.pairs.pair(at, partner)

    # --- what is left, between what is known ---

    def _gaps(self) -> list[tuple[int, int, int, int]]:
        """The stretches between pairs that are in one order in both networks."""
        pairs = sorted(self.pairs.old.items())
        kept = _increasing([new for _, new in pairs])
        edges = [(-1, -1), *(pairs[at] for at in kept)]
        edges.append((len(self.first.nodes), len(self.second.nodes)))
        return [(low + 1, high, start + 1, stop) for (low, start), (high, stop) in pairwise(edges)]

    def _sequences(self, ones: Sequence[int], others: Sequence[int]) -> None:
        """Align two lists of nodes so that what is paired is as alike as can be."""
        if not ones or not others:
            return
        if len(ones) * len(others) > CELLS:
            self._long(ones, others)
            return
        width = len(others) + 1
        best = [[0] * width for _ in range(len(ones) + 1)]
        for i in range(len(ones) - 1, -1, -1):
            row, below = best[i], best[i + 1]
            for j in range(len(others) - 1, -1, -1):
                alike = self._likeness(ones[i], others[j])
                row[j] = max(below[j], row[j + 1], below[j + 1] + alike if alike else 0)
        i = j = 0
        while i < len(ones) and j < len(others):
            alike = self._likeness(ones[i], others[j])
            if alike and best[i][j] == best[i + 1][j + 1] + alike:
                self.pairs.pair(ones[i], others[j])
                i, j = i + 1, j + 1
            elif best[i][j] == best[i + 1][j]:
                i += 1
            else:
                j += 1

    def _long(self, ones: Sequence[int], others: Sequence[int]) -> None:
        """The same for lists too long for a table: blocks of equal layers, then what is between."""
        left = [self.first.keys[at] for at in ones]
        right = [self.second.keys[at] for at in others]
        last = (0, 0)
        for i, j, size in SequenceMatcher(None, left, right, autojunk=False).get_matching_blocks():
            gap = ones[last[0] : i], others[last[1] : j]
            if len(gap[0]) * len(gap[1]) <= CELLS:
                self._sequences(*gap)
            for step in range(size):
                self.pairs.pair(ones[i + step], others[j + step])
            last = i + size, j + size

    def _likeness(self, one: int, other: int) -> int:
        """How much speaks for a pair; 0 where they are of two kinds."""
        if self.first.kinds[one] != self.second.kinds[other]:
            return 0
        is_same = self.first.keys[one] == self.second.keys[other]
        alike = SAME if is_same else CHANGED
        alike += 8 * (self.first.nodes[one].name == self.second.nodes[other].name)
        alike += 3 * (
            self.first.before[one] == self.second.before[other]
            or self.first.behind[one] == self.second.behind[other]
        )
        alike += 2 * (self.first.around[one] == self.second.around[other])
        alike += self.first.shapes[one] == self.second.shapes[other]
        return alike

    def _replaced(self) -> None:
        """Pair what stands in one place: the same inputs and readers, or one label."""
        ones, others = self._open()
        names = {self.second.nodes[at].name: at for at in others}
        for at in ones:
            partner = names.get(self.first.nodes[at].name)
            if partner is None or partner in self.pairs.new:
                continue
            kinds = self.first.kinds[at], self.second.kinds[partner]
            counted = any(is_generated(self.first.nodes[at].name, kind) for kind in kinds)
            if "input" not in kinds and (not counted or self._placed(at, partner)):
                self.pairs.pair(at, partner)
        ones, others = self._open()
        places: dict[Hashable, list[int]] = defaultdict(list)
        for at in others:
            places[self._place(self.second, at, self.pairs.new)].append(at)
        for at in ones:
            place = self._place(self.first, at, None)
            if place is not None and len(places.get(place, ())) == 1:
                (partner,) = places.pop(place)
                self.pairs.pair(at, partner)

    def _placed(self, one: int, other: int) -> bool:
        """Whether one of an input or a reader of two nodes is the same."""
        mine = {self.pairs.old.get(at) for at in self.first.inputs[one]} - {None}
        if mine & {*self.second.inputs[other]}:
            return True
        readers = {self.pairs.old.get(at) for at, _ in self.first.readers[one]} - {None}
        return bool(readers & {at for at, _ in self.second.readers[other]})

    def _place(self, side: _Side, at: int, partners: dict[int, int] | None) -> Hashable:
        """The inputs and readers of a node, as nodes of the second network; None where unknown."""
        own = self.pairs.old if partners is None else None
        inputs = [own.get(one) if own is not None else one for one in side.inputs[at]]
        readers = [own.get(one) if own is not None else one for one, _ in side.readers[at]]
        if partners is not None and not all(one in partners for one in (*inputs, *readers)):
            return None
        if None in inputs or None in readers or not inputs:
            return None
        return tuple(inputs), tuple(sorted(one for one in readers if one is not None))


def _increasing(numbers: Sequence[int]) -> list[int]:
    """The positions of a longest increasing run of numbers (patience sorting)."""
    from bisect import bisect_left

    tops: list[int] = []
    places: list[int] = []
    before: list[int] = []
    for at, number in enumerate(numbers):
        pile = bisect_left(tops, number)
        if pile == len(tops):
            tops.append(number)
            places.append(at)
        else:
            tops[pile] = number
            places[pile] = at
        before.append(places[pile - 1] if pile else -1)
    found: list[int] = []
    at = places[-1] if places else -1
    while at >= 0:
        found.append(at)
        at = before[at]
    return found[::-1]
