"""Turns a syntax tree back into text: the canonical layout, without comments.

Reading the text gives the tree again, spans apart. Chains and calls stand on one line where that
is short enough, bodies too where they hold a single statement.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TypeGuard, assert_never

from cnndsl.syntax.ast import (
    Argument,
    Bind,
    Block,
    Body,
    Branch,
    Call,
    Chain,
    ChainStatement,
    Claim,
    Classes,
    ClassesFile,
    Element,
    Expect,
    Expr,
    For,
    Hole,
    Import,
    Input,
    Let,
    Link,
    List,
    Module,
    NetworkName,
    Number,
    Output,
    Param,
    Parameter,
    Phrase,
    Repeat,
    Return,
    RoundingRule,
    Setting,
    Size,
    Statement,
    Train,
)
from cnndsl.syntax.expressions import ExpressionPrinter, quoted
from cnndsl.syntax.layout import STATEMENT_WORDS

__all__ = ["WIDTH", "print_expression", "print_module", "print_statement"]

WIDTH = 88
"""Lines are kept as short as this where they can be broken."""

_STEP = 2


def print_module(module: Module) -> str:
    r"""The canonical text of a file; statements of several lines stand between blank ones.

    >>> from cnndsl.diagnostics.model import Report
    >>> from cnndsl.diagnostics.source import Source
    >>> from cnndsl.syntax.parser import parse
    >>> text = "input 1x32x32 # pixels\nC1: conv 6 @ 5x5->tanh =>6x28x28"
    >>> print(print_module(parse(Source("<text>", text), Report())), end="")
    input 1x32x32
    C1: conv 6@5x5 -> tanh => 6x28x28
    """
    lines: list[str] = []
    last = ""
    for statement in module.statements:
        text = print_statement(statement)
        if last and ("\n" in text or "\n" in last):
            lines.append("")
        lines.append(text)
        last = text
    return "".join(f"{line}\n" for line in lines)


def print_expression(expr: Expr) -> str:
    """An expression, on one line."""
    return _EXPRESSIONS.alone(expr)


def print_statement(statement: Statement, indent: int = 0) -> str:
    """A statement, without the spaces before its first line; the others are indented."""
    match statement:
        case NetworkName():
            return f"network {statement.name.name}"
        case Input():
            name = [statement.name.name] if statement.name else []
            words = ["input", *name, *_values(statement.arguments)]
            if statement.settings:
                words.append(_settings(statement.settings, indent))
            return " ".join(words)
        case Classes():
            return _names(statement, indent)
        case ClassesFile():
            return f"classes from {quoted(statement.path.value)}"
        case Output():
            return f"output {', '.join(name.name for name in statement.names)}"
        case Param():
            return _constant(f"param {statement.name.name} = ", statement.default, indent)
        case Let():
            return _constant(f"let {statement.name.name} = ", statement.value, indent)
        case Import():
            return f"import {quoted(statement.path.value)}"
        case RoundingRule():
            return f"rounding {statement.rule.name}"
        case Expect():
            sign = filter(None, [statement.quantity.name, statement.comparison])
            return " ".join(["expect", *sign, *_values(statement.values)])
        case Block():
            return f"{_head(statement)} {_body(statement.body, indent)}"
        case Return():
            chains = (_chain(chain, indent, len("return ")) for chain in statement.chains)
            return f"return {', '.join(chains)}"
        case Train():
            return f"train {_settings(statement.settings, indent)}"
        case Bind():
            names = ", ".join(name.name for name in statement.names)
            return f"{names} = {_chain(statement.chain, indent, len(names) + 3)}"
        case ChainStatement():
            return _as_statement(_chain(statement.chain, indent))
    assert_never(statement)


def _as_statement(chain: str) -> str:
    """A chain that is a statement: a lone word that begins others is a name in parentheses."""
    return f"({chain})" if chain in _STATEMENT_WORDS else chain


def _values(values: Iterable[Expr]) -> list[str]:
    return [_EXPRESSIONS.beside(value) for value in values]


def _constant(name: str, value: Expr, indent: int) -> str:
    text = name + print_expression(value)
    if isinstance(value, List) and indent + len(text) > WIDTH:
        return name + _long_list(value, indent)
    return text


def _long_list(values: List, indent: int) -> str:
    """A list on several lines, as many items on each as fit; a long list in it begins its own."""
    margin = " " * (indent + _STEP)
    lines: list[str] = []
    is_open = False
    for position, item in enumerate(values.items):
        text = _EXPRESSIONS.item(item)
        is_long = isinstance(item, List) and len(margin) + len(text) >= WIDTH
        if is_long and isinstance(item, List):
            text = _long_list(item, indent + _STEP)
        text += "," if position + 1 < len(values.items) else ""
        if is_open and not is_long and len(lines[-1]) + 1 + len(text) <= WIDTH:
            lines[-1] += f" {text}"
        else:
            lines.append(margin + text)
        is_open = not is_long
    inner = "\n".join(lines)
    return f"[\n{inner}\n{' ' * indent}]"


def _names(classes: Classes, indent: int) -> str:
    names = [quoted(name.value) for name in classes.names]
    lines = [f"classes {names[0]}"]
    for name in names[1:]:
        if indent + len(lines[-1]) + len(name) + 3 <= WIDTH:
            lines[-1] += f", {name}"
        else:
            lines[-1] += ","
            lines.append(f"{' ' * (indent + _STEP)}{name}")
    return "\n".join(lines)


def _head(block: Block) -> str:
    """A block's name and parameters, one a line where they are too long for one."""
    parameters = [_parameter(item) for item in block.parameters]
    head = f"block {block.name.name}({', '.join(parameters)})"
    if len(head) + len(" {") <= WIDTH:
        return head
    lines = ",\n".join(f"{' ' * _STEP}{one}" for one in parameters)
    return f"block {block.name.name}(\n{lines}\n)"


