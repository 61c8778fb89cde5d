"""Turns the text of a spec into its syntax tree; every mistake becomes a diagnostic.

The road: :mod:`lexer` (characters to tokens), :mod:`layout` and :mod:`brackets` (tokens that the
grammar reads), :mod:`recovery` (statement after statement, past mistakes) with Lark's parser of
``grammar/cnn.lark``, which takes its tokens from :mod:`contextual_lexer` and makes nodes with
:mod:`callbacks` and :mod:`ast_builder`. What the messages say is in :mod:`lexical_errors`,
:mod:`syntax_errors` and :mod:`post_parse_errors`.
"""

from __future__ import annotations

import gc
import re
from contextlib import suppress

from cnndsl.diagnostics.model import Diagnostic, Report
from cnndsl.diagnostics.source import Source
from cnndsl.limits import Limits
from cnndsl.syntax.ast import Module, Passage
from cnndsl.syntax.collector import Collector, Stop
from cnndsl.syntax.layout import arrange
from cnndsl.syntax.lexer import tokenize
from cnndsl.syntax.recovery import Reader

__all__ = ["parse"]

_FOREIGN = (
    r"^[ \t]*(?:class[ \t]|def[ \t]|@|import[ \t]+[A-Za-z_]|from[ \t]|if[ \t]+__name__"
    r"|super[ \t]*\(|\[\w+\][ \t]*\r?$|layers?[ \t]*:?[ \t]*\{)"
)
"""How lines may begin that are of other languages: these are looked at more closely."""


def parse(source: Source, report: Report, limits: Limits | None = None) -> Module:
    r"""The statements of a text, as far as they can be read.

    Mistakes go to ``report``, one diagnostic for each; no text makes this raise.

    >>> report = Report()
    >>> module = parse(Source("<text>", "input 1x32x32\nC1: conv 6@5x5 -> tanh"), report)
    >>> [type(statement).__name__ for statement in module.statements], len(report)
    (['Input', 'ChainStatement'], 0)
    """
    # All that is made here stays: to search it for garbage over and over costs more than half.
    was_collecting = gc.isenabled()
    gc.disable()
    try:
        return _parse(source, report, limits or Limits())
    finally:
        if was_collecting:
            gc.enable()


def _parse(source: Source, report: Report, limits: Limits) -> Module:
    collector = Collector(source, report, limits.diagnostics)
    passages: tuple[Passage, ...] = ()
    text = source.text
    try:
        _check_text(collector, limits)
        if re.search(_FOREIGN, text, re.MULTILINE) is not None:
            from cnndsl.syntax.foreign_text import find_passages, without

            passages = find_passages(source)
            text = without(text, passages)
            for passage in passages:
                collector.add(passage.diagnostic)
        tokens = tokenize(collector, limits, text)
        comments = tuple(collector.span(start, end) for start, end in tokens.comments)
        reader = Reader(arrange(tokens, collector, limits), collector)
    except Stop:
        return Module(source, ())
    with suppress(Stop):
        reader.read()
    broken = (*(passage.gap for passage in passages), *reader.broken)
    return Module(source, reader.statements, comments, broken, passages)


def _check_text(collector: Collector, limits: Limits) -> None:
    text = collector.source.text
    if len(text) > limits.text:
        message = f"the text has {len(text)} characters, more than the limit of {limits.text}"
        help = "split the file, or raise the limit `text`"
        collector.add(Diagnostic("CNN901", message, collector.span(0, 0), help=help))
        raise Stop
    nul = text.find("\0")
    if nul >= 0:
        message = "the file holds a NUL byte, so it is not a text"
        help = "save it as plain text in UTF-8"
        collector.add(Diagnostic("CNN005", message, collector.span(nul, nul + 1), help=help))
        raise Stop
