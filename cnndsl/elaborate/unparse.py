"""Turns values and recipes back into the syntax that states them."""

from __future__ import annotations

from collections.abc import Iterator

from cnndsl.diagnostics.source import Source, Span
from cnndsl.elaborate.values import Broken, OpenHole, Value
from cnndsl.layers.base import Init, Layer, Schema
from cnndsl.recipe.heads import HeadLoss
from cnndsl.recipe.recipe import Recipe
from cnndsl.recipe.settings import Variant
from cnndsl.syntax.ast import (
    Argument,
    Binary,
    Call,
    Expr,
    Identifier,
    List,
    Name,
    Number,
    Setting,
    Train,
)
from cnndsl.syntax.printer import print_expression, print_statement

__all__ = ["expression", "recipe_settings", "recipe_text", "train_statement"]


def expression(value: Value, span: Span) -> Expr:
    """A value as the expression that has it."""
    match value:
        case bool():
            return Name("yes" if value else "no", span)
        case int() | float():
            return Number(value, span)
        case str():
            return Name(value, span)
        case tuple():
            return List(tuple(expression(item, span) for item in value), span)
        case range():
            first, last = Number(value.start, span), Number(value.stop - 1, span)
            return Binary("..", first, last, span)
        case Init(name=name, value=number):
            if number is None:
                return Name(name, span)
            argument = Argument(None, Number(number, span), span)
            return Call(Identifier(name, span), (argument,), span)
        case OpenHole() | Broken() | Layer():
            raise AssertionError("a network without errors writes none of these")


def recipe_text(recipe: Recipe) -> str:
    """The ``train { }`` that states a recipe: what is not the default, in a fixed order.

    Reading it gives the recipe again.

    >>> print(recipe_text(Recipe(batch=64, freeze=("stem", "layer1"))))
    train {
      batch 64
      freeze stem layer1
    }
    """
    return print_statement(train_statement(recipe, Span(Source("<recipe>", ""), 0, 0)))


def recipe_settings(recipe: Recipe) -> dict[str, str]:
    """The settings of a recipe, defaults too, as a spec writes them: what stands behind each name.

    >>> settings = recipe_settings(Recipe(batch=64))
    >>> settings["batch"], settings["loss"]
    ('64', 'crossentropy')
    """
    found: dict[str, str] = {}
    for setting in train_statement(
        recipe, Span(Source("<recipe>", ""), 0, 0), defaults=True
    ).settings:
        name = setting.name.name
        text = " ".join(print_expression(value) for value in setting.values)
        found[name] = f"{found[name]}, {text}" if name in found else text
    return found


def train_statement(
    recipe: Recipe, span: Span, *, defaults: bool = False, variants: bool = False
) -> Train:
    """The same as a syntax tree, all of it at one place.

    With ``defaults``, settings that have theirs are written too, and with ``variants`` also what
    stands behind them: ``optimizer sgd lr 0.01 momentum 0``.
    """
    settings = (
        Setting(Identifier(name, span), values, span)
        for name, values in _settings(
            recipe, None if defaults or variants else Recipe(), span, variants
        )
    )
    return Train(tuple(settings), span)


def _settings(
    recipe: Recipe, plain: Recipe | None, span: Span, whole: bool
) -> Iterator[tuple[str, tuple[Expr, ...]]]:
    """The settings in which a recipe differs from a plain one, with what stands behind them."""
    if plain is None or (recipe.loss, recipe.loss_weight) != (plain.loss, plain.loss_weight):
        yield "loss", tuple(_loss(HeadLoss("", recipe.loss, recipe.loss_weight), span, whole))
    for head in recipe.heads:
        yield "loss", tuple(_loss(head, span, whole))
    for name in ("optimizer", "schedule", "weight_decay"):
        value = getattr(recipe, name)
        if plain is None or value != getattr(plain, name):
            yield name, tuple(_phrase(value, span, whole))
    for name in ("clip", "batch", "shards", "epochs", "seed", "early_stop", "init", "precision"):
        value = getattr(recipe, name)
        if value is not None and (plain is None or value != getattr(plain, name)):
            yield name, (expression(value, span),)
    for change in recipe.augment:
        yield "augment", tuple(_phrase(change, span, whole))
    if recipe.freeze:
        yield "freeze", tuple(Name(label, span) for label in recipe.freeze)
    for factor in recipe.lr_factors:
        yield "lr_factor", (Name(factor.label, span), Number(factor.value, span))
    for norm in recipe.max_norms:
        yield "max_norm", (Name(norm.label, span), Number(norm.value, span))


def _loss(head: HeadLoss, span: Span, whole: bool) -> Iterator[Expr]:
    """What stands behind ``loss``: the head but for the main output, the loss, its weight."""
    if head.head:
        yield Name(head.head, span)
    yield from _phrase(head.loss, span, whole)
    if head.weight != 1 or whole:
        yield Name("weight", span)
        yield Number(head.weight, span)


def _phrase(schema: Schema, span: Span, whole: bool) -> Iterator[Expr]:
    """What stands behind a setting's name: the kind's word, nameless values, attributes."""
    if isinstance(schema, Variant):
        yield Name(schema.keyword, span)
    for name, field in type(schema).model_fields.items():
        value = getattr(schema, name)
        if name in schema.positional:
            yield expression(value, span)
        elif value is not None and (whole or field.is_required() or value != field.default):
            yield Name(name, span)
            yield expression(value, span)
