"""Turns a syntax tree into a text for people: a line for each node, with the place it stands at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath

from cnndsl.diagnostics.source import Span
from cnndsl.frozen import field_names
from cnndsl.syntax.ast import Module

__all__ = ["tree_text"]


def tree_text(module: Module) -> str:
    """The tree: each node under the one it belongs to, behind the name of the field it is in.

    What is empty is left out. A place is ``line:column`` of a node's first character.
    """
    lines = []
    # The last first: a tree may be deeper than Python calls.
    waiting: list[tuple[int, str, object]] = [(0, "", module)]
    while waiting:
        depth, field, node = waiting.pop()
        lines.append("  " * depth + (f"{field}: " if field else "") + _head(node))
        children = [(depth + 1, name, child) for name, child in _children(node)]
        waiting += reversed(children)
    return "\n".join((*lines, ""))


def _head(node: object) -> str:
    """A node without its children: ``Identifier 'conv' 3:1``."""
    if isinstance(node, Module):
        return f"Module {PurePath(node.source.name).name!r}"
    if isinstance(node, Span):
        return f"{node.text!r} {_place(node)}"
    words = [type(node).__name__]
    for name in field_names(node):
        value = getattr(node, name)
        if isinstance(value, bool):
            words += [name] * value
        elif isinstance(value, str | int | float):
            words.append(repr(value))
    span = getattr(node, "span", None)
    return " ".join((*words, _place(span)) if isinstance(span, Span) else words)


def _children(node: object) -> Iterator[tuple[str, object]]:
    """The nodes in a node's fields; of a module, its comments are such too."""
    for name in field_names(node):
        value = getattr(node, name)
        for item in value if isinstance(value, tuple) else (value,):
            is_node = hasattr(item, "span")
            if is_node or (isinstance(item, Span) and name != "span"):
                yield name, item


def _place(span: Span) -> str:
    return f"{span.first.line}:{span.first.column}"
