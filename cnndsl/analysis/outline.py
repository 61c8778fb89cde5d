"""Turns a network back into the tree that its text is: calls of blocks, loops, and layers in them.

Names say where a layer stands: ``layer1.bottleneck2.conv1`` is the first convolution of a call in
a call. What a loop carries out several times stands in the tree once, with its number of rounds,
where all rounds are alike: the same layers, each round fed by the one before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from cnndsl.elaborate.network import LayerNode, Network
from cnndsl.frozen import frozen, mutable

__all__ = ["Outline", "Part", "Repeat", "Scope", "Step", "outline", "steps_of"]


@frozen
class Step:
    """A node of the network, by its position."""

    position: int


@frozen
class Scope:
    """A call of a block, or a round of a loop (whose ``block`` is empty), by its full name."""

    name: str
    block: str
    parts: tuple[Part, ...]


@frozen
class Repeat:
    """Parts that follow each other ``times`` times; these are the first round's."""

    parts: tuple[Part, ...]
    times: int


Part = Step | Scope | Repeat


@frozen
class Outline:
    """A network as a tree.

    ``first`` has, for each node of a round that is left out, its counterpart in the first round,
    or in an earlier one that is left out too.
    """

    parts: tuple[Part, ...]
    first: Mapping[int, int]

    def shown(self, position: int) -> int:
        """The node in the tree that stands for a node of the network: itself, mostly."""
        while position in self.first:
            position = self.first[position]
        return position


def outline(network: Network, *, kept: frozenset[int] = frozenset(), fold: bool = True) -> Outline:
    """The tree of a network.

    Args:
        network: the network.
        kept: positions of nodes that are to be in the tree, beside the outputs.
        fold: whether rounds that are alike stand in the tree once.
    """
    whole = Outline(_tree(network, range(len(network.nodes)), 0), {})
    if not fold:
        return whole
    folding = _Folding(network, kept | {*network.outputs.values()})
    return Outline(folding.fold(whole.parts), folding.first)


def steps_of(parts: Sequence[Part]) -> Iterator[int]:
    """The positions of the nodes in some parts, in order."""
    for part in parts:
        if isinstance(part, Step):
            yield part.position
        else:
            yield from steps_of(part.parts)


def _tree(network: Network, positions: Sequence[int], depth: int) -> tuple[Part, ...]:
    """The parts of the scope at a depth that has these nodes."""

    def scope(position: int) -> str:
        path = network.nodes[position].name.split(".", depth + 1)
        return ".".join(path[: depth + 1]) if len(path) > depth + 1 else ""

    parts: list[Part] = []
    for name, members in groupby(positions, scope):
        if not name:
            parts += map(Step, members)
            continue
        call = network.calls.get(name)
        inside = _tree(network, [*members], depth + 1)
        parts.append(Scope(name, call.block if call else "", inside))
    return tuple(parts)


# --- rounds that are alike --------------------------------------------------------------------

_Range = tuple[int, int]
"""The first position of a part's nodes and the one behind the last; they stand side by side."""


