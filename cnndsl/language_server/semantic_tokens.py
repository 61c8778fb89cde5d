"""Colours a text by what its words mean: layers, attributes, labels, constants, blocks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from lsprotocol import types

from cnndsl.diagnostics.model import Report
from cnndsl.diagnostics.source import Span
from cnndsl.language_server.name_resolution import Resolution
from cnndsl.language_server.names import Kind, Names, Space
from cnndsl.language_server.positions import Lines
from cnndsl.language_server.roles import layer, roles, setting_schema
from cnndsl.language_server.view import View
from cnndsl.layers.base import Schema
from cnndsl.limits import Limits
from cnndsl.syntax.ast import (
    Call,
    Expect,
    Expr,
    Input,
    Name,
    NetworkName,
    Phrase,
    RoundingRule,
    Setting,
)
from cnndsl.syntax.collector import Collector, Stop
from cnndsl.syntax.lexer import spellings, tokenize
from cnndsl.syntax.tokens import OPERATORS
from cnndsl.syntax.walk import walk

__all__ = ["LEGEND", "tokens"]

_TYPES = (
    "keyword",
    "class",  # a layer, an optimizer and its like
    "property",  # an attribute, a setting
    "function",  # a block
    "parameter",
    "variable",
    "enumMember",  # a word that is a value
    "number",
    "string",
    "comment",
    "operator",
    "namespace",  # the network's name
)
_MODIFIERS = ("declaration", "readonly")

LEGEND = types.SemanticTokensLegend(list(_TYPES), list(_MODIFIERS))

_DECLARATION, _READONLY = 1, 2
_SIGNS = {"ARROW", "CLAIM", "AT", "EQUAL", "COMPARE", *OPERATORS}
_FALLBACK = {"identity": "class", "share": "property", "vocabulary": "property"}
"""Words that are of the language where they are no names."""

_PARAMETERS = (Kind.PARAMETER, Kind.STREAM_PARAMETER)
_KINDS = {"NUMBER": "number", "SIZE": "number", "HOLE": "number", "STRING": "string"}


def tokens(view: View, path: Path, lines: Lines) -> list[int]:
    """The tokens of a file as the protocol writes them: each relative to the one before it."""
    module = view.analysis.modules[path]
    names = Resolution(view.analysis.modules).names(path)
    meant = {**_words(module, names), **_names(names)}
    found = sorted(_all(module.source.text, meant, Collector(module.source, Report(), 10**6)))
    return list(_encoded(found, lines))


_Token = tuple[int, int, str, int]


def _all(text: str, meant: Mapping[int, _Token], collector: Collector) -> Iterator[_Token]:
    """Each token: where it begins and ends, its type and modifiers."""
    try:
        read = tokenize(collector, Limits.current())
    except (Stop, ValueError):
        return
    for start, end in read.comments:
        yield start, start + len(text[start:end].rstrip("\r")), "comment", 0
    words = set(spellings()[0].values())
    for kind, start, end in zip(read.kinds, read.starts, read.ends, strict=True):
        if kind == "NAME" and text[start:end] in ("yes", "no"):
            yield start, end, "enumMember", 0
        elif kind == "NAME" and start not in meant and text[start:end] in _FALLBACK:
            yield start, end, _FALLBACK[text[start:end]], 0
        elif start in meant or kind == "NAME":
            yield from _parts(start, end, meant)
        elif kind in words:
            yield start, end, "keyword", 0
        elif kind in _KINDS:
            yield start, end, _KINDS[kind], 0
        elif kind in _SIGNS:
            yield start, end, "operator", 0


def _parts(start: int, end: int, meant: Mapping[int, _Token]) -> Iterator[_Token]:
    """The parts of a dotted name that mean something."""
    yield from (meant[at] for at in range(start, end) if at in meant)


# --- what words mean ------------------------------------------------------------------------------


def _names(names: Names) -> dict[int, _Token]:
    """Names that the text itself defines."""
    found: dict[int, _Token] = {}
    for one in names.occurrences:
        kind = names.kinds.get(one.symbol)
        span = one.span
        if one.symbol.name == "input" and span.text == "input" and one.defines:
            continue  # the word itself
        style, modifiers = "variable", _DECLARATION * one.defines
        if one.symbol.space is Space.BLOCK:
            style = "function"
        elif kind in _PARAMETERS or kind is None:
            style = "parameter"
        if one.symbol.space is Space.CONSTANT:
            modifiers |= _READONLY
        found[span.start] = (span.start, span.end, style, modifiers)
    return found


# Long, because it goes through the kinds of nodes.
def _words(module: object, names: Names) -> dict[int, _Token]:
    """Words that layers and settings define."""
    found: dict[int, _Token] = {}

    def mark(span: Span, style: str) -> None:
        found[span.start] = (span.start, span.end, style, 0)

    def phrase(schema: type[Schema], arguments: Sequence[Expr]) -> None:
        for role in roles(schema, arguments, lambda name: False):
            if role.names:
                mark(role.expr.span, "property")
            elif isinstance(role.expr, Name):
                mark(role.expr.span, "enumMember")

    inputs = [node for node in walk(module) if isinstance(node, Input)]
    of_inputs = {id(setting) for node in inputs for setting in node.settings}
    for node in walk(module):
        match node:
            case Phrase(head=head, arguments=arguments) if schema := layer(head.name):
                mark(head.span, "class")
                phrase(schema, arguments)
            case Call(callee=callee) if callee.name not in names.blocks:
                mark(callee.span, "class" if layer(callee.name) else "function")
                for argument in node.arguments:
                    if argument.name is not None:
                        mark(argument.name.span, "property")
            case Setting(name=name):
                mark(name.span, "property")
                known = setting_schema(node, in_input=id(node) in of_inputs)
                if known is not None:
                    kind, word, values = known
                    if word.text:
                        mark(word, "class")
                    phrase(kind, values)
            case NetworkName(name=name):
                mark(name.span, "namespace")
            case Expect(quantity=quantity):
                mark(quantity.span, "property")
            case RoundingRule(rule=rule):
                mark(rule.span, "enumMember")
            case _:
                pass
    return found


# --- how it is written ----------------------------------------------------------------------------


def _encoded(found: Sequence[_Token], lines: Lines) -> Iterator[int]:
    """Five numbers for each token: lines and columns from the one before, length, and style."""
    line = column = done = 0
    for start, end, style, modifiers in found:
        if start < done:
            continue
        done = end
        first, last = lines.position(start), lines.position(end)
        if last.line != first.line:
            continue
        yield first.line - line
        yield first.character - (column if first.line == line else 0)
        yield last.character - first.character
        yield _TYPES.index(style)
        yield modifiers
        line, column = first.line, first.character
