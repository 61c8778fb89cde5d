"""Turns text into tokens.

The terminals are the grammar's; between them stand the misspelled ones of
:mod:`cnndsl.syntax.lexical_errors`, which are reported here, once.
"""

from __future__ import annotations

import re
from functools import cache

from cnndsl.diagnostics.model import Diagnostic
from cnndsl.limits import Limits
from cnndsl.syntax.collector import Collector, Stop
from cnndsl.syntax.grammar import load
from cnndsl.syntax.tokens import NEWLINE, Tokens

__all__ = ["CHARACTERS_PER_TOKEN", "spellings", "tokenize"]

CHARACTERS_PER_TOKEN = 2
"""A text may hold as many tokens as its limit of characters, divided by this."""


_CUT = r"(?![\w\xd7]|\.(?!\.)|[ \t]+[xX\xd7][ \t]+[0-9?])"  # \xd7 is the multiplication sign
"""What must not follow a number, a size or a ``?`` at once: ``3xk``, ``1_000``, ``6 x 28``."""


@cache
def spellings() -> tuple[dict[str, str], dict[str, str]]:
    """The terminals that are spelled one way only, by spelling: words, and signs."""
    fixed = {one.pattern.value: one.name for one in load().terminals if one.pattern.type == "str"}
    words = {text: kind for text, kind in fixed.items() if text.isidentifier()}
    return words, {text: kind for text, kind in fixed.items() if text not in words}


@cache
def _pattern() -> re.Pattern[str]:
    """One regular expression for all tokens: white space, then a named group for each terminal."""
    terminals = load().terminals
    patterns = {one.name: one.pattern.value for one in terminals if one.pattern.type == "re"}
    blank = f"(?>{patterns.pop('WHITESPACE')})"
    cut = {"NAME": r"(?!\w)", "NUMBER": _CUT, "SIZE": _CUT, "?": _CUT}
    groups = [f"(?P<{kind}>(?>{pattern}){cut.get(kind, '')})" for kind, pattern in patterns.items()]
    longest_first = sorted(spellings()[1], key=len, reverse=True)
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
    words, signs = spellings()
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
