"""Turns what the tree of a text leaves out into trivia of its parts: comments, line ends, spelling.

A comment belongs to the *site* that follows it (:mod:`.sites`; brackets that close are sites too),
or within a part to the next word. One that stands behind other text on its line is ``trailing``:
it shows at the end of what comes before. Trees without a text have no trivia (:data:`PLAIN`).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence

from cnndsl.diagnostics.model import Report
from cnndsl.diagnostics.source import Source, Span
from cnndsl.frozen import frozen
from cnndsl.limits import Limits
from cnndsl.syntax.ast import (
    Block,
    Body,
    Call,
    Expr,
    Hole,
    Identifier,
    Module,
    Name,
    Number,
    Size,
    Text,
)
from cnndsl.syntax.collector import Collector
from cnndsl.syntax.lexer import tokenize
from cnndsl.syntax.sites import breaking_sites, open_bodies, sites
from cnndsl.syntax.tokens import NEWLINE
from cnndsl.syntax.walk import walk

__all__ = ["PLAIN", "Comment", "Gap", "Trivia", "trivia_of"]

_CLOSERS = {"LPAR": "RPAR", "LSQB": "RSQB", "LBRACE": "RBRACE"}
_SEPARATORS = frozenset((NEWLINE, "COMMA", "ARROW", "ELSE"))
_WORDS = (Identifier, Number, Text, Hole, Name, Size, Body)
"""Nodes that begin with a word, or a brace, of their own."""


@frozen
class Comment:
    """One comment, from its ``#`` on; ``blank`` says that an empty line stands before it."""

    text: str
    trailing: bool
    blank: bool


@frozen
class Gap:
    """What stands before a part: comments, and whether a new line begins, or follows a blank one.

    ``newlines`` is 0 on the line of what comes before, 2 behind a blank line, else 1.
    """

    comments: tuple[Comment, ...] = ()
    newlines: int = 0

    @property
    def trailing(self) -> str:
        """The comment at the end of the line before, or nothing."""
        first = self.comments[0] if self.comments else None
        return first.text if first and first.trailing else ""

    @property
    def own(self) -> tuple[Comment, ...]:
        """The comments that have lines of their own."""
        return self.comments[1:] if self.trailing else self.comments

    @property
    def breaks(self) -> bool:
        """Whether a new line begins here."""
        return bool(self.newlines or self.comments)


_NOTHING = Gap()


class Trivia:
    """What the tree of one text leaves out; places are offsets in that text."""

    def __init__(self, source: Source | None = None) -> None:
        self.source = source
        self._text = source.text if source else ""
        self.gaps: dict[int, Gap] = {}
        self.inner: dict[int, Gap] = {}
        self.forced: list[int] = []
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.partners: dict[int, int] = {}
        self.calls: frozenset[int] = frozenset()

    def gap(self, site: int) -> Gap:
        """What stands before a site."""
        return self.gaps.get(site, _NOTHING)

    def within(self, word: int) -> Gap:
        """The comments before a word that is no site."""
        return self.inner.get(word, _NOTHING)

    def is_broken(self, span: Span) -> bool:
        """Whether something in a span has a line end that stays, behind the span's beginning."""
        at = bisect_right(self.forced, span.start)
        return at < len(self.forced) and self.forced[at] < span.end

    def spelled(self, span: Span, otherwise: str) -> str:
        """A word as it is written; as it would be written where there is no text."""
        return otherwise if self.source is None else span.text

    def parentheses(self, expr: Expr | Identifier) -> list[int]:
        """Where the parentheses close that group an expression, the innermost first."""
        return [end for _, end in self._around(expr)]

    def first(self, expr: Expr) -> int:
        """Where an expression begins, with the parentheses around it."""
        return min((start for start, _ in self._around(expr)), default=expr.span.start)

    def closing(self, offset: int) -> int:
        """Where the first bracket closes that opens at an offset or behind it."""
        for at in range(bisect_left(self.starts, offset), len(self.starts)):
            if self.starts[at] in self.partners:
                return self.partners[self.starts[at]]
        return -1

    def opener(self, offset: int) -> str:
        """The first word at an offset or behind it, where it is an opening bracket."""
        at = bisect_left(self.starts, offset)
        is_bracket = at < len(self.starts) and self.starts[at] in self.partners
        return self._text[self.starts[at]] if is_bracket else ""

    def _around(self, expr: Expr | Identifier) -> Iterator[tuple[int, int]]:
        """The pairs of parentheses that group an expression, the innermost first."""
        first = bisect_left(self.starts, expr.span.start) - 1
        last = bisect_left(self.starts, expr.span.end)
        while first >= 0 and last < len(self.starts):
            start = self.starts[first]
            if self._text[start] != "(":
                return
            if self.partners.get(start) != self.starts[last] or start in self.calls:
                return
            yield start, self.starts[last]
            first, last = first - 1, last + 1


