"""Pairs layers by their order: the kernels with the kernels, the normalisations with theirs.

Each group's layers must have the same shapes in the same order here and there. A layer whose shape
only one has may stand elsewhere, such as a head that one tool's file has at its end. Where a file
does not keep an order, layers are paired by their shapes, and those of one shape by the numbers in
their names.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from cnndsl.importers.weights.fitting import Fit, Fitting
from cnndsl.importers.weights.source import Role, SourceLayer
from cnndsl.importers.weights.targets import Group, TargetLayer, group_of

__all__ = ["Counts", "Mismatch", "Ordered", "Reordered", "Swapped", "Unsaid", "in_order"]


@dataclass(frozen=True, slots=True)
class Counts:
    """There are more layers of a group here than there; with ``alike``, of one shape."""

    group: Group
    sources: tuple[SourceLayer, ...]
    targets: tuple[TargetLayer, ...]
    alike: bool = False


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Layers of one place that are not alike, and why."""

    group: Group
    at: int
    source: SourceLayer
    target: TargetLayer
    why: str


@dataclass(frozen=True, slots=True)
class Unsaid:
    """Two layers of a file that are alike, and nothing says which of them comes first."""

    first: SourceLayer
    second: SourceLayer
    targets: tuple[TargetLayer, TargetLayer]


@dataclass(frozen=True, slots=True)
class Swapped:
    """A layer of a file that has the name of one in the spec, and by its place is another."""

    source: SourceLayer
    target: TargetLayer


@dataclass(frozen=True, slots=True)
class Reordered:
    """Tensors of a file that no layer has."""

    layers: tuple[SourceLayer, ...]


Triple = tuple[SourceLayer, TargetLayer, Fit]


@dataclass(eq=False)
class Ordered:
    """The pairs, or why there are none."""

    pairs: list[Triple] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problem: Counts | Mismatch | Unsaid | Swapped | Reordered | None = None


def in_order(
    sources: Sequence[SourceLayer],
    targets: Sequence[TargetLayer],
    fitting: Fitting,
    *,
    ordered: bool,
    branches: bool = True,
) -> Ordered:
    """The pairs of layers by their order, the heads of training among them where they are there.

    ``branches`` is whether the file's order counts for layers beside each other.
    """
    strange = tuple(one for one in sources if group_of(one.roles) is Group.OTHER)
    if strange:
        return Ordered(problem=Reordered(strange))
    required = [one for one in targets if one.required]
    found = _groups(sources, targets, fitting, ordered=ordered)
    if found.problem is not None and len(required) < len(targets):
        without = _groups(sources, required, fitting, ordered=ordered)
        found = without if without.problem is None else found
    if found.problem is None and (beside := _beside(found.pairs)):
        (first, target), (second, other) = beside[0]
        if not branches:
            found.problem = Unsaid(first, second, (target, other))
        else:
            names = f"`{first.name}` and `{second.name}`"
            more = f", and {len(beside) - 1} such pairs more" if len(beside) > 1 else ""
            found.notes.append(
                f"alike, and on branches beside each other, where the file's order counts: {names}"
                f"{more}"
            )
    if found.problem is None:
        found.problem = _swapped(found.pairs, {one.name for one in targets})
    if found.problem is None and not ordered:
        found.notes.append(
            "the file does not keep the order of its layers: those of one shape are taken by the"
            " numbers in their names"
        )
    return found


def _groups(
    sources: Sequence[SourceLayer],
    targets: Sequence[TargetLayer],
    fitting: Fitting,
    *,
    ordered: bool,
) -> Ordered:
    result = Ordered()
    for group in Group:
        here = [one for one in sources if group_of(one.roles) is group]
        there = [one for one in targets if one.group is group]
        found = (_sequence if ordered else _by_shape)(here, there, fitting, group)
        if found.problem is not None:
            return found
        result.pairs += found.pairs
        result.notes += found.notes
    return result


def _sequence(
    sources: Sequence[SourceLayer],
    targets: Sequence[TargetLayer],
    fitting: Fitting,
    group: Group,
) -> Ordered:
    """The pairs of one group."""
    if len(sources) == len(targets):
        whole = _one_by_one(sources, targets, fitting, group)
        if whole.problem is None:
            return whole
    moved = _moved(sources, targets)
    away, placed = {id(one) for one, _ in moved}, {id(one) for _, one in moved}
    rest = [one for one in sources if id(one) not in away]
    left = [one for one in targets if id(one) not in placed]
    if len(rest) != len(left):
        return Ordered(problem=Counts(group, tuple(sources), tuple(targets)))
    if not moved:
        return whole
    result = _one_by_one(rest, left, fitting, group)
    for source, target in moved:
        fit = fitting.layer(source, target)
        if isinstance(fit, str):
            return whole
        result.pairs.append((source, target, fit))
    if result.problem is None:
        names = ", ".join(f"`{source.name}`" for source, _ in moved)
        result.notes.append(f"alone of their shapes, and elsewhere in the file: {names}")
    return result


def _by_shape(
    sources: Sequence[SourceLayer],
    targets: Sequence[TargetLayer],
    fitting: Fitting,
    group: Group,
) -> Ordered:
    """The pairs of one group of layers that stand in no order."""
    result = Ordered()
    classes = _classes(sources, targets, fitting)
    for here, there in classes:
        if len(here) != len(there):
            return Ordered(problem=Counts(group, tuple(here), tuple(there), alike=True))
        for at, (first, second) in enumerate(pairwise(here)):
            if not _numbered(first.name, second.name):
                return Ordered(problem=Unsaid(first, second, (there[at], there[at + 1])))
        found = _one_by_one(here, there, fitting, group)
        if found.problem is not None:
            return found
        result.pairs += found.pairs
    return result


