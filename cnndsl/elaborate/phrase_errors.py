"""Says what is meant by arguments that no layer takes: signs for arrows, activations, new lines."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence

from pydantic import PydanticUserError

from cnndsl.diagnostics.model import Diagnostic, Edit, Fix
from cnndsl.diagnostics.source import Span
from cnndsl.diagnostics.words import shorten
from cnndsl.elaborate.foreign_words import ACTIVATION_WORDS, STATEMENTS
from cnndsl.frozen import replace
from cnndsl.layers import FOREIGN, FOREIGN_ATTRIBUTES, find
from cnndsl.layers.base import Schema
from cnndsl.syntax.ast import (
    At,
    Binary,
    Call,
    Claim,
    Expr,
    Identifier,
    Name,
    Number,
    Size,
    Text,
    Unary,
)

__all__ = [
    "activation_attribute",
    "at_missing",
    "claimed_layer",
    "nameless_value",
    "number_of_initialiser",
    "sign_for_arrow",
    "size_before_count",
    "statement_behind",
    "unknown_word",
]


def sign_for_arrow(
    arguments: Sequence[Expr], is_constant: Callable[[Expr], bool]
) -> tuple[Diagnostic, Sequence[Expr]] | None:
    """``conv 8@3 > relu`` and ``- relu``: the error, and the arguments before the sign."""
    for at, argument in enumerate(arguments):
        last = argument.size if isinstance(argument, At) else argument
        found: Binary | None = None
        while isinstance(last, Binary):
            if _is_layer(last.right) and not is_constant(last.right):
                found = last
            last = last.left
        if found is not None:
            kept = replace(argument, size=found.left) if isinstance(argument, At) else found.left
            return _no_arrow(_between(found.left.span, found.right.span)), (*arguments[:at], kept)
    return None


def claimed_layer(claim: Claim) -> Diagnostic | None:
    """``conv 8@3 => relu``: a layer where a size is claimed."""
    if len(claim.dims) != 1 or not _is_layer(claim.dims[0]):
        return None
    span = claim.span
    message = "`=>` claims a size, and joins no layers; `->` does"
    return _no_arrow(Span(span.source, span.start, span.start + 2), message)


def _is_layer(expr: Expr) -> bool:
    if isinstance(expr, Call):
        return find(expr.callee.name) is not None
    return isinstance(expr, Name) and find(expr.name) is not None


def _between(left: Span, right: Span) -> Span:
    """The sign between two operands, without the white space around it."""
    gap = Span(left.source, left.end, right.start)
    sign = gap.text.strip(" \t()\n")
    start = gap.start + gap.text.index(sign)
    return Span(gap.source, start, start + len(sign))


def _no_arrow(sign: Span, message: str = "") -> Diagnostic:
    message = message or f"`{sign.text}` joins no layers; `->` does"
    fix = Fix("write `->`", (Edit(sign, "->"),), safe=sign.text in (">", "-", ">=", "=>"))
    return Diagnostic("CNN001", message, sign, help="write `->`", fixes=(fix,))


def activation_attribute(
    head: Identifier, name: Name, following: Sequence[Expr]
) -> Diagnostic | None:
    """``conv 8@3 activation relu``: an activation is a layer of its own."""
    if name.name not in ACTIVATION_WORDS or not following:
        return None
    value, *rest = following
    word = value.value if isinstance(value, Text) else getattr(value, "name", "")
    keyword = FOREIGN.get(word, word)
    if find(keyword) is None:
        return None
    span = name.span.to(value.span)
    help = f"write `-> {keyword}` behind the layer"
    edits: tuple[Edit, ...] = (Edit(span, f"-> {keyword}"),)
    if rest:
        gap = Span(span.source, span.start, rest[0].span.start)
        end = rest[-1].span.end
        edits = (Edit(gap, ""), Edit(Span(span.source, end, end), f" -> {keyword}"))
    message = f"`{shorten(head.name)}` has no activation: `{keyword}` is a layer of its own"
    fixes = (Fix(help, edits, safe=True),)
    return Diagnostic("CNN201", message, span, help=help, fixes=fixes)


def nameless_value(
    schema: type[Schema], taken: Container[str], given: Container[str], expr: Expr
) -> tuple[str, tuple[Fix, ...]] | None:
    """``maxpool 2 2``, ``sgd 0.1``: the attribute that a number is for, as help and its fix."""
    fields = schema.model_fields
    needed = [name for name, field in fields.items() if field.is_required() and name not in given]
    condition = ""
    if schema.positional == ("kernel",) and "kernel" in taken and isinstance(expr, Size | Number):
        name, condition = "stride", " if it is the stride"
    elif schema.positional or not isinstance(expr, Number):
        return None
    elif "lr" in fields:
        name, condition = "lr", " if it is the learning rate"
    else:
        name = next(iter(needed or fields), "")
        if not needed and len(fields) != 1:
            return None
    if name in given or name not in fields:
        return None
    title = f"write `{name} {shorten(expr.span.text)}`"
    place = Span(expr.span.source, expr.span.start, expr.span.start)
    return f"{title}{condition}", (Fix(title, (Edit(place, f"{name} "),)),)


def unknown_word(
    schema: type[Schema],
    head: Identifier,
    name: Name,
    following: Sequence[Expr],
    given: Container[str],
) -> Diagnostic | None:
    """What a word is that stands where an attribute's name would; None where nothing is known."""
    return (
        _in_pieces(schema, name, following)
        or _value_alone(schema, head, name, given)
        or _layer_behind(head, name)
    )


