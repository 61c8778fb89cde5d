"""Writes the shipped maps of names: from what a model calls its layers, and what its spec does.

The pairs are found by order, and proved where outputs are compared (`tests/oracles`). Names that
differ in numbers become one rule, where those there follow from those here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from foreign_models import Foreign

from cnndsl.importers.weights.name_map import Rule

__all__ = ["map_text", "reordered", "rules_of"]

_NUMBER = re.compile(r"\d+")

T = TypeVar("T")

Pair = tuple[str, str, str]
"""What the model calls a layer, what the spec does, and the axes where they are not ours."""


def map_text(models: Sequence[Foreign], pairs: Sequence[Sequence[Pair]]) -> str:
    """A shipped map: whose names they are, the specs, how many layers, and the rules.

    The pairs are those of each model.
    """
    libraries: dict[str, list[str]] = {}
    for one in models:
        libraries.setdefault(one.library, []).append(one.model)
    title = " and ".join(f"{library}'s {', '.join(names)}" for library, names in libraries.items())
    specs = ", ".join(dict.fromkeys(one.spec for one in models))
    layers = ", ".join(map(str, sorted({len(one) for one in pairs})))
    rules = rules_of(pair for one in pairs for pair in one)
    head = [f"# {title}", f"# spec: {specs}", f"# layers: {layers}"]
    head += [f"# note: {one}" for one in dict.fromkeys(one.note for one in models) if one]
    return "\n".join([*head, "", *rules, ""])


def reordered(entries: Mapping[str, T]) -> dict[str, T]:
    """GoogLeNet's classifiers on the way where the spec has them: torchvision has them last."""
    if "inception4a.branch1.conv.weight" not in entries:
        return dict(entries)
    order = [name for name in entries if not name.startswith("aux")]
    for before, head in (("inception4a.", "aux1."), ("inception4d.", "aux2.")):
        at = max(at for at, name in enumerate(order) if name.startswith(before)) + 1
        order[at:at] = [name for name in entries if name.startswith(head)]
    return {name: entries[name] for name in order}


def rules_of(pairs: Iterable[Pair]) -> list[str]:
    """Lines of a map, in columns, in the order of the pairs that they are for."""
    groups: dict[str, list[Pair]] = {}
    for pair in dict.fromkeys(pairs):
        groups.setdefault(_NUMBER.sub("#", pair[0]), []).append(pair)
    rules = [rule for group in groups.values() for rule in _compressed(group)]
    # What rules together say of a pair wrongly, in either direction, is said by itself before them.
    kept = [Rule(*rule) for rule in rules]
    wrong = [
        (left, right, axes)
        for group in groups.values()
        for left, right, axes in group
        if next((one.target(left) for one in kept if one.target(left)), "") != right
        or next((one.source(right) for one in kept if one.source(right)), "") != left
    ]
    rules = [*wrong, *rules]
    width = max(len(left) for left, _, _ in rules) + 2
    other = max(len(right) for _, right, _ in rules) + 2
    return [f"{left:{width}}{right:{other}}{axes}".rstrip() for left, right, axes in rules]


def _numbers(name: str) -> list[int]:
    return [int(one) for one in _NUMBER.findall(name)]


def _compressed(group: Sequence[Pair], literal: frozenset[int] = frozenset()) -> list[Pair]:
    """One rule for all pairs, where there is one; else some for each value of a number."""
    here = [_numbers(one[0]) for one in group]
    there = [_numbers(one[1]) for one in group]
    varies = [
        at for at in range(len(here[0])) if at not in literal and len({row[at] for row in here}) > 1
    ]
    if len({(_NUMBER.sub("#", right), axes) for _, right, axes in group}) > 1:
        return _split(group, literal, varies)
    made: list[str] = []
    for at in range(len(there[0])):
        found = _formula([row[at] for row in there], here, varies)
        if found is None:
            return _split(group, literal, varies)
        made.append(found)
    if not _one_to_one(made, varies):
        return _split(group, literal, varies)
    numbers = iter(range(len(here[0])))
    left = _NUMBER.sub(lambda one: r"(\d+)" if next(numbers) in varies else one[0], group[0][0])
    pieces = iter(made)
    right = _NUMBER.sub(lambda _: next(pieces), group[0][1])
    return [(left, right, group[0][2])]


def _one_to_one(made: Sequence[str], varies: Sequence[int]) -> bool:
    """Whether every number that varies shows on the other side."""
    return all(any(rf"\{number + 1}" in one for one in made) for number in range(len(varies)))


def _split(group: Sequence[Pair], literal: frozenset[int], varies: Sequence[int]) -> list[Pair]:
    if not varies:
        assert len(group) == 1, group
        return [(group[0][0], group[0][1], group[0][2])]
    at = min(varies, key=lambda one: len({_numbers(pair[0])[one] for pair in group}))
    parts: dict[int, list[Pair]] = {}
    for pair in group:
        parts.setdefault(_numbers(pair[0])[at], []).append(pair)
    return [rule for part in parts.values() for rule in _compressed(part, literal | {at})]


def _formula(
    values: Sequence[int], rows: Sequence[Sequence[int]], varies: Sequence[int]
) -> str | None:
    """A number there as text: the same always, or a number here times something, plus something."""
    if len(set(values)) == 1:
        return str(values[0])
    for number, at in enumerate(varies, 1):
        for factor in (1, 2, 3):
            offsets = {value - factor * row[at] for value, row in zip(values, rows, strict=True)}
            if len(offsets) == 1:
                [offset] = offsets
                if (factor, offset) == (1, 0):
                    return rf"\{number}"
                times = f"{factor}*" if factor > 1 else ""
                return rf"{{{times}\{number}{offset:+d}}}" if offset else rf"{{{times}\{number}}}"
    return None
