"""Says what each expression of a phrase is: an argument without a name, an attribute, its value.

The checker's own binding (:mod:`cnndsl.elaborate.bind`) reports what is wrong with a phrase; here
a phrase may be unfinished, and the question is only what stands where.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from cnndsl.diagnostics.model import UserError
from cnndsl.diagnostics.source import Span
from cnndsl.elaborate.head_losses import head_of
from cnndsl.frozen import frozen
from cnndsl.layers import find
from cnndsl.layers.base import Layer, Schema
from cnndsl.recipe.preparation import SETTINGS
from cnndsl.recipe.recipe import LABELLED, SCALARS, VARIANTS
from cnndsl.syntax.ast import At, Expr, Name, Setting
from cnndsl.syntax.sharing import is_share

__all__ = ["SHARED", "Role", "layer", "roles", "setting_schema", "variant"]

SHARED = "share"
"""What the label behind ``share`` is the value of."""


def layer(keyword: str) -> type[Layer] | None:
    """The layer of this name; None also where another package's does not load."""
    try:
        return find(keyword)
    except UserError:
        return None


def variant(setting: str, word: str) -> type[Schema] | None:
    """The kind of a setting that a word picks: the ``sgd`` of ``optimizer``."""
    try:
        return VARIANTS[setting].get(word)
    except UserError:
        return None


@frozen
class Role:
    """An expression of a phrase, and the parameter that it is the value of, if it is one's.

    ``names`` says that it is the parameter's name instead.
    """

    expr: Expr
    parameter: str
    names: bool = False


def roles(
    schema: type[Schema], arguments: Sequence[Expr], is_constant: Callable[[str], bool]
) -> Iterator[Role]:
    """The roles of the expressions behind a phrase's first word."""
    rest = list(arguments)
    fields = schema.model_fields

    def names_attribute(expr: Expr) -> bool:
        return isinstance(expr, Name) and (expr.name in fields or is_share(expr))

    def constant(expr: Expr) -> bool:
        return isinstance(expr, Name) and is_constant(expr.name)

    if rest and not (names_attribute(rest[0]) and (len(rest) % 2 == 0 or not constant(rest[0]))):
        for place, parameter in enumerate(schema.positional):
            if not rest or (names_attribute(rest[0]) and not constant(rest[0])):
                break
            first = rest.pop(0)
            if isinstance(first, At) and not schema.spaced and len(schema.positional) == 2:
                yield Role(first.count, schema.positional[0])
                yield Role(first.size, schema.positional[1])
                break
            yield Role(first, parameter)
            if not schema.spaced and place == 0:
                break
    yield from _pairs(rest, names_attribute)


def _pairs(rest: list[Expr], names_attribute: Callable[[Expr], bool]) -> Iterator[Role]:
    """Attributes and their values, up to the end."""
    while rest:
        head = rest.pop(0)
        if not isinstance(head, Name) or not names_attribute(head):
            yield Role(head, "")
            continue
        parameter = SHARED if is_share(head) else head.name
        yield Role(head, parameter, names=True)
        if rest:
            yield Role(rest.pop(0), parameter)


def setting_schema(
    setting: Setting, *, in_input: bool
) -> tuple[type[Schema], Span, Sequence[Expr]] | None:
    """The schema of a setting's line, the word that picks it, and what stands behind that.

    Where no word picks it, an empty place behind the setting's name stands for one.
    """
    name, values = setting.name.name, list(setting.values)
    end = setting.name.span.end
    nothing = Span(setting.span.source, end, end)
    if in_input:
        schema = SETTINGS.get(name)
        return None if schema is None else (schema, nothing, values)
    if name in SCALARS:
        return SCALARS[name], nothing, values
    if name in LABELLED:
        return LABELLED[name], nothing, values[1:]
    if name not in VARIANTS:
        return None
    if name == "loss" and head_of(values) is not None:
        values = values[1:]
    word = values[0] if values else None
    kind = variant(name, word.name) if isinstance(word, Name) else None
    return None if kind is None or word is None else (kind, word.span, values[1:])
