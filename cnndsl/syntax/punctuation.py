"""Errors about signs of punctuation: colons, equal signs, commas and the signs of comments.

Each function knows one mistake that people make, as in :mod:`cnndsl.syntax.syntax_errors`, and
answers None where it is another one.
"""

from __future__ import annotations

import re

from cnndsl.diagnostics.model import Diagnostic, Edit, Fix
from cnndsl.syntax.error_context import (
    BODIES,
    ENDS,
    SETTINGS,
    VALUES,
    ErrorContext,
    between,
    error,
    replacing,
)
from cnndsl.syntax.layout import STATEMENT_WORDS
from cnndsl.syntax.post_parse_errors import RESERVED, arrow_missing, name_not_definable, shown

__all__ = ["colon", "comma", "comment", "equal", "percent"]

# --- signs that other languages write -----------------------------------------------------------


def colon(here: ErrorContext) -> Diagnostic | None:
    """``stride: 2``, ``if wide:``, ``let k: 3``."""
    if here.kind() != "COLON":
        return None
    span, before = here.span(), here.kind(-1)
    if before and here.text(-1) in RESERVED and "LBRACE" not in here.expected and before != "ELSE":
        return name_not_definable(here.span(-1))
    if before == "ELSE" or "LBRACE" in here.expected:
        message = "a body begins with `{`, not with `:`"
        return error(message, span, "put the body between `{` and `}`")
    if "EQUAL" in here.expected and here.statement() in ("LET", "PARAM", "BLOCK"):
        message = f"`{here.text(-1)}` is given its value with `:`, not with `=`"
        if here.collector.source.text.startswith("=", span.end):  # `let k := 3`
            span = here.collector.span(span.start, span.end + 1)
            message = message.replace("with `:`", "with `:=`")
        fix = replacing("write `=`", span, " =", safe=True)
        return error(message, span, "write `=`", fix)
    is_label = before == "NAME" and (here.kind(1) == "NAME" or here.kind(1) in BODIES)
    if is_label and here.at > here.first + 1 and "ARROW" in here.expected:
        return arrow_missing(here.span(-1))
    if before == "NAME" or before in STATEMENT_WORDS:
        return _plain(here, ":")
    return None


_DEFINING = frozenset(("int", "float", "var", "val", "const", "def", "define", "set", "auto"))
"""The words that other languages name values with."""


def equal(here: ErrorContext) -> Diagnostic | None:
    """``stride = 2``, ``if k = 3``, ``relu = 6x28x28``."""
    if here.kind() != "EQUAL":
        return None
    span, before = here.span(), here.kind(-1)
    if here.statement() == "FOR" and "IN" in here.expected:
        fix = replacing("write `in`", between(here), " in ", safe=True)
        return error("`for` takes its values with `in`, not with `=`", span, "write `in`", fix)
    defines = here.at == here.first + 2 and here.text(-2) in _DEFINING
    if defines and here.kind(-1) == "NAME" and here.kind(1) not in ENDS:
        fix = replacing("write `let`", here.span(-2), "let", safe=True)
        message = f"values are named with `let`, not with `{here.text(-2)}`"
        return error(message, here.span(-2), f"write `let {here.text(-1)} = {here.text(1)}`", fix)
    if here.statement() == "CLASSES" and here.kind(1) == "NUMBER":
        help = f"write `param classes = {here.text(1)}`"
        start = here.span(-1).start
        fix = replacing(help, here.collector.span(start, start), "param ")
        return error("`classes` takes the names of the classes", span, help, fix)
    if here.nearest(frozenset(("IF",))) is not None:
        fix = replacing("write `==`", span, "==", safe=True)
        return error("`=` does not compare; `==` does", span, "write `==`", fix)
    if before == "NAME" or (before in STATEMENT_WORDS and "NAME" not in here.expected):
        return _plain(here, "=")
    if before in ("NETWORK", "ROUNDING", "INPUT"):
        return _plain(here, "=")
    if here.kind(1) in VALUES and "CLAIM" in here.expected:
        fix = replacing("write `=>`", span, "=>", safe=True)
        return error("a claim is written with `=>`, not with `=`", span, "write `=>`", fix)
    return None


