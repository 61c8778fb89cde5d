"""Turns a network back into one text that stands on its own: the canonical spec.

Imported blocks are written out, parameters carry the values they were given, class names from a
file stand in the text; comments and layout go. Equal networks written by the same statements have
equal texts, so its hash identifies the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

from cnndsl.elaborate.network import Network
from cnndsl.elaborate.scope import BlockDefinition
from cnndsl.elaborate.unparse import expression
from cnndsl.elaborate.values import Value, holes_in
from cnndsl.frozen import replace
from cnndsl.syntax.ast import (
    Block,
    Body,
    Branch,
    Chain,
    ChainStatement,
    Classes,
    ClassesFile,
    Expect,
    Identifier,
    Import,
    Let,
    Link,
    Module,
    Name,
    Param,
    RoundingRule,
    Statement,
    Text,
)
from cnndsl.syntax.printer import print_module
from cnndsl.syntax.walk import rewritten, walk

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
                if value is None or any(True for _ in holes_in(value)):
                    yield statement  # nothing reads it
                else:
                    yield replace(statement, default=expression(value, statement.span))
            case Expect(comparison=None) if network.overridden:
                pass  # it speaks of other parameters
            case ClassesFile(span=span):
                yield Classes(tuple(Text(name, span) for name in network.classes), span)
            case _:
                yield statement


def _inlined(definition: BlockDefinition) -> Block:
    """A block of another file, with that file's rounding and constants at the top of its body."""
    block = definition.block
    constants = definition.file.constants.own
    hidden = {parameter.name.name for parameter in block.parameters}
    values = {name: constants[name].value for name in constants if name not in hidden}
    span = block.body.span
    rule = RoundingRule(Identifier(definition.file.rounding.value, span), span)
    names = dict.fromkeys(node.name for node in walk(block.body) if isinstance(node, Name))
    used = [name for name in names if name in values]
    lets = (Let(Identifier(name, span), expression(values[name], span), span) for name in used)
    body = block.body
    if any(isinstance(s, Let) and s.name.name in used for s in body.statements):
        body = _wrapped(body)  # its own constant of that name hides the file's, from there on
    parameters = tuple(
        replace(parameter, default=_put(parameter.default, values))
        for parameter in block.parameters
    )
    body = Body((rule, *lets, *body.statements), span)
    return replace(block, parameters=parameters, body=body)


def _wrapped(body: Body) -> Body:
    """The same statements in braces of their own."""
    span = body.span
    link = Link(None, Branch(Name("yes", span), body, None, span), (), span)
    return Body((ChainStatement(Chain((link,), span), span),), span)


def _put(expr: N, constants: Mapping[str, Value]) -> N:
    """An expression with constants written as their values."""

    def value(node: object) -> object | None:
        if isinstance(node, Name) and node.name in constants:
            return expression(constants[node.name], node.span)
        return None

    return rewritten(expr, value)