def _in_pieces(schema: type[Schema], name: Name, following: Sequence[Expr]) -> Diagnostic | None:
    """``label smoothing 0.1``, ``warm up 5``: an attribute's name, or another tool's, in pieces."""
    if not following or not isinstance(following[0], Name):
        return None
    second = following[0]
    for whole in (f"{name.name}_{second.name}", f"{name.name}{second.name}"):
        ours = whole if whole in schema.model_fields else FOREIGN_ATTRIBUTES.get(whole, "")
        if ours in schema.model_fields:
            span = name.span.to(second.span)
            what = f"the attribute `{ours}` is one word, not `{name.name} {second.name}`"
            fixes = (Fix(f"write `{ours}`", (Edit(span, ours),), safe=True),)
            return Diagnostic("CNN201", what, span, help=f"write `{ours}`", fixes=fixes)
    return None


def _layer_behind(head: Identifier, name: Name) -> Diagnostic | None:
    """``conv 8@3 relu``: a layer where an attribute could stand."""
    if find(name.name) is None:
        return None
    help = f"put `->` before `{name.name}`"
    arrow = Edit(Span(name.span.source, name.span.start, name.span.start), "-> ")
    return Diagnostic(
        "CNN201",
        f"`{name.name}` is a layer, not an attribute of `{head.name}`",
        name.span,
        help=help,
        fixes=(Fix(help, (arrow,), safe=True),),
    )


def _value_alone(
    schema: type[Schema], head: Identifier, name: Name, given: Container[str]
) -> Diagnostic | None:
    """``conv 8@3 same``, ``dense 10 nobias``: the value of an attribute that is not named."""
    found = [*_meant(schema, name.name)]
    if not found:
        return None
    attribute, value = found[0]
    what = f"`{shorten(head.name)}` has no attribute `{name.name}`"
    if value == name.name.lower():
        what = f"{what}: it is a value of `{attribute}`"
    if attribute in given:
        return Diagnostic("CNN201", what, name.span, help=f"leave it out: `{attribute}` is given")
    help = f"write `{attribute} {value}`"
    is_sure = len(found) == 1 and find(name.name) is None
    fixes = (Fix(help, (Edit(name.span, f"{attribute} {value}"),), safe=is_sure),)
    return Diagnostic("CNN201", what, name.span, help=help, fixes=fixes)


