"""What the text of some items says, as values that can be compared."""

from __future__ import annotations

from collections.abc import Sequence as Items

from cnndsl.frozen import frozen
from cnndsl.importers.networks.items import Item, Leaf, Ref, Sequence, leaves, skeleton, values_of

__all__ = ["Here", "frame", "said", "settled"]


@frozen
class Here:
    """A value that is made in the items themselves: by its place among those that are."""

    place: int


def frame(items: Items[Item]) -> tuple[object, ...]:
    """What of some items is not a leaf."""
    return tuple(map(skeleton, items))


def settled(items: Items[Item]) -> tuple[Leaf | Here, ...]:
    """The leaves of some items; names of values that are made in these as their places."""
    found = [leaf for item in items for leaf in leaves(item)]
    if not any(isinstance(leaf, Ref) for leaf in found):
        return tuple(found)
    places: dict[str, int] = {}
    for value in values_of(Sequence(None, tuple(items))):
        places.setdefault(value, len(places))
    return tuple(
        Here(places[leaf.value]) if isinstance(leaf, Ref) and leaf.value in places else leaf
        for leaf in found
    )


def said(items: Items[Item]) -> tuple[object, ...]:
    """All that the text of some items says; equal where their texts would be."""
    return (frame(items), tuple((type(leaf), leaf) for leaf in settled(items)))