def _plain(here: ErrorContext, sign: str) -> Diagnostic:
    """``stride = 2``, ``loss: mse``: a name and its value with a sign between them."""
    word = here.text(-1)
    message = f"`{word}` takes its value without `{sign}`"
    no_value = ENDS | {"COMMA"}
    if here.kind(1) in no_value:
        return error(message, here.span(), f"write a value behind `{word}`")
    alike = [0]
    for offset in range(1, len(here.tokens) - here.at - 1):  # the rest of the line says the same
        if here.kind(offset) in ENDS:
            break
        named = here.kind(offset) == here.kind() and here.kind(offset - 1) == "NAME"
        if named and here.kind(offset + 1) not in no_value:
            alike.append(offset)
    commas = [offset - 2 for offset in alike if here.kind(offset - 2) == "COMMA"]
    apart = () if _in_recipe(here) else commas  # there the line has to end
    edits = tuple(Edit(between(here, offset), " ") for offset in (*alike, *apart))
    value = here.text(1)
    if before_a_word := here.kind(-1) == "NAME":
        value = _bare(value)
    for offset in alike:  # words stand without quotes
        text = here.span(offset + 1).text
        if before_a_word and _bare(text) != text:
            edits = (*edits, Edit(here.span(offset + 1), _bare(text)))
            here.collector.withdraw(here.span(offset + 1))
    fix = Fix(f"remove `{sign}`", edits, safe=True)
    return error(message, here.span(), f"write `{word} {value}`", fix)


def _bare(text: str) -> str:
    """A word without the quotes around it."""
    word = re.fullmatch(r"""(["'])([A-Za-z_]\w*)\1""", text)
    return word[2] if word else text


def comment(here: ErrorContext) -> Diagnostic | None:
    """``relu // the nonlinearity``, ``/* so */``."""
    back = here.nearest(frozenset(("DOUBLE_SLASH",)))
    if here.kind() == "STAR" and here.kind(-1) == "SLASH":
        back = -1
    if back is None or "\n" in here.collector.span(here.span(back).start, here.span().start).text:
        return None
    if back == -1 and here.kind() == "NAME":
        return None
    sign = here.span(back)
    if here.kind(back) == "DOUBLE_SLASH" and _touches(sign.source.text, sign.start, sign.end):
        return None  # `k//2`: a division, and something else is wrong
    word = here.text(back) + ("*" if here.kind(back) == "SLASH" else "")
    return error(f"a comment begins with `#`, not with `{word}`", here.span(back), "write `#`")


def percent(here: ErrorContext) -> Diagnostic | None:
    """``dropout 50%``."""
    if here.kind(-1) != "PERCENT" or here.kind(-2) != "NUMBER" or here.kind() not in _BEHIND_SHARE:
        return None
    share = f"{float(here.text(-2)) / 100:g}"
    span = here.span(-2).to(here.span(-1))
    fix = replacing(f"write `{share}`", span, share, safe=True)
    message = f"`{shown(span.text, 20)}` is no number: `%` is the remainder of a division"
    return error(message, span, f"write `{share}`", fix)


_BEHIND_SHARE = ENDS | {"ARROW", "CLAIM", "COMMA", "RPAR", "RSQB"}


def _touches(text: str, start: int, end: int) -> bool:
    """Whether there is no space on either side of a piece of the text."""
    return not text[start - 1 : start].isspace() and not text[end : end + 1].isspace()