def _parameter(parameter: Parameter) -> str:
    stream = "stream " if parameter.is_stream else ""
    default = f" = {print_expression(parameter.default)}" if parameter.default else ""
    return f"{stream}{parameter.name.name}{default}"


def _settings(settings: Sequence[Setting], indent: int) -> str:
    """``{ … }``, a line for each name: ``augment crop 28 -> flip``."""
    lines: list[str] = []
    for (name, has_values), group in groupby(settings, lambda s: (s.name.name, bool(s.values))):
        parts = [" ".join(_values(setting.values)) for setting in group]
        lines += [f"{name} {' -> '.join(parts)}"] if has_values else [name] * len(parts)
    return _braces(lines, indent)


def _braces(lines: Sequence[str], indent: int) -> str:
    if not lines:
        return "{ }"
    inner = "".join(f"{' ' * (indent + _STEP)}{line}\n" for line in lines)
    return f"{{\n{inner}{' ' * indent}}}"


# --- chains -------------------------------------------------------------------------------------


def _chain(chain: Chain, indent: int, before: int = 0) -> str:
    """A chain that begins ``before`` characters behind its indentation."""
    text = ""
    for position, link in enumerate(chain.links):
        arrow = " -> " if position else ""
        flat = _link(link, _flat(link.element))
        width = len(text) - text.rfind("\n") - 1 if "\n" in text else indent + before + len(text)
        continued = f"\n{' ' * (indent + _STEP)}-> {flat}"
        if "\n" not in flat and width + len(arrow) + len(flat) <= WIDTH:
            text += arrow + flat
        elif "\n" not in flat and position and len(continued) - 1 <= WIDTH:
            text += continued
        else:
            text += arrow + _link(link, _broken(link.element, indent))
    return text


def _link(link: Link, element: str) -> str:
    label = f"{link.label.name}: " if link.label else ""
    return label + element + "".join(f" => {_claim(claim)}" for claim in link.claims)


