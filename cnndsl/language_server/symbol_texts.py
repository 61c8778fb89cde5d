"""Names in Markdown: what each is, how it is defined, and the values and shapes that it has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from cnndsl.diagnostics.source import Span
from cnndsl.elaborate.values import brief
from cnndsl.language_server.name_resolution import Resolution
from cnndsl.language_server.names import Kind, Space, Symbol
from cnndsl.language_server.view import View
from cnndsl.syntax.ast import Bind, Block, Link, Module, Phrase
from cnndsl.syntax.walk import walk

__all__ = [
    "block_comment",
    "block_text",
    "listed_values",
    "parameter_texts",
    "stream_shapes",
    "symbol_text",
]

SHOWN = 8
"""So many values of a name, and shapes of a stream, are listed."""


def symbol_text(views: Sequence[View], resolution: Resolution, symbol: Symbol) -> str:
    """What a name is, in Markdown."""
    names = resolution.names(symbol.path)
    kind = names.kinds.get(symbol)
    spans = names.definitions.get(symbol, ())
    if kind is None or not spans:
        return f"`{symbol.name}`"
    if symbol.space is Space.BLOCK:
        block = next(
            statement
            for statement in names.module.statements
            if isinstance(statement, Block) and statement.name.name == symbol.name
        )
        return block_text(names.module, block)
    parts = [f"`{symbol.name}`: {kind.value}"]
    if symbol.space is Space.CONSTANT:
        if kind is not Kind.LOOP:
            parts = [f"```cnn\n{_line(spans[0])}\n```", kind.value]
        values = listed_values(views, symbol.path, spans)
        if values:
            parts.append(f"its value: {values}")
    else:
        shapes = stream_shapes(views, names.module, symbol, spans)
        if shapes:
            parts.append(f"its shape: {shapes}")
    return "\n\n".join(parts)


def _line(span: Span) -> str:
    """The line that a definition stands on."""
    return span.source.line(span.first.line).strip()[:200]


# --- blocks -------------------------------------------------------------------------------------


def block_text(module: Module, block: Block) -> str:
    """How a block is called, and the comment above it."""
    parameters = ", ".join(parameter_texts(block))
    head = f"```cnn\nblock {block.name.name}({parameters})\n```"
    return "\n\n".join(filter(None, (head, block_comment(module, block))))


def parameter_texts(block: Block) -> list[str]:
    """The parameters of a block as they are written, each in one line."""
    return [" ".join(one.span.text.split()) for one in block.parameters]


def block_comment(module: Module, block: Block) -> str:
    """The comment in the lines right above a block, without its signs."""
    text = module.source.text
    lines: list[str] = []
    for line in reversed(text[: text.rfind("\n", 0, block.span.start) + 1].splitlines()):
        if not line.lstrip().startswith("#"):
            break
        lines.append(line.strip().lstrip("#").strip())
    return "\n".join(reversed(lines))


# --- values and shapes --------------------------------------------------------------------------


def listed_values(views: Sequence[View], path: Path, spans: Sequence[Span]) -> str:
    """The values that a name had, each once, in the order in which it had them."""
    found: dict[str, None] = {}
    for view in views:
        for span in spans:
            for value in view.values(path, span):
                found.setdefault(f"`{brief(value)}`")
    return _shortened(list(found))


def stream_shapes(
    views: Sequence[View], module: Module, symbol: Symbol, spans: Sequence[Span]
) -> str:
    """The shapes that a stream had, each once."""
    found: dict[str, None] = {}
    places = list(_places(module, symbol, spans))
    for view in views:
        for span, at in places:
            for passing in view.passings(symbol.path, span):
                if at < len(passing.results):
                    found.setdefault(f"`{view.shape(passing.results[at])}`")
        if not found:
            for position in view.inputs(symbol.path, symbol.name):
                found.setdefault(f"`{view.shape(position)}`")
    return _shortened(list(found))


def _places(module: Module, symbol: Symbol, spans: Sequence[Span]) -> Iterator[tuple[Span, int]]:
    """The links whose results a name is, and which of them; else where it begins a chain."""
    wanted = {span.start for span in spans}
    for node in walk(module):
        match node:
            case Link(label=label, span=span) if label is not None and label.span.start in wanted:
                yield span, 0
            case Bind(names=names, chain=chain):
                for at, name in enumerate(names):
                    if name.span.start in wanted:
                        yield chain.links[-1].span, at
            case Link(element=Phrase(head=head, arguments=()), span=span):
                if head.name == symbol.name and 0 <= symbol.scope <= span.start:
                    yield span, 0
            case _:
                pass


def _shortened(texts: Sequence[str]) -> str:
    more = f", … ({len(texts)} in all)" if len(texts) > SHOWN else ""
    return ", ".join(texts[:SHOWN]) + more
