"""Finds where a stream gets its name below the place that wants it: too late."""

from __future__ import annotations

from collections.abc import Iterator

from cnndsl.diagnostics.source import Span
from cnndsl.syntax.ast import Bind, Block, Identifier, Input, Link, Name
from cnndsl.syntax.walk import walk

__all__ = ["named_below"]


def named_below(wanted: Identifier | Name, body: object) -> Span | None:
    """The label, ``name =`` or input of this name that stands further down in a body of statements.

    Args:
        wanted: the name where nothing is called so yet.
        body: a module or a block; the bodies of the blocks in a module do not count.
    """
    for node in walk(body, () if isinstance(body, Block) else (Block,)):
        for name in _names(node):
            below = name.span.source is wanted.span.source and name.span.start > wanted.span.end
            if name.name == wanted.name and below:
                return name.span
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
