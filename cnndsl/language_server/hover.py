"""What a place in a text means: the layer with its shapes and costs, the name with its value."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

from lsprotocol import types

from cnndsl.analysis.cost import quantity
from cnndsl.diagnostics.codes import CODES
from cnndsl.diagnostics.source import Span
from cnndsl.elaborate.quantities import Quantity
from cnndsl.frozen import frozen
from cnndsl.language_server.keywords import KEYWORDS, SIZE_FUNCTIONS
from cnndsl.language_server.layer_texts import (
    call_text,
    parameter_text,
    parameters,
    schema_text,
    uses,
)
from cnndsl.language_server.name_resolution import Resolution
from cnndsl.language_server.names import imported_path
from cnndsl.language_server.positions import Lines
from cnndsl.language_server.roles import layer, roles, setting_schema
from cnndsl.language_server.symbol_texts import block_text, symbol_text
from cnndsl.language_server.view import View
from cnndsl.layers.base import Schema
from cnndsl.resources import error_page
from cnndsl.syntax.ast import (
    Block,
    Call,
    Chain,
    Expect,
    Expr,
    Import,
    Input,
    Link,
    Name,
    Phrase,
    Setting,
)
from cnndsl.syntax.walk import walk

__all__ = ["hover"]

_WORD = re.compile(r"[A-Za-z_]\w*")


def hover(views: Sequence[View], path: Path, lines: Lines, offset: int) -> types.Hover | None:
    """What is said of a place; None where there is nothing to say.

    ``views`` are the checks that have read the file: its own first, then those of its importers.
    """
    if not views:
        return None
    place = _Place(views, path, offset)
    found = [*place.meaning(), *place.problems()]
    if not found:
        return None
    text = "\n\n---\n\n".join(dict.fromkeys(text for _, text in found))
    return types.Hover(
        contents=types.MarkupContent(types.MarkupKind.Markdown, text),
        range=lines.span(found[0][0]),
    )


@frozen
class _Place:
    """A place in a file, and the checks that know something of it."""

    views: Sequence[View]
    path: Path
    offset: int

    def meaning(self) -> Iterator[tuple[Span, str]]:
        """What stands there: a name, or else the innermost part of a statement that says more."""
        resolution = Resolution(self.views[0].analysis.modules)
        occurrence = resolution.names(self.path).at(self.offset)
        if occurrence is not None:
            text = symbol_text(self.views, resolution, occurrence.symbol)
            yield occurrence.span, "\n\n".join(filter(None, (self._call(occurrence.span), text)))
            return
        around = [node for node in self._nodes if self._holds(getattr(node, "span", None))]
        inputs = any(isinstance(node, Input) for node in around)
        for node in reversed(around):
            said = self._said(node, in_input=inputs)
            if said is not None:
                yield said
                return
        yield from self._word()

    def _call(self, name: Span) -> str:
        """What a call of a block gives, where a name is that of its callee."""
        for node in self._nodes:
            element = node.element if isinstance(node, Link) else None
            if isinstance(element, Call) and element.callee.span == name:
                assert isinstance(node, Link)
                return self._called(node, element)
        return ""

    def _called(self, link: Link, call: Call) -> str:
        for view in self.views:
            place = view.here(self.path, call.span)
            passings = view.passings(self.path, link.span)
            if passings and place is not None:
                results = [view.shape(at) for one in passings for at in one.results]
                return call_text(view, place, list(dict.fromkeys(f"`{one}`" for one in results)))
        return ""

    @cached_property
    def _nodes(self) -> list[object]:
        return [*walk(self.views[0].analysis.modules[self.path])]

    def _holds(self, span: object) -> bool:
        return isinstance(span, Span) and span.start <= self.offset <= span.end

    def _said(self, node: object, *, in_input: bool) -> tuple[Span, str] | None:
        match node:
            case Phrase(head=head) | Call(callee=head) if schema := layer(head.name):
                done = self._uses(node.span)
                if self._holds(head.span):
                    text = (f"**{head.name}**", done, schema_text(schema, head.name))
                    return head.span, "\n\n".join(filter(None, text))
                said = self._parameter(schema, _arguments(node))
                return said or ((node.span, done) if done else None)
            case Setting(name=name):
                return self._setting(node, name.span, in_input=in_input)
            case Import(path=text) if self._holds(text.span):
                return text.span, self._imported(node)
            case Expect(quantity=word) if self._holds(word.span) and word.name in tuple(Quantity):
                return word.span, self._quantity(Quantity(word.name))
            case _:
                return None

    def _uses(self, span: Span) -> str:
        """What the layers written here do, by the first check that has carried them out."""
        for view in self.views:
            positions = view.nodes(self.path, span)
            if positions:
                return uses(view, positions)
        return ""

    def _parameter(
        self, schema: type[Schema], arguments: Sequence[Expr]
    ) -> tuple[Span, str] | None:
        """The parameter that is named, or whose value stands, at the place."""
        described = parameters(schema)
        for role in roles(schema, arguments, lambda name: False):
            if self._holds(role.expr.span) and role.parameter in described:
                return role.expr.span, parameter_text(described[role.parameter])
        return None

    def _setting(self, setting: Setting, name: Span, *, in_input: bool) -> tuple[Span, str] | None:
        found = setting_schema(setting, in_input=in_input)
        if found is None:
            return None
        schema, word, arguments = found
        if self._holds(name) or self._holds(word):
            return setting.span, schema_text(schema, f"{name.text} {word.text}".strip())
        return self._parameter(schema, arguments)

    def _imported(self, statement: Import) -> str:
        """The file that is imported, and the blocks that it defines."""
        path = imported_path(statement.path.value, self.path)
        module = self.views[0].analysis.modules.get(path)
        if module is None:
            return f"`{statement.path.value}` is not there"
        blocks = [one for one in module.statements if isinstance(one, Block)]
        return "\n\n".join((f"`{path}`", *(block_text(module, one) for one in blocks)))

    def _quantity(self, word: Quantity) -> str:
        """A quantity of the network, with its true value where that is known."""
        typed = self.views[0].typed
        if typed is None:
            return f"`{word}`: not known while there are mistakes"
        return f"`{word}` is {'x'.join(f'{one:,}' for one in quantity(typed, word))}"

    def _word(self) -> Iterator[tuple[Span, str]]:
        """A word of the language itself."""
        source = self.views[0].analysis.modules[self.path].source
        start = source.text.rfind("\n", 0, self.offset) + 1
        end = source.text.find("\n", self.offset)
        line = source.text[start : end if end >= 0 else len(source.text)].partition("#")[0]
        for match in _WORD.finditer(line):
            if match.start() <= self.offset - start <= match.end():
                text = KEYWORDS.get(match[0]) or SIZE_FUNCTIONS.get(match[0])
                if text:
                    yield Span(source, start + match.start(), start + match.end()), text

    def problems(self) -> Iterator[tuple[Span, str]]:
        """What the codes mean of the problems that are shown at the place."""
        for view in self.views:
            for one in view.analysis.checked.diagnostics:
                if view.path_of(one.span.source) == self.path and self._holds(one.span):
                    yield one.span, _code_text(one.code)


def _arguments(node: Phrase | Call) -> Sequence[Expr]:
    """What stands behind a layer's name: as a phrase has it, also in parentheses."""
    if isinstance(node, Phrase):
        return node.arguments
    found: list[Expr] = []
    for one in node.arguments:
        if one.name is not None and not isinstance(one.value, Chain):
            found += [Name(one.name.name, one.name.span), one.value]
    return found


def _code_text(code: str) -> str:
    """What a code stands for, and the rule: what the page about it begins with."""
    path = error_page(code)
    page = path.read_text(encoding="utf-8")
    rule = page.partition("\n## ")[0].partition("\n")[2].strip()
    return f"[{code}]({path.as_uri()}): {CODES[code].title}\n\n{rule}"
