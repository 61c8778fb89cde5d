"""Finds where a stream gets its name below the place that wants it: too late."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from cnndsl.diagnostics.source import Span
from cnndsl.syntax.ast import Bind, Block, Identifier, Input, Link, Name
from cnndsl.syntax.walk import walk

__all__ = ["named_below", "places_of_names"]


def places_of_names(body: object) -> Mapping[str, Sequence[Span]]:
    """Where a body of statements gives streams their names, by label, ``name =`` or input.

    Args:
        body: a module or a block; the bodies of the blocks in a module do not count.
    """
    found: dict[str, list[Span]] = {}
    for node in walk(body, () if isinstance(body, Block) else (Block,)):
        for name in _names(node):
            found.setdefault(name.name, []).append(name.span)
    return found


def named_below(wanted: Identifier | Name, places: Mapping[str, Sequence[Span]]) -> Span | None:
    """The first place further down that gives a stream the name which is wanted here."""
    for span in places.get(wanted.name, ()):
        if span.source is wanted.span.source and span.start > wanted.span.end:
            return span
    return None


def _names(node: object) -> Iterator[Identifier]:
    """The streams that a piece of a spec names."""
    if isinstance(node, Link) and node.label is not None:
        yield node.label
    elif isinstance(node, Bind):
        yield from node.names
    elif isinstance(node, Input):
        word = Span(node.span.source, node.span.start, node.span.start + len("input"))
        yield node.name or Identifier("input", word)
