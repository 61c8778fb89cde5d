"""From a node of the syntax tree to the nodes below it: the one way through a tree."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from cnndsl.diagnostics.model import Diagnostic
from cnndsl.diagnostics.source import Source, Span
from cnndsl.frozen import field_names, replace

__all__ = ["children", "rewritten", "walk"]

N = TypeVar("N")

_PLACES = (Source, Span, Diagnostic)
"""Records that are no nodes: a text, a place in it, and what is said of one."""


def children(node: object) -> list[object]:
    """The nodes directly below a node, in the order of its fields.

    >>> from cnndsl.diagnostics.source import Source
    >>> from cnndsl.syntax.ast import Binary, Name, Number
    >>> place = Span(Source("a.cnn", "k + 1"), 0, 5)
    >>> total = Binary("+", Name("k", place), Number(1, place), place)
    >>> [type(node).__name__ for node in children(total)]
    ['Name', 'Number']
    """
    found: list[object] = []
    for value in vars(node).values():  # a record holds its fields, and nothing else
        if isinstance(value, tuple):
            found += [item for item in value if _is_node(item)]
        elif _is_node(value):
            found.append(value)
    return found


def walk(node: object, without: tuple[type, ...] = ()) -> Iterator[object]:
    """A node and all below it, as they stand in the text: each before those below it.

    What is of a type in ``without`` is left out, with all below it. The nodes still to come are
    held in a list, so that no text makes the walk too deep.
    """
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if not isinstance(one, without):
            yield one
            waiting += reversed(children(one))


def rewritten(node: N, change: Callable[[object], object | None]) -> N:
    """A tree in which what ``change`` gives for a node stands in its place; None leaves it."""
    if not _is_node(node):
        return node
    other = change(node)
    if other is not None:
        return other  # type: ignore[return-value]
    changes: dict[str, object] = {}
    for name in field_names(node):
        value = getattr(node, name)
        many = isinstance(value, tuple)
        changes[name] = (
            tuple(rewritten(item, change) for item in value) if many else rewritten(value, change)
        )
    return replace(node, **changes)


def _is_node(value: object) -> bool:
    """Whether a value is a node: a record that is none of the above."""
    return hasattr(value, "_record_fields") and not isinstance(value, _PLACES)