def comma(here: ErrorContext) -> Diagnostic | None:
    """``input 3,32,32``, ``expect params 1,000``, ``loss mse, batch 64``, ``conv 8@3, relu``."""
    if here.kind() != "COMMA":
        return None
    text = here.collector.source.text
    if here.kind(-1) == "NUMBER" and here.statement() == "EXPECT":
        number = re.compile(r"[0-9]+(?:,[0-9]{3})+(?![0-9])").match(text, here.span(-1).start)
        if number is not None:
            plain = number.group().replace(",", "")
            span = here.collector.span(number.start(), number.end())
            fix = replacing(f"write `{plain}`", span, plain, safe=True)
            message = f"the number `{shown(number.group())}` has commas between its digits"
            return error(message, span, f"write `{plain}`", fix)
    sizes = _sizes_with_commas(here) or _list_with_commas(here) or _setting_behind_comma(here)
    if sizes is not None:
        return sizes
    if "ARROW" in here.expected:
        help = "join layers with `->`, and write attributes one after the other"
        return error("`,` joins neither layers nor attributes", here.span(), help)
    return None


def _sizes_with_commas(here: ErrorContext) -> Diagnostic | None:
    """``input 3, 32, 32``."""
    pattern = re.compile(r"[0-9]+(?:[ \t]*,[ \t]*[0-9]+)+(?![\w.])")
    if here.statement() != "INPUT" or here.kind(-1) != "NUMBER":
        return None
    numbers = pattern.match(here.collector.source.text, here.span(-1).start)
    if numbers is None:
        return None
    span = here.collector.span(numbers.start(), numbers.end())
    written = "x".join(re.findall("[0-9]+", numbers.group()))
    fix = replacing(f"write `{shown(written)}`", span, written, safe=True)
    message = f"the sizes `{shown(span.text)}` are written with `,`, not with `x`"
    return error(message, span, f"write `{shown(written)}`", fix)


def _list_with_commas(here: ErrorContext) -> Diagnostic | None:
    """``mean 0.485, 0.456, 0.406``, ``multistep at 30, 60``."""
    back = -1
    while here.kind(back) in ("NUMBER", "SLASH", "MINUS"):
        back -= 1
    if here.kind(back) != "NAME" or here.text(back) not in _LISTS or back == -1:
        return None
    number = r"-?[0-9.]+(?:e-?[0-9]+|/[0-9.]+)?"
    pattern = re.compile(rf"{number}(?:[ \t]*,[ \t]*{number})+(?![\w.])")
    numbers = pattern.match(here.collector.source.text, here.span(back + 1).start)
    if numbers is None:
        return None
    span = here.collector.span(numbers.start(), numbers.end())
    written = f"[{', '.join(part.strip() for part in numbers.group().split(','))}]"
    fix = replacing(f"write `{shown(written)}`", span, written, safe=True)
    word = here.text(back)
    message = f"the values of `{word}` stand in brackets"
    return error(message, span, f"write `{word} {shown(written)}`", fix)


_LISTS = frozenset(("mean", "std", "range", "at"))
"""Words whose values are lists of numbers."""


def _in_recipe(here: ErrorContext) -> bool:
    """Whether the statement stands in the braces of ``train``."""
    kinds, opened = here.tokens.kinds, here.first - 1
    while opened > 0 and kinds[opened] not in ("LBRACE", "RBRACE"):
        opened -= 1
    return opened > 0 and kinds[opened - 1 : opened + 1] == ["TRAIN", "LBRACE"]


def _setting_behind_comma(here: ErrorContext) -> Diagnostic | None:
    """``train { loss mse, optimizer sgd }``."""
    tokens = here.tokens
    if not _in_recipe(here):
        return None
    kinds = tokens.kinds
    closed = kinds.index("RBRACE", here.at) if "RBRACE" in kinds[here.at :] else len(kinds)
    edits = []
    for at in range(here.at, closed):
        if kinds[at] != "COMMA" or kinds[at - 1] == "COMMA":  # a row of commas goes as one
            continue
        behind = next(after for after in range(at, len(kinds)) if kinds[after] != "COMMA")
        begins = here.collector.span(tokens.starts[behind], tokens.ends[behind]).text in SETTINGS
        gap = here.collector.span(tokens.ends[at - 1], tokens.starts[behind])
        edits.append(Edit(gap, "\n" if begins else " "))
    help = "write each setting on a line of its own"
    if edits and edits[0].text == " ":
        help = "write attributes one after the other, without `,`"
    message = "`,` joins no settings"
    return error(message, here.span(), help, Fix(help, tuple(edits), safe=True))