def _claim(claim: Claim) -> str:
    dims = tuple(dim for dim in claim.dims if isinstance(dim, Hole) or _is_whole(dim))
    if len(dims) == len(claim.dims) > 1:
        return print_expression(Size(dims, claim.span))
    if len(claim.dims) == 1 and not isinstance(claim.dims[0], Size | List):
        return print_expression(claim.dims[0])
    return print_expression(List(claim.dims, claim.span))


def _is_whole(expr: Expr) -> TypeGuard[Number]:
    return isinstance(expr, Number) and isinstance(expr.value, int) and expr.value >= 0


def _phrase(phrase: Phrase) -> str:
    return " ".join([phrase.head.name, *_values(phrase.arguments)])


def _long_phrase(phrase: Phrase, indent: int) -> str:
    """A phrase whose long lists go over several lines."""
    words = [phrase.head.name]
    for value in phrase.arguments:
        text = _EXPRESSIONS.beside(value)
        if isinstance(value, List) and not value.is_pair and indent + len(text) > WIDTH // 2:
            text = _long_list(value, indent)
        words.append(text)
    return " ".join(words)


def _for(loop: For) -> str:
    names = ", ".join(name.name for name in loop.names)
    names = f"({names})" if len(loop.names) > 1 else names
    return f"for {names} in {print_expression(loop.values)}"


def _broken(element: Element, indent: int) -> str:
    """An element on several lines, as far as it can be broken."""
    match element:
        case Phrase():
            return _long_phrase(element, indent)
        case Call():
            arguments = [_argument(argument, indent + _STEP) for argument in element.arguments]
            inner = ",\n".join(f"{' ' * (indent + _STEP)}{text}" for text in arguments)
            share = f" share {element.share.name}" if element.share else ""
            return f"{element.callee.name}(\n{inner}\n{' ' * indent}){share}"
        case Repeat():
            return f"repeat {print_expression(element.count)} {_body(element.body, indent)}"
        case For():
            return f"{_for(element)} {_body(element.body, indent)}"
        case Branch():
            text = f"if {print_expression(element.condition)} {_body(element.then, indent)}"
            if isinstance(element.otherwise, Body):
                return f"{text} else {_body(element.otherwise, indent)}"
            return (
                f"{text} else {_broken(element.otherwise, indent)}" if element.otherwise else text
            )
    assert_never(element)


def _argument(argument: Argument, indent: int) -> str:
    name = f"{argument.name.name} = " if argument.name else ""
    if isinstance(argument.value, Chain):
        return name + _chain(argument.value, indent, len(name))
    return name + print_expression(argument.value)


def _body(body: Body, indent: int) -> str:
    lines = [print_statement(statement, indent + _STEP) for statement in body.statements]
    return _braces(lines, indent)


# --- on one line, where that is possible --------------------------------------------------------


def _flat_chain(chain: Chain) -> str:
    return " -> ".join(_link(link, _flat(link.element)) for link in chain.links)


def _flat(element: Element) -> str:
    """An element on one line; with line ends in it where a body has several statements."""
    match element:
        case Phrase():
            return _phrase(element)
        case Call():
            return _EXPRESSIONS.call(element)
        case Repeat():
            return f"repeat {print_expression(element.count)} {_flat_body(element.body)}"
        case For():
            return f"{_for(element)} {_flat_body(element.body)}"
        case Branch():
            text = f"if {print_expression(element.condition)} {_flat_body(element.then)}"
            if isinstance(element.otherwise, Body):
                return f"{text} else {_flat_body(element.otherwise)}"
            return f"{text} else {_flat(element.otherwise)}" if element.otherwise else text
    assert_never(element)


def _flat_body(body: Body) -> str:
    match body.statements:
        case (ChainStatement(chain=chain),):
            return f"{{ {_as_statement(_flat_chain(chain))} }}"
        case (Bind() | Let() | Return() | RoundingRule() as statement,):
            return f"{{ {print_statement(statement)} }}"
    return _body(body, 0)


_EXPRESSIONS = ExpressionPrinter(_flat_chain)
_STATEMENT_WORDS = frozenset(map(str.lower, STATEMENT_WORDS))
