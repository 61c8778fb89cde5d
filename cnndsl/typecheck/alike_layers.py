"""Tells layers of one place whose arithmetic is alike together: those of rounds, and of calls."""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence

from cnndsl.analysis.arithmetic import FIELD, Topic
from cnndsl.frozen import replace
from cnndsl.typecheck.explained import LayerArithmetic

__all__ = ["alike_together"]


def alike_together(layers: Sequence[LayerArithmetic]) -> list[LayerArithmetic]:
    """The layers, without the later ones that differ in names and fields alone: the first has them.

    Where a line stands in a block that is called 36 times, all that a reader wants is said once.
    """
    groups: dict[Hashable, list[LayerArithmetic]] = {}
    for one in layers:
        groups.setdefault(_key(one), []).append(one)
    told = []
    for first, *others in groups.values():
        headings = tuple(one.heading for one in others)
        told.append(replace(first, heading=replace(first.heading, others=headings)))
    return told


def _key(one: LayerArithmetic) -> Hashable:
    """What layers that are told together share; one that has something wrong is told alone."""
    heading = one.heading
    if heading.problems or heading.holes:
        return heading.name
    place = (heading.phrase, heading.place, heading.shapes)
    kept = (topic for topic in one.topics if not topic.title.startswith(FIELD))
    return place, tuple(map(_nameless, kept))


def _nameless(topic: Topic) -> Topic:
    """A topic without the names of layers and weights."""
    equations = tuple(replace(one, name=_without_names(one.name)) for one in topic.equations)
    return Topic(topic.title, equations, tuple(map(_without_names, topic.notes)))


def _without_names(text: str) -> str:
    return re.sub("`[^`]*`", "`…`", text)
