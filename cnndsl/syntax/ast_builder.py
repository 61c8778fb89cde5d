"""Turns the pieces that the parser has found into the nodes of the syntax tree.

There is one method for each rule of the grammar, of the same name. It is given the span of the
whole and the children: nodes, and tokens as their spans; punctuation is left out. What the
grammar lets pass and nobody can mean is refused here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import TypeAlias, cast

from cnndsl.diagnostics.source import Span
from cnndsl.syntax import post_parse_errors
from cnndsl.syntax.ast import (
    Argument,
    At,
    Binary,
    BinaryOperator,
    Bind,
    Block,
    Body,
    Branch,
    Call,
    Chain,
    ChainStatement,
    Claim,
    Classes,
    ClassesFile,
    Comparison,
    Conditional,
    Element,
    Expect,
    Expr,
    For,
    Hole,
    Identifier,
    Import,
    Input,
    Let,
    Link,
    List,
    Name,
    NetworkName,
    Number,
    Output,
    Param,
    Parameter,
    Phrase,
    Repeat,
    Return,
    RoundingRule,
    Setting,
    Size,
    Statement,
    Text,
    Train,
    Unary,
)
from cnndsl.syntax.collector import Collector, Refusal
from cnndsl.syntax.input_settings import setting_pairs
from cnndsl.syntax.post_parse_errors import RESERVED
from cnndsl.syntax.sharing import is_share, shared_call

__all__ = ["AstBuilder", "number"]

MOST_DIMENSIONS = 16
"""No tensor of a network has more."""

MOST_DIGITS = 300
"""A longer number has no counterpart among floating-point numbers."""

_BOOLEANS = {"true": "yes", "True": "yes", "false": "no", "False": "no"}
_OPERATORS: dict[str, BinaryOperator] = {
    "−": "-",
    "–": "-",
    "—": "-",
    "×": "*",
    "·": "*",
    "÷": "/",
    "≤": "<=",
    "≥": ">=",
    "≠": "!=",
    "&&": "and",
    "||": "or",
}
"""What a misspelled operator was read as; the others stand for themselves."""

_ELEMENTS = (Phrase, Call, Branch, Repeat, For)
_WORDS = Name | Text | Call | Conditional

Broken: TypeAlias = None
"""What is left of a statement that could not be read."""


class AstBuilder:
    """Builds the tree of one text."""

    def __init__(self, collector: Collector) -> None:
        self._problems = collector

    # --- statements -------------------------------------------------------------------------

    def module(self, _: Span, *statements: Statement | Broken) -> tuple[Statement, ...]:
        return _whole(statements)

    def body(self, span: Span, *statements: Statement | Broken) -> Body:
        return Body(_whole(statements), span)

    def broken(self, _: Span, *__: object) -> Broken:
        return None

    def broken_setting(self, _: Span, __: Span) -> Broken:
        return None

    def network(self, span: Span, name: Span) -> NetworkName:
        return NetworkName(Identifier(name.text, name), span)

    def input(
        self, span: Span, values: tuple[Expr, ...], settings: tuple[Setting, ...] = ()
    ) -> Input:
        name = None
        if len(values) > 1 and isinstance(values[0], Name):
            name = self._defined(values[0].span)
            values = values[1:]
        pairs = tuple(pair for setting in settings for pair in setting_pairs(setting))
        return Input(name, values, pairs, span)

    def classes(self, span: Span, *names: Span) -> Classes:
        return Classes(tuple(self.text(name, name) for name in names), span)

    def classes_file(self, span: Span, path: Span) -> ClassesFile:
        return ClassesFile(self.text(path, path), span)

    def output(self, span: Span, *names: Span) -> Output:
        return Output(tuple(Name(name.text, name) for name in names), span)

    def param(self, span: Span, name: Span, default: Expr) -> Param:
        return Param(self._defined(name), default, span)

    def let(self, span: Span, name: Span, value: Expr) -> Let:
        return Let(self._defined(name), value, span)

    def import_file(self, span: Span, path: Span) -> Import:
        return Import(self.text(path, path), span)

    def rounding(self, span: Span, rule: Span) -> RoundingRule:
        return RoundingRule(Identifier(rule.text, rule), span)

    def expect(self, span: Span, quantity: Span, *rest: Span | tuple[Expr, ...]) -> Expect:
        (values,) = (one for one in rest if isinstance(one, tuple))
        signs = (self._operator(one) for one in rest if isinstance(one, Span))
        comparison = cast("Comparison | None", next(signs, None))
        return Expect(Identifier(quantity.text, quantity), values, span, comparison)

    def block(self, span: Span, name: Span, *rest: Parameter | Body) -> Block:
        parameters = tuple(item for item in rest if isinstance(item, Parameter))
        body = rest[-1]
        assert isinstance(body, Body)
        return Block(self._defined(name), parameters, body, span)

    def required_parameter(self, span: Span, name: Span) -> Parameter:
        return Parameter(self._defined(name), None, False, span)

    def optional_parameter(self, span: Span, name: Span, default: Expr) -> Parameter:
        return Parameter(self._defined(name), default, False, span)

    def stream_parameter(self, span: Span, name: Span) -> Parameter:
        return Parameter(self._defined(name), None, True, span)

    def return_chains(self, span: Span, *chains: Chain) -> Return:
        return Return(tuple(self._layers(chain) for chain in chains), span)

    def train(self, span: Span, settings: tuple[Setting, ...]) -> Train:
        return Train(settings, span)

    def settings(self, _: Span, *settings: tuple[Setting, ...] | Broken) -> tuple[Setting, ...]:
        return tuple(setting for group in settings if group for setting in group)

    def setting(self, span: Span, name: Span, *values: tuple[Expr, ...]) -> tuple[Setting, ...]:
        identifier = Identifier(name.text, name)
        if len(values) < 2:
            return (Setting(identifier, values[0] if values else (), span),)
        return tuple(Setting(identifier, part, part[0].span.to(part[-1].span)) for part in values)

    def bind(self, span: Span, *children: Span | Chain) -> Bind:
        *names, chain = children
        assert isinstance(chain, Chain)
        identifiers = tuple(
            self._defined(name, dotted=True) for name in names if isinstance(name, Span)
        )
        if len(chain.links) == 1 and not isinstance(chain.links[0].element, _ELEMENTS):
            raise Refusal(post_parse_errors.value_bound(span, names[0], chain.links[0].element))
        return Bind(identifiers, self._layers(chain), span)

    def chain_statement(self, span: Span, chain: Chain) -> ChainStatement:
        return ChainStatement(self._layers(chain), span)

    # --- chains -----------------------------------------------------------------------------

    def chain(self, span: Span, *links: Link) -> Chain:
        return Chain(links, span)

    def link(self, span: Span, element: Element, *claims: Claim) -> Link:
        return Link(None, element, claims, span)

    def labelled_link(self, span: Span, label: Span, element: Element, *claims: Claim) -> Link:
        return Link(self._defined(label, dotted=True), element, claims, span)

    def claim(self, span: Span, value: Expr) -> Claim:
        match value:
            case Size(dims=dims):
                return Claim(dims, span)
            case List(items=items):
                return Claim(items, span)
        return Claim((value,), span)

    def phrase(self, span: Span, head: Expr, *arguments: Expr) -> Phrase | Expr:
        """A layer; or a lone expression, which is well where an argument of a call is meant."""
        if isinstance(head, Name):
            return Phrase(Identifier(head.name, head.span), arguments, span)
        if not arguments:
            return head
        if isinstance(head, Call):
            if is_share(arguments[0]):
                return shared_call(span, head, arguments)
            if span.source.text.startswith("(", head.span.end) and len(arguments) == 1:
                self._problems.withdraw(span)
                raise Refusal(post_parse_errors.call_of_a_call(span, head, arguments[0]))
            raise Refusal(post_parse_errors.arrow_missing(arguments[0].span))
        raise Refusal(post_parse_errors.no_layer(head, None))

    def branch(
        self, span: Span, condition: Expr, then: Body, otherwise: Body | Branch | None = None
    ) -> Branch:
        return Branch(condition, then, otherwise, span)

    def repeat(self, span: Span, count: Expr, body: Body) -> Repeat:
        return Repeat(count, body, span)

    def for_loop(self, span: Span, *children: Span | Expr | Body) -> For:
        *names, values, body = children
        identifiers = tuple(self._defined(name) for name in names if isinstance(name, Span))
        assert isinstance(body, Body)
        assert not isinstance(values, Span | Body)
        return For(identifiers, values, body, span)

    # --- expressions ------------------------------------------------------------------------

    def values(self, _: Span, *values: Expr) -> tuple[Expr, ...]:
        return values

    def at(self, span: Span, count: Expr, size: Expr) -> At:
        return At(count, size, span)

    def conditional(self, span: Span, then: Expr, condition: Expr, otherwise: Expr) -> Conditional:
        return Conditional(then, condition, otherwise, span)

    def binary(self, span: Span, left: Expr, operator: Span, right: Expr) -> Binary:
        return Binary(self._operator(operator), left, right, span)

    def inverted(self, span: Span, operand: Expr) -> Unary:
        return Unary("not", operand, span)

    def negative(self, span: Span, operand: Expr) -> Unary:
        return Unary("-", operand, span)

    def number(self, span: Span, _: Span) -> Number:
        return number(span.text, span)

    def text(self, span: Span, _: Span) -> Text:
        written = span.text[1:]
        if written and written[-1] in "\"'”“»›":
            written = written[:-1]
        if "\\" in written:
            written = re.sub(r'\\(["\\])', r"\1", written)
        return Text(written, span)

    def hole(self, span: Span, _: Span) -> Hole:
        return Hole(span)

    def size(self, span: Span, _: Span) -> Size:
        count = span.text.count("x") + 1
        if count > MOST_DIMENSIONS:
            raise Refusal(post_parse_errors.too_many_sizes(span, count, MOST_DIMENSIONS))
        dims: list[Number | Hole] = []
        for match in re.finditer(r"[0-9]+|\?", span.text):
            place = Span(span.source, span.start + match.start(), span.start + match.end())
            word = match.group()
            dims.append(Hole(place) if word == "?" else number(word, place))
        return Size(tuple(dims), span)

    def name(self, span: Span, _: Span) -> Name:
        word = span.text
        if word not in _BOOLEANS:
            return Name(word, span)
        right = _BOOLEANS[word]
        self._problems.add(post_parse_errors.boolean(span, right))
        return Name(right, span)

    def call(self, span: Span, callee: Span, *arguments: Argument) -> Call:
        return Call(Identifier(callee.text, callee), arguments, span)

    def argument(self, span: Span, chain: Chain) -> Argument:
        return Argument(None, self._argument(chain), span)

    def named_argument(self, span: Span, name: Span, chain: Chain) -> Argument:
        return Argument(Identifier(name.text, name), self._argument(chain), span)

    def list(self, span: Span, *items: Expr) -> List:
        return List(items, span)

    def pair(self, span: Span, *items: Expr) -> List:
        return List(items, span, is_pair=True)

    def group(self, _: Span, value: Expr) -> Expr:
        return value

    # --- checks -----------------------------------------------------------------------------

    def _operator(self, span: Span) -> BinaryOperator:
        sign = span.text
        return _OPERATORS.get(sign, cast("BinaryOperator", sign))

    def _defined(self, span: Span, *, dotted: bool = False) -> Identifier:
        name = span.text
        is_path = "." in name and (not dotted or name.startswith("self."))
        if is_path or name in RESERVED:
            self._problems.add(post_parse_errors.name_not_definable(span))
        return Identifier(name, span)

    def _layers(self, chain: Chain) -> Chain:
        """The chain, where each of its links is a layer."""
        for link in chain.links:
            if not isinstance(link.element, _ELEMENTS):
                raise Refusal(post_parse_errors.no_layer(link.element, link.label))
        return chain

    def _argument(self, chain: Chain) -> Expr | Chain:
        """What an argument is: an expression where it can be one."""
        link = chain.links[0]
        element = link.element
        if len(chain.links) > 1 or link.claims:
            return self._layers(chain)
        if link.label:
            if not isinstance(element, _ELEMENTS):
                raise Refusal(post_parse_errors.colon_in_call(link.label, element))
            return chain
        if isinstance(element, Phrase) and not element.arguments:
            return Name(element.head.name, element.head.span)
        shares = isinstance(element, Call) and element.share
        return chain if shares or isinstance(element, Phrase | Branch | Repeat | For) else element


def number(word: str, span: Span) -> Number:
    """The number that a word of digits stands for.

    Raises:
        Refusal: where it is beyond what can be computed with.
    """
    whole = not set(word) & set(".eE")
    if len(word) > MOST_DIGITS and whole:
        raise Refusal(post_parse_errors.number_too_large(span))
    value = int(word) if whole else float(word)
    if value == math.inf:
        raise Refusal(post_parse_errors.number_too_large(span))
    return Number(value, span)


def _whole(statements: Iterable[Statement | Broken]) -> tuple[Statement, ...]:
    return tuple(statement for statement in statements if statement is not None)
