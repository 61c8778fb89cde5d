"""Turns the lexer's tokens into those that the grammar reads.

Brackets come out balanced (each one that is not is reported here, once), and of the line ends
only those remain that end a statement.
"""

from __future__ import annotations

from cnndsl.diagnostics.model import Diagnostic
from cnndsl.limits import Limits
from cnndsl.syntax.brackets import CLOSER, balance
from cnndsl.syntax.lexer import NEWLINE, Tokens
from cnndsl.syntax.problems import Problems, Stop

__all__ = ["STATEMENT_WORDS", "arrange", "begins_statement"]

STATEMENT_WORDS = frozenset(
    "NETWORK INPUT CLASSES OUTPUT PARAM LET IMPORT ROUNDING EXPECT BLOCK RETURN TRAIN".split()
)
"""Terminals that begin a statement; before ``->`` and ``=>`` their words are plain names."""

_LABELS = frozenset(("INPUT", "OUTPUT", "CLASSES", "BLOCK", "STREAM"))

_CONTINUED = frozenset(("ARROW", "COMMA"))  # a line that ends in one goes on
_CONTINUES = frozenset(("ARROW", "CLAIM", "ELSE"))  # a line that begins with one goes on
_CHAINS = frozenset(("COMMA", "ARROW", "EQUAL", "COLON"))


def arrange(tokens: Tokens, problems: Problems, limits: Limits) -> Tokens:
    """Balance the brackets and drop the line ends that mean nothing.

    Raises:
        Stop: where brackets are nested too deeply.
    """
    tokens = balance(tokens, problems)
    result = Tokens(comments=tokens.comments)
    kinds, starts, ends = tokens.kinds, tokens.starts, tokens.ends
    nesting: list[int] = []
    for at, kind in enumerate(kinds):
        if kind == NEWLINE:
            if _is_free(tokens, at, result, nesting):
                continue
        elif kind in CLOSER:
            nesting.append(len(result))
            if len(nesting) > limits.depth:
                problems.add(_too_deep(problems, starts[at], limits.depth))
                raise Stop
        elif nesting:
            opener = nesting[-1]
            if CLOSER[result.kinds[opener]] == kind:
                nesting.pop()
            elif kind in _CHAINS:
                result.calls.add(opener)
        result.add(kind, starts[at], ends[at])
    return result


def _is_free(tokens: Tokens, at: int, result: Tokens, nesting: list[int]) -> bool:
    """Whether a line end means nothing."""
    before = result.kinds[-1] if result.kinds else NEWLINE
    if before == NEWLINE or (nesting and result.kinds[nesting[-1]] != "LBRACE"):
        return True
    after = at + 1
    while after < len(tokens) and tokens.kinds[after] == NEWLINE:
        after += 1
    if after == len(tokens):
        return False
    if tokens.kinds[after] in _CONTINUES:
        return True
    return before in _CONTINUED and not begins_statement(tokens, after)


def begins_statement(tokens: Tokens, at: int) -> bool:
    """Whether a token is the word of a statement, and not a name that is spelled like it."""
    kind = tokens.kinds[at]
    if kind not in STATEMENT_WORDS:
        return False
    after = tokens.kinds[at + 1] if at + 1 < len(tokens) else ""
    return after not in ("ARROW", "CLAIM") and (after != "COLON" or kind not in _LABELS)


def _too_deep(problems: Problems, place: int, most: int) -> Diagnostic:
    return Diagnostic(
        "CNN902",
        f"brackets are nested more than {most} deep",
        problems.span(place, place + 1),
        help="move the inner part into a block of its own",
    )
