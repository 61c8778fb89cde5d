"""Takes note of what expansion comes by, for those who ask what a place in the text means.

An editor shows the value of a name and the shape behind each layer. A check that nobody asks so
records nothing.
"""

from __future__ import annotations

from dataclasses import field

from cnndsl.diagnostics.source import Span
from cnndsl.elaborate.values import Value
from cnndsl.frozen import frozen, mutable

__all__ = ["MOST", "Passing", "Recording"]

MOST = 1000
"""What happens at one place is recorded no oftener: a loop may come by very often."""


@frozen
class Passing:
    """A link of a chain that was carried out: the stream that came in, and those that came out."""

    before: int | None
    results: tuple[int, ...]


@mutable
class Recording:
    """What happened where, in the order in which it did.

    ``values`` are those that a name had, by where it is defined; ``links`` what went through a
    link, by its place. Streams are positions of nodes.
    """

    values: dict[Span, list[Value]] = field(default_factory=dict)
    links: dict[Span, list[Passing]] = field(default_factory=dict)

    def value(self, span: Span, value: Value) -> None:
        """A name that stands here was given a value."""
        known = self.values.setdefault(span, [])
        if len(known) < MOST:
            known.append(value)

    def link(self, span: Span, before: int | None, results: tuple[int, ...]) -> None:
        """A link was carried out."""
        known = self.links.setdefault(span, [])
        if len(known) < MOST:
            known.append(Passing(before, results))
