"""Turns a network back into one text that stands on its own: the canonical spec.

Imported blocks are written out, parameters carry the values they were given, class names from a
file stand in the text; comments and layout go. Equal networks written by the same statements have
equal texts, so its hash identifies the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

from cnndsl.diagnostics.source import Span
from cnndsl.frozen import field_names, replace
from cnndsl.layers.base import Init
from cnndsl.semantics.network import Network
from cnndsl.semantics.scope import BlockDefinition
from cnndsl.semantics.values import Broken, Constants, OpenHole, Value
from cnndsl.syntax.ast import (
    Argument,
    Block,
    Body,
    Call,
    Classes,
    ClassesFile,
    Expr,
    For,
    Identifier,
    Import,
    Let,
    List,
    Module,
    Name,
    Number,
    Param,
    RoundingRule,
    Statement,
    Text,
)
from cnndsl.syntax.printer import print_module

__all__ = ["canonical_text", "standalone"]

N = TypeVar("N")


def canonical_text(network: Network) -> str:
    """The canonical text of a network's spec."""
    return print_module(standalone(network))


def standalone(network: Network) -> Module:
    """The network's file as one that imports nothing and leaves nothing open."""
    return replace(network.module, statements=tuple(_statements(network)), comments=())


def _statements(network: Network) -> Iterator[Statement]:
    inlined = False
    for statement in network.module.statements:
        match statement:
            case Import():
                if not inlined:
                    yield from (_inlined(one) for one in network.imported if one.used)
                inlined = True
            case Param(name=name):
                value = network.parameters.get(name.name)
                yield (
                    statement
                    if value is None
                    else replace(statement, default=_expression(value, statement.span))
                )
            case ClassesFile(span=span):
                yield Classes(tuple(Text(name, span) for name in network.classes), span)
            case _:
                yield statement


def _inlined(definition: BlockDefinition) -> Block:
    """A block of another file, with that file's constants and rounding written into it."""
    block = definition.block
    shadowed = {parameter.name.name for parameter in block.parameters}
    constants = _values(definition.file.constants, shadowed)
    span = block.body.span
    statements = tuple(_put(statement, constants) for statement in block.body.statements)
    rule = RoundingRule(Identifier(definition.file.rounding.value, span), span)
    parameters = tuple(
        replace(parameter, default=_put(parameter.default, constants))
        for parameter in block.parameters
    )
    body = Body((rule, *statements), span)
    return replace(block, parameters=parameters, body=body)


def _values(constants: Constants, shadowed: set[str]) -> dict[str, Value]:
    return {
        name: constant.value for name, constant in constants.own.items() if name not in shadowed
    }


def _put(node: N, constants: Mapping[str, Value]) -> N:
    """The node with constants written as their values, where no inner name hides them."""
    if not constants:
        return node
    if isinstance(node, tuple):
        return tuple(_put(item, constants) for item in node)  # type: ignore[return-value]
    if isinstance(node, Name) and node.name in constants:
        return _expression(constants[node.name], node.span)  # type: ignore[return-value]
    if isinstance(node, Body):
        hidden = {s.name.name for s in node.statements if isinstance(s, Let)}
        constants = {name: value for name, value in constants.items() if name not in hidden}
    if isinstance(node, For):
        hidden = {name.name for name in node.names}
        inner = {name: value for name, value in constants.items() if name not in hidden}
        values = _put(node.values, constants)
        return replace(node, values=values, body=_put(node.body, inner))
    if isinstance(node, Span | Identifier):
        return node
    names = field_names(node)
    return replace(node, **{name: _put(getattr(node, name), constants) for name in names})


def _expression(value: Value, span: Span) -> Expr:
    """A value as the expression that has it."""
    match value:
        case bool():
            return Name("yes" if value else "no", span)
        case int() | float():
            return Number(value, span)
        case str():
            return Name(value, span)
        case tuple():
            return List(tuple(_expression(item, span) for item in value), span)
        case range():
            return List(tuple(Number(item, span) for item in value), span)
        case Init(name=name, value=number):
            if number is None:
                return Name(name, span)
            argument = Argument(None, Number(number, span), span)
            return Call(Identifier(name, span), (argument,), span)
        case OpenHole() | Broken():
            raise AssertionError("a network without errors has neither")
