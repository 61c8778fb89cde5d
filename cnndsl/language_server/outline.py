"""The outline of a text: what it defines, and what can be folded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lsprotocol import types

from cnndsl.diagnostics.source import Span
from cnndsl.language_server.positions import Lines
from cnndsl.language_server.symbol_texts import parameter_texts
from cnndsl.syntax.ast import (
    Bind,
    Block,
    Body,
    Call,
    Import,
    Input,
    Let,
    Link,
    Module,
    NetworkName,
    Param,
    Statement,
    Train,
)
from cnndsl.syntax.walk import walk

__all__ = ["folds", "symbols"]

_KIND = types.SymbolKind


def symbols(module: Module, lines: Lines) -> list[types.DocumentSymbol]:
    """What a file defines, in the order of the text: blocks with what is in them."""
    return list(_symbols(module.statements, lines))


def _symbols(statements: Iterable[Statement], lines: Lines) -> Iterator[types.DocumentSymbol]:
    for statement in statements:
        match statement:
            case NetworkName(name=name, span=span):
                yield _symbol(name.name, _KIND.Module, span, name.span, lines)
            case Input(name=name, span=span):
                text = name.name if name else "input"
                yield _symbol(text, _KIND.Interface, span, name.span if name else span, lines)
            case Param(name=name, span=span) | Let(name=name, span=span):
                yield _symbol(name.name, _KIND.Constant, span, name.span, lines)
            case Block(name=name, span=span, body=body):
                inside = list(_symbols(body.statements, lines))
                detail = ", ".join(parameter_texts(statement))
                found = _symbol(name.name, _KIND.Function, span, name.span, lines)
                found.detail, found.children = f"({detail})", inside
                yield found
            case Train(span=span):
                yield _symbol("train", _KIND.Namespace, span, span, lines)
            case _:
                yield from _streams(statement, lines)


def _streams(statement: Statement, lines: Lines) -> Iterator[types.DocumentSymbol]:
    """The labels and names of streams in a statement."""
    for node in walk(statement):
        match node:
            case Link(label=label, span=span) if label is not None:
                found = _symbol(label.name, _KIND.Variable, span, label.span, lines)
                found.detail = " ".join(node.element.span.text.split())[:60]
                yield found
            case Bind(names=names, span=span):
                for name in names:
                    yield _symbol(name.name, _KIND.Variable, span, name.span, lines)
            case _:
                pass


def _symbol(
    name: str, kind: types.SymbolKind, whole: Span, place: Span, lines: Lines
) -> types.DocumentSymbol:
    return types.DocumentSymbol(
        name=name, kind=kind, range=lines.span(whole), selection_range=lines.span(place)
    )


# --- folding ------------------------------------------------------------------------------------


def folds(module: Module, lines: Lines) -> list[types.FoldingRange]:
    """What can be folded: bodies, recipes, calls of several lines; runs of comments and imports."""
    found: dict[int, types.FoldingRange] = {}
    for node in walk(module):
        if isinstance(node, Body | Train | Input | Call | Block):
            first, last = lines.line_of(node.span.start), lines.line_of(node.span.end)
            last -= lines.text[node.span.end - 1 : node.span.end] in ("}", ")")
            if last > first:
                found.setdefault(first, types.FoldingRange(first, last))
    comments = [
        lines.line_of(one.start)
        for one in module.comments
        if not lines.text[lines.starts[lines.line_of(one.start)] : one.start].strip()
    ]
    imports = [
        lines.line_of(one.span.start) for one in module.statements if isinstance(one, Import)
    ]
    for kind, numbers in (
        (types.FoldingRangeKind.Comment, comments),
        (types.FoldingRangeKind.Imports, imports),
    ):
        for first, last in _runs(numbers):
            found.setdefault(first, types.FoldingRange(first, last, kind=kind))
    return [found[line] for line in sorted(found)]


def _runs(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Numbers that follow each other, as pairs of the first and the last."""
    first = last = -2
    for number in [*numbers, -1]:
        if number != last + 1:
            if last > first:
                yield first, last
            first = number
        last = number
