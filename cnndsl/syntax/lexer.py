"""Turns text into tokens.

The terminals are the grammar's; between them stand the misspelled ones of
:mod:`cnndsl.syntax.spelling`, which are reported here, once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache

from cnndsl.diagnostics.model import Diagnostic
from cnndsl.limits import Limits
from cnndsl.syntax.problems import Problems, Stop
from cnndsl.syntax.spelling import CUT, MISTAKES, UNKNOWN, misspelled, slashes
from cnndsl.syntax.tables import load

__all__ = ["CHARACTERS_PER_TOKEN", "NEWLINE", "Tokens", "tokenize"]

NEWLINE = "_NEWLINE"
CHARACTERS_PER_TOKEN = 8
"""A text may hold as many tokens as its limit of characters, divided by this."""


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
def _pattern() -> tuple[re.Pattern[str], frozenset[str]]:
    """One regular expression, a named group for each terminal; and the terminals' names."""
    terminals = dict(load().terminals)
    blank = terminals.pop("WHITESPACE")
    known = frozenset(terminals)
    groups = [
        f"(?P<{kind}>(?>{terminals.pop(kind)}){cut})"
        for kind, cut in (("NAME", r"(?!\w)"), ("NUMBER", CUT), ("SIZE", CUT))
    ]
    groups += [f"(?P<{kind}>{terminals.pop(kind)})" for kind in ("STRING", "COMMENT")]
    groups += [f"(?P<{kind}>{pattern})" for kind, pattern in MISTAKES.items()]
    groups += [f"(?P<{kind}>{pattern})" for kind, pattern in terminals.items()]
    groups.append(f"(?P<UNKNOWN>{UNKNOWN})")
    return re.compile(f"(?>{blank})?+(?:{'|'.join(groups)})"), known


def tokenize(problems: Problems, limits: Limits) -> Tokens:
    """The tokens of the text, all line ends among them.

    Raises:
        Stop: where the text is too large or holds too many mistakes.
    """
    text = problems.source.text
    words = load().words
    pattern, known = _pattern()
    tokens = Tokens()
    most = max(limits.text // CHARACTERS_PER_TOKEN, 1)
    behind = 0
    for match in pattern.finditer(text, 1 if text.startswith("\ufeff") else 0):
        kind: str | None = match.lastgroup or "UNKNOWN"
        start, end = match.span(kind)  # type: ignore[arg-type]
        if start < behind:
            continue
        if kind == "COMMENT":
            tokens.comments.append((start, end))
            continue
        if kind == "DOUBLE_SLASH" and tokens.kinds[-1:] in ([], [NEWLINE]):
            behind = slashes(problems, start, end)
            continue
        if kind == "NAME":
            kind = words.get(text[start:end], kind)
        elif kind not in known:
            kind = misspelled(problems, kind, start, end).kind
            if kind is None:
                continue
        tokens.add(kind, start, end)
        if len(tokens.kinds) > most:
            problems.add(_too_long(problems, most, start))
            raise Stop
    return tokens


def _too_long(problems: Problems, most: int, place: int) -> Diagnostic:
    return Diagnostic(
        "CNN901",
        f"the text has more than {most} words and signs",
        problems.span(place, place + 1),
        help="split the file, use `repeat`, or raise the limit `text`",
    )
