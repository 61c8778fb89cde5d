"""Turns occurrences of one skeleton into a body with parameters, and the arguments of each.

Leaves that agree everywhere stay; those that vary alike are one parameter, and one that is always
a multiple of another is written so: ``conv 4*width@1``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Sequence as Items
from dataclasses import dataclass, field

from cnndsl.frozen import frozen, replace
from cnndsl.importers.networks.fingerprints import Here
from cnndsl.importers.networks.items import (
    BindItem,
    CallItem,
    FromItem,
    Item,
    JoinItem,
    LayerItem,
    Leaf,
    Linear,
    Parameter,
    Ref,
    RepeatItem,
    Stream,
    inner,
    leaves,
)
from cnndsl.importers.networks.labels import Namer
from cnndsl.importers.networks.settings import defaults_of

__all__ = ["WIDTHS", "Generalized", "generalized"]

WIDTHS = ("filters", "units")
"""The roles of parameters that are how wide a layer is."""

_LARGEST_FACTOR = 16

_WORDS = {"filters": "width", "units": "width", "count": "depth", "start": "x"}
"""What parameters are called after the settings that they are."""


@frozen
class Generalized:
    """A block's parameters, the leaves of its body, and the arguments of each occurrence."""

    parameters: tuple[Parameter, ...]
    body: tuple[Leaf, ...]
    arguments: tuple[tuple[Leaf, ...], ...]


def generalized(
    occurrences: Items[Items[Item]], columns: Items[Items[Leaf | Here]]
) -> Generalized | None:
    """A body for all occurrences; None where they differ in what no parameter can be.

    ``columns`` are the leaves of each, with values of its own by their places.
    """
    roles = [role for item in occurrences[0] for role in _roles(item)]
    own = [leaf for item in occurrences[0] for leaf in leaves(item)]
    table = _Table(len(occurrences))
    body: list[Leaf] = []
    varying: list[tuple[int, tuple[Leaf, ...]]] = []
    for at, row in enumerate(zip(*columns, strict=True)):
        kinds = {(type(leaf), leaf) for leaf in row}
        streams = [isinstance(leaf, Ref | Stream) for leaf in row]
        body.append(own[at])
        outside = any(streams) or any(isinstance(leaf, Linear) for leaf in row)
        if len(kinds) == 1 and not outside:
            continue
        if any(streams) and not all(streams):
            return None
        if any(leaf is None or isinstance(leaf, Here) for leaf in row):
            return None
        varying.append((at, tuple(leaf for leaf in row if not isinstance(leaf, Here))))
    for at, row in sorted(varying, key=lambda one: _base_first(roles[one[0]], one[1])):
        table.add(roles[at], row)
    for at, row in varying:
        body[at] = table.leaf(roles[at], row)
    return table.finished(tuple(body))


def _base_first(role: str, row: tuple[Leaf, ...]) -> tuple[int, float]:
    """Small widths first, so that others are multiples of them; paddings behind kernels."""
    numbers = [one for one in row if isinstance(one, int)]
    rank = 0 if role in WIDTHS else 2 if role == "padding" else 1
    return (rank, sum(numbers) / max(1, len(numbers)))


@dataclass
class _Table:
    """The parameters found so far: the values of each in all occurrences."""

    occurrences: int
    rows: dict[str, tuple[Leaf, ...]] = field(default_factory=dict)
    roles: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    def add(self, role: str, row: tuple[Leaf, ...]) -> None:
        """Take a varying leaf: as a new parameter, if none can say it."""
        if self._said(role, row) is None:
            name = f"#{len(self.rows)}"  # until all are known
            self.rows[name] = row
            self.roles[name] = role

    def leaf(self, role: str, row: tuple[Leaf, ...]) -> Leaf:
        """What stands in the body for a varying leaf."""
        found = self._said(role, row)
        assert found is not None
        return found

    def _said(self, role: str, row: tuple[Leaf, ...]) -> Leaf:
        """The parameter, or a multiple of one, that is these values; None where there is none."""
        for name, other in self.rows.items():
            if other == row and all(map(_same_type, other, row)):
                return Stream(name) if isinstance(row[0], Ref | Stream) else Linear(name)
        if role == "count":
            return None
        for name, other in self.rows.items():
            if (ratio := _ratio(role, other, row)) is not None:
                return Linear(name, *ratio)
        return None

    def finished(self, body: tuple[Leaf, ...]) -> Generalized:
        """The parameters in the order in which the body reads them, those with defaults last."""
        self._rename(dict.fromkeys(one.name for one in body if isinstance(one, Linear | Stream)))
        body = tuple(map(self._renamed, body))
        parameters = [self._parameter(name) for name in self.rows]
        parameters.sort(key=_rank)
        arguments = tuple(
            tuple(self.rows[one.name][at] for one in parameters) for at in range(self.occurrences)
        )
        return Generalized(tuple(parameters), body, arguments)

    def _rename(self, order: Iterable[str]) -> None:
        """Call the parameters after what they are, counted in the order of the body."""
        namer = Namer.of_parameters()
        self.names = {
            old: namer.take(_WORDS.get(self.roles[old], self.roles[old])) for old in order
        }
        self.rows = {new: self.rows[old] for old, new in self.names.items()}
        self.roles = {new: self.roles[old] for old, new in self.names.items()}

    def _renamed(self, leaf: Leaf) -> Leaf:
        if isinstance(leaf, Linear | Stream):
            return replace(leaf, name=self.names[leaf.name])
        return leaf

    def _parameter(self, name: str) -> Parameter:
        """A parameter; a default that the layer has, and that is given often, is its own too."""
        row = self.rows[name]
        if isinstance(row[0], Ref | Stream):
            return Parameter(name, "start", is_stream=True)
        role = self.roles[name]
        plain = _PLAIN.get(role)
        often = sum(1 for one in row if type(one) is type(plain) and one == plain)
        return Parameter(name, role, plain if often * 3 >= len(row) else None)


def _rank(one: Parameter) -> tuple[bool, bool, bool]:
    """Streams first, then widths, then what has no default."""
    return (not one.is_stream, one.role not in WIDTHS, one.default is not None)


_PLAIN: dict[str, Leaf] = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "bias": True}


def _same_type(one: Leaf, other: Leaf) -> bool:
    return type(one) is type(other)


def _ratio(role: str, base: tuple[Leaf, ...], row: tuple[Leaf, ...]) -> tuple[int, int] | None:
    """By what the base is multiplied, or divided, to be this row, everywhere alike."""
    if not all(type(one) is int and one > 0 for one in (*base, *row)):
        return None
    pairs = [(one, other) for one, other in zip(base, row, strict=True) if isinstance(one, int)]
    first, other = pairs[0]
    assert isinstance(other, int)
    factor, divisor = other // first, first // other if other else 0
    if 2 <= factor <= _LARGEST_FACTOR and all(one * factor == two for one, two in pairs):
        return factor, 1
    if 2 <= divisor <= _LARGEST_FACTOR and all(two * divisor == one for one, two in pairs):  # type: ignore[operator]
        return 1, divisor
    if role == "padding" and all(one // 2 == two for one, two in pairs):
        return 1, 2
    return None


def _roles(item: Item) -> Iterator[str]:
    """What each leaf of an item is, in the order of :func:`leaves`."""
    match item:
        case LayerItem() | JoinItem():
            yield from {**defaults_of(item.keyword), **dict(item.settings)}
        case FromItem():
            yield "start"
        case RepeatItem():
            yield "count"
        case CallItem():
            yield from item.roles
        case BindItem():
            pass
    for seq in inner(item):
        yield "start"
        for one in seq.items:
            yield from _roles(one)
