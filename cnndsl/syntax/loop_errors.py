"""Errors about loops, above all those that are written as in Python.

Each function knows one mistake that people make, as in :mod:`cnndsl.syntax.syntax_errors`, and
answers None where it is another one.
"""

from __future__ import annotations

from cnndsl.diagnostics.model import Diagnostic
from cnndsl.syntax.brackets import CLOSER
from cnndsl.syntax.error_context import BODIES, VALUES, ErrorContext, error, replacing
from cnndsl.syntax.post_parse_errors import shown
from cnndsl.syntax.tokens import NEWLINE

__all__ = ["comprehension", "loop"]


def loop(here: ErrorContext) -> Diagnostic | None:
    """``for k [3, 5] { … }``, ``for k in 3, 5 { … }``, ``repeat 3 relu``."""
    back = here.nearest(BODIES)
    if back is None:
        return None
    word, span = here.text(back), here.span()
    if "IN" in here.expected and here.kind() in VALUES | {"NAME"} and here.kind(-1) != "COMMA":
        start = here.collector.span(span.start, span.start)
        fix = replacing("insert `in`", start, "in ", safe=True)
        message = f"`in` is missing between `{here.text(-1)}` and the values"
        return error(message, span, "write `in` before them", fix)
    if "LBRACE" not in here.expected:
        return None
    if here.kind() == "COMMA" and here.kind(back) == "FOR":
        return _values_without_brackets(here)
    if here.kind() == "NAME":
        help = f"put `{{` before `{shown(here.text(), 20)}`, and `}}` behind the body"
        return error(f"the body of `{word}` stands in no braces", span, help)
    return None


def _values_without_brackets(here: ErrorContext) -> Diagnostic | None:
    """``for k in 3, 5, 7 { … }``."""
    kinds, first, last = here.tokens.kinds, here.at, here.at
    while kinds[first] != "IN":
        first -= 1
        if first <= here.first:
            return None
    while kinds[last] != "LBRACE":
        if kinds[last] in (NEWLINE, "RPAR", "RBRACE") or last + 1 == len(kinds):
            return None
        last += 1
    values = here.collector.span(here.tokens.starts[first + 1], here.tokens.ends[last - 1])
    written = f"[{values.text}]"
    fix = replacing(f"write `{shown(written, 20)}`", values, written, safe=True)
    message = "a list stands in brackets, and the values of this `for` in none"
    return error(message, values, f"write `{shown(written, 20)}`", fix)


def comprehension(here: ErrorContext) -> Diagnostic | None:
    """``concat(conv 8@k for k in [3, 5])``, ``concat([conv 8@k for k in [3, 5]])``."""
    kinds = here.tokens.kinds
    opened = _opening(kinds, here.at, here.first)
    if opened is None:
        return None
    closed = _end(kinds, here.at)
    loops = [at for at in range(here.at, closed) if kinds[at] == "FOR"]
    if not loops or "IN" not in kinds[loops[0] : closed]:
        return None
    if "LBRACE" in kinds[opened:closed]:  # a loop of ours
        return None
    begin, end = opened + 1, closed
    what = here.collector.span(here.tokens.starts[begin], here.tokens.ends[loops[0] - 1])
    rounds = here.collector.span(here.tokens.starts[loops[0]], here.tokens.ends[closed - 1])
    if kinds[opened] == "LSQB":
        begin, end = opened, closed + 1
    whole = here.collector.span(here.tokens.starts[begin], here.tokens.ends[end - 1])
    written = f"{rounds.text} {{ {what.text} }}"
    fix = replacing(f"write `{shown(written, 60)}`", whole, written, safe=True)
    place = here.collector.span(here.tokens.starts[loops[0]], here.tokens.ends[loops[0]])
    message = "a `for` stands before what it repeats, not behind it"
    return error(message, place, f"write `{shown(written, 60)}`", fix)


def _opening(kinds: list[str], at: int, first: int) -> int | None:
    """What the piece of a list that a token stands in begins behind: a bracket or a comma."""
    depth = 0
    for back in range(at - 1, first - 1, -1):
        kind = kinds[back]
        if kind in CLOSER.values():
            depth += 1
        elif depth and kind in (*CLOSER, "_CALL"):
            depth -= 1
        elif not depth and kind in ("COMMA", "LPAR", "LSQB", "_CALL"):
            return back
        elif not depth and kind == "LBRACE":
            return None
    return None


def _end(kinds: list[str], at: int) -> int:
    """Where the piece of a list that a token stands in ends."""
    depth = 0
    for ahead in range(at, len(kinds)):
        kind = kinds[ahead]
        if kind in (*CLOSER, "_CALL"):
            depth += 1
        elif kind in CLOSER.values() and depth:
            depth -= 1
        elif not depth and (kind in CLOSER.values() or kind in ("COMMA", NEWLINE)):
            return ahead
    return len(kinds) - 1