def _meant(schema: type[Schema], word: str) -> Iterator[tuple[str, str]]:
    """The attributes that a word is a value of, or says no to, with that value."""
    try:
        described = schema.model_json_schema()
    except PydanticUserError:  # a plug-in's attribute of a type that has none
        return
    word = word.lower()
    for name, one in described["properties"].items():
        if word in _words(one, described.get("$defs", {})):
            yield name, word
        if one.get("type") == "boolean" and word in (f"no{name}", f"no_{name}"):
            yield name, "no"


def _words(described: object, definitions: Mapping[str, object]) -> Iterator[str]:
    """The words that a value may be, by its JSON schema."""
    match described:
        case {"$ref": str(place)}:
            yield from _words(definitions[place.rpartition("/")[2]], definitions)
        case {"anyOf": [*kinds]}:
            for kind in kinds:
                yield from _words(kind, definitions)
        case {"enum": [*words]}:
            yield from (word for word in words if isinstance(word, str))
        case _:
            pass


def at_missing(head: Identifier, names: Sequence[str], first: Expr, second: Expr) -> Diagnostic:
    """``conv 64 3``, and ``conv 3x3 64`` the other way round."""
    one, other = shorten(first.span.text), shorten(second.span.text)
    gap = Span(first.span.source, first.span.end, second.span.start)
    message = f"`{head.name}` needs {'@'.join(names)}: there is no `@` before `{other}`"
    span = first.span.to(second.span)
    if isinstance(second, Unary):
        help = f"write `{one} - {shorten(second.operand.span.text)}` to subtract"
        return Diagnostic("CNN202", message, span, help=help)
    joined, swapped = f"{one}@{other}", isinstance(first, Size) and isinstance(second, Number)
    if swapped:
        joined = f"{other}@{one}"
        message = f"`{head.name}` needs {'@'.join(names)}, not how large before how many"
    fixes: tuple[Fix, ...] = ()
    if gap.text.isspace():
        certain = isinstance(first, Number) and isinstance(second, Size | Number)
        edit = Edit(span, joined) if swapped else Edit(gap, "@")
        fixes = (Fix(f"write `{joined}`", (edit,), safe=certain),)
    help = f"write `{head.name} {joined}`"
    return Diagnostic("CNN202", message, span, help=help, fixes=fixes)


def size_before_count(head: Identifier, names: Sequence[str], sizes: At) -> Diagnostic:
    """``conv 3x3@64``."""
    swapped = f"{sizes.size.span.text}@{sizes.count.span.text}"
    message = f"`{head.name}` needs {'@'.join(names)}, not how large before how many"
    fixes = (Fix(f"write `{swapped}`", (Edit(sizes.span, swapped),), safe=True),)
    return Diagnostic(
        "CNN202", message, sizes.span, help=f"write `{head.name} {swapped}`", fixes=fixes
    )


def statement_behind(name: Name) -> Diagnostic | None:
    """``conv 8@3 output c1``: a statement that begins in the middle of a line."""
    if name.name not in STATEMENTS:
        return None
    word = name.name
    text, start = name.span.source.text, name.span.start
    gap = Span(name.span.source, len(text[:start].rstrip()), start)
    message = f"`{word}` begins a statement of its own"
    if "\n" in gap.text:
        help = "close the parenthesis or brace that is open before it"
        return Diagnostic("CNN001", message, name.span, help=help)
    help = f"begin a new line before `{word}`"
    fixes = (Fix(help, (Edit(gap, "\n"),), safe=True),)
    return Diagnostic("CNN001", message, name.span, help=help, fixes=fixes)


def number_of_initialiser(written: Sequence[Expr], number: Expr) -> Diagnostic | None:
    """``init normal 0.01``: its number stands in parentheses."""
    word = written[-1] if written else None
    if not isinstance(word, Name) or word.name not in ("uniform", "normal", "constant"):
        return None
    text = f"{word.name}({number.span.text})"
    span = word.span.to(number.span)
    fixes = (Fix(f"write `{text}`", (Edit(span, text),), safe=True),)
    message = f"`{word.name}` takes its number in parentheses"
    return Diagnostic("CNN203", message, span, help=f"write `{text}`", fixes=fixes)
