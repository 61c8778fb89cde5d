"""Finds what stands in several places with other numbers, and writes it as a block.

All runs of items that could be a block are compared by their skeletons. The one that saves the
most text becomes a block: where its occurrences agree, the body says so; where they differ, a
parameter does. Then again, until nothing saves enough.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from cnndsl.frozen import frozen, replace
from cnndsl.importers.networks.fingerprints import frame, settled
from cnndsl.importers.networks.items import (
    BindItem,
    CallItem,
    Definition,
    FromItem,
    Item,
    JoinItem,
    LayerItem,
    RepeatItem,
    Sequence,
    inner,
    mapped,
    references,
    size,
    values_of,
)
from cnndsl.importers.networks.parameters import Generalized, generalized
from cnndsl.importers.networks.repeats import with_loops
from cnndsl.importers.networks.statements import begins_line

__all__ = ["Program", "Run", "compressed", "put_calls"]

_LONGEST = 40
"""A block's body has no more items on its top level."""

_LEAST = 4
"""A block's body has so many layers at least."""

_WORTH = 4.0
"""So many layers a block must save at least."""

_MOST_PARAMETERS = 6


@dataclass
class Program:
    """A network's text: its main sequence, and the blocks that it calls, by number."""

    main: Sequence
    blocks: dict[int, Definition] = field(default_factory=dict)

    def sequences(self) -> Iterator[Sequence]:
        """All sequences of the text, those in others behind them."""
        waiting = [self.main, *(block.body for block in self.blocks.values())]
        while waiting:
            seq = waiting.pop()
            yield seq
            waiting += [one for item in seq.items for one in inner(item)]

    def reads(self, outputs: Mapping[str, str]) -> Counter[str]:
        """How often each value is read by its name; ``outputs`` are read from outside."""
        found = Counter(references(self.main))
        for block in self.blocks.values():
            found.update(references(block.body))
        found.update(outputs.values())
        return found


def compressed(program: Program, others: Mapping[str, str]) -> None:
    """Give a text loops and blocks; ``others`` are the outputs beside the main one."""
    _loop(program, others)
    while (found := _best(program, others)) is not None:
        _extract(program, found)
        _loop(program, others)


def _loop(program: Program, others: Mapping[str, str]) -> None:
    read = program.reads(others)
    program.main = with_loops(program.main, read)
    for number, block in program.blocks.items():
        program.blocks[number] = replace(block, body=with_loops(block.body, read))


# --- what could be a block ----------------------------------------------------------------------


@frozen
class Run:
    """Some items in a row: of which sequence, from where to where."""

    seq: Sequence
    start: int
    end: int

    @property
    def items(self) -> tuple[Item, ...]:
        """What stands there."""
        return self.seq.items[self.start : self.end]


@frozen
class _Found:
    """A block that could be: where it stands, and what differs between these places."""

    runs: tuple[Run, ...]
    general: Generalized
    gain: float


def _best(program: Program, others: Mapping[str, str]) -> _Found | None:
    """The block that saves the most."""
    read = program.reads(others)
    groups: dict[tuple[object, ...], list[Run]] = defaultdict(list)
    numbers: dict[object, int] = {}
    for seq in program.sequences():
        keys = [numbers.setdefault(one, len(numbers)) for one in frame(seq.items)]
        for run in _runs(seq):
            groups[tuple(keys[run.start : run.end])].append(run)
    best: _Found | None = None
    for runs in sorted(groups.values(), key=_bound, reverse=True):
        if best is not None and _bound(runs) <= best.gain:
            break
        found = _judged(runs, read)
        if found is not None and found.gain >= _WORTH and (best is None or found.gain > best.gain):
            best = found
    return best


def _runs(seq: Sequence) -> Iterator[Run]:
    """The runs of a sequence that could be a block's body."""
    items = seq.items
    begins = [begins_line(item, items[at - 1] if at else None) for at, item in enumerate(items)]
    begins.append(True)
    for start in range(len(items)):
        if not begins[start] or isinstance(items[start], FromItem):
            continue
        for end in range(start + 1, min(start + _LONGEST, len(items)) + 1):
            last = items[end - 1]
            if isinstance(last, BindItem | FromItem):
                continue
            if begins[end] or (isinstance(last, JoinItem) and _is_dropout(items[end])):
                yield Run(seq, start, end)


