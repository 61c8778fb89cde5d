"""Finds labels that stand before a stream, ``a: left -> conv 8@3``, and so name only the stream.

A label names what directly follows it. Before a stream's name that is the stream itself, and what
the rest of the chain gives has no name: who writes this nearly always means the chain's result.
Where a size goes wrong because of it, the one error says so; else a warning does.
"""

from __future__ import annotations

import re

from cnndsl.diagnostics.model import Diagnostic, Edit, Fix, Label, Severity
from cnndsl.diagnostics.source import Span
from cnndsl.diagnostics.words import shorten
from cnndsl.syntax.ast import Chain, Element, Phrase

__all__ = ["label_before_stream"]


def label_before_stream(chain: Chain, *, is_stream: bool) -> Diagnostic | None:
    """CNN125 for a chain that begins with a label and a stream's name, or with ``identity``.

    None where layers of the same chain read the label: they show that the stream is meant.
    """
    first, *rest = chain.links
    label = first.label
    if label is None or not rest or not (is_stream or _is_identity(first.element)):
        return None
    behind = rest[0].span.to(rest[-1].span)
    if re.search(rf"(?<![\w.]){re.escape(label.name)}(?!\w)", behind.text):
        return None
    stream = shorten(first.element.span.text)
    last = rest[-1]
    word = re.match(r"\w+", last.element.span.text)
    fixes: tuple[Fix, ...] = ()
    help = f"write `{label.name}: {stream}` on a line of its own if the stream is meant"
    if last.label is not None:
        help = f"use `{last.label.name}`, which names what the chain gives"
    elif word is not None:
        again = any(link.element.span.text.startswith(word.group()) for link in rest[:-1])
        where = f"the last `{word.group()}`" if again else f"`{word.group()}`"
        help = f"put `{label.name}:` before {where} to name what the chain gives"
        gap = Edit(Span(label.span.source, label.span.start, first.element.span.start), "")
        place = Span(last.span.source, last.span.start, last.span.start)
        fixes = (Fix(help, (gap, Edit(place, f"{label.name}: "))),)
    return Diagnostic(
        "CNN125",
        f"the label `{label.name}` names the stream `{stream}`, not what the chain gives",
        label.span,
        labels=(Label(last.element.span, "what the chain gives comes from here"),),
        help=help,
        fixes=fixes,
        severity=Severity.WARNING,
    )


def _is_identity(element: Element) -> bool:
    return isinstance(element, Phrase) and element.head.name == "identity"
