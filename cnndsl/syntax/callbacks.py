"""Turns each rule that Lark completes into a node: the builder's method of the rule's name.

Lark calls back with everything that the rule is made of, punctuation too, so that the place of the
whole is known. No tree of Lark's own is built.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeAlias

from lark import Tree
from lark.parse_tree_builder import ParseTreeBuilder

from cnndsl.diagnostics.source import Source, Span
from cnndsl.syntax.ast_builder import AstBuilder
from cnndsl.syntax.collector import Refusal
from cnndsl.syntax.contextual_lexer import Word

_TREES: Any = ParseTreeBuilder
"""Lark's own has no types."""

__all__ = ["Callback", "Callbacks", "Part"]

Callback: TypeAlias = Callable[[list[Any]], Any]


class Part:
    """What a completed rule leaves on Lark's stack, with the names that Lark's tokens have."""

    __slots__ = ("end_pos", "start_pos", "value")

    def __init__(self, value: Any, start_pos: int, end_pos: int) -> None:
        self.value = value
        self.start_pos = start_pos
        self.end_pos = end_pos


class Callbacks(dict[Any, Callback]):
    """What Lark calls for each rule of the grammar; made for a rule when it is first completed.

    A text completes few of the rules, and a text with mistakes is read several times.
    """

    def __init__(self, builder: AstBuilder, source: Source) -> None:
        super().__init__()
        self._methods = _Methods(builder, source)

    def __bool__(self) -> bool:
        """Yes: without callbacks, Lark would leave trees."""
        return True

    def __missing__(self, rule: Any) -> Callback:
        made: Callback = _tree_of(rule).create_callback(self._methods)[rule]
        self[rule] = made
        return made


@cache
def _tree_of(rule: Any) -> Any:
    """What Lark does with the parts of a rule before it calls back."""
    return _TREES([rule], Tree)


class _Methods:
    """The builder as a transformer of Lark's: rules that only gather (``_rule``) have no method."""

    def __init__(self, builder: AstBuilder, source: Source) -> None:
        self._builder = builder
        self._source = source

    def __getattr__(self, rule: str) -> Callback:
        if rule.startswith("_"):
            raise AttributeError(rule)
        return _placed(getattr(self._builder, rule), self._source)


def _placed(method: Callable[..., Any], source: Source) -> Callback:
    """A method that is given the span of the whole, and of its parts those that have a value."""

    def callback(parts: list[Any]) -> Part:
        start, end = (parts[0].start_pos, parts[-1].end_pos) if parts else (0, 0)
        values = [part.value for part in parts if part.value is not None]
        if len(parts) == 1 and type(parts[0]) is Word:
            span = parts[0].value  # a leaf lies where its token lies
        else:
            span = Span(source, start, end)
        try:
            return Part(method(span, *values), start, end)
        except Refusal as refusal:
            refusal.start = start
            raise

    return callback
