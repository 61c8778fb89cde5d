"""The diagnostics of what the grammar lets pass and nobody can mean."""

from __future__ import annotations

import re

from cnndsl.diagnostics.model import Diagnostic, Edit, Fix
from cnndsl.diagnostics.source import Span
from cnndsl.syntax.ast import At, Binary, Call, Element, Expr, Identifier, List, Name, Size

__all__ = [
    "RESERVED",
    "arrow_missing",
    "boolean",
    "call_of_a_call",
    "colon_in_call",
    "comment_in_slashes",
    "name_not_definable",
    "new_line_missing",
    "no_layer",
    "number_too_large",
    "shown",
    "sign_for_arrow",
    "too_many_sizes",
    "value_bound",
]

RESERVED = frozenset(
    [
        "if",
        "else",
        "for",
        "in",
        "repeat",
        "and",
        "or",
        "not",
        "yes",
        "no",
        "true",
        "false",
        "True",
        "False",
    ]
)
"""Words that can name nothing of a spec's own."""


def shown(text: str, most: int = 40) -> str:
    """A piece of a spec as a message shows it: on one line, printable, not too long."""
    line = " ".join(text[: 2 * most].split()) if len(text) > 1 else text
    plain = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)
    return plain if len(plain) <= most and len(text) <= 2 * most else f"{plain[:most]}…"


def _sign(gap: Span, sign: str) -> Span:
    """Where a sign stands in the gap between two pieces."""
    at = gap.start + max(gap.text.find(sign), 0)
    return Span(gap.source, at, at + 1)


def name_not_definable(span: Span) -> Diagnostic:
    """``let a.b = 1``, ``repeat: conv 3``."""
    name = span.text
    if name in RESERVED:
        message = f"`{shown(name)}` is a word of the language and cannot be a name"
        return Diagnostic("CNN007", message, span, help="choose another name")
    message = f"the dotted name `{shown(name)}` can be used but not defined"
    written = name.replace(".", "_")
    fix = Fix(f"write `{shown(written)}`", (Edit(span, written),), safe=True)
    return Diagnostic("CNN007", message, span, help=fix.title, fixes=(fix,))


def boolean(span: Span, right: str) -> Diagnostic:
    """``bias false``."""
    message = f"the word for `{span.text}` is `{right}`"
    fix = Fix(f"write `{right}`", (Edit(span, right),), safe=True)
    return Diagnostic("CNN208", message, span, help=f"write `{right}`", fixes=(fix,))


def number_too_large(span: Span) -> Diagnostic:
    """``1e999``."""
    message = f"the number `{shown(span.text, 20)}` is too large to compute with"
    return Diagnostic("CNN210", message, span, help="write a smaller number")


def arrow_missing(after: Span) -> Diagnostic:
    """``bottleneck(64) relu``."""
    word = shown(after.text, 20)
    place = Span(after.source, after.start, after.start)
    fix = Fix(f"insert `->` before `{word}`", (Edit(place, "-> "),), safe=True)
    message = f"there is no `->` before `{word}`"
    return Diagnostic("CNN001", message, after, help="join layers with `->`", fixes=(fix,))


def call_of_a_call(span: Span, call: Call, argument: Expr) -> Diagnostic:
    """``Conv2D(32, 3)(x)``, as Keras writes it."""
    streams = argument.items if isinstance(argument, List) else (argument,)
    first = streams[0].span.text if streams else "input"
    written = f"{first} -> {call.span.text}"
    if len(streams) > 1:
        written = f"{call.callee.name}({', '.join(stream.span.text for stream in streams)})"
    message = f"`{shown(call.span.text)}` is not called in turn: a chain begins with its stream"
    fix = Fix(f"write `{shown(written)}`", (Edit(span, written),))
    place = Span(span.source, call.span.end, span.end)
    return Diagnostic("CNN001", message, place, help=f"write `{shown(written)}`", fixes=(fix,))


def no_layer(element: Expr | Element, label: Identifier | None) -> Diagnostic:
    """``-> 3 + 4``: a value where a layer is due."""
    if isinstance(element, Binary) and element.operator == "//" and isinstance(element.left, Name):
        return comment_in_slashes(element)
    if isinstance(element, Binary) and element.operator in (">", "-", ">="):
        return sign_for_arrow(_sign_between(element))
    if (joined := _joined(element)) is not None:
        return joined
    if isinstance(element, At) and isinstance(element.count, Name):
        return _count_missing(element, element.count)
    if (repeated := _repeated(element)) is not None:
        return repeated
    word = shown(element.span.text, 20)
    message = f"`{word}` stands where a layer should"
    help = "begin with the name of a layer, a block or a stream"
    if label and label.name in ("input", "output", "classes"):
        gap = Span(label.span.source, label.span.end, element.span.start)
        colon = _sign(gap, ":")
        written = f"{label.name} {word}"
        fix = Fix(f"write `{written}`", (Edit(gap, " "),), safe=True)
        message = f"`{label.name}` takes its value without `:`"
        return Diagnostic("CNN001", message, colon, help=f"write `{written}`", fixes=(fix,))
    if label:
        help = "write the name of a layer behind the label, as in `C1: conv 6@5x5`"
    return Diagnostic("CNN001", message, element.span, help=help)


def _count_missing(element: At, layer: Name) -> Diagnostic:
    """``conv @3``: the layer itself stands where its number of filters should."""
    size, name = shown(element.size.span.text, 20), shown(layer.name, 20)
    at = _sign(Span(element.span.source, layer.span.end, element.size.span.start), "@")
    message = f"no number of filters stands between `{name}` and `@`"
    help = f"write `{name} 8@{size}` for 8 filters, `{name} {size}` for a layer that has none"
    return Diagnostic("CNN001", message, at, help=help)