def _is_dropout(item: Item) -> bool:
    """Whether it may stand behind a call: ``fire(64) -> dropout``."""
    return isinstance(item, LayerItem) and item.keyword == "dropout"


def _bound(runs: list[Run]) -> float:
    """No more than this can be saved."""
    return (len(runs) - 1) * sum(map(size, runs[0].items))


def _judged(runs: list[Run], read: Counter[str]) -> _Found | None:
    """What a block of these runs would be, if they can be one."""
    length = sum(map(size, runs[0].items))
    if len(runs) < 2 or length < _LEAST or all(isinstance(one, CallItem) for one in runs[0].items):
        return None
    apart = tuple(run for run in _apart(runs) if _is_closed(run, read))
    if len(apart) < 2:
        return None
    general = generalized([run.items for run in apart], [settled(run.items) for run in apart])
    if general is None or len(general.parameters) > _MOST_PARAMETERS:
        return None
    each = 1 + len(general.parameters) / 3
    gain = (len(apart) - 1) * length - len(apart) * each - 2
    return _Found(apart, general, gain)


def _apart(runs: list[Run]) -> Iterator[Run]:
    """Those runs that do not overlap one before."""
    ends: dict[int, int] = {}
    for run in runs:
        if run.start >= ends.get(id(run.seq), 0):
            ends[id(run.seq)] = run.end
            yield run


def _is_closed(run: Run, read: Counter[str]) -> bool:
    """Whether what is made in a run is read in it only, but for its last value."""
    seq = Sequence(None, run.items)
    inside = Counter(references(seq))
    last = run.items[-1].outputs
    return all(value in last or read[value] <= inside[value] for value in values_of(seq))


# --- a block taken out --------------------------------------------------------------------------


def _extract(program: Program, found: _Found) -> None:
    """Put calls in the place of runs."""
    number = len(program.blocks)
    roles = tuple(one.role for one in found.general.parameters)
    calls: list[tuple[Run, CallItem]] = []
    for run, arguments in zip(found.runs, found.general.arguments, strict=True):
        stood = Sequence(None, run.items)
        calls.append((run, CallItem(number, arguments, roles, stood, run.items[-1].outputs)))
    put_calls(program, calls)
    take = iter(found.general.body)
    body = tuple(mapped(item, lambda: next(take)) for item in found.runs[0].items)
    program.blocks[number] = Definition("", found.general.parameters, Sequence(None, body))


def put_calls(program: Program, calls: Iterable[tuple[Run, CallItem]]) -> None:
    """Put calls in the place of runs, which do not overlap."""
    by_seq: dict[int, list[tuple[Run, CallItem]]] = defaultdict(list)
    for run, call in sorted(calls, key=lambda one: one[0].start):
        by_seq[id(run.seq)].append((run, call))
    program.main = _called(program.main, by_seq)
    for other, block in program.blocks.items():
        program.blocks[other] = replace(block, body=_called(block.body, by_seq))


def _called(seq: Sequence, calls: Mapping[int, list[tuple[Run, CallItem]]]) -> Sequence:
    items: list[Item] = []
    at = 0
    for run, call in calls.get(id(seq), []):
        items += [_called_inside(item, calls) for item in seq.items[at : run.start]]
        items.append(call)
        at = run.end
    items += [_called_inside(item, calls) for item in seq.items[at:]]
    return Sequence(seq.start, tuple(items))


def _called_inside(item: Item, calls: Mapping[int, list[tuple[Run, CallItem]]]) -> Item:
    match item:
        case JoinItem():
            return replace(item, arms=tuple(_called(arm, calls) for arm in item.arms))
        case BindItem():
            return replace(item, chain=_called(item.chain, calls))
        case RepeatItem():
            return replace(item, body=_called(item.body, calls))
    return item
