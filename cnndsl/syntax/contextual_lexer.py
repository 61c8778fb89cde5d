"""Hands a text's tokens to Lark's parser one by one.

A token that could be several terminals (a word of the language or a name, a minus sign before or
between operands, a parenthesis that calls or groups) becomes the one that the parser accepts.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from typing import TYPE_CHECKING, Any

from lark import Token, UnexpectedToken
from lark.lexer import Lexer
from lark.parsers.lalr_analysis import Reduce, Shift
from lark.parsers.lalr_parser_state import ParserState
from typing_extensions import override

from cnndsl.diagnostics.source import Source, Span
from cnndsl.syntax.layout import STATEMENT_WORDS, begins_statement
from cnndsl.syntax.tokens import END, NEWLINE, OPERATORS, Tokens

if TYPE_CHECKING:
    from lark.parsers.lalr_parser_state import ParseConf

__all__ = ["DEFINING", "ContextualLexer", "TokenStream", "Word"]

DEFINING = frozenset(["NETWORK", "BLOCK", "LET", "PARAM", "INPUT", "FOR", "STREAM"])
_HARD = frozenset(("IF", "ELSE", "FOR", "IN", "REPEAT", "AND", "OR", "NOT"))
"""Words that are never names, except where one is defined: that has its own diagnostic."""

_BEFORE_ELEMENT = frozenset(
    (NEWLINE, "ARROW", "LBRACE", "COLON", "EQUAL", "COMMA", "_CALL", "LPAR", "LSQB", "RETURN")
)
_VALUED = frozenset(("NAME", "NUMBER", "SIZE", "STRING", "HOLE", "RECOVERED")) | OPERATORS
"""The terminals that reach the builder, as their spans."""


class Word(Token):
    """A token of Lark's whose value is its span, or None where it is mere punctuation."""

    __slots__ = ()
    line = column = end_line = end_column = None  # spans count characters, and find lines later

    def __new__(cls, kind: str, source: Source, start: int, end: int) -> Word:
        """A token of a terminal, and where it begins and ends."""
        word = str.__new__(cls, source.text[start:end])
        word.type = kind
        word.value = Span(source, start, end) if kind in _VALUED else None
        word.start_pos = start
        word.end_pos = end
        return word


class ContextualLexer(Lexer):
    """The lexer that Lark asks: its text is a :class:`TokenStream`."""

    __future_interface__ = 2

    def __init__(self, _: Any) -> None:
        """Lark hands its terminals over; the tokens are made already."""

    @override
    def lex(self, lexer_state: Any, parser_state: ParserState[int]) -> Iterator[Token]:
        """The tokens that the parser has not read yet."""
        stream: TokenStream = lexer_state.text
        return stream.read(parser_state)


class TokenStream:
    """The tokens of one text, and how far they are read.

    ``at`` is the token that the parser has to take next, ``before`` the parser's states before it
    was given that token: it may have reduced some before it found the token wrong.
    """

    def __init__(self, tokens: Tokens, source: Source, words: frozenset[str]) -> None:
        self.tokens = tokens
        self.source = source
        self.words = words
        self.at = 0
        self.before: list[int] = []
        self._silent: ParseConf[int] | None = None

    def read(self, state: ParserState[int]) -> Iterator[Token]:
        """The tokens from ``at`` on, all but the last, which is the end."""
        tokens, source, stack = self.tokens, self.source, state.state_stack
        kinds, starts, ends = tokens.kinds, tokens.starts, tokens.ends
        ambiguous = self.words | {"MINUS", "LPAR"}
        for at in range(self.at, len(tokens) - 1):
            kind = kinds[at]
            if kind in ambiguous:
                kind = kinds[at] = self.resolve(state, at, kind)
            self.at = at
            self.before = stack.copy()
            yield Word(kind, source, starts[at], ends[at])
        self.at = len(tokens) - 1
        self.before = stack.copy()

    def accepts(self, state: ParserState[int], kind: str) -> bool:
        """Whether the parser can take a token: ``InteractiveParser.accepts`` for one terminal."""
        action, _ = state.parse_conf.states[state.position].get(kind, (None, None))
        if action is not Reduce:
            return action is Shift
        if self._silent is None:
            self._silent = copy(state.parse_conf)
            self._silent.callbacks = {}
        trial = ParserState(self._silent, state.lexer, state.state_stack.copy())
        try:
            trial.feed_token(Word(kind, self.source, 0, 0), kind == END)
        except UnexpectedToken:
            return False
        return True

    # --- tokens that mean several things ----------------------------------------------------

    def resolve(self, state: ParserState[int], at: int, kind: str) -> str:
        """Which terminal a token is that could be several."""
        preferred, other = self.readings(at, kind)
        if preferred == other or self.accepts(state, preferred):
            return preferred
        return other if self.accepts(state, other) else preferred

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
            is_defined = at > 0 and tokens.kinds[at - 1] in DEFINING
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
