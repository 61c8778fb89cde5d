"""What is known of a token that cannot stand where it stands, and how to put it in words."""

from __future__ import annotations

from collections.abc import Iterator

from cnndsl.diagnostics.model import Diagnostic, Edit, Fix
from cnndsl.diagnostics.source import Span
from cnndsl.diagnostics.words import listed
from cnndsl.frozen import frozen
from cnndsl.syntax.collector import Collector
from cnndsl.syntax.post_parse_errors import shown
from cnndsl.syntax.tokens import END, NEWLINE, Tokens

__all__ = [
    "BODIES",
    "ENDS",
    "SETTINGS",
    "USAGE",
    "VALUES",
    "ErrorContext",
    "alternatives",
    "between",
    "cannot_stand",
    "error",
    "replacing",
]

ENDS = frozenset((NEWLINE, END, "RBRACE"))
"""The terminals that end a statement."""

VALUES = frozenset(("NUMBER", "SIZE", "HOLE", "LSQB", "LPAR", "STRING"))
"""The terminals that values begin with, names aside."""

BODIES = frozenset(("IF", "ELSE", "REPEAT", "FOR"))
"""The words that bodies in braces follow where a layer may stand."""

USAGE = {
    "NETWORK": "network lenet5",
    "INPUT": "input 1x32x32",
    "CLASSES": 'classes "cat", "dog"',
    "OUTPUT": "output aux1, aux2",
    "PARAM": "param classes = 10",
    "LET": "let k = 32",
    "IMPORT": 'import "blocks.cnn"',
    "ROUNDING": "rounding floor",
    "EXPECT": "expect params 61706",
    "BLOCK": "block stem(width, stride = 1) { … }",
    "RETURN": "return high, low",
    "TRAIN": "train { … }",
    "REPEAT": "repeat 3 { … }",
    "FOR": "for i in 1..3 { … }",
    "IF": "if wide { … } else { … }",
}
"""An example of each statement."""


SETTINGS = frozenset(
    (
        "loss",
        "optimizer",
        "schedule",
        "augment",
        "weight_decay",
        "clip",
        "batch",
        "shards",
        "epochs",
        "seed",
        "early_stop",
        "init",
        "precision",
        "lr_factor",
        "max_norm",
        "freeze",
    )
)
"""The words that begin settings of ``train { }``."""


@frozen
class ErrorContext:
    """A token that cannot stand at ``at``, in the statement that begins at ``first``."""

    tokens: Tokens
    at: int
    first: int
    expected: frozenset[str]
    collector: Collector

    def kind(self, offset: int = 0) -> str:
        """The terminal so many tokens on; empty beyond the statement's begin and the end."""
        at = self.at + offset
        return self.tokens.kinds[at] if self.first <= at < len(self.tokens) else ""

    def span(self, offset: int = 0) -> Span:
        """The place of the token so many tokens on."""
        at = self.at + offset
        return self.collector.span(self.tokens.starts[at], self.tokens.ends[at])

    def text(self, offset: int = 0) -> str:
        """How the token so many tokens on is written."""
        return shown(self.span(offset).text, 20)

    def statement(self) -> str:
        """The terminal that begins the statement."""
        return self.tokens.kinds[self.first]

    def nearest(self, kinds: frozenset[str]) -> int | None:
        """How many tokens back the nearest token of these kinds stands in the statement."""
        for at in range(self.at - 1, self.first - 1, -1):
            if self.tokens.kinds[at] in kinds:
                return at - self.at
        return None


_NAMED = {
    "LBRACE": "`{`",
    "_CALL": "`(`",
    "LPAR": "`(`",
    "RPAR": "`)`",
    "RSQB": "`]`",
    "EQUAL": "`=`",
    "COMMA": "`,`",
    "IN": "`in`",
    "ELSE": "`else`",
    "FROM": "`from`",
    "ARROW": "`->`",
    NEWLINE: "the end of the line",
}


def cannot_stand(here: ErrorContext) -> Diagnostic:
    """The general answer: what was met, and what could stand there."""
    kind, span = here.kind(), here.span()
    what = "the end of the text" if kind == END else "the end of the line"
    if kind not in (END, NEWLINE):
        what = f"`{here.text()}`"
    elif span.start > 0:
        span = here.span(-1)
    usage = USAGE.get(here.statement(), "C1: conv 6@5x5 stride 2 -> relu")
    message = f"{what} cannot stand here, but {alternatives(here)} can"
    return Diagnostic("CNN001", message, span, help=f"write it like `{usage}`")


def alternatives(here: ErrorContext) -> str:
    """What could stand here, in words."""
    names = list(dict.fromkeys(_named(here.expected)))[:4]
    return listed(names, "or") or "something else"


def _named(expected: frozenset[str]) -> Iterator[str]:
    if "LET" in expected:
        yield "a statement"
        return
    if "NUMBER" in expected:
        yield "a value"
    elif "NAME" in expected:
        yield "a name"
    elif "STRING" in expected:
        yield 'a text in `"`'
    for kind, name in _NAMED.items():
        if kind in expected and not (kind == "LPAR" and "NUMBER" in expected):
            yield name


def error(message: str, span: Span, help: str, *fixes: Fix, code: str = "CNN001") -> Diagnostic:
    """A syntax error; the code is that of most of them."""
    return Diagnostic(code, message, span, help=help, fixes=fixes)


def replacing(title: str, span: Span, text: str, *, safe: bool = False) -> Fix:
    """A fix of one edit."""
    return Fix(title, (Edit(span, text),), safe=safe)


def between(here: ErrorContext, offset: int = 0) -> Span:
    """The token so many tokens on, with the white space around it."""
    at = here.at + offset
    return here.collector.span(here.tokens.ends[at - 1], here.tokens.starts[at + 1])
