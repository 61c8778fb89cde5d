"""The names that can be used at a place: blocks, streams, constants, and paths to layers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from cnndsl.diagnostics.source import Span
from cnndsl.frozen import frozen
from cnndsl.language_server.name_resolution import Resolution
from cnndsl.language_server.names import FILE, Area, Names
from cnndsl.language_server.symbol_texts import listed_values
from cnndsl.language_server.view import View
from cnndsl.syntax.ast import Block, Body, Module
from cnndsl.syntax.walk import walk

__all__ = ["Sight"]

_HEAD = re.compile(r"^[ \t]*block[ \t]+\w+[ \t]*\(([^()]*)\)[ \t]*\{", re.MULTILINE)

MOST = 500
"""So many names of layers are proposed."""


@frozen
class Sight:
    """What is in sight at an offset of a file; ``shapes`` are those of a claim that is wanted."""

    view: View
    path: Path
    offset: int
    shapes: tuple[str, ...] = ()
    in_block: bool = False
    """Whether the place is in a block, be it one that cannot be read yet."""

    @cached_property
    def _resolution(self) -> Resolution:
        return Resolution(self.view.analysis.modules)

    @cached_property
    def _names(self) -> Names:
        return self._resolution.names(self.path)

    @cached_property
    def _around(self) -> list[object]:
        """The bodies and blocks that the place is in, the outermost first."""
        return [
            node
            for node in walk(self.view.analysis.modules[self.path])
            if isinstance(node, Block | Body) and node.span.start < self.offset < node.span.end
        ]

    @cached_property
    def _area(self) -> Area:
        for node in self._around:
            if isinstance(node, Block):
                return self._names.areas[node.body.span.start]
        return Area(self.path, self.offset) if self.in_block else self._names.areas[FILE]

    def blocks(self) -> dict[str, tuple[Module, Block]]:
        """The blocks that can be called, each with its file; a block does not call itself."""
        around = [node for node in self._around if isinstance(node, Block)]
        return {
            name: (self.view.analysis.modules[path], block)
            for name, (path, block) in self._names.blocks.items()
            if block not in around
        }

    def streams(self) -> dict[str, str]:
        """The streams in sight, and what each is."""
        found: dict[str, str] = {}
        for name, places in self._area.streams.items():
            if any(span.end <= self.offset for span, _ in places):
                found[name] = places[0][1].value
        found |= {name: "parameter" for name, stream in self._parameters() if stream}
        return found

    def _parameters(self) -> Iterator[tuple[str, bool]]:
        """The parameters of a block that cannot be read yet, and whether each is a stream."""
        if not self.in_block or any(isinstance(node, Block) for node in self._around):
            return
        text = self.view.analysis.modules[self.path].source.text[: self.offset]
        heads = _HEAD.findall(text)
        for part in heads[-1].split(",") if heads else ():
            words = part.partition("=")[0].split()
            if words:
                yield words[-1], words[0] == "stream" and len(words) > 1

    def constants(self) -> dict[str, str]:
        """The constants in sight, and their values where they are known."""
        scopes = [FILE, *(node.span.start for node in self._around if isinstance(node, Body))]
        found: dict[str, str] = {}
        for scope in scopes:
            for name, symbol in self._names.constants.get(scope, {}).items():
                spans = self._names.definitions[symbol]
                if self._seen(spans):
                    found[name] = listed_values([self.view], self.path, spans).replace("`", "")
        found |= {name: "" for name, stream in self._parameters() if not stream}
        return found

    def _seen(self, spans: list[Span]) -> bool:
        """Whether a constant is known here: those of a file anywhere in its blocks."""
        in_block = any(isinstance(node, Block) for node in self._around)
        return in_block or any(span.end <= self.offset for span in spans)

    def paths(self, scope: str = "") -> Iterator[str]:
        """The full names of layers and calls, those that begin with a scope."""
        draft = self.view.analysis.draft
        names = dict.fromkeys([*draft.scopes, *(node.name for node in draft.nodes)])
        yield from [name for name in names if name.startswith(scope)][:MOST]
