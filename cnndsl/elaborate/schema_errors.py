"""Turns what a schema has against a phrase into diagnostics, in the words of the spec."""

from __future__ import annotations

from collections.abc import Sequence

from cnndsl.diagnostics.model import Diagnostic, Edit, Fix
from cnndsl.diagnostics.source import Span
from cnndsl.diagnostics.words import closest, is_slip, quoted, replacements, rivals, shorten
from cnndsl.elaborate.values import show
from cnndsl.frozen import replace
from cnndsl.layers import keywords
from cnndsl.layers.base import Schema
from cnndsl.syntax.ast import Expr, Identifier, List, Size

__all__ = [
    "between",
    "element",
    "example",
    "foreign_letters",
    "unknown_layer",
    "unknown_quantity",
    "value_example",
]


def example(schema: type[Schema], head: Identifier) -> str:
    """An example of the phrase, without attributes: ``conv 16@3``."""
    positional = between(schema).join(value_example(schema, name) for name in schema.positional)
    return f"{head.name} {positional}" if positional else head.name


def between(schema: type[Schema]) -> str:
    """What stands between the positional values of a phrase."""
    return " " if schema.spaced else "@"


def element(expr: Expr, value: object, index: int) -> tuple[Span, object]:
    """The place and value of one element of a size or list; the whole where it was one number."""
    items = expr.dims if isinstance(expr, Size) else expr.items if isinstance(expr, List) else ()
    if index < len(items) and isinstance(value, tuple):
        return items[index].span, value[index]
    return expr.span, value


def value_example(schema: type[Schema], name: str) -> str:
    """A value that the parameter could have, for help lines."""
    field = schema.model_fields[name]
    if field.examples:
        return str(field.examples[0])
    default = field.get_default(call_default_factory=True)
    if default is None or field.is_required():
        return {"filters": "16", "units": "10", "kernel": "3"}.get(name, "1")
    if isinstance(default, bool):
        return "yes"  # who writes the name alone means that
    if isinstance(default, tuple) and not any(isinstance(item, tuple) for item in default):
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
    if fixes and fixes[0].safe and near[0] not in others and _may_be_another(head.name, near[0]):
        fixes = tuple(replace(fix, safe=False) for fix in fixes)
    help = "`cnndsl explain CNN101` lists where the layers are documented"
    if near:
        help = f"in cnndsl it is called `{near[0]}`" if foreign else f"did you mean `{near[0]}`?"
    if foreign:
        fixes = (Fix(f"write `{foreign}`", (Edit(head.span, foreign),), safe=True),)
    return Diagnostic("CNN101", what, head.span, help=help, fixes=fixes)


def _may_be_another(word: str, keyword: str) -> bool:
    """Whether a misspelt word is as near to the name of another operation than a layer's.

    That one may have a name of ours, one of another tool, or be absent.
    """
    from cnndsl.layers import FOREIGN
    from cnndsl.layers.absent import absent_names

    known = (*keywords(), *(name for name in FOREIGN if FOREIGN[name] != keyword))
    return bool(rivals(word, keyword, (*known, *absent_names())))


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