@mutable
class _Folding:
    """Finds the rounds that are alike, the innermost loops first."""

    network: Network
    kept: frozenset[int]

    def __post_init__(self) -> None:
        self.first: dict[int, int] = {}
        self.readers: list[list[int]] = [[] for _ in self.network.nodes]
        for position, node in enumerate(self.network.nodes):
            for read in node.inputs:
                self.readers[read].append(position)

    def fold(self, parts: Sequence[Part], *, within: bool = False) -> tuple[Part, ...]:
        """The parts, with rounds that are alike put together; ``within`` a scope or not."""
        ranges: Sequence[_Range] = [_range(part) for part in parts]
        inner: Sequence[Part] = [
            Scope(part.name, part.block, self.fold(part.parts, within=True))
            if isinstance(part, Scope)
            else part
            for part in parts
        ]
        # Loops without names stand in the same scope: the inner ones, of fewer parts, come first.
        period = 1
        while period:
            inner, ranges, period = self._once(inner, ranges, within=within)
        return tuple(inner)

    def _once(
        self, parts: Sequence[Part], ranges: Sequence[_Range], *, within: bool
    ) -> tuple[Sequence[Part], Sequence[_Range], int]:
        """The parts with the shortest repetitions put together, the nodes of each, and how short.

        That is the number of parts in a round, or 0 where there are no repetitions any more.
        """
        keys = [self._key(part, within=within) for part in parts]
        for period in sorted({after - at for at, after in enumerate(_next_alike(keys))} - {0}):
            folded: list[Part] = []
            covered: list[_Range] = []
            at = 0
            while at < len(parts):
                times = self._times(keys, ranges, at, period)
                last = at + (period * times if times > 1 else 1) - 1
                covered.append((ranges[at][0], ranges[last][1]))
                if times == 1:
                    folded.append(parts[at])
                else:
                    self._stand_for(ranges, at, period, times)
                    folded.append(Repeat(tuple(parts[at : at + period]), times))
                at = last + 1
            if len(folded) < len(parts):
                return folded, covered, period
        return parts, ranges, 0

    def _key(self, part: Part, *, within: bool) -> object:
        """What two parts have in common if they may be rounds of one loop.

        That is their place in the text. Calls of one block in a row are a repetition too where the
        file itself has them and gives them no names.
        """
        match part:
            case Step(position=position):
                node = self.network.nodes[position]
                return (node.span, getattr(node, "trace", ()))
            case Scope(name=name, block=block, parts=parts):
                call = self.network.calls.get(name)
                if call is None or (not within and name not in self.network.labels):
                    return (block, len(parts))
                return (block, call.span)
            case Repeat(parts=parts, times=times):
                return (times, *(self._key(one, within=within) for one in parts))

    def _times(self, keys: Sequence[object], ranges: Sequence[_Range], at: int, period: int) -> int:
        """How often the parts from here on follow each other."""
        if at + period >= len(ranges):
            return 1
        begin = ranges[at][0]
        length = ranges[at + period - 1][1] - begin
        times = 1
        while (
            keys[at : at + period] == keys[at + times * period : at + (times + 1) * period]
            and self._continues(begin, length, times)
            and self._hands_on_only(begin + (times - 1) * length, length)
            and self._ends_well(begin + times * length, length)
        ):
            times += 1
        return times

    def _continues(self, begin: int, length: int, times: int) -> bool:
        """Whether the nodes of one more round are as those of the rounds before."""
        start = begin + times * length
        if start + length > len(self.network.nodes):
            return False
        carried: dict[int, int] = {}
        for offset in range(length):
            one, other = (self.network.nodes[base + offset] for base in (begin, start))
            if not (isinstance(one, LayerNode) and isinstance(other, LayerNode)):
                return False
            if not _alike(one, other) or len(one.inputs) != len(other.inputs):
                return False
            for read, again in zip(one.inputs, other.inputs, strict=True):
                if again >= start:
                    good = read - begin == again - start
                elif again >= start - length:
                    carry = again - (start - length)
                    good = read < begin and carried.setdefault(carry, read) == read
                    good = good and self._carries(begin, length, times, offset, carry)
                else:
                    good = read == again
                if not good:
                    return False
        return True

    def _carries(self, begin: int, length: int, times: int, offset: int, carry: int) -> bool:
        """Whether the round before, too, read at this place what its predecessor handed on."""
        if times == 1:
            return True
        node = self.network.nodes[begin + (times - 1) * length + offset]
        return isinstance(node, LayerNode) and begin + (times - 2) * length + carry in node.inputs

    def _hands_on_only(self, start: int, length: int) -> bool:
        """Whether a round is read by itself and the next one, and is no output."""
        return all(
            position not in self.kept
            and all(reader < start + 2 * length for reader in self.readers[position])
            for position in range(start, start + length)
        )

    def _ends_well(self, start: int, length: int) -> bool:
        """Whether no node of a round that is to be kept is read in the round itself."""
        return not any(
            start <= reader < start + length
            for position in range(start, start + length)
            if position in self.kept
            for reader in self.readers[position]
        )

    def _stand_for(self, ranges: Sequence[_Range], at: int, period: int, times: int) -> None:
        begin = ranges[at][0]
        length = ranges[at + period - 1][1] - begin
        for offset in range(length):
            for number in range(1, times):
                self.first[begin + number * length + offset] = begin + offset


def _range(part: Part) -> _Range:
    positions = [*steps_of([part])]
    return positions[0], positions[-1] + 1


def _next_alike(keys: Sequence[object]) -> list[int]:
    """For each key, where the same stands next; its own place where nowhere."""
    seen: dict[object, int] = {}
    found = [*range(len(keys))]
    for at in reversed(range(len(keys))):
        found[at] = seen.get(keys[at], at)
        seen[keys[at]] = at
    return found


def _alike(one: LayerNode, other: LayerNode) -> bool:
    """Whether two layers compute the same but for their weights, and what is random in training."""
    if one.layer == other.layer:
        return True
    return type(one.layer) is type(other.layer) and one.layer.shares == "inference"
