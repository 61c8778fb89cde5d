"""Turns a token that cannot stand where it stands into a diagnostic.

Each function knows one mistake that people make and answers None where it is another one; the
first answer counts. What nobody knows gets the general answer: what was met, and what could
stand there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from cnndsl.diagnostics.model import Diagnostic, Edit, Fix
from cnndsl.diagnostics.source import Span
from cnndsl.frozen import frozen
from cnndsl.syntax.layout import STATEMENT_WORDS
from cnndsl.syntax.lexer import NEWLINE, Tokens
from cnndsl.syntax.problems import Problems
from cnndsl.syntax.refusals import RESERVED, arrow_missing, name_not_definable, shown
from cnndsl.syntax.tables import END

__all__ = ["Situation", "unexpected"]

_ENDS = frozenset((NEWLINE, END, "RBRACE"))
_VALUES = frozenset(("NUMBER", "SIZE", "HOLE", "LSQB", "LPAR", "STRING"))
_BODIES = frozenset(("IF", "ELSE", "REPEAT", "FOR"))

_USAGE = {
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


@frozen
class Situation:
    """A token that cannot stand at ``at``, in the statement that begins at ``first``."""

    tokens: Tokens
    at: int
    first: int
    expected: frozenset[str]
    problems: Problems

    def kind(self, offset: int = 0) -> str:
        """The terminal so many tokens on; empty beyond the statement's begin and the end."""
        at = self.at + offset
        return self.tokens.kinds[at] if self.first <= at < len(self.tokens) else ""

    def span(self, offset: int = 0) -> Span:
        """The place of the token so many tokens on."""
        at = self.at + offset
        return self.problems.span(self.tokens.starts[at], self.tokens.ends[at])

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


def unexpected(here: Situation) -> Diagnostic:
    """What is wrong with a token that cannot stand where it stands."""
    for known in _KNOWN:
        diagnostic = known(here)
        if diagnostic is not None:
            return diagnostic
    return _general(here)


def _error(message: str, span: Span, help: str, *fixes: Fix, code: str = "CNN001") -> Diagnostic:
    return Diagnostic(code, message, span, help=help, fixes=fixes)


def _replace(title: str, span: Span, text: str, *, safe: bool = False) -> Fix:
    return Fix(title, (Edit(span, text),), safe=safe)


# --- statements that end too early --------------------------------------------------------------


def _ends_early(here: Situation) -> Diagnostic | None:
    if here.kind() not in _ENDS and here.kind() not in ("RPAR", "RSQB"):
        return None
    before = here.kind(-1)
    if before == "ARROW":
        span = here.span(-1)
        help = "write a layer behind it, or remove it"
        fix = _replace("remove `->`", span, "")
        return _error("the chain ends in `->`", span, help, fix, code="CNN004")
    if before == "COMMA":
        help = "write what follows, or remove the `,`"
        return _error("nothing follows this `,`", here.span(-1), help, code="CNN004")
    if before in _BEHIND:
        message = f"{_BEHIND[before]} is missing behind `{here.text(-1)}`"
        return _error(message, here.span(-1), f"write {_BEHIND[before]} there", code="CNN004")
    if here.kind() not in _ENDS:
        return None
    return _lacks_body(here) or _lacks_else(here) or _unfinished(here)


_BEHIND = {
    "CLAIM": "a size",
    "COLON": "a layer",
    "AT": "a size",
    "EQUAL": "a value",
    **dict.fromkeys(
        ["OR", "AND", "NOT", "COMPARE", "RANGE", "PLUS", "MINUS", "_NEG", "STAR", "SLASH", "DOUBLE_SLASH", "PERCENT"],
        "a value",
    ),
    "IF": "a condition",
    "REPEAT": "a count",
    "FOR": "a name",
    "IN": "a range or a list",
    "ELSE": "a value",
}


def _lacks_body(here: Situation) -> Diagnostic | None:
    back = here.nearest(_BODIES)
    if back is None or "LBRACE" not in here.expected:
        return None
    word = here.kind(back)
    message = f"`{here.text(back)}` has no body in braces"
    usage = "else { … }" if word == "ELSE" else _USAGE[word]
    return _error(message, here.span(back), f"write it like `{usage}`", code="CNN004")


def _lacks_else(here: Situation) -> Diagnostic | None:
    back = here.nearest(frozenset(("IF",)))
    if back is None or "ELSE" not in here.expected:
        return None
    message = "a value with `if` needs an `else`"
    return _error(message, here.span(back), "write it like `1 if first else 2`", code="CNN004")


def _unfinished(here: Situation) -> Diagnostic:
    start = here.tokens.starts[here.first]
    span = here.problems.span(start, max(here.tokens.ends[here.at - 1], start))
    word = here.tokens.kinds[here.first]
    help = f"write it like `{_USAGE[word]}`" if word in _USAGE else f"write {_alternatives(here)}"
    message = f"`{shown(span.text, 20)}` is not finished: {_alternatives(here)} is missing"
    return _error(message, span, help, code="CNN004")


# --- signs that other languages write -----------------------------------------------------------