PLAIN = Trivia()
"""No text: the whole layout is the printer's."""


def trivia_of(module: Module) -> Trivia:
    """The trivia of a text that was read without mistakes."""
    source = module.source
    trivia = Trivia(source)
    limits = Limits(text=max(4 * len(source.text), 1000))
    tokens = tokenize(Collector(source, Report(), 1), limits)
    kept = [at for at, kind in enumerate(tokens.kinds) if kind != NEWLINE]
    kinds = [tokens.kinds[at] for at in kept]
    trivia.starts = [tokens.starts[at] for at in kept]
    trivia.ends = [tokens.ends[at] for at in kept]
    trivia.partners = _partners(kinds, trivia.starts)
    trivia.calls = frozenset(_calls(module, trivia))
    places = {*sites(module, trivia.first), *trivia.partners.values(), len(source.text)}
    words = {node.span.start for node in walk(module) if isinstance(node, _WORDS)}
    found = _by_place(tokens.comments, sorted(places | words), trivia)
    for site in places:
        newlines = _newlines(site, tokens.comments, trivia, kinds)
        gap = Gap(found.pop(site, ()), newlines)
        if gap.breaks:
            trivia.gaps[site] = gap
    trivia.inner = {word: Gap(comments) for word, comments in found.items()}
    trivia.forced = sorted({*_forced(module, trivia), *(start for start, _ in tokens.comments)})
    return trivia


def _partners(kinds: Sequence[str], starts: Sequence[int]) -> dict[int, int]:
    """Where each bracket closes, by where it opens."""
    partners: dict[int, int] = {}
    waiting: list[int] = []
    for kind, start in zip(kinds, starts, strict=True):
        if kind in _CLOSERS:
            waiting.append(start)
        elif kind in _CLOSERS.values():
            partners[waiting.pop()] = start
    return partners


def _calls(module: Module, trivia: Trivia) -> Iterator[int]:
    """Where the parentheses open that group nothing: those of calls and of parameters."""
    for node in walk(module):
        if isinstance(node, Call | Block):
            name = node.callee if isinstance(node, Call) else node.name
            yield trivia.starts[bisect_left(trivia.starts, name.span.end)]


def _by_place(
    comments: Sequence[tuple[int, int]], places: Sequence[int], trivia: Trivia
) -> dict[int, tuple[Comment, ...]]:
    """The comments that stand before each place, in order."""
    text = trivia.source.text if trivia.source else ""
    found: dict[int, list[Comment]] = {}
    before = 0
    for start, end in comments:
        token = bisect_left(trivia.starts, start) - 1
        behind = trivia.ends[token] if token >= 0 else 0
        is_trailing = token >= 0 and "\n" not in text[behind:start]
        is_spaced = text[max(behind, before) : start].count("\n") > 1
        place = places[bisect_left(places, end)]
        comment = Comment(text[start:end].rstrip(), is_trailing, is_spaced)
        found.setdefault(place, []).append(comment)
        before = end
    return {place: tuple(those) for place, those in found.items()}


def _newlines(
    site: int, comments: Sequence[tuple[int, int]], trivia: Trivia, kinds: Sequence[str]
) -> int:
    text = trivia.source.text if trivia.source else ""
    token = bisect_left(trivia.starts, site) - 1
    while token >= 0 and kinds[token] in _SEPARATORS:
        token -= 1
    begin = trivia.ends[token] if token >= 0 else 0
    if "\n" not in text[begin:site]:
        return 0
    last = bisect_left(comments, (site, site)) - 1
    if last >= 0:
        begin = max(begin, comments[last][1])
    lines = text[begin:site].split("\n")
    return 2 if any(not line.strip() for line in lines[1:-1]) else 1


def _forced(module: Module, trivia: Trivia) -> Iterator[int]:
    """The places with a line end whatever the width, beside comments."""
    for site in breaking_sites(module, trivia.first):
        if trivia.gap(site).newlines:
            yield site
    for body in open_bodies(module):
        statements = body.statements
        if len(statements) > 1 or (statements and trivia.gap(statements[0].span.start).newlines):
            yield body.span.start + 1