_TIMES = re.compile(r"([0-9]+) *(?:x|\*|times) *([A-Za-z_(][^#\n}]*)")


def _repeated(element: Expr | Element) -> Diagnostic | None:
    """``3 x conv 8@3``, as figures of networks say it."""
    source, start = element.span.source, element.span.start
    found = _TIMES.match(source.text, start)
    if found is None:
        return None
    span = Span(source, start, start + len(found[0].rstrip()))
    written = f"repeat {found[1]} {{ {found[2].strip()} }}"
    message = f"`{shown(span.text, 20)}` is no layer: what is repeated stands in braces"
    fix = Fix(f"write `{shown(written)}`", (Edit(span, written),))
    return Diagnostic("CNN001", message, span, help=f"write `{shown(written)}`", fixes=(fix,))


_JOINS = {"+": "add", "*": "multiply"}


def _joined(element: Expr | Element) -> Diagnostic | None:
    """``a + b`` of what are no numbers by any statement of the text: streams, then."""
    if not isinstance(element, Binary) or element.operator not in _JOINS:
        return None
    names: list[str] = []
    rest: Expr = element
    while isinstance(rest, Binary) and rest.operator == element.operator:
        names.append(getattr(rest.right, "name", ""))
        rest = rest.left
    names.append(getattr(rest, "name", ""))
    text = element.span.source.text
    if not all(names) or re.search(rf"\b(?:let|param|for)\b[ (]*(?:{'|'.join(names)})\b", text):
        return None
    written = f"{_JOINS[element.operator]}({', '.join(reversed(names))})"
    message = f"`{element.operator}` computes with numbers; streams are joined in parentheses"
    fix = Fix(f"write `{shown(written)}`", (Edit(element.span, written),))
    return Diagnostic(
        "CNN001", message, element.span, help=f"write `{shown(written)}`", fixes=(fix,)
    )


def sign_for_arrow(*signs: Span) -> Diagnostic:
    """``relu > tanh``: other signs where arrows are meant."""
    message = f"`{signs[0].text}` joins no layers; `->` does"
    fix = Fix("write `->`", tuple(Edit(sign, "->") for sign in signs), safe=True)
    return Diagnostic("CNN001", message, signs[0], help="write `->`", fixes=(fix,))


_CLOSE = "close the parenthesis or brace that is open before it"


def new_line_missing(before: Span, word: Span) -> Diagnostic:
    """``network tiny input 3x8x8``: two statements on one line."""
    gap = Span(word.source, before.end, word.start)
    message = f"`{shown(word.text, 20)}` begins a statement of its own"
    if "\n" in gap.text:
        return Diagnostic("CNN001", message, word, help=_CLOSE)
    help = f"begin a new line before `{shown(word.text, 20)}`"
    fix = Fix(help, (Edit(gap, "\n"),), safe=True)
    return Diagnostic("CNN001", message, word, help=help, fixes=(fix,))


def _sign_between(operation: Binary) -> Span:
    gap = Span(operation.span.source, operation.left.span.end, operation.right.span.start)
    # What is read as `-` may be written as a longer dash.
    sign = re.search("[>−–-]=?", gap.text)
    start = gap.start + (sign.start() if sign else 0)
    return Span(gap.source, start, start + len(operation.operator))


def comment_in_slashes(division: Binary) -> Diagnostic:
    """``relu // the nonlinearity``."""
    sign = Span(division.span.source, division.left.span.end, division.right.span.start)
    start = sign.start + sign.text.index("//")
    place = Span(sign.source, start, start + 2)
    fix = Fix("write `#`", (Edit(place, "#"),), safe=True)
    message = "a comment begins with `#`, not with `//`"
    return Diagnostic("CNN001", message, place, help="write `#`", fixes=(fix,))


def colon_in_call(label: Identifier, element: Expr | Element) -> Diagnostic:
    """``bottleneck(64, stride: 2)``."""
    colon = Span(label.span.source, label.span.end, element.span.start)
    written = f"{label.name} = {shown(element.span.text, 20)}"
    message = f"the argument `{shown(label.name, 20)}` is given with `:`, not with `=`"
    fix = Fix(f"write `{written}`", (Edit(colon, " = "),), safe=True)
    span = label.span.to(element.span)
    return Diagnostic("CNN001", message, span, help=f"write `{written}`", fixes=(fix,))


def value_bound(span: Span, name: Span, element: Expr | Element) -> Diagnostic:
    """``k = 32``, and ``relu = 6x28x28``."""
    value = shown(element.span.text, 20)
    gap = Span(span.source, name.end, element.span.start)
    if isinstance(element, Size) and len(element.dims) > 2:
        message = f"the claim `{value}` is written with `=`, not with `=>`"
        fix = Fix(f"write `=> {value}`", (Edit(gap, " => "),))
        equal = _sign(gap, "=")
        return Diagnostic("CNN001", message, equal, help=f"write `=> {value}`", fixes=(fix,))
    if (joined := _joined(element)) is not None:
        return joined
    written = f"let {shown(name.text, 20)} = {value}"
    message = f"`{value}` is a value, and `{shown(name.text, 20)} =` names a stream"
    place = Span(span.source, span.start, span.start)
    fix = Fix(f"write `{written}`", (Edit(place, "let "),), safe=True)
    return Diagnostic("CNN001", message, element.span, help=f"write `{written}`", fixes=(fix,))


def too_many_sizes(span: Span, count: int, most: int) -> Diagnostic:
    """``1x1x1x1x...``."""
    message = f"the size `{shown(span.text, 20)}` has {count} dimensions, more than {most}"
    return Diagnostic("CNN308", message, span, help="write one size for each dimension")
