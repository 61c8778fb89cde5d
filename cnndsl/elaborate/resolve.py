"""Turns syntax trees into a draft of a network: names resolved, blocks and loops expanded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cnndsl.diagnostics.model import Diagnostic, Label, Report, UserError
from cnndsl.diagnostics.source import Span
from cnndsl.diagnostics.words import closest, quoted
from cnndsl.elaborate.class_names import class_names
from cnndsl.elaborate.context import LimitError
from cnndsl.elaborate.draft import Draft
from cnndsl.elaborate.elaborate import Elaborator
from cnndsl.elaborate.error_nodes import (
    with_error_nodes,
)
from cnndsl.elaborate.expectations import expectation
from cnndsl.elaborate.header import input_node, input_sizes
from cnndsl.elaborate.imports import Imports, defined_twice
from cnndsl.elaborate.modules import Loader
from cnndsl.elaborate.recording import Recording
from cnndsl.elaborate.scope import Frame, Naming, Stream, labels_in
from cnndsl.elaborate.stream_sizes import StreamSizes
from cnndsl.elaborate.training_recipe import recipe
from cnndsl.elaborate.unused import check_presence, warn_unused
from cnndsl.elaborate.values import Constants, OpenHole, Value, holes_in, show
from cnndsl.frozen import mutable, replace
from cnndsl.limits import Limits
from cnndsl.syntax.ast import (
    Block,
    Broken,
    Classes,
    ClassesFile,
    Expect,
    Identifier,
    Import,
    Input,
    Module,
    NetworkName,
    Output,
    Param,
    RoundingRule,
    Statement,
    Train,
)

__all__ = ["resolve"]


def resolve(
    module: Module,
    path: Path,
    loader: Loader,
    parameters: Mapping[str, Value],
    report: Report,
    limits: Limits,
    recording: Recording | None = None,
) -> Draft:
    """Resolve a parsed file and what it imports.

    Args:
        module: the main file.
        path: where it lies, resolved; imports are relative to it.
        loader: parses what is imported.
        parameters: values for the file's ``param`` statements.
        report: takes the diagnostics.
        limits: what the expansion may cost.
        recording: takes note of what happens where.

    Raises:
        UserError: CNN114 for a parameter that the file does not have.
    """
    return _Resolver(module, path, loader, parameters, report, limits, recording).resolve()


@mutable
class _Resolver:
    """Resolves one spec; its fields are the arguments of :func:`resolve`."""

    module: Module
    path: Path
    loader: Loader
    given: Mapping[str, Value]
    report: Report
    limits: Limits
    recording: Recording | None

    def __post_init__(self) -> None:
        # A file's name may be no UTF-8; a network's name stands in a model.
        name = self.path.stem.encode(errors="replace").decode()
        self.draft = Draft(self.module, name=name, recording=self.recording)
        self.elaborator = Elaborator(self.draft, self.report, self.limits)
        self.imports = Imports(self.elaborator, self.loader, self.report, self.limits)
        self.header: dict[str, Span] = {}
        self.outputs: list[Output] = []
        self.train: tuple[Train, Constants] | None = None

    def resolve(self) -> Draft:
        """Carry out the file's statements, then check what only the end can tell."""
        try:
            self._carry_out()
        except LimitError:
            self.draft.exhausted = True
        return self.draft

    def _carry_out(self) -> None:
        """Carry out all statements of the file.

        Raises:
            LimitError: where a limit is reached; the report says which.
        """
        file = self.imports.file(self.path, self.module)
        self.draft.imported = tuple(
            definition for definition in file.blocks.values() if definition.file is not file
        )
        labels = frozenset(labels_in(self.module.statements))
        naming, sizes = Naming(reserved=labels), StreamSizes(self.elaborator)
        frame = Frame(file, file.constants, naming, file.rounding, sizes=sizes.read)
        file.constants.streams = frame.streams
        self._check_parameters()
        source = self.module.source
        whole = Span(source, 0, len(source.text))
        for statement in with_error_nodes(self.module.statements, file.broken, whole):
            self.elaborator.step(statement.span)
            with self.elaborator.reporting():
                if isinstance(statement, Broken):
                    self.elaborator.skip(statement, frame)
                else:
                    self._statement(statement, frame)
        self._finish(frame)

    # --- statements ---

    def _statement(self, statement: Statement, frame: Frame) -> None:
        match statement:
            case Import() | Block():
                pass
            case NetworkName():
                if self._once(statement, "network"):
                    self.draft.name = statement.name.name
            case Input():
                self._input(statement, frame)
            case Classes() | ClassesFile():
                if self._once(statement, "classes"):
                    self.draft.classes = class_names(statement, self.path, self.report, self.loader)
            case Output():
                self.outputs.append(statement)
            case Param():
                self._param(statement, frame)
            case RoundingRule():
                frame.rounding = self.elaborator.rounding(statement)
                frame.file.rounding = frame.rounding
            case Expect():
                self.draft.expectations.append(expectation(statement, frame.constants))
            case Train():
                if self._once(statement, "train"):
                    self.train = (statement, frame.constants)
            case _:
                self.elaborator.statement(statement, frame)

    def _once(self, statement: Statement, what: str) -> bool:
        first = self.header.setdefault(what, statement.span)
        if first is statement.span:
            return True
        self.report.add(
            Diagnostic(
                "CNN106",
                f"`{what}` stands twice",
                statement.span,
                labels=(Label(first, "first here"),),
                help=f"keep one `{what}`",
            )
        )
        return False

    def _new_constant(self, name: Identifier, frame: Frame) -> None:
        known = frame.constants.own.get(name.name)
        if known is not None:
            self.report.add(defined_twice(name.name, name.span, known.span, "constant"))

    def _param(self, statement: Param, frame: Frame) -> None:
        self._new_constant(statement.name, frame)
        name = statement.name.name
        default = self.elaborator.constant(statement.default, frame.constants)
        value = self.given.get(name, default)
        self.draft.overridden |= value != default
        self.draft.parameters[name] = value
        frame.constants.define(name, value, statement.name.span)

    def _check_parameters(self) -> None:
        """Whether the file has every parameter that the caller sets."""
        known = [s.name.name for s in self.module.statements if isinstance(s, Param)]
        for name in self.given:
            if name in known or name in self.elaborator.broken:
                continue
            near = closest(name, known)
            there = f"it has {quoted(known)}" if known else "it has none"
            raise UserError(
                "CNN114",
                f"`{self.path.stem}` has no parameter `{name}`",
                notes=(there,),
                help=f"did you mean `-D {near[0]}={show(self.given[name])}`?"
                if near
                else f"declare it in the spec: `param {name} = {show(self.given[name])}`",
            )

    def _input(self, statement: Input, frame: Frame) -> None:
        name = statement.name.name if statement.name else "input"
        if name == "tokens":
            name = "input"
        if name in self.elaborator.paths:
            node = self.draft.nodes[self.elaborator.paths[name]]
            self.report.add(defined_twice(name, statement.span, node.span, "input"))
            return
        sizes = None
        with self.elaborator.reporting():
            sizes = input_sizes(statement, frame.constants, self.report)
        if sizes is None:
            self.elaborator.broken.add(name)
            frame.current = self.elaborator.poison(statement.span, frame)
            return
        first = not self.draft.inputs
        known = tuple(1 if any(True for _ in holes_in(size)) else size for size in sizes)
        numbers = tuple(size for size in known if isinstance(size, int))
        node = input_node(statement, numbers, name, frame.constants, self.report)
        self.draft.nodes.append(node)
        position = len(self.draft.nodes) - 1
        if known != sizes:
            self.draft.open_inputs[position] = sizes
            open = (at for at, size in enumerate(sizes) if isinstance(size, OpenHole))
            self.draft.nodes[position] = replace(node, assumed=frozenset(open))
        self.elaborator.paths[name] = position
        frame.streams[name] = Stream(position, statement.span)
        if first:
            frame.current = position

    # --- the end of the file ---

    def _finish(self, frame: Frame) -> None:
        """Outputs and the recipe, which may name any layer; then what is never used."""
        if frame.current is not None:
            self.draft.outputs["output"] = frame.current
        for statement in self.outputs:
            for name in statement.names:
                node = self.elaborator.lookup(name.name, frame)
                if node is None:
                    node = self.elaborator.paths.get(name.name)
                if node is not None and self.draft.outputs.get(name.name, node) != node:
                    self.report.add(
                        defined_twice(name.name, name.span, self.draft.nodes[node].span, "output")
                    )
                elif node is None:
                    self.elaborator.unknown_stream(Identifier(name.name, name.span), frame)
                else:
                    self.draft.outputs[name.name] = node
        if self.train is not None:
            statement_, constants = self.train
            known = {**self.elaborator.paths, **dict.fromkeys(self.elaborator.broken, 0)}
            self.draft.recipe = recipe(statement_, constants, known, self.report)
            for head in self.draft.recipe.heads:
                self.elaborator.lookup(head.head, frame)  # which takes note that it is read
        self.draft.scopes = {
            path: node
            for path, node in self.elaborator.paths.items()
            if self.draft.nodes[node].name != path
        }
        self.draft.calls = self.elaborator.calls
        self.draft.labels = frozenset(self.elaborator.labels)
        if not self.report.failed:
            check_presence(self.draft, self.report)
            own = self.imports.files[self.path].blocks.values()
            warn_unused(self.elaborator, [d for d in own if d.file.path == self.path], frame)
