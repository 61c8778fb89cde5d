"""Reads statement after statement, and goes on behind one that cannot be read: panic mode.

Where a token cannot stand, the pieces of its statement are dropped, what is left of it is skipped,
and a token ``RECOVERED`` takes its place. A body on the way is read as usual.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Any

from cnndsl.diagnostics.model import Diagnostic
from cnndsl.syntax.ast import Broken, Statement
from cnndsl.syntax.ast_builder import AstBuilder
from cnndsl.syntax.automaton import Automaton
from cnndsl.syntax.collector import Collector, Refusal
from cnndsl.syntax.layout import STATEMENT_WORDS, begins_statement
from cnndsl.syntax.lexer import NEWLINE, Tokens
from cnndsl.syntax.tables import END, load

__all__ = ["Reader"]

_DEFINING = frozenset(["NETWORK", "BLOCK", "LET", "PARAM", "INPUT", "FOR", "STREAM"])
_HARD = frozenset(("IF", "ELSE", "FOR", "IN", "REPEAT", "AND", "OR", "NOT"))
"""Words that are never names, except where one is defined: that has its own diagnostic."""

_BODIED = frozenset(("BLOCK", "REPEAT", "FOR", "IF", "ELSE", "NETWORK"))
_BEFORE_ELEMENT = frozenset(
    (NEWLINE, "ARROW", "LBRACE", "COLON", "EQUAL", "COMMA", "_CALL", "LPAR", "LSQB", "RETURN")
)


class Reader:
    """Reads the tokens of one text."""

    def __init__(self, tokens: Tokens, collector: Collector) -> None:
        self.tokens = tokens
        self.collector = collector
        self.words = frozenset(load().words.values())
        self.ambiguous = self.words | {"MINUS", "LPAR"}
        self.automaton = Automaton(load(), collector.source, AstBuilder(collector))
        self.broken: list[Broken] = []
        length = len(collector.source.text)
        tokens.add(END, length, length)

    @property
    def statements(self) -> tuple[Statement, ...]:
        """What has been read so far."""
        so_far: Any = self.automaton.values[0] if self.automaton.values else ()
        return tuple(item for item in so_far or () if item is not None)

    def read(self) -> None:
        """Read all tokens.

        Raises:
            Stop: when too many mistakes were found.
        """
        tokens, automaton = self.tokens, self.automaton
        at = 0
        while at < len(tokens):
            kind = tokens.kinds[at]
            if kind in self.ambiguous:
                kind = tokens.kinds[at] = self.resolve(at, kind)
            try:
                if automaton.feed(kind, tokens.starts[at], tokens.ends[at]):
                    at += 1
                    continue
                problem = None
            except Refusal as refusal:
                problem = refusal.diagnostic
            if problem is None and self.begins_behind(at):
                continue
            at = self.recover(at, problem)

    def begins_behind(self, at: int) -> bool:
        """Whether a statement begins in the middle of a line; read it as if on the next one."""
        tokens, place = self.tokens, self.tokens.starts[at]
        if tokens.kinds[at] not in STATEMENT_WORDS or not at:
            return False
        if tokens.kinds[at - 1] == NEWLINE or not self.automaton.accepts(NEWLINE):
            return False
        from cnndsl.syntax.post_parse_errors import (
            new_line_missing,  # a right spec does not need it
        )

        before = self.collector.span(tokens.starts[at - 1], tokens.ends[at - 1])
        word = self.collector.span(place, tokens.ends[at])
        try:
            if not self.automaton.feed(NEWLINE, place, place):
                return False
        except Refusal:
            return False
        self.collector.add(new_line_missing(before, word))
        return True

    # --- tokens that mean several things ----------------------------------------------------

    def resolve(self, at: int, kind: str) -> str:
        """Which terminal a token is that could be several."""
        accepts = self.automaton.accepts
        preferred, other = self.readings(at, kind)
        return other if accepts(other) and not accepts(preferred) else preferred

    def readings(self, at: int, kind: str) -> tuple[str, str]:
        """What a token could be: what is likely by its looks, and else."""
        tokens = self.tokens
        if kind == "MINUS":
            touches_left = at > 0 and tokens.ends[at - 1] == tokens.starts[at]
            touches_right = tokens.ends[at] == tokens.starts[at + 1]
            return ("_NEG", kind) if touches_right and not touches_left else (kind, "_NEG")
        if kind == "LPAR":
            return ("_CALL", kind) if self.calls(at) else (kind, "_CALL")
        after = tokens.kinds[at + 1]
        if kind in _HARD:
            is_defined = at > 0 and tokens.kinds[at - 1] in _DEFINING
            return ("NAME", kind) if is_defined else (kind, kind)
        is_name = kind in STATEMENT_WORDS and not begins_statement(tokens, at)
        is_name |= kind == "STREAM" and after != "NAME" and after not in self.words
        return ("NAME", kind) if is_name else (kind, "NAME")

    def calls(self, at: int) -> bool:
        """Whether an opening parenthesis calls the name before it."""
        tokens = self.tokens
        if at == 0 or tokens.kinds[at - 1] != "NAME":
            return False
        if tokens.ends[at - 1] == tokens.starts[at]:
            return True
        return at in tokens.calls and (at == 1 or tokens.kinds[at - 2] in _BEFORE_ELEMENT)

    # --- panic mode -------------------------------------------------------------------------

    def recover(self, at: int, problem: Diagnostic | None) -> int:
        """Report what is wrong at a token, drop its statement; gives where to go on."""
        tokens, automaton = self.tokens, self.automaton
        place = tokens.starts[at]
        expected = automaton.expected()
        if expected == {"RECOVERED"}:  # behind a body of a statement that is broken already
            automaton.feed("RECOVERED", place, place)
            return self.skipped(at)
        begin = automaton.abandon()
        first = at if begin < 0 else bisect_left(tokens.starts, begin)
        begin = tokens.starts[first]
        automaton.feed("RECOVERED", begin, begin)
        bodies = not _BODIED.isdisjoint(tokens.kinds[first : at + 1])
        after = self.skipped(at, bodies and automaton.accepts("LBRACE"))
        end = max(tokens.ends[max(after - 1, first)], begin)
        self.broken.append(Broken(self.names(first, after), self.collector.span(begin, end)))
        if not self.collector.within(begin, max(end, place + 1)):
            from cnndsl.syntax.error_context import ErrorContext
            from cnndsl.syntax.syntax_errors import unexpected  # a right spec does not need them

            here = ErrorContext(tokens, at, first, expected, self.collector)
            self.collector.add(problem or unexpected(here))
        return after

    def skipped(self, at: int, bodies: bool = True) -> int:
        """Where the statement ends that a token belongs to, or the next body in it begins."""
        kinds = self.tokens.kinds
        depth = 0
        for position in range(at, len(kinds) - 1):
            kind = kinds[position]
            if kind == "LBRACE":
                if bodies and not depth and kinds[position + 1] == NEWLINE:
                    return position
                depth += 1
            elif kind == "RBRACE":
                if not depth:
                    return position
                depth -= 1
            elif kind == NEWLINE and not depth:
                return position
        return len(kinds) - 1

    def names(self, first: int, after: int) -> tuple[str, ...]:
        """The names that some tokens seem to define."""
        kinds = self.tokens.kinds
        texts = [
            self.collector.span(self.tokens.starts[at], self.tokens.ends[at]).text
            for at in range(first, after)
        ]
        in_capitals = bool(texts) and texts[0].lower() == "block"  # `Block f(x) { … }`
        return tuple(
            texts[at - first]
            for at in range(first, after)
            if (kinds[at] == "NAME" or kinds[at] in self.words)
            and (
                kinds[at + 1] in ("COLON", "EQUAL")
                or (at > first and kinds[at - 1] in _DEFINING)
                or (at == first + 1 and in_capitals)
            )
        )