def _colon(here: Situation) -> Diagnostic | None:
    if here.kind() != "COLON":
        return None
    span, before = here.span(), here.kind(-1)
    if before and here.text(-1) in RESERVED and "LBRACE" not in here.expected and before != "ELSE":
        return name_not_definable(here.span(-1))
    if before == "ELSE" or "LBRACE" in here.expected:
        message = "a body begins with `{`, not with `:`"
        return _error(message, span, "put the body between `{` and `}`")
    if "EQUAL" in here.expected and here.statement() in ("LET", "PARAM", "BLOCK"):
        message = f"`{here.text(-1)}` is given its value with `:`, not with `=`"
        fix = _replace("write `=`", span, " =", safe=True)
        return _error(message, span, "write `=`", fix)
    is_label = before == "NAME" and (here.kind(1) == "NAME" or here.kind(1) in _BODIES)
    if is_label and here.at > here.first + 1 and "ARROW" in here.expected:
        return arrow_missing(here.span(-1))
    if before == "NAME" or before in STATEMENT_WORDS:
        return _plain(here, ":")
    return None


def _equal(here: Situation) -> Diagnostic | None:
    if here.kind() != "EQUAL":
        return None
    span, before = here.span(), here.kind(-1)
    if here.statement() == "FOR" and "IN" in here.expected:
        fix = _replace("write `in`", _between(here), " in ", safe=True)
        return _error("`for` takes its values with `in`, not with `=`", span, "write `in`", fix)
    if here.statement() == "CLASSES" and here.kind(1) == "NUMBER":
        help = f"write `param classes = {here.text(1)}`"
        start = here.span(-1).start
        fix = _replace(help, here.problems.span(start, start), "param ")
        return _error("`classes` takes the names of the classes", span, help, fix)
    if here.nearest(frozenset(("IF",))) is not None:
        fix = _replace("write `==`", span, "==", safe=True)
        return _error("`=` does not compare; `==` does", span, "write `==`", fix)
    if before == "NAME" or (before in STATEMENT_WORDS and "NAME" not in here.expected):
        return _plain(here, "=")
    if before in ("NETWORK", "ROUNDING"):
        return _plain(here, "=")
    if here.kind(1) in _VALUES and "CLAIM" in here.expected:
        fix = _replace("write `=>`", span, "=>", safe=True)
        return _error("a claim is written with `=>`, not with `=`", span, "write `=>`", fix)
    return None


def _plain(here: Situation, sign: str) -> Diagnostic:
    """``stride = 2``, ``loss: mse``: a name and its value with a sign between them."""
    word = here.text(-1)
    message = f"`{word}` takes its value without `{sign}`"
    if here.kind(1) in _ENDS:
        return _error(message, here.span(), f"write a value behind `{word}`")
    fix = _replace(f"remove `{sign}`", _between(here), " ", safe=True)
    return _error(message, here.span(), f"write `{word} {here.text(1)}`", fix)


def _between(here: Situation) -> Span:
    """The token with the white space around it."""
    return here.problems.span(here.tokens.ends[here.at - 1], here.tokens.starts[here.at + 1])


def _comment(here: Situation) -> Diagnostic | None:
    back = here.nearest(frozenset(("DOUBLE_SLASH",)))
    if here.kind() == "STAR" and here.kind(-1) == "SLASH":
        back = -1
    if back is None or "\n" in here.problems.span(here.span(back).start, here.span().start).text:
        return None
    if back == -1 and here.kind() == "NAME":
        return None
    word = here.text(back) + ("*" if here.kind(back) == "SLASH" else "")
    return _error(f"a comment begins with `#`, not with `{word}`", here.span(back), "write `#`")


def _comma(here: Situation) -> Diagnostic | None:
    if here.kind() != "COMMA":
        return None
    text = here.problems.source.text
    if here.kind(-1) == "NUMBER" and here.statement() == "EXPECT":
        number = re.compile(r"[0-9]+(?:,[0-9]{3})+(?![0-9])").match(text, here.span(-1).start)
        if number is not None:
            plain = number.group().replace(",", "")
            span = here.problems.span(number.start(), number.end())
            fix = _replace(f"write `{plain}`", span, plain, safe=True)
            message = f"the number `{shown(number.group())}` has commas between its digits"
            return _error(message, span, f"write `{plain}`", fix)
    if "ARROW" in here.expected:
        help = "join layers with `->`, and write attributes one after the other"
        return _error("`,` joins neither layers nor attributes", here.span(), help)
    return None


def _arrow(here: Situation) -> Diagnostic | None:
    if here.kind() not in ("ARROW", "CLAIM"):
        return None
    sign, span, statement = here.text(), here.span(), here.statement()
    if here.at == here.first:
        return _error(f"nothing stands before `{sign}`", span, "write a layer before it")
    if here.kind(-1) == "ARROW":
        fix = _replace(f"remove `{sign}`", span, "")
        return _error(f"`->` and `{sign}` stand side by side", span, "remove one of them", fix)
    if statement in ("LET", "PARAM"):
        word = here.tokens.kinds[here.first].lower()
        message = f"`{word}` names a value, and a chain is a stream"
        return _error(message, span, f"leave out `{word}` to name a stream")
    if statement in STATEMENT_WORDS - {"RETURN"} and sign == "->":
        fix = _replace("begin a new line", _between(here), "\n", safe=True)
        message = f"`{shown(here.span(here.first - here.at).text)}` begins no chain"
        return _error(message, span, "begin the chain on the next line", fix)
    return None


