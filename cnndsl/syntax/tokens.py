"""The tokens of a text, as data: what the lexer makes, the layout sorts and the parser reads."""

from __future__ import annotations

from dataclasses import field

from cnndsl.frozen import mutable

__all__ = ["END", "NEWLINE", "OPERATORS", "Tokens"]

END = "$END"
"""Lark's terminal behind the last one."""

NEWLINE = "_NEWLINE"
"""The terminal of a line end."""

OPERATORS = frozenset(("OR", "AND", "COMPARE", "RANGE", "PLUS", "MINUS", "STAR", "SLASH"))
OPERATORS |= {"DOUBLE_SLASH", "PERCENT"}
"""The terminals that join two operands."""


@mutable
class Tokens:
    """The tokens of a text as parallel lists: the terminal, and where it begins and ends.

    ``calls`` are the positions of opening parentheses that hold a list or a chain; ``comments``
    are where the comments begin and end.
    """

    kinds: list[str] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    calls: set[int] = field(default_factory=set)
    comments: list[tuple[int, int]] = field(default_factory=list)

    def add(self, kind: str, start: int, end: int) -> None:
        """Append one token."""
        self.kinds.append(kind)
        self.starts.append(start)
        self.ends.append(end)

    def __len__(self) -> int:
        return len(self.kinds)
