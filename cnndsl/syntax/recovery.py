"""Reads statement after statement, and goes on behind one that cannot be read: panic mode.

Where a token cannot stand, the pieces of its statement are dropped, what is left of it is skipped,
and a token ``RECOVERED`` takes its place. A body on the way is read as usual.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from lark import Tree, UnexpectedToken
from lark.parsers.lalr_analysis import Shift

from cnndsl.diagnostics.model import Diagnostic
from cnndsl.syntax.ast import Broken, Statement
from cnndsl.syntax.ast_builder import AstBuilder
from cnndsl.syntax.callbacks import Callbacks
from cnndsl.syntax.collector import Collector, Refusal
from cnndsl.syntax.contextual_lexer import DEFINING, TokenStream, Word
from cnndsl.syntax.grammar import load
from cnndsl.syntax.layout import STATEMENT_WORDS
from cnndsl.syntax.lexer import spellings
from cnndsl.syntax.tokens import END, NEWLINE, Tokens

if TYPE_CHECKING:
    from lark.parsers.lalr_parser_state import ParserState

__all__ = ["Reader"]

_BODIED = frozenset(("BLOCK", "REPEAT", "FOR", "IF", "ELSE", "NETWORK"))


class Reader:
    """Reads the tokens of one text."""

    def __init__(self, tokens: Tokens, collector: Collector) -> None:
        length = len(collector.source.text)
        tokens.add(END, length, length)
        self.tokens = tokens
        self.collector = collector
        self.words = frozenset(spellings()[0].values())
        self.stream = TokenStream(tokens, collector.source, self.words)
        lark: Any = load()
        self.parser: Any = lark.parse_interactive(self.stream)
        self.state: ParserState[int] = self.parser.parser_state
        builder = AstBuilder(collector)
        self.state.parse_conf.callbacks = Callbacks(builder, collector.source)
        self.broken: list[Broken] = []
        self.result: Any = None
        self.lost = -1
        """Where the parts began that a refused rule took from the stack, or -1."""

    @property
    def statements(self) -> tuple[Statement, ...]:
        """What has been read so far."""
        if self.result is not None:
            read: tuple[Statement, ...] = self.result.value
            return read
        for lines in self.state.value_stack[:1]:
            if isinstance(lines, Tree) and lines.data == "_lines":
                parts: list[Any] = lines.children
                return tuple(part.value for part in parts if part.value is not None)
        return ()

    def read(self) -> None:
        """Read all tokens.

        Raises:
            Stop: when too many mistakes were found.
        """
        while self.result is None:
            self.lost = -1
            try:
                self.result = self.parser.resume_parse()
            except UnexpectedToken:
                if not self.begins_behind():
                    self.recover(None)
            except Refusal as refusal:
                self.lost = refusal.start
                self.recover(refusal.diagnostic)

    def feed(self, kind: str, start: int, end: int) -> None:
        """Feed the parser a token that does not stand in the text."""
        self.parser.feed_token(Word(kind, self.collector.source, start, end))

    def begins_behind(self) -> bool:
        """Whether a statement begins in the middle of a line; read it as if on the next one."""
        tokens, at = self.tokens, self.stream.at
        place = tokens.starts[at]
        if tokens.kinds[at] not in STATEMENT_WORDS or not at:
            return False
        if tokens.kinds[at - 1] == NEWLINE or not self.stream.accepts(self.state, NEWLINE):
            return False
        from cnndsl.syntax.post_parse_errors import (
            new_line_missing,  # a right spec does not need it
        )

        before = self.collector.span(tokens.starts[at - 1], tokens.ends[at - 1])
        word = self.collector.span(place, tokens.ends[at])
        self.stream.before = self.state.state_stack.copy()
        try:
            self.feed(NEWLINE, place, place)
        except UnexpectedToken:
            return False
        except Refusal as refusal:
            self.lost = refusal.start
            return False
        self.collector.add(new_line_missing(before, word))
        return True

    # --- panic mode -------------------------------------------------------------------------

    def recover(self, problem: Diagnostic | None) -> None:
        """Report what is wrong at a token, drop its statement, and go on behind it."""
        tokens, at = self.tokens, self.stream.at
        place = tokens.starts[at]
        expected = self.expected()
        if expected == {"RECOVERED"}:  # behind a body of a statement that is broken already
            self.feed("RECOVERED", place, place)
            self.stream.at = self.skipped(at)
            return
        begin = self.abandon()
        first = at if begin < 0 else bisect_left(tokens.starts, begin)
        begin = tokens.starts[first]
        self.feed("RECOVERED", begin, begin)
        bodies = not _BODIED.isdisjoint(tokens.kinds[first : at + 1])
        after = self.stream.at = self.skipped(
            at, bodies and self.stream.accepts(self.state, "LBRACE")
        )
        end = max(tokens.ends[max(after - 1, first)], begin)
        self.broken.append(Broken(self.names(first, after), self.collector.span(begin, end)))
        if not self.collector.within(begin, max(end, place + 1)):
            from cnndsl.syntax.error_context import ErrorContext
            from cnndsl.syntax.syntax_errors import unexpected  # a right spec does not need them

            here = ErrorContext(tokens, at, first, expected, self.collector)
            self.collector.add(problem or unexpected(here))

    def expected(self) -> frozenset[str]:
        """The terminals that could stand where the last token could not."""
        parser = self.parser.copy(deepcopy_values=False)
        parser.parser_state.state_stack = self.stream.before.copy()
        return frozenset(parser.accepts())

    def abandon(self) -> int:
        """Drop the parts of the innermost statement; gives where it began, or -1 for none."""
        states, values = self.state.state_stack, self.state.value_stack
        table = self.state.parse_conf.states
        height = len(values)
        if values and _is_token(values[-1], "RBRACE"):  # a body has just ended: it goes as a whole
            while not _is_token(values[height - 1], "LBRACE"):
                height -= 1
            height -= 1
        while table[states[height]].get("RECOVERED", (None,))[0] is not Shift:
            height -= 1
        start = next(_starts(values[height:]), self.lost)
        del values[height:], states[height + 1 :]
        return start

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
                or (at > first and kinds[at - 1] in DEFINING)
                or (at == first + 1 and in_capitals)
            )
        )


def _is_token(part: Any, kind: str) -> bool:
    return isinstance(part, Word) and part.type == kind


def _starts(parts: Iterable[Any]) -> Iterator[int]:
    """Where parts begin, those that Lark has gathered in a list too."""
    for part in parts:
        if isinstance(part, Tree):
            yield from _starts(part.children)
        else:
            yield part.start_pos
