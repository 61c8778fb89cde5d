"""Writes an imported network as a spec: its statements, in the order in which specs have them."""

from __future__ import annotations

from collections.abc import Mapping

from cnndsl.elaborate.unparse import expression, train_statement
from cnndsl.frozen import replace
from cnndsl.importers.networks.graph import ImportedInput, ImportedNetwork
from cnndsl.importers.networks.head import CLASSES, Head
from cnndsl.importers.networks.items import Definition, Sequence
from cnndsl.importers.networks.labels import legal
from cnndsl.importers.networks.naming import Names
from cnndsl.importers.networks.settings import brief_number
from cnndsl.importers.networks.statements import NOWHERE, Writer, identifier
from cnndsl.recipe.recipe import Recipe
from cnndsl.syntax.ast import (
    Binary,
    Claim,
    Classes,
    Expect,
    Expr,
    Input,
    List,
    Module,
    Name,
    NetworkName,
    Number,
    Output,
    Param,
    RoundingRule,
    Setting,
    Size,
    Statement,
    Text,
    Train,
)

__all__ = ["module"]


# Long, because it has a line for each kind of statement, in the order of a spec.
def module(
    network: ImportedNetwork,
    main: Sequence,
    definitions: Mapping[int, Definition],
    names: Names,
    rounding: str,
    labels: Mapping[str, str],
    expected: Mapping[str, int],
    head: Head | None = None,
) -> Module:
    """The spec's syntax tree; all of it stands nowhere yet.

    ``labels`` are the names that layers have in the spec, by what the source calls them: a recipe
    says of no others that they are frozen, say. ``expected`` are counts that the spec expects.
    """
    blocks = [
        Writer(known, {}, definitions).block(one)
        for one, known in zip(definitions.values(), names.blocks, strict=True)
    ]
    writer = Writer(names.values, names.calls, definitions)
    statements: list[Statement] = [
        NetworkName(identifier(legal(network.name) or "imported"), NOWHERE)
    ]
    if head is not None:
        number = Number(head.classes, NOWHERE)
        statements.append(Param(identifier(CLASSES), number, NOWHERE))
    if rounding != "exact":
        statements.append(RoundingRule(identifier(rounding), NOWHERE))
    for one in network.inputs:
        name = names.values[one.name]
        name = "" if name == "input" else name
        statements.append(_input(one, name))
    if network.classes:
        texts = tuple(Text(name, NOWHERE) for name in network.classes)
        statements.append(Classes(texts, NOWHERE))
    statements += blocks
    statements += writer.statements(main, _claims(network, main, head))
    others = [names.values[value] for value in list(network.outputs.values())[1:]]
    if others:
        statements.append(
            Output(tuple(Name(one, NOWHERE) for one in dict.fromkeys(others)), NOWHERE)
        )
    for what, amount in expected.items():
        statements.append(Expect(identifier(what), (Number(amount, NOWHERE),), NOWHERE))
    if network.recipe is not None:
        recipe = _named(_named_heads(network.recipe, network, names), labels)
        statements.append(_short(train_statement(recipe, NOWHERE)))
    return Module(NOWHERE.source, tuple(statements))


def _short(train: Train) -> Train:
    """A recipe with its numbers as people write them."""
    settings = tuple(
        replace(one, values=tuple(_whole(value) for value in one.values)) for one in train.settings
    )
    return replace(train, settings=settings)


def _whole(value: Expr) -> Expr:
    """An expression with 10 in place of 10.0."""
    match value:
        case Number(value=float() as number) if number.is_integer() and abs(number) < 1e15:
            return Number(int(number), NOWHERE)
        case List():
            return replace(value, items=tuple(_whole(item) for item in value.items))
    return value


def _named_heads(recipe: Recipe, network: ImportedNetwork, names: Names) -> Recipe:
    """The recipe with the names that its heads have in the spec."""
    heads = tuple(
        replace(one, head=names.values[network.heads[one.head]])
        for one in recipe.heads
        if one.head in network.heads
    )
    return replace(recipe, heads=heads)


def _named(recipe: Recipe, labels: Mapping[str, str]) -> Recipe:
    """The recipe with the spec's names in place of the source's."""
    return replace(
        recipe,
        freeze=tuple(labels[one] for one in recipe.freeze if one in labels),
        lr_factors=tuple(
            one.model_copy(update={"label": labels[one.label]})
            for one in recipe.lr_factors
            if one.label in labels
        ),
        max_norms=tuple(
            one.model_copy(update={"label": labels[one.label]})
            for one in recipe.max_norms
            if one.label in labels
        ),
    )


def _claims(network: ImportedNetwork, main: Sequence, head: Head | None) -> dict[int, Claim]:
    """What is claimed behind each item of the main sequence, if a line ends there.

    From the head on the channels are ``classes``.
    """
    found: dict[int, Claim] = {}
    for at, item in enumerate(main.items):
        if len(item.outputs) != 1:
            continue
        sizes: list[Expr] = [Number(size, NOWHERE) for size in network.types[item.outputs[0]].dims]
        if head is not None and at >= head.item:
            sizes[0] = Name(CLASSES, NOWHERE)
        found[at] = Claim(tuple(sizes), NOWHERE)
    return found


def _input(one: ImportedInput, name: str) -> Input:
    arguments: list[Expr] = []
    if one.type.is_tokens:
        arguments += [Name("tokens", NOWHERE), Number(one.type.dims[0], NOWHERE)]
        arguments += [Name("vocabulary", NOWHERE), Number(one.type.vocabulary or 1, NOWHERE)]
    else:
        numbers = tuple(Number(size, NOWHERE) for size in one.type.dims)
        arguments.append(numbers[0] if len(numbers) == 1 else Size(numbers, NOWHERE))
    settings = tuple(
        Setting(identifier(word), tuple(_whole(_value(value)) for value in values), NOWHERE)
        for word, values in one.settings.items()
    )
    return Input(identifier(name) if name else None, tuple(arguments), settings, NOWHERE)


def _value(value: object) -> Expr:
    """A setting's value, as few digits as are the same in float32; a part of 255 as that."""
    if isinstance(value, tuple):
        numbers = (brief_number(one) if isinstance(one, float) else one for one in value)
        value = tuple(numbers)
    if isinstance(value, float) and value > 0:
        parts = value * 255
        if abs(parts - 1) < 1e-6:
            return Binary("/", Number(1, NOWHERE), Number(255, NOWHERE), NOWHERE)
    value = brief_number(value) if isinstance(value, float) else value
    return expression(value, NOWHERE)  # type: ignore[arg-type]
