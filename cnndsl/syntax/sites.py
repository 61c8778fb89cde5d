"""Where in a text a comment or a line end can stay, by what its tree is made of.

A *site* is where a part begins that can have a line of its own: a statement, a setting, a link of
a chain, a claim, an argument, an item of a list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

from cnndsl.syntax.ast import (
    Bind,
    Block,
    Body,
    Branch,
    Call,
    Chain,
    ChainStatement,
    Claim,
    Classes,
    Conditional,
    Element,
    Expr,
    For,
    Input,
    Let,
    Link,
    List,
    Module,
    Output,
    Param,
    Phrase,
    Repeat,
    Return,
    Setting,
    Statement,
    Train,
)
from cnndsl.syntax.walk import walk

__all__ = ["breaking_sites", "open_bodies", "setting_sites", "sites"]

First: TypeAlias = Callable[[Expr], int]
"""Where an expression begins, with the parentheses around it."""


def setting_sites(settings: Iterable[Setting], first: First) -> Iterator[int]:
    """Where settings begin: ``flip`` in ``augment crop 28 -> flip`` behind its arrow."""
    before = -1
    for setting in settings:
        name = setting.name.span.start
        yield name if name != before else first(setting.values[0])
        before = name


def sites(module: Module, first: First) -> Iterator[int]:
    """All sites of a text, but for the brackets that close."""
    for node in walk(module):
        match node:
            case Module() | Body():
                yield from (statement.span.start for statement in node.statements)
            case Input() | Train():
                yield from setting_sites(node.settings, first)
            case Chain():
                yield from (link.span.start for link in node.links[1:])
            case Claim():
                yield node.span.start
            case Call():
                yield from (argument.span.start for argument in node.arguments)
            case List():
                yield from map(first, node.items)
            case Block():
                yield from (parameter.span.start for parameter in node.parameters)
            case Classes() | Output() | Bind():
                yield from (name.span.start for name in node.names[1:])
            case Return():
                yield from (chain.span.start for chain in node.chains[1:])
            case Branch() if node.otherwise:
                yield node.otherwise.span.start
            case Conditional():
                yield first(node.otherwise)
            case _:
                pass


def open_bodies(module: Module) -> Iterator[Body]:
    """All bodies: blocks', loops' and branches'."""
    return (node for node in walk(module) if isinstance(node, Body))


# --- where line ends stay ------------------------------------------------------------------------


def breaking_sites(module: Module, first: First) -> Iterator[int]:
    """The sites before which a line end of the text stays: what is printed on several lines."""
    yield from _Breaking(first).statements(module.statements)


class _Breaking:
    """Walks as the printer does, not into what it always prints on one line."""

    def __init__(self, first: First) -> None:
        self.first = first

    def statements(self, statements: Iterable[Statement]) -> Iterator[int]:
        for statement in statements:
            yield from self.statement(statement)

    def statement(self, statement: Statement) -> Iterator[int]:
        match statement:
            case ChainStatement():
                yield from self.chain(statement.chain)
            case Bind():
                yield from (name.span.start for name in statement.names[1:])
                yield from self.chain(statement.chain)
            case Return():
                yield from (chain.span.start for chain in statement.chains[1:])
                for chain in statement.chains:
                    yield from self.chain(chain)
            case Classes() | Output():
                yield from (name.span.start for name in statement.names[1:])
            case Let(value=value) | Param(default=value):
                yield from self.list(value)
            case Block():
                yield from (parameter.span.start for parameter in statement.parameters)
                yield from self.statements(statement.body.statements)
            case Input() | Train():
                yield from setting_sites(statement.settings, self.first)
            case _:
                pass

    def chain(self, chain: Chain) -> Iterator[int]:
        for position, link in enumerate(chain.links):
            if position:
                yield link.span.start
            yield from self.link(link)

    def link(self, link: Link) -> Iterator[int]:
        yield from self.element(link.element)
        yield from (claim.span.start for claim in link.claims)

    def element(self, element: Element) -> Iterator[int]:
        match element:
            case Phrase():
                for argument in element.arguments:
                    yield from self.list(argument)
            case Call():
                yield from self.call(element)
            case Repeat() | For():
                yield from self.statements(element.body.statements)
            case Branch():
                yield from self.statements(element.then.statements)
                if isinstance(element.otherwise, Body):
                    yield from self.statements(element.otherwise.statements)
                elif element.otherwise:
                    yield from self.element(element.otherwise)

    def call(self, call: Call) -> Iterator[int]:
        for argument in call.arguments:
            yield argument.span.start
            if isinstance(argument.value, Chain):
                yield from self.chain(argument.value)
            elif isinstance(argument.value, Call):
                yield from self.call(argument.value)

    def list(self, expr: Expr) -> Iterator[int]:
        if isinstance(expr, List) and not expr.is_pair:
            for item in expr.items:
                yield self.first(item)
                yield from self.list(item)
