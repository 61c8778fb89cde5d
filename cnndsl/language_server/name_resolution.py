"""From the syntax trees of a spec and its imports to what every name in them means."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from cnndsl.diagnostics.source import Span
from cnndsl.elaborate.head_losses import head_of
from cnndsl.elaborate.values import FUNCTIONS, SIZES
from cnndsl.frozen import mutable
from cnndsl.language_server.names import (
    FILE,
    Area,
    Kind,
    Names,
    Occurrence,
    Space,
    Symbol,
    areas_of,
    imported_path,
)
from cnndsl.language_server.roles import SHARED, layer, roles, variant
from cnndsl.layers import is_shipped
from cnndsl.layers.base import Layer, Schema
from cnndsl.recipe.preparation import SETTINGS
from cnndsl.recipe.recipe import LABELLED, NAMES, SCALARS, VARIANTS
from cnndsl.syntax.ast import (
    Argument,
    Bind,
    Block,
    Body,
    Branch,
    Call,
    Chain,
    ChainStatement,
    Element,
    Expect,
    Expr,
    For,
    Identifier,
    Import,
    Input,
    Let,
    Link,
    Module,
    Name,
    Output,
    Param,
    Parameter,
    Phrase,
    Repeat,
    Return,
    Setting,
    Statement,
    Train,
)
from cnndsl.syntax.walk import children

__all__ = ["Resolution"]

_GENERATED = re.compile(r"(.*?[^0-9])[0-9]+")
_LOOPS = ("repeat", "for")


class Resolution:
    """The names of the files of a spec, each worked out when it is asked for."""

    def __init__(self, modules: Mapping[Path, Module]) -> None:
        self.modules = modules
        self._names: dict[Path, Names] = {}
        self._areas: dict[Path, Mapping[int, Area]] = {}

    def names(self, path: Path) -> Names:
        """The names of a file."""
        if path not in self._names:
            self._names[path] = _Reader(self, path).read()
        return self._names[path]

    def areas(self, path: Path) -> Mapping[int, Area]:
        """The areas of a file."""
        if path not in self._areas:
            self._areas[path] = areas_of(path, self.modules[path])
        return self._areas[path]

    def blocks(self, path: Path) -> dict[str, tuple[Path, Block]]:
        """The blocks in sight in a file: its own, and those that it imports."""
        found: dict[str, tuple[Path, Block]] = {}
        waiting, seen = [path], {path}
        while waiting:
            one = waiting.pop(0)
            for statement in self.modules[one].statements:
                if isinstance(statement, Block):
                    found.setdefault(statement.name.name, (one, statement))
                elif isinstance(statement, Import):
                    other = imported_path(statement.path.value, one)
                    if other in self.modules and other not in seen:
                        seen.add(other)
                        waiting.append(other)
        return found


@mutable
class _Scope:
    """The constants in sight; those of a body end with it."""

    start: int
    own: dict[str, Symbol]
    outer: _Scope | None = None

    def find(self, name: str) -> Symbol | None:
        scope: _Scope | None = self
        while scope is not None:
            if name in scope.own:
                return scope.own[name]
            scope = scope.outer
        return None


class _Reader:
    """Reads the names of one file."""

    def __init__(self, resolution: Resolution, path: Path) -> None:
        module = resolution.modules[path]
        blocks, areas = resolution.blocks(path), resolution.areas(path)
        self.resolution = resolution
        self.names = Names(path, module, blocks, areas)

    def read(self) -> Names:
        """All names, in the order of the text."""
        for area in self.names.areas.values():
            for name, places in area.streams.items():
                for span, kind in places:
                    self._define(area.symbol(name), span, kind)
        own, file = self.names.areas[FILE], self._scope(FILE, None)
        statements = self.names.module.statements
        later = (Block, Train)
        for statement in statements:
            if not isinstance(statement, later):
                self._statement(statement, own, file)
        for statement in statements:
            if isinstance(statement, Block):
                self._block(statement, file)
            elif isinstance(statement, Train):
                for setting in statement.settings:
                    self._train_setting(setting, own, file)
        self.names.occurrences.sort(key=lambda one: (one.span.start, one.span.end))
        return self.names

    # --- what is defined ---

    def _scope(self, start: int, outer: _Scope | None) -> _Scope:
        return _Scope(start, self.names.constants.setdefault(start, {}), outer)

    def _define(self, symbol: Symbol, span: Span, kind: Kind) -> None:
        self.names.kinds.setdefault(symbol, kind)
        self.names.definitions.setdefault(symbol, []).append(span)
        self.names.occurrences.append(Occurrence(span, symbol, defines=True))

    def _constant(self, name: Identifier, scope: _Scope, kind: Kind) -> None:
        symbol = Symbol(self.names.path, scope.start, Space.CONSTANT, name.name)
        self._define(symbol, name.span, kind)
        scope.own[name.name] = symbol

    def _use(self, span: Span, symbol: Symbol) -> None:
        self.names.occurrences.append(Occurrence(span, symbol))

    # --- statements ---

    def _statement(self, statement: Statement, area: Area, scope: _Scope) -> None:
        match statement:
            case Param(name=name, default=value):
                self._expr(value, area, scope)
                self._constant(name, scope, Kind.PARAM)
            case Let(name=name, value=value):
                self._expr(value, area, scope)
                self._constant(name, scope, Kind.LET)
            case Bind(chain=chain) | ChainStatement(chain=chain):
                self._chain(chain, area, scope)
            case Return(chains=chains):
                for chain in chains:
                    self._chain(chain, area, scope)
            case Expect(values=values):
                self._exprs(values, area, scope)
            case Output(names=names):
                for name_ in names:
                    self._path(name_.name, name_.span, area)
            case Input(arguments=arguments, settings=settings):
                self._exprs(arguments, area, scope)
                for setting in settings:
                    schema = SETTINGS.get(setting.name.name)
                    self._phrase(schema, setting.values, area, scope)
            case _:
                pass

    def _block(self, block: Block, file: _Scope) -> None:
        area = self.names.areas[block.body.span.start]
        scope = self._scope(block.body.span.start, file)
        symbol = Symbol(self.names.path, FILE, Space.BLOCK, block.name.name)
        self._define(symbol, block.name.span, Kind.BLOCK)
        for parameter in block.parameters:
            if parameter.default is not None:
                self._expr(parameter.default, area, scope)
            if not parameter.is_stream:
                self._constant(parameter.name, scope, Kind.PARAMETER)
        for statement in block.body.statements:
            self._statement(statement, area, scope)

    def _body(
        self, body: Body, area: Area, scope: _Scope, names: Iterable[Identifier] = ()
    ) -> None:
        inner = self._scope(body.span.start, scope)
        for name in names:
            self._constant(name, inner, Kind.LOOP)
        for statement in body.statements:
            self._statement(statement, area, inner)

    def _train_setting(self, setting: Setting, area: Area, scope: _Scope) -> None:
        name, values = setting.name.name, list(setting.values)
        schema: type[Schema] | None = SCALARS.get(name)
        if name in NAMES:
            self._labels(values, area)
            return
        if name in LABELLED:
            self._labels(values[:1], area)
            schema, values = LABELLED[name], values[1:]
        elif name in VARIANTS:
            if name == "loss" and head_of(values, area.streams) is not None:
                self._labels(values[:1], area)
                values = values[1:]
            word = values[0] if values else None
            schema = variant(name, word.name) if isinstance(word, Name) else None
            values = values[1:]
        self._phrase(schema, values, area, scope)

    def _labels(self, values: Iterable[Expr], area: Area) -> None:
        for value in values:
            if isinstance(value, Name):
                self._path(value.name, value.span, area)

    # --- chains ---

    def _chain(self, chain: Chain, area: Area, scope: _Scope) -> None:
        for link in chain.links:
            self._element(link.element, area, scope)
            for claim in link.claims:
                self._exprs(claim.dims, area, scope)

    def _element(self, element: Element, area: Area, scope: _Scope) -> None:
        match element:
            case Phrase(head=head, arguments=arguments):
                schema = layer(head.name)
                if schema is None and head.name in self.names.blocks:
                    self._use_block(head)
                elif schema is None and not arguments:
                    self._path(head.name, head.span, area)
                self._phrase(schema, arguments, area, scope)
            case Call():
                self._call(element, area, scope)
            case Branch(condition=condition, then=then, otherwise=otherwise):
                self._expr(condition, area, scope)
                self._body(then, area, scope)
                if isinstance(otherwise, Branch):
                    self._element(otherwise, area, scope)
                elif otherwise is not None:
                    self._body(otherwise, area, scope)
            case Repeat(count=count, body=body):
                self._expr(count, area, scope)
                self._body(body, area, scope)
            case For(names=names, values=values, body=body):
                self._expr(values, area, scope)
                self._body(body, area, scope, names)

    def _phrase(
        self, schema: type[Schema] | None, arguments: Iterable[Expr], area: Area, scope: _Scope
    ) -> None:
        if schema is None:
            self._exprs(arguments, area, scope)
            return
        reads = schema.reads if issubclass(schema, Layer) else ""
        for role in roles(schema, list(arguments), lambda name: scope.find(name) is not None):
            if role.names:
                continue
            if isinstance(role.expr, Name) and role.parameter in (SHARED, reads) and role.parameter:
                self._path(role.expr.name, role.expr.span, area)
            else:
                self._expr(role.expr, area, scope)

    def _use_block(self, callee: Identifier) -> None:
        path, block = self.names.blocks[callee.name]
        self._use(callee.span, Symbol(path, FILE, Space.BLOCK, block.name.name))

    def _call(self, call: Call, area: Area, scope: _Scope) -> None:
        if call.share is not None:
            self._path(call.share.name, call.share.span, area)
        if call.callee.name not in self.names.blocks:
            for argument in call.arguments:
                self._stream(argument, area, scope)
            return
        self._use_block(call.callee)
        path, block = self.names.blocks[call.callee.name]
        given = iter(block.parameters)
        by_name = {parameter.name.name: parameter for parameter in block.parameters}
        for argument in call.arguments:
            name = argument.name
            parameter = next(given, None) if name is None else by_name.get(name.name)
            if name is not None and parameter is not None:
                space = Space.STREAM if parameter.is_stream else Space.CONSTANT
                self._use(name.span, Symbol(path, block.body.span.start, space, name.name))
            self._argument(argument, parameter, area, scope)

    def _argument(
        self, argument: Argument, parameter: Parameter | None, area: Area, scope: _Scope
    ) -> None:
        value = argument.value
        if parameter is not None and parameter.is_stream:
            self._stream(argument, area, scope)
        elif isinstance(value, Name) and scope.find(value.name) is None:
            self._path(value.name, value.span, area)
        elif isinstance(value, Chain):
            self._chain(value, area, scope)
        else:
            self._expr(value, area, scope)

    def _stream(self, argument: Argument, area: Area, scope: _Scope) -> None:
        """An argument that is a chain: a lone name is a stream or a layer, a call a block's."""
        match argument.value:
            case Chain() as chain:
                self._chain(chain, area, scope)
            case Name(name=name, span=span):
                if not is_shipped(name):
                    self._path(name, span, area)
            case Call() as call if call.callee.name not in FUNCTIONS:
                self._call(call, area, scope)
            case expr:
                self._expr(expr, area, scope)

    # --- expressions ---

    def _exprs(self, exprs: Iterable[Expr], area: Area, scope: _Scope) -> None:
        for expr in exprs:
            self._expr(expr, area, scope)

    def _expr(self, expr: Expr, area: Area, scope: _Scope) -> None:
        """The names in an expression; words that are no constants mean themselves."""
        waiting: list[object] = [expr]
        while waiting:
            node = waiting.pop()
            match node:
                case Name(name=name, span=span):
                    symbol = scope.find(name)
                    if symbol is not None:
                        self._use(span, symbol)
                case Call(callee=callee, arguments=arguments) if callee.name in SIZES:
                    self._labels([a.value for a in arguments if isinstance(a.value, Name)], area)
                case Link() | Chain():
                    pass
                case _:
                    waiting += children(node)

    def _path(self, name: str, span: Span, area: Area) -> None:
        """A stream's name, or a dotted path into calls and loops: each part means something."""
        here, at, is_round = area, span.start, False
        for part in name.split("."):
            place = Span(span.source, at, at + len(part))
            at = place.end + 1
            if is_round and part.isdecimal():
                is_round = False
                continue
            elements: list[Element] = []
            if part in here.streams:
                self._use(place, here.symbol(part))
                elements = here.elements.get(part, [])
            generated = _GENERATED.fullmatch(part)
            word = generated[1] if generated else ""
            blocks = self.resolution.blocks(here.path)
            called = [one.callee.name for one in elements if isinstance(one, Call)]
            if part not in here.streams and word in blocks:
                path, block = blocks[word]
                start = Span(span.source, place.start, place.start + len(word))
                self._use(start, Symbol(path, FILE, Space.BLOCK, word))
                called = [word]
            loops = any(isinstance(one, Repeat | For) for one in elements)
            is_round = loops or (part not in here.streams and word in _LOOPS)
            inside = next((blocks[one] for one in called if one in blocks), None)
            if inside is not None:
                path, block = inside
                here = self.resolution.areas(path)[block.body.span.start]
            elif not is_round:
                return
