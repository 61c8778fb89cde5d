"""Turns what a schema has against a phrase into diagnostics, in the words of the spec."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from cnndsl.diagnostics.model import Diagnostic, Edit, Fix
from cnndsl.diagnostics.source import Span
from cnndsl.diagnostics.words import closest, is_slip, quoted, replacements, shorten
from cnndsl.elaborate.values import INITIALISERS, Constants, Value, brief, show
from cnndsl.layers import keywords
from cnndsl.layers.base import Schema
from cnndsl.syntax.ast import Expr, Identifier, List, Size

__all__ = [
    "diagnose",
    "element",
    "example",
    "foreign_letters",
    "unknown_layer",
    "unknown_quantity",
    "value_example",
]


def example(schema: type[Schema], head: Identifier) -> str:
    """An example of the phrase, without attributes: ``conv 16@3``."""
    positional = "@".join(value_example(schema, name) for name in schema.positional)
    return f"{head.name} {positional}" if positional else head.name


def diagnose(
    schema: type[Schema],
    problem: Mapping[str, object],
    head: Identifier,
    values: Mapping[str, Value],
    written: Mapping[str, Expr],
    constants: Constants,
) -> Diagnostic:
    """One finding of pydantic's in the language of the spec.

    ``values`` are what was written by parameter, ``written`` the expressions, ``head`` the phrase's
    first word.
    """
    location = problem["loc"]
    assert isinstance(location, tuple)
    kind = str(problem["type"])
    name = str(location[0]) if location else ""
    if kind == "missing":
        return _missing(schema, head, name)
    span = written[name].span if name in written else head.span
    value: object = values.get(name)
    if len(location) > 1 and isinstance(location[1], int) and name in written:
        span, value = element(written[name], value, location[1])
    raw = problem.get("ctx")
    context = raw if isinstance(raw, Mapping) else {}
    text = brief(value)  # type: ignore[arg-type]
    near: tuple[str, ...] = ()
    by_position = name in schema.positional
    what = f"the {name} of `{head.name}`" if by_position else f"`{name}`"
    if name == "value":
        what = f"`{head.name}`"
    written_like = example(schema, head) if by_position else f"{name} {value_example(schema, name)}"
    match kind:
        case "greater_than_equal" | "less_than_equal" | "greater_than" | "less_than":
            bound = _bound(kind, context)
            code, message = "CNN205", f"{what} must be {bound}, not {text}"
            help = f"write a number that is {bound}"
            if kind.startswith("less") and _is_share(context) and _is_percent(value):
                near = (f"{value / 100:g}",)  # type: ignore[operator]
                help = f"write `{near[0]}` for {text} per cent"
        case "literal_error" | "enum":
            words = [word.strip(" '\"") for word in _expected(context)]
            near = (
                (_OTHER_WORDS[text],) if _OTHER_WORDS.get(text) in words else closest(text, words)
            )
            code = "CNN208" if isinstance(value, str) else "CNN204"
            message = f"{what} cannot be `{text}`"
            help = f"did you mean `{near[0]}`?" if near else f"write one of {quoted(words)}"
        case "value_error" | "assertion_error":
            code = "CNN208" if isinstance(value, str) else "CNN205"
            message = str(problem["msg"]).removeprefix("Value error, ")
            help = f"write `{written_like}`"
            if text in INITIALISERS:
                help = f"write `{head.name if name == 'value' else name} {text}(0.01)`"
        case _ if isinstance(value, str):
            code, message = "CNN102", f"nothing is called `{text}` here"
            near = closest(text, tuple(constants.names()))
            help = f"define it first, or write {_kind(kind)}, as in `{written_like}`"
            help = f"did you mean `{near[0]}`?" if near else help
        case _:
            code, message = "CNN204", f"{what} must be {_kind(kind)}, not `{text}`"
            help = f"write `{written_like}`"
            if kind == "dataclass_exact_type":
                help = f"write `{name} normal({text})`" if type(value) is float else help
            elif isinstance(value, float) and re.fullmatch(r"-?[0-9.e]+", span.text):
                help, near = _nearest_whole(value)
            elif isinstance(value, float):
                help = f"write `({shorten(span.text)})//1`, which rounds down"
    fixes = replacements(span, near, text)
    return Diagnostic(code, message, span, help=help, fixes=fixes)


_OTHER_WORDS = {
    "xavier": "glorot",
    "kaiming": "he",
    "he_normal": "he",
    "glorot_uniform": "glorot",
    "lecun_normal": "lecun",
    "gaussian": "normal",
}
"""Words of other tools for ours."""


def _is_share(context: Mapping[str, object]) -> bool:
    """Whether the bound that a number exceeds is 1."""
    return 1 in (context.get("lt"), context.get("le"))


def _is_percent(value: object) -> bool:
    return isinstance(value, int | float) and 10 <= value <= 100


def _nearest_whole(value: float) -> tuple[str, tuple[str, ...]]:
    """Help for a number that should be whole, and the number where there is one."""
    lower = int(value)
    if value == lower:
        return f"write `{lower}`", (str(lower),)
    numbers = [lower, lower + 1] if lower > 0 else [1]
    return f"write {quoted(numbers, ' or ')}", ()


def _missing(schema: type[Schema], head: Identifier, name: str) -> Diagnostic:
    wanted, written = f"`{name}`", f"{head.name} {name} {value_example(schema, name)}"
    if name in schema.positional:
        wanted, written = "@".join(schema.positional), example(schema, head)
    if name == "value":
        wanted = "a value"
    return Diagnostic(
        "CNN202", f"`{head.name}` needs {wanted}", head.span, help=f"write `{written}`"
    )


def element(expr: Expr, value: object, index: int) -> tuple[Span, object]:
    """The place and value of one element of a size or list; the whole where it was one number."""
    items = expr.dims if isinstance(expr, Size) else expr.items if isinstance(expr, List) else ()
    if index < len(items) and isinstance(value, tuple):
        return items[index].span, value[index]
    return expr.span, value


def _bound(kind: str, context: Mapping[str, object]) -> str:
    words = {
        "greater_than_equal": ("ge", "at least"),
        "less_than_equal": ("le", "at most"),
        "greater_than": ("gt", "greater than"),
        "less_than": ("lt", "less than"),
    }
    key, text = words[kind]
    limit = context.get(key)
    return f"{text} {limit:g}" if isinstance(limit, float) else f"{text} {limit}"


def _expected(context: Mapping[str, object]) -> list[str]:
    return str(context.get("expected", "")).replace(" or ", ", ").split(", ")


def _kind(error: str) -> str:
    """What a schema wanted, from the name of pydantic's error."""
    kinds = {
        "int_type": "a whole number",
        "int_from_float": "a whole number",
        "float_type": "a number",
        "bool_type": "`yes` or `no`",
        "string_type": "a word",
        "tuple_type": "a size",
        "dataclass_exact_type": "an initialiser",
        "finite_number": "a finite number",
    }
    return kinds.get(error, "another kind of value")


