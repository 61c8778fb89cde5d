"""Turns characters that are no part of the language into diagnostics.

These are the mistakes that people make in spelling a token: `6 x 28 x 28`, 'single quotes', an
arrow typed as one character. Each is read as what was meant, so that nothing else is reported
because of it.
"""

# ruff: noqa: RUF001 - the characters that look alike are what this file is about

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

from cnndsl.diagnostics.model import Diagnostic, Edit, Fix
from cnndsl.diagnostics.source import Span
from cnndsl.syntax.collector import Collector
from cnndsl.syntax.post_parse_errors import shown

__all__ = ["misspelled"]

_SIGNS = {
    "→": ("->", "ARROW"),
    "⟶": ("->", "ARROW"),
    "➔": ("->", "ARROW"),
    "~>": ("->", "ARROW"),
    "–>": ("->", "ARROW"),
    "—>": ("->", "ARROW"),
    "−>": ("->", "ARROW"),
    "»": ("->", "ARROW"),
    "⇒": ("=>", "CLAIM"),
    "⟹": ("=>", "CLAIM"),
    "−": ("-", "MINUS"),
    "–": ("-", "MINUS"),
    "—": ("-", "MINUS"),
    "×": ("*", "STAR"),
    "·": ("*", "STAR"),
    "÷": ("/", "SLASH"),
    "≤": ("<=", "COMPARE"),
    "≥": (">=", "COMPARE"),
    "≠": ("!=", "COMPARE"),
    "，": (",", "COMMA"),
    "：": (":", "COLON"),
    "（": ("(", "LPAR"),
    "）": (")", "RPAR"),
    "＠": ("@", "AT"),
    "|": ("->", "ARROW"),
    "&&": ("and", "AND"),
    "||": ("or", "OR"),
    "!": ("not", "NOT"),
}
"""Signs of other languages and other keyboards: what is written instead, and its terminal."""

_CERTAIN = frozenset(("ARROW", "CLAIM", "COMPARE", "COMMA", "COLON", "LPAR", "RPAR", "AT"))
"""Where such a sign can only have meant one thing."""

_SPACES = frozenset("\u00a0\u2002\u2003\u2007\u2009\u200a\u200b\u202f\u205f\u2060\u3000\ufeff\v")


def misspelled(collector: Collector, start: int) -> tuple[str | None, int]:
    """Report the misspelled token at a place.

    Gives the terminal that it is read as (None to leave it out) and where it ends.
    """
    match = _pattern().match(collector.source.text, start)
    assert match is not None  # its last alternative matches any character
    kind = match.lastgroup or "UNKNOWN"
    return _READINGS[kind](collector, collector.span(start, match.end(kind))), match.end(kind)


def _report(
    collector: Collector, code: str, span: Span, message: str, help: str, written: str | None = None
) -> None:
    """Report a mistake; ``written`` is what must have been meant."""
    fixes: tuple[Fix, ...] = ()
    if written is not None:
        fixes = (Fix(help, (Edit(span, written),), safe=True),)
    collector.add(Diagnostic(code, message, span, help=help, fixes=fixes))


# --- numbers and names --------------------------------------------------------------------------


def _loose_size(collector: Collector, span: Span) -> str:
    size = re.sub(r"[ \t]*[xX×][ \t]*", "x", span.text)
    message = f"the size `{shown(span.text)}` is not one word with a small `x` between its numbers"
    _report(collector, "CNN001", span, message, f"write `{shown(size)}`", size)
    return "SIZE"


def _malformed(collector: Collector, span: Span) -> str:
    text = span.text
    if re.fullmatch(r"[0-9]+(_[0-9]+)+", text):
        number = text.replace("_", "")
        message = f"the number `{shown(text)}` has `_` between its digits"
        _report(collector, "CNN001", span, message, f"write `{shown(number)}`", number)
        return "NUMBER"
    if re.fullmatch(r"[0-9]+\.", text):
        return _fraction(collector, span, text + "0")
    parts = re.split("[xX×]", text)
    unit = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([KMGT](?:i?B)?)", text)
    if unit is not None:
        message = f"the number `{shown(text)}` touches its unit"
        apart = " ".join(unit.groups())
        _report(collector, "CNN001", span, message, f"write `{shown(apart)}`", apart)
        return "MALFORMED"
    if len(parts) > 1 and all(re.fullmatch("[0-9]+|[A-Za-z_]+", part) for part in parts):
        message = f"the size `{shown(text)}` mixes numbers and names"
        help = f"write it as a list: `[{shown(', '.join(parts))}]`"
    else:
        message = f"`{shown(text)}` is neither a number nor a size nor a name"
        help = "begin names with a letter or `_`"
    _report(collector, "CNN001", span, message, help)
    return "MALFORMED"


def _fraction(collector: Collector, span: Span, number: str = "") -> str:
    number = number or f"0{span.text}"
    message = f"`{shown(span.text)}` lacks a digit beside its decimal point"
    _report(collector, "CNN001", span, message, f"write `{shown(number)}`", number)
    return "NUMBER"


