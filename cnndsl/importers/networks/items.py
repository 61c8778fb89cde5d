"""A network's text as data while it takes shape: sequences of layers, joins, loops and calls.

A :class:`Sequence` is a chain: where it starts, and what follows. What is a number or a word in the
text is a *leaf*, so that sequences that differ only in these have one skeleton, and become calls
of one block. Values of the network that are named in the text (:class:`Ref`) are leaves too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from cnndsl.elaborate.values import Value
from cnndsl.frozen import frozen, replace
from cnndsl.importers.networks.settings import defaults_of

__all__ = [
    "BindItem",
    "CallItem",
    "Definition",
    "FromItem",
    "Item",
    "JoinItem",
    "LayerItem",
    "Leaf",
    "Linear",
    "Parameter",
    "Ref",
    "RepeatItem",
    "Sequence",
    "Stream",
    "inner",
    "leaves",
    "mapped",
    "nodes_of",
    "references",
    "size",
    "skeleton",
    "values_of",
]


@frozen
class Ref:
    """A value of the network that the text names: a label, a name given by ``=``, an input."""

    value: str


@frozen
class Stream:
    """A parameter of a block that is a stream."""

    name: str


@frozen
class Linear:
    """A parameter of a block, or a multiple of it: ``width``, ``4*width``, ``width//2``."""

    name: str
    factor: int = 1
    divisor: int = 1


Leaf: TypeAlias = "Value | Linear | Ref | Stream | None"


@frozen
class LayerItem:
    """A layer. ``settings`` are those of its schema that are not left out, ``node`` its position.

    ``outputs`` are the values that it gives in its (first) place.
    """

    keyword: str
    settings: tuple[tuple[str, Leaf], ...]
    outputs: tuple[str, ...]
    node: int


@frozen
class JoinItem:
    """A layer of several streams, each a chain that starts from the current stream or a name."""

    keyword: str
    settings: tuple[tuple[str, Leaf], ...]
    arms: tuple[Sequence, ...]
    outputs: tuple[str, ...]
    node: int


@frozen
class BindItem:
    """``a, b = chain``: it names values, and leaves the current stream where it is."""

    chain: Sequence
    outputs: tuple[str, ...]


@frozen
class FromItem:
    """``NAME ->`` at the beginning of a statement: what follows reads that value."""

    source: Leaf
    outputs: tuple[str, ...] = ()


@frozen
class RepeatItem:
    """``repeat N { … }``; ``rounds`` are what stood here, round by round, the first is the body."""

    count: Leaf
    body: Sequence
    rounds: tuple[Sequence, ...]
    outputs: tuple[str, ...]


@frozen
class CallItem:
    """``NAME(arguments)``; ``roles`` are what the arguments are, ``called`` is what stood here.

    ``share`` is the value of the call whose weights it uses.
    """

    block: int
    arguments: tuple[Leaf, ...]
    roles: tuple[str, ...]
    called: Sequence
    outputs: tuple[str, ...]
    share: Ref | None = None


@frozen
class Parameter:
    """A parameter of a block; one without a ``default`` must be given.

    Its ``role`` is the setting that it is: ``filters``.
    """

    name: str
    role: str
    default: Leaf = None
    is_stream: bool = False


@frozen
class Definition:
    """A block: its name, its parameters in order, its body with these as leaves."""

    name: str
    parameters: tuple[Parameter, ...]
    body: Sequence


Item: TypeAlias = "LayerItem | JoinItem | BindItem | FromItem | RepeatItem | CallItem"


@dataclass(frozen=True)
class Sequence:
    """A chain: from ``start``, or from the current stream where that is None."""

    start: Leaf
    items: tuple[Item, ...]

    def __len__(self) -> int:
        return len(self.items)


def inner(item: Item) -> tuple[Sequence, ...]:
    """The sequences in an item, as they stand in the text."""
    match item:
        case JoinItem():
            return item.arms
        case BindItem():
            return (item.chain,)
        case RepeatItem():
            return (item.body,)
    return ()


