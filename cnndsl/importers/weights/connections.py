"""Pairs layers by their connections: by what each depends on, and what depends on it.

Where a file says how its layers are connected, its order says no more. Two layers are alike as long
as their kinds and shapes are; then as long as those before and behind them are too, again and again
(the refinement of colours of Weisfeiler & Leman, 1968). A layer that is alone of its colour in the
file and in the network is the same in both.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from cnndsl.importers.weights.source import Role, SourceLayer
from cnndsl.importers.weights.targets import TargetLayer, group_of

__all__ = ["connected"]

_Colour = int

_MOST = 4_000
"""More layers are not looked at: each is compared with each."""


def connected(
    sources: Sequence[SourceLayer], targets: Sequence[TargetLayer]
) -> list[tuple[SourceLayer, TargetLayer]] | None:
    """The pairs of a file's layers and a network's, in the latter's order.

    None where the file does not say how its layers are connected, where they are connected
    otherwise, or where two of them could change places.
    """
    if len(sources) != len(targets) or len(sources) > _MOST:
        return None
    befores = [one.before for one in sources if one.before is not None]
    if len(befores) < len(sources):
        return None
    theirs = _positions([one.place for one in sources], befores)
    ours = _positions([one.place for one in targets], [one.before for one in targets])
    colours = _Colours()
    here = [
        colours.of((group_of(one.roles), _size({x.role: x.shape for x in one.tensors})))
        for one in sources
    ]
    there = [
        colours.of((one.group, _size({x.role: x.shape for x in one.tensors}))) for one in targets
    ]
    count = 0
    while count < len({*here}):
        count = len({*here})
        here, there = colours.refined(here, theirs), colours.refined(there, ours)
    if sorted(here) != sorted(there) or count != len(sources):
        return None
    found = dict(zip(here, sources, strict=True))
    return [(found[colour], target) for colour, target in zip(there, targets, strict=True)]


def _positions(places: Sequence[int], befores: Sequence[int]) -> list[list[int]]:
    """For each layer which of the others it depends on."""
    return [[at for at, place in enumerate(places) if bits >> place & 1] for bits in befores]


def _size(shapes: Mapping[Role, tuple[int, ...]]) -> int:
    """How many numbers a layer's kernel has, or its first vector: in any order of axes."""
    first = shapes.get(Role.KERNEL) or next(iter(shapes.values()), ())
    return math.prod(first)


class _Colours:
    """A number for each thing that layers can be alike in."""

    def __init__(self) -> None:
        self._known: dict[object, _Colour] = {}

    def of(self, what: object) -> _Colour:
        """The number of something that can be hashed."""
        return self._known.setdefault(what, len(self._known))

    def refined(self, old: Sequence[_Colour], before: Sequence[Sequence[int]]) -> list[_Colour]:
        """The colours of layers by their own, and those of the layers before and behind them."""
        behind: list[list[_Colour]] = [[] for _ in old]
        for at, places in enumerate(before):
            for place in places:
                behind[place].append(old[at])
        return [
            self.of((colour, tuple(sorted(old[at] for at in before[one])), tuple(sorted(rest))))
            for one, (colour, rest) in enumerate(zip(old, behind, strict=True))
        ]
