"""What is called how in a file, and where: blocks, streams and constants, each with its scope.

Names are resolved on the syntax tree, not while a network is built: a text that is being written
has mistakes, and a block that nothing calls has names too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from enum import StrEnum
from pathlib import Path

from cnndsl import resources
from cnndsl.diagnostics.source import Span
from cnndsl.frozen import frozen, mutable
from cnndsl.syntax.ast import (
    Bind,
    Block,
    Body,
    Claim,
    Element,
    Identifier,
    Input,
    Link,
    Module,
    Phrase,
    Statement,
)
from cnndsl.syntax.walk import walk

__all__ = [
    "FILE",
    "Area",
    "Kind",
    "Names",
    "Occurrence",
    "Space",
    "Symbol",
    "areas_of",
    "imported_path",
]

FILE = -1
"""The scope of a file's own names, where others are called after the offset at which they begin."""


class Space(StrEnum):
    """Names of different spaces do not meet: a constant and a stream may be called alike."""

    BLOCK = "block"
    STREAM = "stream"
    CONSTANT = "constant"


class Kind(StrEnum):
    """What a name is of, in words."""

    BLOCK = "block"
    INPUT = "input"
    LABEL = "label"
    STREAM = "stream"
    STREAM_PARAMETER = "parameter, a stream"
    PARAM = "parameter of the file"
    LET = "constant"
    PARAMETER = "parameter"
    LOOP = "loop variable"


@frozen
class Symbol:
    """Something that has a name: in which file, in which scope, in which space."""

    path: Path
    scope: int
    space: Space
    name: str


@frozen
class Occurrence:
    """A place where a symbol's name stands; ``defines`` says that it is given there."""

    span: Span
    symbol: Symbol
    defines: bool = False


@mutable
class Area:
    """The streams that the statements of a file, or of a block's body, share.

    ``elements`` are what labels stand before, which dotted paths reach into.
    """

    path: Path
    scope: int
    block: Block | None = None
    streams: dict[str, list[tuple[Span, Kind]]] = field(default_factory=dict)
    elements: dict[str, list[Element]] = field(default_factory=dict)

    def symbol(self, name: str) -> Symbol:
        """The stream of this name here."""
        return Symbol(self.path, self.scope, Space.STREAM, name)

    def add(self, name: str, span: Span, kind: Kind) -> None:
        """Take note of a definition."""
        self.streams.setdefault(name, []).append((span, kind))


@mutable
class Names:
    """The names of one file: where each stands, and what kind each is that is defined here."""

    path: Path
    module: Module
    blocks: Mapping[str, tuple[Path, Block]]
    """The blocks in sight, each with its file."""
    areas: Mapping[int, Area]
    occurrences: list[Occurrence] = field(default_factory=list)
    kinds: dict[Symbol, Kind] = field(default_factory=dict)
    definitions: dict[Symbol, list[Span]] = field(default_factory=dict)
    constants: dict[int, dict[str, Symbol]] = field(default_factory=dict)
    """The constants of each scope, by the offset at which it begins."""

    def at(self, offset: int) -> Occurrence | None:
        """What stands at an offset, or ends there: the innermost, where several do."""
        found = [one for one in self.occurrences if one.span.start <= offset <= one.span.end]
        return min(found, key=lambda one: one.span.end - one.span.start, default=None)

    def of(self, symbol: Symbol) -> Iterator[Occurrence]:
        """Where a symbol's name stands."""
        return (one for one in self.occurrences if one.symbol == symbol)


def areas_of(path: Path, module: Module) -> Mapping[int, Area]:
    """The areas of a file, by scope: its own, and one for each block."""
    own = Area(path, FILE)
    found = {FILE: own}
    for statement in module.statements:
        if isinstance(statement, Block):
            area = Area(path, statement.body.span.start, statement)
            for parameter in statement.parameters:
                if parameter.is_stream:
                    area.add(parameter.name.name, parameter.name.span, Kind.STREAM_PARAMETER)
            _collect(statement.body, area)
            found[area.scope] = area
        else:
            _collect(statement, own)
    return found


def _collect(root: Statement | Body, area: Area) -> None:
    """The definitions of streams at and below a node."""
    for node in walk(root, without=(Claim, Phrase)):
        match node:
            case Input():
                span = node.name.span if node.name else _word(node)
                area.add(node.name.name if node.name else "input", span, Kind.INPUT)
            case Link(label=Identifier(name=name, span=span), element=element):
                area.add(name, span, Kind.LABEL)
                area.elements.setdefault(name, []).append(element)
            case Bind():
                for identifier in node.names:
                    area.add(identifier.name, identifier.span, Kind.STREAM)
            case _:
                pass


def _word(statement: Input) -> Span:
    """The word ``input``, where that is the name."""
    span = statement.span
    return Span(span.source, span.start, span.start + len("input"))


def imported_path(name: str, importer: Path) -> Path:
    """The file that an import of a name means, whether there is one or not."""
    base = resources.specs().resolve() if name.startswith("std/") else importer.parent
    path = base / (name if name.endswith(".cnn") else f"{name}.cnn")
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError):
        return path
