"""Turns a text into the same in the canonical layout; what it means and its comments stay.

Nothing but layout may change, so each result is read again before it is given back: its tree and
its comments are those of the text.
"""

from __future__ import annotations

from cnndsl.diagnostics.compile_error import CompileError
from cnndsl.diagnostics.model import Report
from cnndsl.diagnostics.source import Source, Span
from cnndsl.frozen import field_names
from cnndsl.limits import Limits
from cnndsl.syntax.ast import Module
from cnndsl.syntax.parser import parse
from cnndsl.syntax.printer import print_module
from cnndsl.syntax.trivia import trivia_of

__all__ = ["format_source", "same_tree"]

_MARK = "\ufeff"


def format_source(source: Source, limits: Limits | None = None) -> str:
    r"""The text in the canonical layout, with the line ends of its first line.

    >>> format_source(Source("<text>", "input 1x32x32 # pixels\r\nconv 6 @ 5x5->tanh\r\n"))
    'input 1x32x32   # pixels\r\nconv 6@5x5 -> tanh\r\n'

    Raises:
        CompileError: where the text cannot be read: its layout is not certain then.
    """
    module = _read(source, limits)
    text = print_module(module, trivia_of(module))
    again = _read(Source(source.name, text), limits)
    if not same_tree(module.statements, again.statements) or _comments(module) != _comments(again):
        raise RuntimeError(f"to format {source.name} would change it")
    first, _, rest = source.text.partition("\n")
    mark = _MARK if source.text.startswith(_MARK) else ""
    return mark + (text.replace("\n", "\r\n") if first.endswith("\r") and (rest or first) else text)


def _read(source: Source, limits: Limits | None) -> Module:
    report = Report()
    module = parse(source, report, limits)
    if len(report):
        raise CompileError(report.sorted())
    return module


def _comments(module: Module) -> list[str]:
    return [comment.text.rstrip() for comment in module.comments]


def same_tree(one: object, other: object) -> bool:
    """Whether two trees, or parts of them, are the same but for their places in texts."""
    waiting = [(one, other)]
    while waiting:
        left, right = waiting.pop()
        if isinstance(left, Span):
            continue
        if type(left) is not type(right):
            return False
        if isinstance(left, tuple) and isinstance(right, tuple):
            if len(left) != len(right):
                return False
            waiting += zip(left, right, strict=True)
        elif names := field_names(left):
            waiting += [(getattr(left, name), getattr(right, name)) for name in names]
        elif left != right:
            return False
    return True
