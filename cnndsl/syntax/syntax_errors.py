"""Turns a token that cannot stand where it stands into a diagnostic.

Each function knows one mistake that people make and answers None where it is another one; the
first answer counts. What nobody knows gets the general answer: what was met, and what could
stand there.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from cnndsl.diagnostics.model import Diagnostic, Edit, Fix
from cnndsl.syntax.error_context import (
    BODIES,
    ENDS,
    USAGE,
    VALUES,
    ErrorContext,
    alternatives,
    between,
    cannot_stand,
    error,
    replacing,
)
from cnndsl.syntax.layout import STATEMENT_WORDS
from cnndsl.syntax.loop_errors import comprehension, loop
from cnndsl.syntax.post_parse_errors import (
    arrow_missing,
    new_line_missing,
    shown,
    sign_for_arrow,
)
from cnndsl.syntax.punctuation import colon, comma, comment, equal, percent
from cnndsl.syntax.tokens import OPERATORS

__all__ = ["unexpected"]


def unexpected(here: ErrorContext) -> Diagnostic:
    """What is wrong with a token that cannot stand where it stands."""
    for known in _KNOWN:
        diagnostic = known(here)
        if diagnostic is not None:
            return diagnostic
    return cannot_stand(here)


# --- statements that end too early --------------------------------------------------------------


def _ends_early(here: ErrorContext) -> Diagnostic | None:
    before = here.kind(-1)
    if here.kind() in ("ARROW", "CLAIM", "COMMA") and before in _BEHIND:
        message = f"{_BEHIND[before]} is missing behind `{here.text(-1)}`"
        return error(message, here.span(-1), f"write {_BEHIND[before]} there", code="CNN004")
    if here.kind() not in ENDS and here.kind() not in ("RPAR", "RSQB"):
        return None
    if before == "ARROW":
        span = here.span(-1)
        help = "write a layer behind it, or remove it"
        fix = replacing("remove `->`", span, "")
        return error("the chain ends in `->`", span, help, fix, code="CNN004")
    if before == "COMMA":
        help = "write what follows, or remove the `,`"
        return error("nothing follows this `,`", here.span(-1), help, code="CNN004")
    if before in _BEHIND:
        message = f"{_BEHIND[before]} is missing behind `{here.text(-1)}`"
        return error(message, here.span(-1), f"write {_BEHIND[before]} there", code="CNN004")
    if here.kind() not in ENDS:
        return None
    return _lacks_body(here) or _lacks_else(here) or _unfinished(here)


_BEHIND = {
    "CLAIM": "a size",
    "COLON": "a layer",
    "AT": "a size",
    "EQUAL": "a value",
    **dict.fromkeys([*OPERATORS, "NOT", "_NEG"], "a value"),
    "IF": "a condition",
    "REPEAT": "a count",
    "FOR": "a name",
    "IN": "a range or a list",
    "ELSE": "a value",
}


def _lacks_body(here: ErrorContext) -> Diagnostic | None:
    back = here.nearest(BODIES)
    if back is None or "LBRACE" not in here.expected:
        return None
    word = here.kind(back)
    message = f"`{here.text(back)}` has no body in braces"
    usage = "else { … }" if word == "ELSE" else USAGE[word]
    return error(message, here.span(back), f"write it like `{usage}`", code="CNN004")


def _lacks_else(here: ErrorContext) -> Diagnostic | None:
    back = here.nearest(frozenset(("IF",)))
    if back is None or "ELSE" not in here.expected:
        return None
    message = "a value with `if` needs an `else`"
    return error(message, here.span(back), "write it like `1 if first else 2`", code="CNN004")


def _unfinished(here: ErrorContext) -> Diagnostic:
    start = here.tokens.starts[here.first]
    span = here.collector.span(start, max(here.tokens.ends[here.at - 1], start))
    word = here.tokens.kinds[here.first]
    help = f"write it like `{USAGE[word]}`" if word in USAGE else f"write {alternatives(here)}"
    message = f"`{shown(span.text, 20)}` is not finished: {alternatives(here)} is missing"
    return error(message, span, help, code="CNN004")


def _arrow_of_another_kind(here: ErrorContext) -> Diagnostic | None:
    """``-->``, ``- >`` and ``>>``."""
    if here.kind() not in ("ARROW", "COMPARE") or here.at == here.first:
        return None
    span = here.span(-1).to(here.span())
    if "".join(span.text.split()) not in ("->", "-->", ">>"):
        return None
    fix = replacing("write `->`", span, "->", safe=True)
    return error(f"`{shown(span.text)}` joins no layers; `->` does", span, "write `->`", fix)


# --- signs and arrows ----------------------------------------------------------------------------


def _arrow(here: ErrorContext) -> Diagnostic | None:
    if here.kind() not in ("ARROW", "CLAIM"):
        return None
    sign, span, statement = here.text(), here.span(), here.statement()
    if here.at == here.first:
        return error(f"nothing stands before `{sign}`", span, "write a layer before it")
    if here.kind(-1) == "ARROW":
        fix = replacing(f"remove `{sign}`", span, "")
        return error(f"`->` and `{sign}` stand side by side", span, "remove one of them", fix)
    if statement in ("LET", "PARAM"):
        word = here.tokens.kinds[here.first].lower()
        message = f"`{word}` names a value, and a chain is a stream"
        return error(message, span, f"leave out `{word}` to name a stream")
    if statement in STATEMENT_WORDS - {"RETURN"} and sign == "->":
        fix = replacing("begin a new line", between(here), "\n", safe=True)
        message = f"`{shown(here.span(here.first - here.at).text)}` begins no chain"
        return error(message, span, "begin the chain on the next line", fix)
    return None


# --- words and brackets -------------------------------------------------------------------------


def _sign_for_arrow(here: ErrorContext) -> Diagnostic | None:
    """``=> maxpool 2``, ``input > conv 8@3``, ``relu > tanh > softmax``."""
    if here.kind(-2) == "CLAIM" and here.kind(-1) == "NAME" and here.kind() in VALUES | {"NAME"}:
        return sign_for_arrow(here.span(-2))
    if here.statement() in _FIRST and here.at == here.first + 1 and here.text() in (">", "-"):
        return sign_for_arrow(here.span())
    if here.kind() != "COMPARE" or here.text() != ">" or "ARROW" not in here.expected:
        return None
    if here.statement() not in ("NAME", "INPUT"):
        return None
    back = range(here.first - here.at, 0)
    signs = [here.span(at) for at in back if here.kind(at) == "COMPARE" and here.text(at) == ">"]
    return sign_for_arrow(*signs, here.span()) if signs else None


_FIRST = frozenset(("INPUT", "OUTPUT", "CLASSES"))


def _chain_behind_input(here: ErrorContext) -> Diagnostic | None:
    """``input 3x8x8 conv 8@3 -> relu``: the chain begins a line of its own."""
    if here.statement() != "INPUT":
        return None
    sizes = next((at for at in range(here.first + 1, here.at) if _is_size(here, at)), None)
    if sizes is None or sizes + 1 >= here.at or here.tokens.kinds[sizes + 1] != "NAME":
        return None
    if here.text(sizes + 1 - here.at) == "vocabulary":
        return None
    return new_line_missing(here.span(sizes - here.at), here.span(sizes + 1 - here.at))


def _is_size(here: ErrorContext, at: int) -> bool:
    return here.tokens.kinds[at] in ("SIZE", "NUMBER", "RSQB")


def _computed_sizes(here: ErrorContext) -> Diagnostic | None:
    """``=> channels(x)x32x32``: an ``x`` behind an expression."""
    span = here.span()
    if here.kind(-1) != "RPAR" or span.start != here.span(-1).end or span.text[:1] != "x":
        return None
    line = span.source.text.rfind("\n", 0, span.start) + 1
    call = re.search(r"[A-Za-z_]\w*\([^()\n]*\)$", span.source.text[line : span.start])
    sizes = re.fullmatch(r"(?:x[0-9]+)+", span.text)
    example = "[channels(x), 32, 32]"
    if call is not None and sizes is not None:
        example = f"[{', '.join([call.group(), *span.text[1:].split('x')])}]"
    message = "sizes that are computed stand in a list, not between `x`"
    return error(message, span, f"write them as in `{shown(example, 60)}`")


def _missing_arrow(here: ErrorContext) -> Diagnostic | None:
    if here.kind() == "LBRACE" and "ELSE" in here.expected:
        back = here.nearest(frozenset(("IF",)))
        if back is not None:
            return arrow_missing(here.span(back))
    is_word = here.kind() == "NAME" or here.kind() in BODIES - {"ELSE"}
    if is_word and "ARROW" in here.expected and here.at > here.first:
        return arrow_missing(here.span())
    return None


def _else_alone(here: ErrorContext) -> Diagnostic | None:
    if here.kind() != "ELSE":
        return None
    return error("this `else` has no `if` before it", here.span(), "begin with `if`")


_BRACED = frozenset(("block", "train", "if", "else", "for", "repeat"))
"""The words that braces follow."""


def _brace(here: ErrorContext) -> Diagnostic | None:
    if here.kind() != "LBRACE":
        return None
    if here.statement() == "BLOCK" and here.at == here.first + 2:
        name = here.text(-1)
        end = here.span(-1).end
        fix = replacing(f"write `{name}()`", here.collector.span(end, end), "()", safe=True)
        message = f"the block `{name}` has no parentheses for its parameters"
        return error(message, here.span(-1), f"write `{name}()`", fix)
    word = here.text(here.first - here.at)
    if word.lower() in _BRACED and word not in _BRACED:
        span = here.span(here.first - here.at)
        fix = replacing(f"write `{word.lower()}`", span, word.lower(), safe=True)
        message = f"the statement `{word.lower()}` is written in small letters, not `{word}`"
        return error(message, span, f"write `{word.lower()}`", fix)
    if here.statement() == "NETWORK":
        help = "remove the braces: the whole file is the network"
        return error("a network's layers stand in no braces", here.span(), help)
    return None


def _quotes(here: ErrorContext) -> Diagnostic | None:
    if "STRING" not in here.expected or "NUMBER" in here.expected or here.kind() != "NAME":
        return None
    path = re.compile(r'[^\s"#,]+').match(here.collector.source.text, here.span().start)
    assert path is not None  # the name itself, at least
    spans = [here.collector.span(*path.span())]
    word = shown(spans[0].text, 20)
    while here.kind(2 * len(spans) - 1) == "COMMA" and here.kind(2 * len(spans)) == "NAME":
        spans.append(here.span(2 * len(spans)))
    edits = tuple(Edit(span, f'"{span.text}"') for span in spans)
    fix = Fix("put double quotes around it" if len(spans) == 1 else "add double quotes", edits)
    message = f"`{word}` stands in no quotes, and a text is needed"
    return error(message, spans[0], f'write `"{word}"`', fix)


def _network_name(here: ErrorContext) -> Diagnostic | None:
    """``network my-net``, ``network "LeNet 5"``, ``network net:``."""
    if here.statement() != "NETWORK" or here.at == here.first or here.kind() in ENDS:
        return None
    if here.kind(-1) == "NETWORK" and here.kind() != "STRING":
        return None
    source, start = here.collector.source, here.span(here.first + 1 - here.at).start
    found = re.compile(r"[^#\n]*").match(source.text, start)
    if found is None or re.search(r"->|=>|[@{}]", found[0]):
        return None  # a chain begins too early, or a body
    span = here.collector.span(start, start + len(found[0].rstrip()))
    name = re.sub(r"[^A-Za-z0-9_]+", "_", span.text).strip("_")
    name = f"net_{name}" if not name or name[0].isdecimal() else name
    fix = replacing(f"write `{name}`", span, name, safe=True)
    message = f"`{shown(span.text, 20)}` is no name: names are letters, digits and `_`"
    return error(message, span, f"write `network {shown(name, 40)}`", fix)


def _number_of_classes(here: ErrorContext) -> Diagnostic | None:
    """``classes 10``."""
    if here.statement() != "CLASSES" or here.kind() != "NUMBER" or here.kind(-1) != "CLASSES":
        return None
    help = f"write it like `{USAGE['CLASSES']}`, or leave it out: the last layer says how many"
    message = f"`classes` takes the names of the classes, not `{here.text()}`"
    return error(message, here.span(), help)


def _one_value(here: ErrorContext) -> Diagnostic | None:
    """``let k 32`` and ``let k = conv 3``."""
    if here.statement() not in ("LET", "PARAM") or here.kind() not in VALUES | {"NAME"}:
        return None
    word = here.span(here.first - here.at).text
    if "EQUAL" in here.expected:
        place = here.collector.span(here.span().start, here.span().start)
        fix = replacing("insert `=`", place, "= ", safe=True)
        message = f"there is no `=` before `{here.text()}`"
        return error(message, here.span(), f"write it like `{USAGE[here.statement()]}`", fix)
    if here.at < here.first + 4:
        return None
    if here.kind() == "NAME" and here.kind(-1) != "NAME":
        return new_line_missing(here.span(-1), here.span())
    help = f"leave out `{word}` to name a stream"
    return error(f"`{word}` takes one value, and `{here.text()}` follows it", here.span(), help)


def _operators(here: ErrorContext) -> Diagnostic | None:
    kind = here.kind()
    if kind == "STAR" and here.kind(-1) == "STAR":
        span = here.span(-1).to(here.span())
        return error("there is no power `**`", span, "multiply with `*`")
    if kind == "COMPARE" and here.nearest(frozenset(("COMPARE",))) is not None:
        help = "compare in pairs, as in `1 < k and k < 9`"
        return error("comparisons do not chain", here.span(), help)
    if kind == "AT" and here.nearest(frozenset(("AT",))) is not None:
        help = "write one count and one size, as in `6@5x5`"
        return error("a second `@` stands here", here.span(), help)
    if kind == "RPAR" and here.kind(-1) == "LPAR":
        span = here.span(-1).to(here.span())
        return error("nothing stands in these parentheses", span, "write a value between them")
    return None


_KNOWN: tuple[Callable[[ErrorContext], Diagnostic | None], ...] = (
    comment,
    _arrow_of_another_kind,
    percent,
    _ends_early,
    _sign_for_arrow,
    _chain_behind_input,
    _network_name,
    colon,
    equal,
    loop,
    comma,
    _arrow,
    comprehension,
    _computed_sizes,
    _missing_arrow,
    _else_alone,
    _brace,
    _quotes,
    _number_of_classes,
    _one_value,
    _operators,
)
