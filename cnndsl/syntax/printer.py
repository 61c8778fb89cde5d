"""Turns a syntax tree back into text: the canonical layout.

Reading the text gives the tree again, spans apart. Chains and calls stand on one line where that
is short enough, bodies too where they hold a single statement. With the trivia of a text
(:mod:`.trivia`), its comments stay, and so do its empty lines and the line ends it has chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import assert_never

from typing_extensions import override

from cnndsl.frozen import replace
from cnndsl.syntax.alignment import CLAIM, align, width
from cnndsl.syntax.ast import (
    Bind,
    Block,
    Body,
    Chain,
    ChainStatement,
    Classes,
    ClassesFile,
    Expect,
    Expr,
    Identifier,
    Import,
    Input,
    Let,
    List,
    Module,
    Name,
    NetworkName,
    Output,
    Param,
    Parameter,
    Return,
    RoundingRule,
    Setting,
    Statement,
    Text,
    Train,
)
from cnndsl.syntax.chain_printer import LAID_WIDTH, STEP, WIDTH, ChainPrinter, Row
from cnndsl.syntax.layout import STATEMENT_WORDS
from cnndsl.syntax.trivia import PLAIN, Gap, Trivia

__all__ = ["WIDTH", "print_expression", "print_module", "print_statement"]


def print_module(module: Module, trivia: Trivia = PLAIN) -> str:
    r"""The canonical text of a file; statements of several lines stand between blank ones.

    With trivia, which are those of the module's text, blank lines stand where they stood.

    >>> from cnndsl.diagnostics.model import Report
    >>> from cnndsl.diagnostics.source import Source
    >>> from cnndsl.syntax.parser import parse
    >>> text = "input 1x32x32 # pixels\nC1: conv 6 @ 5x5->tanh =>6x28x28"
    >>> print(print_module(parse(Source("<text>", text), Report())), end="")
    input 1x32x32
    C1: conv 6@5x5 -> tanh => 6x28x28
    """
    printer = _Printer(trivia)
    if trivia is not PLAIN:
        end = len(module.source.text)
        text = printer.lines(module.statements, end, 0).removeprefix("\n")
        return align(f"{text}\n" if text else "", LAID_WIDTH)
    lines: list[str] = []
    last = ""
    for statement in module.statements:
        text = printer.statement(statement, 0)
        if last and ("\n" in text or "\n" in last):
            lines.append("")
        lines.append(text)
        last = text
    return "".join(f"{line}\n" for line in lines)


def print_expression(expr: Expr) -> str:
    """An expression, on one line."""
    return _Printer().expressions.alone(expr)


def print_statement(statement: Statement, indent: int = 0) -> str:
    """A statement, without the spaces before its first line; the others are indented."""
    return _Printer().statement(statement, indent)


class _Printer(ChainPrinter):
    """Prints statements and what holds statements."""

    def lines(self, statements: Sequence[Statement], end: int, indent: int) -> str:
        """Statements and comments, each on a new line: what stands between braces, or in a file.

        The text begins with a line end, and with the comment that stands before it.
        """
        text = ""
        is_first = True
        for statement in statements:
            gap = self.trivia.gap(statement.span.start)
            text = self._remarks(text, gap, indent, is_first=is_first)
            is_first &= not gap.comments
            blank = "\n" * (gap.newlines == 2 and not is_first)
            text += f"{blank}\n{' ' * indent}{self.statement(statement, indent)}"
            is_first = False
        return self._remarks(text, self.trivia.gap(end), indent, is_first=is_first)

    def _remarks(self, text: str, gap: Gap, indent: int, *, is_first: bool) -> str:
        """A text, and the comments behind and below it."""
        if not gap.comments:
            return text
        if is_first:  # no empty line behind a brace or at the beginning
            first = replace(gap.comments[0], blank=False)
            gap = replace(gap, comments=(first, *gap.comments[1:]))
        return self.broken_off(text, gap, indent).rstrip(" ").removesuffix("\n")

    # Long, because it has a case for each statement.
    def statement(self, statement: Statement, indent: int) -> str:
        """A statement, without the spaces before its first line."""
        self.expressions.margin = " " * (indent + 2 * STEP)
        name, alone = self.expressions.name, self.expressions.alone
        match statement:
            case NetworkName():
                return f"network {name(statement.name)}"
            case Input():
                return self._input(statement, indent)
            case Classes():
                texts = [self._text(one) for one in statement.names]
                return self._listed("classes ", texts, indent, fills=True)
            case ClassesFile():
                return f"classes from {alone(statement.path)}"
            case Output():
                return self._listed(
                    "output ", self._names(statement.names), indent, fills=not self.is_plain
                )
            case Param():
                return self._constant(f"param {name(statement.name)} = ", statement.default, indent)
            case Let():
                return self._constant(f"let {name(statement.name)} = ", statement.value, indent)
            case Import():
                return f"import {alone(statement.path)}"
            case RoundingRule():
                return f"rounding {name(statement.rule)}"
            case Expect():
                sign = filter(None, [name(statement.quantity), statement.comparison])
                return " ".join(["expect", *sign, *self.values(statement.values)])
            case Block():
                head = self._head(statement, indent)
                before = indent + width(head.rpartition("\n")[2]) + 1
                return f"{head} {self._own_body(statement.body, indent, before)}"
            case Return():
                chains = [self._chained(chain) for chain in statement.chains]
                return self._listed("return ", chains, indent, fills=False)
            case Train():
                return f"train {self._settings(statement, indent, len('train '))}"
            case Bind():
                names = self._names(statement.names)
                text = self._listed("", names, indent, fills=False) + " = "
                line = text.rpartition("\n")[2]
                before = width(line) - (indent if "\n" in text else 0)
                return text + self.chain(statement.chain, indent, before)
            case ChainStatement():
                return self._as_statement(self.chain(statement.chain, indent))
        assert_never(statement)

    def _as_statement(self, chain: str) -> str:
        """A chain that is a statement: a lone word that begins others is a name in parentheses."""
        return f"({chain})" if self.is_plain and chain in _STATEMENT_WORDS else chain

    # --- statements of several items ------------------------------------------------------------

    def _listed(self, prefix: str, items: Sequence[Row], indent: int, *, fills: bool) -> str:
        """Items behind a word, on several lines where the text has them so or they are long."""
        text = prefix
        for position, (site, print_item) in enumerate(items):
            gap = self.trivia.gap(site) if position else Gap()
            text += "," * (position > 0)
            inner = indent + STEP if position and not self.is_plain else indent
            if gap.breaks:
                text = self.broken_off(text, gap, indent + STEP) + print_item(inner, 0)
                continue
            taken = width(text.rpartition("\n")[2]) + (0 if "\n" in text else indent)
            before = len(prefix) if self.is_plain else taken + (position > 0) - inner
            item = print_item(inner, before)
            if fills and position and taken + width(item) + 2 > self.most:
                text += f"\n{' ' * (indent + STEP)}{item}"
            else:
                text += f" {item}" if position else item
        return text

    def _names(self, names: Sequence[Identifier] | Sequence[Name]) -> list[Row]:
        def row(name: Identifier | Name) -> Row:
            return name.span.start, lambda indent, before: self.expressions.name(name)

        return [row(name) for name in names]

    def _text(self, text: Text) -> Row:
        return text.span.start, lambda indent, before: self.expressions.alone(text)

    def _chained(self, chain: Chain) -> Row:
        return chain.span.start, lambda indent, before: self.chain(chain, indent, before)

    def _constant(self, name: str, value: Expr, indent: int) -> str:
        text = name + self.expressions.alone(value)
        if not isinstance(value, List) or (value.is_pair and not self.is_plain):
            return text
        is_grouped = bool(self.trivia.parentheses(value))
        if is_grouped or not self.is_open(value, indent + width(text)):
            return text
        return name + self.long_list(value, indent)

    # --- blocks ---------------------------------------------------------------------------------

    def _head(self, block: Block, indent: int) -> str:
        """A block's name and parameters, on several lines where they are too long for one."""
        name = f"block {self.expressions.name(block.name)}"
        closing = self.trivia.closing(block.name.span.end)
        rows = [self._parameter(one) for one in block.parameters]
        parameters = ", ".join(printed(0, 0) for _, printed in rows)
        head = f"{name}({parameters})"
        is_laid = any(self.trivia.gap(site).breaks for site, _ in rows)
        is_laid |= bool(self.trivia.gap(closing).comments)
        if not is_laid and indent + width(head) + len(" {") <= self.most:
            return head
        return f"{name}({self.rows(rows, closing, indent, each=self.is_plain)})"

    def _parameter(self, parameter: Parameter) -> Row:
        def printed(indent: int, before: int) -> str:
            stream = "stream " if parameter.is_stream else ""
            default = parameter.default
            text = f" = {self.expressions.alone(default)}" if default else ""
            return f"{stream}{self.expressions.name(parameter.name)}{text}"

        return parameter.span.start, printed

    def _own_body(self, body: Body, indent: int, before: int) -> str:
        """A block's body: on one line only where a text has it so."""
        if not self.is_plain and not self.trivia.is_broken(body.span):
            flat = self.flat_body(body)
            if "\n" not in flat and before + width(flat) <= self.most:
                return flat
        return self.body(body, indent)

    @override
    def body(self, body: Body, indent: int) -> str:
        before = self.expressions.comments(self.trivia.within(body.span.start))
        inner = self.lines(body.statements, self.trivia.closing(body.span.start), indent + STEP)
        return f"{before}{{{inner}\n{' ' * indent}}}" if inner else f"{before}{{ }}"

    @override
    def flat_body(self, body: Body) -> str:
        if self.trivia.is_broken(body.span):
            return self.body(body, len(self.expressions.margin))
        match body.statements:
            case (ChainStatement(chain=chain),):
                return f"{{ {self._as_statement(self.flat_chain(chain))} }}"
            case (Bind() | Let() | Return() | RoundingRule() as statement,):
                return f"{{ {self.statement(statement, 0).replace(CLAIM, '=')} }}"
        return self.body(body, 0)

    # --- settings -------------------------------------------------------------------------------

    def _input(self, statement: Input, indent: int) -> str:
        name = [self.expressions.name(statement.name)] if statement.name else []
        text = " ".join(["input", *name, *self.values(statement.arguments)])
        is_empty = self.is_plain or not statement.span.text.endswith("}")
        if is_empty and not statement.settings:
            return text
        return f"{text} {self._settings(statement, indent, width(text) + 1)}"

    def _settings(self, statement: Input | Train, indent: int, before: int) -> str:
        """``{ … }``: a line for each name, or those of the text."""
        if self.is_plain:
            return self._each_setting(statement.settings, indent)
        groups = [
            list(group) for _, group in groupby(statement.settings, lambda one: one.name.span.start)
        ]
        closing = statement.span.end - 1
        gaps = [self.trivia.gap(group[0].name.span.start) for group in groups]
        lines = [self._setting(group, indent + STEP) for group in groups]
        flat = f"{{ {'  '.join(lines)} }}" if lines else "{ }"
        is_laid = any(gap.breaks for gap in gaps) or self.trivia.gap(closing).comments
        if not is_laid and "\n" not in flat and indent + before + width(flat) <= self.most:
            return flat
        text, margin = "", " " * (indent + STEP)
        for position, (line, gap) in enumerate(zip(lines, gaps, strict=True)):
            taken = width(text.rpartition("\n")[2]) + len("  ") + width(line)
            if position and not gap.breaks and taken <= self.most and "\n" not in line:
                text += f"  {line}"
                continue
            text = self._remarks(text, gap, indent + STEP, is_first=not position)
            is_apart = gap.newlines == 2 and bool(position or gap.comments)
            text += "\n" * is_apart + f"\n{margin}{line}"
        text = self._remarks(text, self.trivia.gap(closing), indent + STEP, is_first=not lines)
        return f"{{{text}\n{' ' * indent}}}"

    def _setting(self, group: Sequence[Setting], indent: int) -> str:
        """``augment crop 28 -> flip``: one for each part between arrows."""
        self.expressions.margin = " " * (indent + STEP)
        text = " ".join([self.expressions.name(group[0].name), *self.values(group[0].values)])
        for setting in group[1:]:
            gap = self.trivia.gap(self.trivia.first(setting.values[0]))
            part = " ".join(self.values(setting.values))
            line = text.rpartition("\n")[2]
            taken = width(line) + (0 if "\n" in text else indent) + len(" -> ") + width(part)
            if gap.breaks or taken > self.most:
                text = self.broken_off(text, gap, indent + STEP) + f"-> {part}"
            else:
                text += f" -> {part}"
        return text

    def _each_setting(self, settings: Sequence[Setting], indent: int) -> str:
        """A line for each name, where no text says how."""
        lines: list[str] = []
        for (name, has_values), group in groupby(settings, lambda s: (s.name.name, bool(s.values))):
            parts = [" ".join(self.values(setting.values)) for setting in group]
            lines += [f"{name} {' -> '.join(parts)}"] if has_values else [name] * len(parts)
        inner = "".join(f"{' ' * (indent + STEP)}{line}\n" for line in lines)
        return f"{{\n{inner}{' ' * indent}}}" if lines else "{ }"


_STATEMENT_WORDS = frozenset(map(str.lower, STATEMENT_WORDS))