def value_example(schema: type[Schema], name: str) -> str:
    """A value that the parameter could have, for help lines."""
    field = schema.model_fields[name]
    if field.examples:
        return str(field.examples[0])
    default = field.get_default(call_default_factory=True)
    if default is None or field.is_required():
        return {"filters": "16", "units": "10", "kernel": "3"}.get(name, "1")
    if isinstance(default, tuple):
        return "x".join(map(str, default))
    return show(default)


def foreign_letters(name: str, span: Span) -> Diagnostic:
    """What the lexer said of a name already; the report keeps it once."""
    message = f"the name `{shorten(name)}` has letters other than `a` to `z`"
    help = "use the letters `a` to `z`, digits and `_` in names"
    return Diagnostic("CNN002", message, span, help=help)


def unknown_layer(head: Identifier, others: Sequence[str]) -> Diagnostic:
    """CNN101: nothing is called so; with the name that was probably meant."""
    from cnndsl.layers import FOREIGN
    from cnndsl.layers.absent import absence

    if not head.name.isascii():
        return foreign_letters(head.name, head.span)
    what = f"there is no layer or block `{shorten(head.name)}`"
    foreign = FOREIGN.get(head.name)
    near = (foreign,) if foreign else closest(head.name, (*keywords(), *others))
    missing = None if foreign else absence(head.name)
    mine = bool(near) and is_slip(head.name, near[0])
    if missing is not None and not (mine and (near[0] in others or missing.name != head.name)):
        what = f"there is no layer `{shorten(head.name)}` yet"
        return Diagnostic("CNN101", what, head.span, help=missing.instead)
    fixes = replacements(head.span, near)
    help = "`cnndsl explain CNN101` lists where the layers are documented"
    if near:
        help = f"in cnndsl it is called `{near[0]}`" if foreign else f"did you mean `{near[0]}`?"
    if foreign:
        fixes = (Fix(f"write `{foreign}`", (Edit(head.span, foreign),), safe=True),)
    return Diagnostic("CNN101", what, head.span, help=help, fixes=fixes)


def unknown_quantity(name: Identifier, known: Sequence[str]) -> Diagnostic:
    """CNN115: `expect` has no quantity of this name; with the one that was probably meant."""
    from cnndsl.recipe.absent import other_quantity

    other = other_quantity(name.name)
    near = (other,) if other else closest(name.name, known)
    help = f"it knows {quoted(known)}"
    if near:
        help = f"in cnndsl it is called `{other}`" if other else f"did you mean `{near[0]}`?"
    if name.name.casefold() in ("flops", "flop"):
        help = "write `macs`, which are half the FLOPs: a multiplication and an addition are one"
    message = f"`expect` does not know `{name.name}`"
    fixes = replacements(name.span, near)
    if other:
        fixes = (Fix(f"write `{other}`", (Edit(name.span, other),), safe=True),)
    return Diagnostic("CNN115", message, name.span, help=help, fixes=fixes)
