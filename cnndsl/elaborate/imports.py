"""Turns a file and what it imports into what its statements can see: blocks and constants."""

from __future__ import annotations

from dataclasses import field
from pathlib import Path

from cnndsl.diagnostics.model import Diagnostic, Label, Report
from cnndsl.diagnostics.source import Span
from cnndsl.elaborate.context import LimitError
from cnndsl.elaborate.elaborate import Elaborator
from cnndsl.elaborate.error_nodes import begins_with, broken_names, unreadable_constants
from cnndsl.elaborate.modules import Loader
from cnndsl.elaborate.scope import BlockDefinition, File
from cnndsl.frozen import mutable
from cnndsl.layers import is_shipped
from cnndsl.limits import Limits
from cnndsl.syntax.ast import Block, Import, Let, Module, Param, RoundingRule

__all__ = ["Imports", "defined_twice"]


@mutable
class Imports:
    """The files of one spec, each read once."""

    context: Elaborator
    loader: Loader
    report: Report
    limits: Limits
    files: dict[Path, File] = field(default_factory=dict)
    reading: dict[Path, Import | None] = field(default_factory=dict)
    """The files that are being read, each imported by the one before it."""

    def file(self, path: Path, module: Module, statement: Import | None = None) -> File:
        """What the statements of a file can see: its own blocks and those that it imports."""
        file = File(path, broken=module.broken)
        if (recording := self.context.draft.recording) is not None:
            file.constants.told = recording.value
        if module.broken:
            file.constants.outer = unreadable_constants(module, self.report)
            file.incomplete = any(begins_with(gap) == "import" for gap in module.broken)
            self.context.broken |= broken_names(module)
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
        self.context.step(statement.span)
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
            other = self.file(path, module, statement)
            self._constants(module, other)
        file.incomplete |= other.incomplete
        for name, definition in other.blocks.items():
            mine = file.blocks.setdefault(name, definition)
            if mine is not definition:
                self.report.add(
                    defined_twice(name, statement.path.span, mine.block.name.span, "block")
                )

    def _constants(self, module: Module, file: File) -> None:
        """The constants of an imported file, for its blocks; nothing else of it is carried out."""
        for statement in module.statements:
            if isinstance(statement, Let | Param):
                expr = statement.value if isinstance(statement, Let) else statement.default
                value = self.context.constant(expr, file.constants)
                file.constants.define(statement.name.name, value, statement.name.span)
                file.constants.own[statement.name.name].used = True
            elif isinstance(statement, RoundingRule):
                file.rounding = self.context.rounding(statement)

    def _define(self, block: Block, file: File) -> None:
        name = block.name
        known = file.blocks.get(name.name)
        if known is not None:
            self.report.add(defined_twice(name.name, name.span, known.block.name.span, "block"))
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
                self.report.add(defined_twice(name.name, name.span, first[name.name], "parameter"))
            first.setdefault(name.name, name.span)


def defined_twice(name: str, span: Span, first: Span, what: str) -> Diagnostic:
    """CNN104: two definitions of one name in a file."""
    return Diagnostic(
        "CNN104",
        f"the {what} `{name}` is defined twice",
        span,
        labels=(Label(first, "first here"),),
        help="rename one of them",
    )
