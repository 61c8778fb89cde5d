"""Turns the text of a spec into its syntax tree; every mistake becomes a diagnostic.

The parser is the textbook's loop over LALR(1) tables (Aho, Lam, Sethi & Ullman, section 4.5),
which Lark makes of ``grammar/cnn.lark``. A statement that cannot be read is left out and reading
goes on behind it: :mod:`cnndsl.syntax.recovery`.
"""

from __future__ import annotations

from cnndsl.diagnostics.model import Diagnostic, Report
from cnndsl.diagnostics.source import Source, Span
from cnndsl.limits import Limits
from cnndsl.syntax.ast import Module, Statement
from cnndsl.syntax.builder import Builder
from cnndsl.syntax.layout import arrange
from cnndsl.syntax.lexer import Tokens, tokenize
from cnndsl.syntax.problems import Problems, Stop
from cnndsl.syntax.recovery import Reader

__all__ = ["parse"]


def parse(source: Source, report: Report, limits: Limits | None = None) -> Module:
    """The statements of a text, as far as they can be read.

    Mistakes go to ``report``, one diagnostic for each; no text makes this raise.

    >>> report = Report()
    >>> module = parse(Source("<text>", "input 1x32x32\\nC1: conv 6@5x5 -> tanh"), report)
    >>> [type(statement).__name__ for statement in module.statements], len(report)
    (['Input', 'ChainStatement'], 0)
    """
    limits = limits or Limits()
    problems = Problems(source, report, limits.diagnostics)
    tokens = Tokens()
    statements: tuple[Statement, ...] = ()
    try:
        _check_text(problems, limits)
        tokens = tokenize(problems, limits)
        reader = Reader(arrange(tokens, problems, limits), problems, Builder(problems), limits)
        statements = reader.read()
    except Stop:
        pass
    comments = tuple(Span(source, start, end) for start, end in tokens.comments)
    return Module(source, statements, comments)


def _check_text(problems: Problems, limits: Limits) -> None:
    text = problems.source.text
    if len(text) > limits.text:
        message = f"the text has {len(text)} characters, more than the limit of {limits.text}"
        help = "split the file, or raise the limit `text`"
        problems.add(Diagnostic("CNN901", message, problems.span(0, 0), help=help))
        raise Stop
    nul = text.find("\0")
    if nul >= 0:
        message = "the file holds a NUL byte, so it is not a text"
        help = "save it as plain text in UTF-8"
        problems.add(Diagnostic("CNN005", message, problems.span(nul, nul + 1), help=help))
        raise Stop
