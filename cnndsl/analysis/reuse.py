"""Says which weights of an old network can stand in a new one, and under which name."""

from __future__ import annotations

from collections.abc import Iterator

from typing_extensions import TypedDict

from cnndsl.analysis.alignment import Alignment
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.frozen import frozen

__all__ = ["Reuse", "ReuseJson", "reused"]


class ReuseJson(TypedDict):
    """A weight of either network; ``old``, ``new`` and their shapes are null where it is missing.

    ``how`` is ``kept`` (one name, one shape), ``renamed``, ``reshaped`` (not to be reused),
    ``new`` or ``gone``.
    """

    how: str
    old: str | None
    new: str | None
    old_shape: list[int] | None
    new_shape: list[int] | None


@frozen
class Reuse:
    """A weight and what becomes of it: its full names and shapes, empty where it is missing."""

    how: str
    old: str
    new: str
    old_shape: tuple[int, ...] = ()
    new_shape: tuple[int, ...] = ()
    is_another: bool = False
    """Whether the old network has a weight of the new name and shape that is another one's: by
    name alone, the wrong numbers would be taken."""

    def to_json(self) -> ReuseJson:
        """The weight as plain data."""
        return {
            "how": self.how,
            "old": self.old or None,
            "new": self.new or None,
            "old_shape": list(self.old_shape) if self.old else None,
            "new_shape": list(self.new_shape) if self.new else None,
        }


def reused(old: TypedNetwork, new: TypedNetwork, pairs: Alignment) -> Iterator[Reuse]:
    """Every weight of the new network, then those of the old one that are gone."""
    known = _shapes(old)
    taken: set[str] = set()
    for at, weights in enumerate(new.weights):
        partner = pairs.new.get(at)
        before = old.weights[partner] if partner is not None else ()
        shapes = {weight.name: weight.shape for weight in before}
        name = new.network.nodes[at].name
        for weight in weights:
            full = f"{name}.{weight.name}"
            is_another = known.get(full) == weight.shape
            if partner is None or weight.name not in shapes:
                yield Reuse("new", "", full, (), weight.shape, is_another)
                continue
            had = f"{old.network.nodes[partner].name}.{weight.name}"
            taken.add(had)
            if shapes[weight.name] != weight.shape:
                yield Reuse("reshaped", had, full, shapes[weight.name], weight.shape, False)
            elif had == full:
                yield Reuse("kept", had, full, weight.shape, weight.shape)
            else:
                yield Reuse("renamed", had, full, weight.shape, weight.shape, is_another)
    for full, shape in known.items():
        if full not in taken:
            yield Reuse("gone", full, "", shape)


def _shapes(typed: TypedNetwork) -> dict[str, tuple[int, ...]]:
    """The shapes of all weights, each at the layer that has it."""
    return {
        f"{typed.network.nodes[at].name}.{weight.name}": weight.shape
        for at, weights in enumerate(typed.weights)
        for weight in weights
    }
