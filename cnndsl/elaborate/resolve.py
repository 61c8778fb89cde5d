"""Turns syntax trees into a draft of a network: names resolved, blocks and loops expanded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cnndsl.diagnostics.model import Diagnostic, Label, Report, UserError
from cnndsl.diagnostics.source import Span
from cnndsl.diagnostics.words import closest, quoted
from cnndsl.elaborate.class_names import class_names
from cnndsl.elaborate.context import LimitError
from cnndsl.elaborate.draft import Draft, PendingExpectation
from cnndsl.elaborate.elaborate import Elaborator
from cnndsl.elaborate.error_nodes import (
    begins_with,
    broken_names,
    unreadable_constants,
    with_error_nodes,
)
from cnndsl.elaborate.evaluate import evaluate
from cnndsl.elaborate.header import input_node, input_sizes
from cnndsl.elaborate.modules import Loader
from cnndsl.elaborate.quantities import Quantity
from cnndsl.elaborate.schema_errors import unknown_quantity
from cnndsl.elaborate.scope import BlockDefinition, File, Frame, Naming, Stream, labels_in
from cnndsl.elaborate.training_recipe import recipe
from cnndsl.elaborate.unused import check_presence, warn_unused
from cnndsl.elaborate.values import Constants, OpenHole, Value, holes_in, show
from cnndsl.frozen import replace
from cnndsl.layers import is_shipped
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
    Let,
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
) -> Draft:
    """Resolve a parsed file and what it imports.

    Args:
        module: the main file.
        path: where it lies, resolved; imports are relative to it.
        loader: parses what is imported.
        parameters: values for the file's ``param`` statements.
        report: takes the diagnostics.
        limits: what the expansion may cost.

    Raises:
        UserError: CNN114 for a parameter that the file does not have.
    """
    return _Resolver(module, path, loader, parameters, report, limits).resolve()


@dataclass
class _Resolver:
    """Resolves one spec; its fields are the arguments of :func:`resolve`."""

    module: Module
    path: Path
    loader: Loader
    given: Mapping[str, Value]
    report: Report
    limits: Limits

    def __post_init__(self) -> None:
        # A file's name may be no UTF-8; a network's name stands in a model.
        name = self.path.stem.encode(errors="replace").decode()
        self.draft = Draft(self.module, name=name)
        self.expander = Elaborator(self.draft, self.report, self.limits)
        self.files: dict[Path, File] = {}
        self.reading: dict[Path, Import | None] = {}
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
        file = self._file(self.path, self.module, None)
        self.draft.imported = tuple(
            definition for definition in file.blocks.values() if definition.file is not file
        )
        labels = frozenset(labels_in(self.module.statements))
        frame = Frame(file, file.constants, Naming(reserved=labels), file.rounding)
        file.constants.streams = frame.streams
        self._check_parameters()
        source = self.module.source
        whole = Span(source, 0, len(source.text))
        for statement in with_error_nodes(self.module.statements, file.broken, whole):
            self.expander.step(statement.span)
            with self.expander.reporting():
                if isinstance(statement, Broken):
                    self.expander.skip(statement, frame)
                else:
                    self._statement(statement, frame)
        self._finish(frame)

    # --- files ---

    def _file(self, path: Path, module: Module, statement: Import | None) -> File:
        """What the statements of a file can see: its own blocks and those that it imports."""
        file = File(path, broken=module.broken)
        if module.broken:
            file.constants.outer = unreadable_constants(module, self.report)
            file.incomplete = any(begins_with(gap) == "import" for gap in module.broken)
            self.expander.broken |= broken_names(module)
        self.files[path] = file
        self.reading[path] = statement
        for item in module.statements:
            if isinstance(item, Import):
                self._import(item, file)
            elif isinstance(item, Block):
                self._define(item, file)
        del self.reading[path]
        return file

    def _import(self, statement: Import, file: File) -> None:
        self.expander.step(statement.span)
        if len(self.reading) > self.limits.depth:
            message = f"imports follow each other more than {self.limits.depth} deep"
            help = "import the files that hold the blocks directly"
            self.report.add(Diagnostic("CNN902", message, statement.path.span, help=help))
            raise LimitError
        found = self.loader.imported(statement, file.path)
        if found is None:
            file.incomplete = True
            return
        path, module = found
        if path in self.reading:
            self.loader.cycle(statement, self.reading[path])
            file.incomplete = True
            return
        other = self.files.get(path)
        if other is None:
            other = self._file(path, module, statement)
            self._constants(module, other)
        file.incomplete |= other.incomplete
        for name, definition in other.blocks.items():
            mine = file.blocks.setdefault(name, definition)
            if mine is not definition:
                self._twice(name, statement.path.span, mine.block.name.span, "block")

    def _constants(self, module: Module, file: File) -> None:
        """The constants of an imported file, for its blocks; nothing else of it is carried out."""
        for statement in module.statements:
            if isinstance(statement, Let | Param):
                expr = statement.value if isinstance(statement, Let) else statement.default
                value = self.expander.constant(expr, file.constants)
                file.constants.define(statement.name.name, value, statement.name.span)
                file.constants.own[statement.name.name].used = True
            elif isinstance(statement, RoundingRule):
                file.rounding = self.expander.rounding(statement)

    def _define(self, block: Block, file: File) -> None:
        name = block.name
        known = file.blocks.get(name.name)
        if known is not None:
            self._twice(name.name, name.span, known.block.name.span, "block")
        elif is_shipped(name.name):
            self.report.add(
                Diagnostic(
                    "CNN007",
                    f"`{name.name}` is a layer and cannot name a block",
                    name.span,
                    help=f"call it `{name.name}_block`, say",
                )
            )
        else:
            file.blocks[name.name] = BlockDefinition(block, file)
        self._check_parameter_names(block)

    def _check_parameter_names(self, block: Block) -> None:
        first: dict[str, Span] = {}
        for parameter in block.parameters:
            name = parameter.name
            if name.name in first:
                self._twice(name.name, name.span, first[name.name], "parameter")
            first.setdefault(name.name, name.span)

    def _twice(self, name: str, span: Span, first: Span, what: str) -> None:
        self.report.add(
            Diagnostic(
                "CNN104",
                f"the {what} `{name}` is defined twice",
                span,
                labels=(Label(first, "first here"),),
                help="rename one of them",
            )
        )

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
                    self.draft.classes = class_names(statement, self.path, self.report, self.limits)
            case Output():
                self.outputs.append(statement)
            case Param():
                self._param(statement, frame)
            case RoundingRule():
                frame.rounding = self.expander.rounding(statement)
                frame.file.rounding = frame.rounding
            case Expect():
                self._expect(statement, frame)
            case Train():
                if self._once(statement, "train"):
                    self.train = (statement, frame.constants)
            case _:
                self.expander.statement(statement, frame)

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
            self._twice(name.name, name.span, known.span, "constant")

    def _param(self, statement: Param, frame: Frame) -> None:
        self._new_constant(statement.name, frame)
        name = statement.name.name
        default = self.expander.constant(statement.default, frame.constants)
        value = self.given.get(name, default)
        self.draft.overridden |= value != default
        self.draft.parameters[name] = value
        frame.constants.define(name, value, statement.name.span)

    def _check_parameters(self) -> None:
        """Whether the file has every parameter that the caller sets."""
        known = [s.name.name for s in self.module.statements if isinstance(s, Param)]
        for name in self.given:
            if name in known or name in self.expander.broken:
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
        if name in self.expander.paths:
            node = self.draft.nodes[self.expander.paths[name]]
            self._twice(name, statement.span, node.span, "input")
            return
        sizes = None
        with self.expander.reporting():
            sizes = input_sizes(statement, frame.constants, self.report)
        if sizes is None:
            self.expander.broken.add(name)
            frame.current = self.expander.poison(statement.span, frame)
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
        self.expander.paths[name] = position
        frame.streams[name] = Stream(position, statement.span)
        if first:
            frame.current = position

    def _expect(self, statement: Expect, frame: Frame) -> None:
        name = statement.quantity
        if name.name not in tuple(Quantity):
            self.report.add(unknown_quantity(name, tuple(Quantity)))
            return
        values: list[Value] = []
        for expr in statement.values:
            value = evaluate(expr, frame.constants)
            values.extend(value if isinstance(value, tuple) else (value,))
        sizes = (isinstance(v, int | OpenHole) and not isinstance(v, bool) for v in values)
        if not values or not all(sizes):
            self.report.add(
                Diagnostic(
                    "CNN204",
                    f"`expect {name.name}` takes whole numbers, not "
                    f"`{', '.join(map(show, values))}`",
                    statement.span,
                    help="write the number, as in `expect params 61706`",
                )
            )
            return
        self.draft.expectations.append(PendingExpectation(tuple(values), statement))

    # --- the end of the file ---

    def _finish(self, frame: Frame) -> None:
        """Outputs and the recipe, which may name any layer; then what is never used."""
        if frame.current is not None:
            self.draft.outputs["output"] = frame.current
        for statement in self.outputs:
            for name in statement.names:
                node = self.expander.lookup(name.name, frame)
                if node is None:
                    node = self.expander.paths.get(name.name)
                if node is not None and self.draft.outputs.get(name.name, node) != node:
                    self._twice(name.name, name.span, self.draft.nodes[node].span, "output")
                elif node is None:
                    self.expander.unknown_stream(Identifier(name.name, name.span), frame)
                else:
                    self.draft.outputs[name.name] = node
        if self.train is not None:
            statement_, constants = self.train
            known = {**self.expander.paths, **dict.fromkeys(self.expander.broken, 0)}
            self.draft.recipe = recipe(statement_, constants, known, self.report)
            for head in self.draft.recipe.heads:
                self.expander.lookup(head.head, frame)  # which takes note that it is read
        self.draft.scopes = {
            path: node
            for path, node in self.expander.paths.items()
            if self.draft.nodes[node].name != path
        }
        if not self.report.failed:
            check_presence(self.draft, self.report)
            own = self.files[self.path].blocks.values()
            warn_unused(self.expander, [d for d in own if d.file.path == self.path], frame)
