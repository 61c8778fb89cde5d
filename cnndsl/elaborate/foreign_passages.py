"""Puts the layers of a pasted class into the help of what is said of it, in our words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from cnndsl.diagnostics.model import Report
from cnndsl.diagnostics.source import Source
from cnndsl.diagnostics.words import quoted
from cnndsl.elaborate.foreign_calls import translate
from cnndsl.frozen import replace
from cnndsl.syntax.ast import Call, ChainStatement, Passage
from cnndsl.syntax.parser import parse

__all__ = ["say_in_our_words"]

_SHOWN = 3


def say_in_our_words(passages: Sequence[Passage], report: Report) -> None:
    """Replace the examples in the help by the first layers that a passage itself makes."""
    for passage in passages:
        layers = list(islice(_layers(passage.calls), _SHOWN))
        if layers:
            more = ", …" if len(passage.calls) > len(layers) else ""
            shown = quoted(layers)
            help = f"write each layer on a line, in the order of use: {shown}{more}"
            report.replace(passage.diagnostic, replace(passage.diagnostic, help=help))


def _layers(calls: Sequence[str]) -> Iterator[str]:
    for text in calls:
        statements = parse(Source("<call>", text), Report()).statements
        match statements:
            case [ChainStatement(chain=chain)] if isinstance(call := chain.links[0].element, Call):
                translation = translate(call)
                if translation is not None:
                    yield translation.text
            case _:
                pass
