"""Turns text into tokens.

The terminals are the grammar's; between them stand the misspelled ones of
:mod:`cnndsl.syntax.lexical_errors`, which are reported here, once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache

from cnndsl.diagnostics.model import Diagnostic
from cnndsl.limits import Limits
from cnndsl.syntax.collector import Collector, Stop
from cnndsl.syntax.tables import load

__all__ = ["CHARACTERS_PER_TOKEN", "NEWLINE", "Tokens", "tokenize"]

NEWLINE = "_NEWLINE"
"""The terminal of a line end."""

CHARACTERS_PER_TOKEN = 2
"""A text may hold as many tokens as its limit of characters, divided by this."""


_CUT = r"(?![\w\xd7]|\.(?!\.)|[ \t]+[xX\xd7][ \t]+[0-9?])"  # \xd7 is the multiplication sign
"""What must not follow a number, a size or a ``?`` at once: ``3xk``, ``1_000``, ``6 x 28``."""


@dataclass(slots=True)
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


@cache
def _pattern() -> re.Pattern[str]:
    """One regular expression for all tokens: white space, then a named group for each terminal."""
    tables = load()
    patterns = dict(tables.patterns)
    blank = f"(?>{patterns.pop('WHITESPACE')})"
    cut = {"NAME": r"(?!\w)", "NUMBER": _CUT, "SIZE": _CUT, "?": _CUT}
    groups = [f"(?P<{kind}>(?>{pattern}){cut.get(kind, '')})" for kind, pattern in patterns.items()]
    longest_first = sorted(tables.signs, key=len, reverse=True)
    signs = "|".join(re.escape(sign) + cut.get(sign, "") for sign in longest_first)
    tokens = "|".join([*groups, f"(?P<SIGN>{signs})", r"(?P<OTHER>[\s\S])"])
    return re.compile(f"{blank}?+(?:{tokens})|{blank}")


def tokenize(collector: Collector, limits: Limits, text: str | None = None) -> Tokens:
    """The tokens of the text, all line ends among them.

    Args:
        collector: whose text it is, and what takes its mistakes.
        limits: how large it may be.
        text: the text where something in it is left out, with spaces in its place.

    Raises:
        Stop: where the text is too large or holds too many mistakes.
    """
    text = collector.source.text if text is None else text
    most = max(limits.text // CHARACTERS_PER_TOKEN, 1)
    tokens = Tokens()
    at = 1 if text.startswith("\ufeff") else 0
    while (stopped := _read(text, at, tokens, most)) < len(text):
        if len(tokens) + len(tokens.comments) >= most:
            collector.add(_too_long(collector, most, stopped))
            raise Stop
        from cnndsl.syntax.lexical_errors import misspelled  # a right spec does not need it

        kind, at = misspelled(collector, stopped)
        if kind is not None:
            tokens.add(kind, stopped, at)
    return tokens


def _read(text: str, at: int, tokens: Tokens, most: int) -> int:
    """Read tokens as long as they are right and not too many; gives where that ends."""
    words, signs = load().words, load().signs
    kinds, starts, ends, comments = tokens.kinds, tokens.starts, tokens.ends, tokens.comments
    for match in _pattern().finditer(text, at):
        kind = match.lastgroup
        if kind is None:
            continue
        if len(kinds) + len(comments) >= most:
            return match.start(kind)
        start, end = match.span(kind)
        if kind == "NAME":
            kind = words.get(text[start:end], kind)
        elif kind == "SIGN":
            kind = signs[text[start:end]]
            if kind == "DOUBLE_SLASH" and (not kinds or kinds[-1] == NEWLINE):
                return start
        elif kind == "COMMENT":
            comments.append((start, end))
            continue
        elif kind == NEWLINE and kinds and kinds[-1] == NEWLINE:
            continue
        elif kind == "OTHER":
            return start
        kinds.append(kind)
        starts.append(start)
        ends.append(end)
    return len(text)


def _too_long(collector: Collector, most: int, place: int) -> Diagnostic:
    return Diagnostic(
        "CNN901",
        f"the text has more than {most} words and signs",
        collector.span(place, place + 1),
        help="split the file, use `repeat`, or raise the limit `text`",
    )
