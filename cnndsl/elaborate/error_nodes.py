"""Puts the statements that could not be read back among those that could, where they stand.

What merely follows from the absence of one is no mistake: the names that it seems to define are
known then, and what its chain would have given is unknown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from cnndsl.diagnostics.model import Diagnostic, Report
from cnndsl.diagnostics.source import Span
from cnndsl.elaborate.values import Broken as BrokenValue
from cnndsl.elaborate.values import Constants
from cnndsl.syntax.ast import (
    Bind,
    Block,
    Broken,
    Claim,
    Element,
    Identifier,
    Link,
    Module,
    Phrase,
    Return,
    Statement,
)
from cnndsl.syntax.walk import walk

__all__ = [
    "STREAMLESS",
    "begins_with",
    "broken_names",
    "names_in",
    "unreadable_constants",
    "with_error_nodes",
]

STREAMLESS = frozenset(
    ("network", "classes", "output", "param", "let", "import", "expect", "block", "train")
)
"""The words of the statements that leave the current stream as it is."""


def with_error_nodes(
    statements: Sequence[Statement], broken: Sequence[Broken], whole: Span
) -> Iterator[Statement | Broken]:
    """The statements of a body that covers ``whole``, the broken ones among them, in order."""
    if not broken:
        yield from statements
        return
    inside = [gap for gap in broken if whole.start <= gap.span.start and gap.span.end <= whole.end]
    nested = [
        gap
        for gap in inside
        if any(s.span.start <= gap.span.start and gap.span.end <= s.span.end for s in statements)
    ]
    own = [gap for gap in inside if gap not in nested]
    yield from sorted((*statements, *own), key=lambda item: item.span.start)


def begins_with(gap: Broken) -> str:
    """The first word of a statement that could not be read; empty where it begins with none."""
    word = re.match(r"[A-Za-z_]\w*", gap.span.text.lstrip())
    return word.group() if word else ""


def broken_names(module: Module) -> frozenset[str]:
    """The names that the broken statements of a file seem to define."""
    names = {name for gap in module.broken for name in gap.names}
    if any(begins_with(gap) == "input" for gap in module.broken):
        names.add("input")
    return frozenset(names)


def unreadable_constants(module: Module, report: Report) -> Constants:
    """Their values, for expressions: to use one reports nothing new."""
    constants = Constants()
    for gap in module.broken:
        known = _reported(gap, report)
        for name in gap.names:
            if known is not None:
                constants.define(name, BrokenValue(known), gap.span)
    return constants


def _reported(gap: Broken, report: Report) -> Diagnostic | None:
    """What was said about a statement that could not be read."""
    here = [item for item in report if item.span.source is gap.span.source]
    within = (i for i in here if gap.span.start <= i.span.start <= gap.span.end)
    return next(within, here[0] if here else None)


def names_in(element: Element) -> Iterator[str]:
    """The labels and streams that an element would name if it could be carried out."""
    for node in walk(element, without=(Block, Claim, Phrase, Return)):
        match node:
            case Bind(names=names):
                yield from (name.name for name in names)
            case Link(label=Identifier(name=name)):
                yield name
            case _:
                pass
