"""The names that can be used at a place: blocks, streams, constants, and paths to layers."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from cnndsl.diagnostics.source import Span
from cnndsl.elaborate.draft import Poison
from cnndsl.elaborate.network import LayerNode, Node
from cnndsl.frozen import frozen
from cnndsl.language_server.completion_context import Context
from cnndsl.language_server.name_resolution import Resolution
from cnndsl.language_server.names import FILE, Area, Names
from cnndsl.language_server.symbol_texts import listed_values
from cnndsl.language_server.view import View
from cnndsl.syntax.ast import Block, Body, Call, Link, Module, Phrase
from cnndsl.syntax.walk import walk

__all__ = ["Sight"]

MOST = 500
"""So many names of layers are proposed."""


@frozen
class Sight:
    """What is in sight at an offset of a file; ``shapes`` are those of a claim that is wanted."""

    view: View
    path: Path
    offset: int
    shapes: tuple[str, ...] = ()
    context: Context | None = None
    """What the tokens before the place say of it, also where it is in a text without a tree."""

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
        return Area(self.path, self.offset) if self._in_block else self._names.areas[FILE]

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
        if self.context is not None:
            found = {**dict.fromkeys(sorted(self.context.streams), "label"), **found}
        return found

    @property
    def _in_block(self) -> bool:
        return self.context is not None and self.context.in_block

    def constants(self) -> dict[str, str]:
        """The constants in sight, and their values where they are known."""
        scopes = [FILE, *(node.span.start for node in self._around if isinstance(node, Body))]
        found: dict[str, str] = {}
        for scope in scopes:
            for name, symbol in self._names.constants.get(scope, {}).items():
                spans = self._names.definitions[symbol]
                if self._seen(spans):
                    found[name] = listed_values([self.view], self.path, spans).replace("`", "")
        if self.context is not None:
            found = {**dict.fromkeys(sorted(self.context.constants), ""), **found}
        return found

    def _seen(self, spans: list[Span]) -> bool:
        """Whether a constant is known here: those of a file anywhere in its blocks."""
        in_block = any(isinstance(node, Block) for node in self._around)
        return in_block or any(span.end <= self.offset for span in spans)

    def paths(self, scope: str = "") -> Iterator[str]:
        """The names of layers and calls, those that begin with a scope, as they are called here."""
        draft = self.view.analysis.draft
        known = [node.name for node in draft.nodes if not _is_broken(node)]
        names = dict.fromkeys([*draft.scopes, *known])
        begins = [""] if self._area.scope == FILE else self._calls()
        local = (
            name.removeprefix(begin)
            for begin in begins
            for name in names
            if name.startswith(begin + scope)
        )
        found = [*dict.fromkeys(local), *self._labels_in(scope)]
        yield from list(dict.fromkeys(found))[:MOST]

    def _calls(self) -> Iterator[str]:
        """What stands before the names of the block in each call of it."""
        blocks = [node for node in self._around if isinstance(node, Block)]
        links = [node for one in blocks for node in walk(one.body) if isinstance(node, Link)]
        found: dict[str, None] = {}
        for link in links:
            for passing in self.view.passings(self.path, link.span):
                for result in passing.results:
                    parts = self.view.analysis.draft.nodes[result].name.split(".")
                    for at in range(len(parts)):
                        if _is_called(link, parts[at], last=at == len(parts) - 1):
                            found["".join(f"{part}." for part in parts[:at])] = None
        yield from found

    def _labels_in(self, scope: str) -> Iterator[str]:
        """The labels of the block that a path leads to, also where nothing calls it."""
        here = self._area
        for part in scope.split(".")[:-1]:
            called = [
                one.callee.name for one in here.elements.get(part, ()) if isinstance(one, Call)
            ]
            blocks = self._resolution.blocks(here.path)
            inside = next((blocks[name] for name in called if name in blocks), None)
            if inside is None:
                return
            path, block = inside
            here = self._resolution.areas(path)[block.body.span.start]
        if here is not self._area:
            yield from (f"{scope}{name}" for name in here.elements)


def _is_called(link: Link, part: str, *, last: bool) -> bool:
    """Whether a part of a node's name is how a link is called that the node came out of."""
    if link.label is not None:
        return part == link.label.name
    match link.element:
        case Call(callee=callee) if not last:
            return part.rstrip("0123456789") == callee.name
        case Phrase():
            return last
    return False


def _is_broken(node: Node) -> bool:
    """Whether a node only stands for what could not be read."""
    return isinstance(node, LayerNode) and isinstance(node.layer, Poison)