# --- words and brackets -------------------------------------------------------------------------


def _missing_arrow(here: Situation) -> Diagnostic | None:
    if here.kind() == "LBRACE" and "ELSE" in here.expected:
        back = here.nearest(frozenset(("IF",)))
        if back is not None:
            return arrow_missing(here.span(back))
    is_word = here.kind() == "NAME" or here.kind() in _BODIES - {"ELSE"}
    if is_word and "ARROW" in here.expected and here.at > here.first:
        return arrow_missing(here.span())
    return None


def _else_alone(here: Situation) -> Diagnostic | None:
    if here.kind() != "ELSE":
        return None
    return _error("this `else` has no `if` before it", here.span(), "begin with `if`")


def _brace(here: Situation) -> Diagnostic | None:
    if here.kind() != "LBRACE":
        return None
    if here.statement() == "BLOCK" and here.at == here.first + 2:
        name = here.text(-1)
        end = here.span(-1).end
        fix = _replace(f"write `{name}()`", here.problems.span(end, end), "()", safe=True)
        message = f"the block `{name}` has no parentheses for its parameters"
        return _error(message, here.span(-1), f"write `{name}()`", fix)
    if here.statement() == "NETWORK":
        help = "remove the braces: the whole file is the network"
        return _error("a network's layers stand in no braces", here.span(), help)
    return None


def _quotes(here: Situation) -> Diagnostic | None:
    if "STRING" not in here.expected or "NUMBER" in here.expected or here.kind() != "NAME":
        return None
    word = here.text()
    spans = [here.span()]
    while here.kind(2 * len(spans) - 1) == "COMMA" and here.kind(2 * len(spans)) == "NAME":
        spans.append(here.span(2 * len(spans)))
    edits = tuple(Edit(span, f'"{span.text}"') for span in spans)
    fix = Fix("put double quotes around it" if len(spans) == 1 else "add double quotes", edits)
    message = f"`{word}` stands in no quotes, and a text is needed"
    return _error(message, here.span(), f'write `"{word}"`', fix)


def _one_value(here: Situation) -> Diagnostic | None:
    """``let k 32`` and ``let k = conv 3``."""
    if here.statement() not in ("LET", "PARAM") or here.kind() not in _VALUES | {"NAME"}:
        return None
    word = here.span(here.first - here.at).text
    if "EQUAL" in here.expected:
        place = here.problems.span(here.span().start, here.span().start)
        fix = _replace("insert `=`", place, "= ", safe=True)
        message = f"there is no `=` before `{here.text()}`"
        return _error(message, here.span(), f"write it like `{_USAGE[here.statement()]}`", fix)
    if here.at < here.first + 4:
        return None
    help = f"leave out `{word}` to name a stream"
    return _error(f"`{word}` takes one value, and `{here.text()}` follows it", here.span(), help)


def _operators(here: Situation) -> Diagnostic | None:
    kind = here.kind()
    if kind == "STAR" and here.kind(-1) == "STAR":
        span = here.span(-1).to(here.span())
        return _error("there is no power `**`", span, "multiply with `*`")
    if kind == "COMPARE" and here.nearest(frozenset(("COMPARE",))) is not None:
        help = "compare in pairs, as in `1 < k and k < 9`"
        return _error("comparisons do not chain", here.span(), help)
    if kind == "AT" and here.nearest(frozenset(("AT",))) is not None:
        help = "write one count and one size, as in `6@5x5`"
        return _error("a second `@` stands here", here.span(), help)
    if kind == "RPAR" and here.kind(-1) == "LPAR":
        span = here.span(-1).to(here.span())
        return _error("nothing stands in these parentheses", span, "write a value between them")
    return None


_KNOWN: tuple[Callable[[Situation], Diagnostic | None], ...] = (
    _comment,
    _ends_early,
    _colon,
    _equal,
    _comma,
    _arrow,
    _missing_arrow,
    _else_alone,
    _brace,
    _quotes,
    _one_value,
    _operators,
)


# --- everything else ----------------------------------------------------------------------------

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


def _general(here: Situation) -> Diagnostic:
    kind, span = here.kind(), here.span()
    what = "the end of the text" if kind == END else "the end of the line"
    if kind not in (END, NEWLINE):
        what = f"`{here.text()}`"
    elif span.start > 0:
        span = here.span(-1)
    usage = _USAGE.get(here.statement(), "C1: conv 6@5x5 stride 2 -> relu")
    message = f"{what} cannot stand here, but {_alternatives(here)} can"
    return _error(message, span, f"write it like `{usage}`")


def _alternatives(here: Situation) -> str:
    """What could stand here, in words."""
    names = list(dict.fromkeys(_named(here.expected)))[:4]
    if not names:
        return "something else"
    return f"{', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else names[0]


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
