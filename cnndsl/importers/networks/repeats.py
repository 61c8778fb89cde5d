"""Finds what stands several times in a row, and writes it as a loop: ``repeat 3 { … }``.

Rounds must be equal in all that the text says: settings, and streams from outside that they read.
What only a round's last value gives may be read behind the loop.
"""

from __future__ import annotations

from collections import Counter

from cnndsl.frozen import replace
from cnndsl.importers.networks.fingerprints import said
from cnndsl.importers.networks.items import (
    BindItem,
    FromItem,
    Item,
    JoinItem,
    RepeatItem,
    Sequence,
    references,
    size,
    values_of,
)
from cnndsl.importers.networks.statements import begins_line

__all__ = ["with_loops"]

_LONGEST = 24
"""A loop's body has no more items."""


def with_loops(seq: Sequence, read: Counter[str]) -> Sequence:
    """The sequence with loops where rounds repeat, in its arms too; ``read`` counts all names."""
    items = [_inside(item, read) for item in seq.items]
    period = 1
    while period <= min(_LONGEST, len(items) // 2):
        if not _loop(items, period, read):
            period += 1
    return Sequence(seq.start, tuple(items))


def _loop(items: list[Item], period: int, read: Counter[str]) -> bool:
    """Write the first loop with a body of so many items, if there is one."""
    for at in range(len(items) - 2 * period + 1):
        count = _rounds(items, at, period, read)
        if count > 1:
            rounds = [
                Sequence(None, tuple(items[begin : begin + period]))
                for begin in range(at, at + count * period, period)
            ]
            outputs = rounds[-1].items[-1].outputs
            loop = RepeatItem(count, rounds[0], tuple(rounds), outputs)
            items[at : at + period * count] = [loop]
            return True
    return False


def _inside(item: Item, read: Counter[str]) -> Item:
    match item:
        case JoinItem():
            return replace(item, arms=tuple(with_loops(arm, read) for arm in item.arms))
        case BindItem():
            return replace(item, chain=with_loops(item.chain, read))
    return item


def _rounds(items: list[Item], at: int, period: int, read: Counter[str]) -> int:
    """How often the items from here on repeat, and could be a loop's rounds; 1 where not."""
    first = tuple(items[at : at + period])
    if isinstance(first[-1], BindItem | FromItem) or isinstance(first[0], FromItem):
        return 1
    if not begins_line(first[0], items[at - 1] if at else None):
        return 1
    if not begins_line(items[at + period], first[-1]) or sum(map(size, first)) < 2:
        return 1
    key, count = said(first), 1
    while said(items[at + count * period : at + (count + 1) * period]) == key:
        count += 1
    while count > 1 and not _closed(items, at, period, count, read):
        count -= 1
    return count


def _closed(items: list[Item], at: int, period: int, count: int, read: Counter[str]) -> bool:
    """Whether what the rounds make is read within them only, but for the last round's result."""
    end = at + period * count
    if end < len(items) and not begins_line(items[end], items[end - 1]):
        return False
    last = set(items[end - 1].outputs)
    for n in range(count):
        one = Sequence(None, tuple(items[at + n * period : at + (n + 1) * period]))
        inside = Counter(references(one))
        for value in values_of(one):
            if value not in last and read[value] > inside[value]:
                return False
    return True
