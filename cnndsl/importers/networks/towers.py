"""Finds towers: runs of layers that use all the weights of an earlier run, as Siamese networks do.

They become one block without parameters, called once for each: ``a: tower()``, then
``tower() share a``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from collections.abc import Sequence as Items

from cnndsl.frozen import frozen
from cnndsl.importers.networks.blocks import Program, Run, put_calls
from cnndsl.importers.networks.items import (
    CallItem,
    Definition,
    Item,
    JoinItem,
    LayerItem,
    Leaf,
    Ref,
    Sequence,
    nodes_of,
    references,
    size,
    values_of,
)
from cnndsl.syntax.sharing import SHARE

__all__ = ["with_towers"]

_LEAST = 3
"""A tower has so many layers at least."""


@frozen
class _Pair:
    """Runs of which the second uses the weights of the first, item by item."""

    first: Run
    second: Run


def with_towers(program: Program, others: Mapping[str, str], learning: frozenset[int]) -> None:
    """Write towers as calls of blocks; ``learning`` are the positions of layers with weights."""
    while (found := _towers(program, others, learning)) is not None:
        first, *sharing = found
        number = len(program.blocks)
        owner = Ref(first.items[-1].outputs[0])
        calls = [
            (run, CallItem(number, (), (), Sequence(None, run.items), run.items[-1].outputs, share))
            for run, share in ((first, None), *((one, owner) for one in sharing))
        ]
        put_calls(program, calls)
        program.blocks[number] = Definition("", (), Sequence(None, first.items))


def _towers(
    program: Program, others: Mapping[str, str], learning: frozenset[int]
) -> list[Run] | None:
    """A run and those that use its weights, the first that there are."""
    read = program.reads(others)
    places = {
        item.outputs[0]: (seq, at)
        for seq in program.sequences()
        for at, item in enumerate(seq.items)
        if isinstance(item, LayerItem)
    }
    pairs = [
        pair
        for seq in program.sequences()
        for at in range(len(seq.items))
        if (pair := _pair(seq, at, places, learning)) is not None
    ]
    for pair in pairs:
        runs = _apart([pair.first, *(one.second for one in pairs if one.first == pair.first)])
        if len(runs) > 1 and _is_closed(runs, read):
            return runs
    return None


def _pair(
    seq: Sequence, at: int, places: Mapping[str, tuple[Sequence, int]], learning: frozenset[int]
) -> _Pair | None:
    """The longest run from or around an item that shares, with that whose weights it uses."""
    owner = places.get(_share(seq.items[at]))
    if owner is None:
        return None
    other, begin = owner

    def alike(step: int) -> bool:
        here, there = at + step, begin + step
        inside = 0 <= here < len(seq.items) and 0 <= there < len(other.items)
        return inside and _is_alike(seq.items[here], other.items[there], learning)

    low = high = 0
    while alike(low - 1):
        low -= 1
    while alike(high):
        high += 1
    if seq is other:  # they must not meet
        low = max(low, -((at - begin) - high)) if at - begin < high - low else low
    first, second = Run(other, begin + low, begin + high), Run(seq, at + low, at + high)
    layers = sum(map(size, first.items))
    learnt = sum(node in learning for item in first.items for node in nodes_of(item))
    return _Pair(first, second) if layers >= _LEAST and learnt > 1 else None


def _is_alike(item: Item, other: Item, learning: frozenset[int]) -> bool:
    """Whether an item says what another does, with the weights of that one."""
    if isinstance(item, LayerItem) and isinstance(other, LayerItem):
        owner = other.outputs[0] if other.node in learning else ""
        same = item.keyword == other.keyword and _plain(item) == _plain(other)
        return same and _share(item) == owner and not _share(other)
    if not isinstance(item, JoinItem) or not isinstance(other, JoinItem):
        return False
    same = item.keyword == other.keyword and _plain(item) == _plain(other)
    if not same or len(item.arms) != len(other.arms):
        return False
    return all(
        one.start is None is two.start
        and len(one) == len(two)
        and all(_is_alike(*pair, learning) for pair in zip(one.items, two.items, strict=True))
        for one, two in zip(item.arms, other.arms, strict=True)
    )


def _plain(item: LayerItem | JoinItem) -> dict[str, Leaf]:
    return {name: value for name, value in item.settings if name != SHARE}


def _share(item: Item) -> str:
    """The value of the layer whose weights an item uses; empty for its own."""
    found = dict(item.settings).get(SHARE) if isinstance(item, LayerItem) else None
    return found.value if isinstance(found, Ref) else ""


def _apart(runs: Items[Run]) -> list[Run]:
    """Those runs that do not overlap one before."""
    found: list[Run] = []
    for run in runs:
        if not any(
            run.seq is one.seq and run.start < one.end and one.start < run.end for one in found
        ):
            found.append(run)
    return found


def _is_closed(runs: Items[Run], read: Counter[str]) -> bool:
    """Whether what is made in the runs is read in them only, but for the last value of each."""
    inside: Counter[str] = Counter()
    for run in runs:
        inside.update(references(Sequence(None, run.items)))
    return all(read[value] <= inside[value] for run in runs for value in _inner_values(run))


def _inner_values(run: Run) -> Iterator[str]:
    last = run.items[-1].outputs
    yield from (one for one in values_of(Sequence(None, run.items)) if one not in last)
