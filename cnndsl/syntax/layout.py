"""Turns the lexer's tokens into those that the grammar reads.

Brackets come out balanced (each one that is not is reported here, once), and of the line ends
only those remain that end a statement.
"""

from __future__ import annotations

from cnndsl.diagnostics.model import Diagnostic
from cnndsl.limits import Limits
from cnndsl.syntax.brackets import CLOSER, balance
from cnndsl.syntax.collector import Collector, Stop
from cnndsl.syntax.tokens import NEWLINE, OPERATORS, Tokens

__all__ = ["STATEMENT_WORDS", "arrange", "begins_statement"]

STATEMENT_WORDS = frozenset(
    [
        "NETWORK",
        "INPUT",
        "CLASSES",
        "OUTPUT",
        "PARAM",
        "LET",
        "IMPORT",
        "ROUNDING",
        "EXPECT",
        "BLOCK",
        "RETURN",
        "TRAIN",
    ]
)
"""Terminals that begin a statement; before ``->`` and ``=>`` their words are plain names."""

_LABELS = frozenset(("INPUT", "OUTPUT", "CLASSES", "BLOCK", "STREAM"))

_CONTINUED = frozenset(("ARROW", "COMMA"))  # a line that ends in one goes on
_CONTINUES = frozenset(("ARROW", "CLAIM", "ELSE"))  # a line that begins with one goes on
_CHAINS = frozenset(("COMMA", "ARROW", "EQUAL", "COLON"))

_OPERATORS = frozenset(("AT", "IF", "ELSE", "NOT")) | OPERATORS
_SEPARATORS = frozenset((NEWLINE, "COMMA", "ARROW"))
_CLOSERS = frozenset(CLOSER.values())
_NESTING = _OPERATORS | _SEPARATORS | CLOSER.keys() | _CLOSERS


def arrange(tokens: Tokens, collector: Collector, limits: Limits) -> Tokens:
    """Balance the brackets and drop the line ends that mean nothing.

    Raises:
        Stop: where brackets are nested too deeply.
    """
    _check_depth(tokens, collector, limits.depth)
    tokens = balance(tokens, collector)
    result = Tokens(comments=tokens.comments)
    kinds, starts, ends = tokens.kinds, tokens.starts, tokens.ends
    depth = _Depth(limits.depth)
    openers: list[int] = []
    for at, kind in enumerate(kinds):
        if kind == NEWLINE and _is_free(tokens, at, result, openers):
            continue
        if kind in _NESTING and not depth.follows(kind):
            collector.add(_too_deep(collector, starts[at], ends[at], limits.depth))
            raise Stop
        if kind in CLOSER:
            openers.append(len(result))
        elif openers:
            if CLOSER[result.kinds[openers[-1]]] == kind:
                openers.pop()
            elif kind in _CHAINS:
                result.calls.add(openers[-1])
        result.add(kind, starts[at], ends[at])
    return result


def _check_depth(tokens: Tokens, collector: Collector, most: int) -> None:
    """Brackets alone, matching or not: what is nested too deeply is not worth balancing."""
    depth = 0
    for at, kind in enumerate(tokens.kinds):
        if kind in CLOSER:
            depth += 1
            if depth > most:
                collector.add(_too_deep(collector, tokens.starts[at], tokens.ends[at], most))
                raise Stop
        elif kind in _CLOSERS and depth:
            depth -= 1


class _Depth:
    """How deep the tree can become at most: walkers of the tree recurse.

    Every bracket counts, and every operator up to the next comma, arrow or line end.
    """

    def __init__(self, most: int) -> None:
        self.left = most
        self.operators = [0]

    def follows(self, kind: str) -> bool:
        """Count a token; False where it is too deep."""
        if kind in _OPERATORS:
            self.operators[-1] += 1
            self.left -= 1
        elif kind in _SEPARATORS:
            self.left += self.operators[-1]
            self.operators[-1] = 0
        elif kind in CLOSER:
            self.operators.append(0)
            self.left -= 1
        else:
            self.left += 1 + self.operators.pop()
        return self.left >= 0


def _is_free(tokens: Tokens, at: int, result: Tokens, openers: list[int]) -> bool:
    """Whether a line end means nothing."""
    before = result.kinds[-1] if result.kinds else NEWLINE
    if before == NEWLINE or (openers and result.kinds[openers[-1]] != "LBRACE"):
        return True
    after = at + 1
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


def _too_deep(collector: Collector, start: int, end: int, most: int) -> Diagnostic:
    return Diagnostic(
        "CNN902",
        f"brackets and operators are nested more than {most} deep",
        collector.span(start, end),
        help="name parts with `let`, or move them into a block of their own",
    )