def _classes(
    sources: Sequence[SourceLayer], targets: Sequence[TargetLayer], fitting: Fitting
) -> list[tuple[list[SourceLayer], list[TargetLayer]]]:
    """Layers that may stand for each other, by their shapes: those of the file, and of the spec."""
    kinds: dict[Hashable, list[TargetLayer]] = {}
    for target in targets:
        kind: Hashable = (target.axes, target.maps, *(one.shape for one in target.tensors))
        kinds.setdefault(kind, []).append(target)
    # Kinds that one shape of the file fits are one class.
    classes: dict[Hashable, set[Hashable]] = {kind: {kind} for kind in kinds}
    placed: dict[Hashable, tuple[list[SourceLayer], Hashable]] = {}
    strange: list[SourceLayer] = []
    for source in sources:
        shape = tuple(sorted((one.role, one.shape) for one in source.tensors))
        if shape not in placed:
            fits = [
                kind
                for kind, (target, *_) in kinds.items()
                if not isinstance(fitting.layer(source, target), str)
            ]
            for kind in fits:
                merged = classes[fits[0]] | classes[kind]
                for one in merged:
                    classes[one] = merged
            placed[shape] = [], fits[0] if fits else None
        here, fitting_kind = placed[shape]
        (strange if fitting_kind is None else here).append(source)
    found: list[tuple[list[SourceLayer], list[TargetLayer]]] = []
    for merged in {id(one): one for one in classes.values()}.values():
        alike = {id(layer) for here, kind in placed.values() if kind in merged for layer in here}
        there = [target for kind, same in kinds.items() if kind in merged for target in same]
        place = {id(target): at for at, target in enumerate(targets)}
        there.sort(key=lambda target: place[id(target)])
        found.append(([one for one in sources if id(one) in alike], there))
    return [*found, (strange, [])] if strange else found


def _one_by_one(
    sources: Sequence[SourceLayer],
    targets: Sequence[TargetLayer],
    fitting: Fitting,
    group: Group,
) -> Ordered:
    result = Ordered()
    for at, (source, target) in enumerate(zip(sources, targets, strict=True)):
        fit = fitting.layer(source, target)
        if isinstance(fit, str):
            return Ordered(problem=Mismatch(group, at, source, target, fit))
        result.pairs.append((source, target, fit))
    return result


def _moved(
    sources: Sequence[SourceLayer], targets: Sequence[TargetLayer]
) -> list[tuple[SourceLayer, TargetLayer]]:
    """The layers that are alone of their shape on both sides, and do not keep the others' order."""
    here = [_size({one.role: one.shape for one in layer.tensors}) for layer in sources]
    there = [_size({one.role: one.shape for one in layer.tensors}) for layer in targets]
    counts, others = Counter(here), Counter(there)
    places = {size: at for at, size in enumerate(there) if others[size] == 1}
    alone = [
        (at, places[size]) for at, size in enumerate(here) if counts[size] == 1 and size in places
    ]
    kept = _longest_rising([place for _, place in alone])
    return [
        (sources[at], targets[place])
        for number, (at, place) in enumerate(alone)
        if number not in kept
    ]


def _size(shapes: dict[Role, tuple[int, ...]]) -> tuple[int, int]:
    """How many numbers a layer's kernel or first vector has, and its bias: in any order of axes."""
    bias = math.prod(shapes.pop(Role.BIAS, (0,)))
    return math.prod(next(iter(shapes.values()), (0,))), bias


def _longest_rising(numbers: Sequence[int]) -> set[int]:
    """The positions of a longest rising part of different numbers."""
    ends: list[int] = []
    positions: list[int] = []
    before: list[int] = []
    for at, number in enumerate(numbers):
        length = bisect_left(ends, number)
        before.append(positions[length - 1] if length else -1)
        if length == len(ends):
            ends.append(number)
            positions.append(at)
        else:
            ends[length], positions[length] = number, at
    kept: set[int] = set()
    at = positions[-1] if positions else -1
    while at >= 0:
        kept.add(at)
        at = before[at]
    return kept


# --- doubts -----------------------------------------------------------------------------------


Placed = tuple[SourceLayer, TargetLayer]


def _beside(pairs: Sequence[Triple]) -> list[tuple[Placed, Placed]]:
    """Layers that could change places: alike, one after the other, and neither behind the other."""
    last: dict[Hashable, Placed] = {}
    found = []
    for source, target, _ in pairs:
        shapes = tuple(sorted((one.role, one.shape) for one in source.tensors))
        key = (shapes, target.keyword)
        if key in last and last[key][1].is_beside(target):
            found.append((last[key], (source, target)))
        last[key] = source, target
    return found


def _numbered(first: str, second: str) -> bool:
    """Whether a number is the first thing in which two names differ, or the second's alone.

    >>> _numbered("a.1.b", "a.10.b"), _numbered("conv", "conv_1"), _numbered("a.left", "a.right")
    (True, True, False)
    """
    words, others = _pieces(first), _pieces(second)
    for word, other in zip(words, others, strict=False):
        if word != other:
            return word.isdecimal() and other.isdecimal()
    return len(others) > len(words) and others[len(words)].isdecimal()


def _pieces(name: str) -> list[str]:
    return re.findall(r"[0-9]+|[^0-9._/]+", name)


def _swapped(pairs: Sequence[Triple], names: set[str]) -> Swapped | None:
    """A layer whose name is a label of another layer of the spec."""
    for source, target, _ in pairs:
        if source.name == target.name or source.name not in names:
            continue
        # `conv2` may be a counter here, and count from 0 there.
        if re.fullmatch(r"(.*\.)?[a-z]+\d+", source.name) is None:
            return Swapped(source, target)
    return None