def size(item: Item) -> int:
    """How many layers and calls its text has."""
    own = not isinstance(item, BindItem | FromItem)
    return own + sum(size(one) for seq in inner(item) for one in seq.items)


def nodes_of(item: Item) -> Iterator[int]:
    """The positions of all the layers it stands for, in the order of the text."""
    match item:
        case LayerItem():
            yield item.node
        case JoinItem():
            for arm in item.arms:
                yield from _nodes(arm)
            yield item.node
        case BindItem():
            yield from _nodes(item.chain)
        case RepeatItem():
            for seq in item.rounds:
                yield from _nodes(seq)
        case CallItem():
            yield from _nodes(item.called)


def _nodes(seq: Sequence) -> Iterator[int]:
    for item in seq.items:
        yield from nodes_of(item)


def skeleton(item: Item) -> tuple[object, ...]:
    """What of an item is not a leaf; equal for items that one text with parameters can be."""
    match item:
        case LayerItem():
            return ("layer", item.keyword)
        case JoinItem():
            return ("join", item.keyword, *(tuple(map(skeleton, arm.items)) for arm in item.arms))
        case BindItem():
            chain = tuple(map(skeleton, item.chain.items))
            return ("bind", len(item.outputs), chain)
        case FromItem():
            return ("from",)
        case RepeatItem():
            return ("repeat", *map(skeleton, item.body.items))
        case CallItem():
            return ("call", item.block, item.share)


def leaves(item: Item) -> Iterator[Leaf]:
    """All leaves of an item, in one order for all items of one skeleton."""
    match item:
        case LayerItem() | JoinItem():
            yield from {**defaults_of(item.keyword), **dict(item.settings)}.values()
        case FromItem():
            yield item.source
        case RepeatItem():
            yield item.count
        case CallItem():
            yield from item.arguments
    for seq in inner(item):
        yield seq.start
        for one in seq.items:
            yield from leaves(one)


def mapped(item: Item, take: Callable[[], Leaf]) -> Item:
    """The same item with other leaves, which ``take`` gives in the order of :func:`leaves`."""
    match item:
        case LayerItem() | JoinItem():
            plain = defaults_of(item.keyword)
            settings = {name: take() for name in {**plain, **dict(item.settings)}}
            said = ((name, one) for name, one in settings.items() if _is_said(one, plain, name))
            item = replace(item, settings=tuple(said))
        case FromItem():
            item = replace(item, source=take())
        case RepeatItem():
            item = replace(item, count=take())
        case CallItem():
            item = replace(item, arguments=tuple(take() for _ in item.arguments))
    match item:
        case JoinItem():
            return replace(item, arms=tuple(_mapped(arm, take) for arm in item.arms))
        case BindItem():
            return replace(item, chain=_mapped(item.chain, take))
        case RepeatItem():
            return replace(item, body=_mapped(item.body, take))
    return item


def _is_said(value: Leaf, plain: Mapping[str, Leaf], name: str) -> bool:
    return name not in plain or type(value) is not type(plain[name]) or value != plain[name]


def _mapped(seq: Sequence, take: Callable[[], Leaf]) -> Sequence:
    start = take()
    return Sequence(start, tuple(mapped(item, take) for item in seq.items))


def references(seq: Sequence) -> Iterator[str]:
    """The values that are named in a sequence, once for each time."""
    if isinstance(seq.start, Ref):
        yield seq.start.value
    for item in seq.items:
        if isinstance(item, FromItem) and isinstance(item.source, Ref):
            yield item.source.value
        if isinstance(item, LayerItem | JoinItem):
            yield from (one.value for _, one in item.settings if isinstance(one, Ref))
        if isinstance(item, CallItem):
            yield from (one.value for one in item.arguments if isinstance(one, Ref))
            if item.share is not None:
                yield item.share.value
        for one in inner(item):
            yield from references(one)


def values_of(seq: Sequence) -> Iterator[str]:
    """The values that are made in a sequence's text, in its order."""
    for item in seq.items:
        for one in inner(item):
            yield from values_of(one)
        yield from item.outputs