def _foreign(collector: Collector, span: Span) -> str:
    message = f"the name `{shown(span.text)}` has letters other than `a` to `z`"
    help = "use the letters `a` to `z`, digits and `_` in names"
    _report(collector, "CNN002", span, message, help)
    return "NAME"


# --- texts and comments -------------------------------------------------------------------------


def _quoted(collector: Collector, span: Span) -> str:
    inside = span.text[1:-1].replace("\\", "\\\\").replace('"', '\\"')
    message = f"text stands between double quotes, not between `{span.text[0]}`"
    _report(collector, "CNN002", span, message, f'write `"{shown(inside)}"`', f'"{inside}"')
    return "STRING"


def _unclosed(collector: Collector, span: Span) -> str:
    message = f"the string `{shown(span.text.rstrip())}` is never closed on its line"
    _report(collector, "CNN008", span, message, 'close it with `"`')
    return "STRING"


def _comment(collector: Collector, span: Span) -> None:
    slashes = collector.span(span.start, span.start + 2)
    message = "a comment begins with `#`, not with `//`"
    _report(collector, "CNN001", slashes, message, "write `#`", "#")


def _continued(collector: Collector, span: Span) -> None:
    help = "leave it out: a statement goes on after `->` and `,` and in parentheses"
    _report(collector, "CNN002", span, "`\\` does not continue a line", help)


# --- signs --------------------------------------------------------------------------------------


def _sign(collector: Collector, span: Span) -> str:
    written, kind = _SIGNS[span.text]
    message = f"`{span.text}` is not a sign of the language; `{written}` is"
    certain = written if kind in _CERTAIN else None
    _report(collector, "CNN002", span, message, f"write `{written}`", certain)
    return kind


def _semicolon(collector: Collector, span: Span) -> str:
    text = collector.source.text
    line_end = text.find("\n", span.end)
    rest = text[span.end : line_end if line_end >= 0 else len(text)].strip()
    message = "statements end with their line, not with `;`"
    if not rest or rest[0] in "#}":
        _report(collector, "CNN002", span, message, "remove the `;`", "")
    else:
        _report(collector, "CNN002", span, message, "begin a new line in its place", "\n")
    return "_NEWLINE"


def _unknown(collector: Collector, span: Span) -> None:
    text = span.text
    if all(character in _SPACES for character in text):
        message = f"the white space {_code(text)} is neither a space nor a tab"
        _report(collector, "CNN002", span, message, "write a space", " ")
        return
    name = f"`{shown(text)}`" if text.isprintable() else _code(text)
    help = "remove it, or put it behind a `#` or between double quotes"
    _report(collector, "CNN002", span, f"{name} has no meaning here", help)


def _code(text: str) -> str:
    return f"U+{ord(text[0]):04X}"


# --- the table ----------------------------------------------------------------------------------

_READINGS: dict[str, Callable[[Collector, Span], str | None]] = {
    "LOOSE_SIZE": _loose_size,
    "MALFORMED": _malformed,
    "FRACTION": _fraction,
    "FOREIGN": _foreign,
    "QUOTED": _quoted,
    "UNCLOSED": _unclosed,
    "SLASHES": _comment,
    "CONTINUED": _continued,
    "SEMICOLON": _semicolon,
    "SIGN": _sign,
    "UNKNOWN": _unknown,
}


@cache
def _pattern() -> re.Pattern[str]:
    """A named group for each kind of mistake, and at the end for whatever is left."""
    number = r"(?>[0-9]+|\?)"
    times = r"(?>[xX×]|[ \t]+[xX×](?=[ \t]))"  # but `6 x28` is a number and a name
    line = r"(?>[^\r\n]|\r(?!\n))*+"  # up to what ends it, be that CR and LF
    patterns = {
        "LOOSE_SIZE": rf"{number}(?>{times}[ \t]*{number})++(?![\w×]|\.(?!\.))",
        "MALFORMED": r"[0-9?](?>[\w×]|\.(?!\.))*+",
        "FRACTION": r"\.[0-9]+(?!\w)",
        "FOREIGN": r"[^\W0-9]\w*(?>\.\w+)*+",
        "QUOTED": "'[^'\n]*'|[“”„‟«‹][^“”„‟«»‹›\"\n]*[“”»›\"]",
        "UNCLOSED": rf'"{line}',
        "SLASHES": rf"//{line}",
        "CONTINUED": r"\\[ \t\r]*\n",
        "SEMICOLON": ";",
        "SIGN": rf"(?![&|]{{3}})(?>{'|'.join(map(re.escape, _SIGNS))})",
        "UNKNOWN": r"[^\w\s\"'#()\[\]{}:;,=@<>!+\-*/%.?&|“”„‟«‹]+|[&|]+|[\s\S]",
    }
    return re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in patterns.items()))
