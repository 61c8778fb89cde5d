"""Turns a page in Markdown into the same with its `cnn` blocks in the canonical layout.

A block that shows a mistake of the grammar stays as it is: one with ``fails`` or ``ignore``, or
with a claim ``# error:``.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from cnndsl.diagnostics.compile_error import CompileError
from cnndsl.diagnostics.model import Diagnostic
from cnndsl.diagnostics.source import Source
from cnndsl.limits import Limits
from cnndsl.markdown.fences import LANGUAGE, Fence, fences
from cnndsl.markdown.places import Places
from cnndsl.syntax.formatter import format_source

__all__ = ["format_page"]


def format_page(source: Source, limits: Limits | None = None) -> str:
    r"""The page with its blocks laid out.

    >>> page = Source("a.md", "> ```cnn\n> conv 6 @ 5->relu\n> ```\n")
    >>> format_page(page)
    '> ```cnn\n> conv 6@5 -> relu\n> ```\n'

    Raises:
        CompileError: where blocks cannot be read that claim no mistakes.
    """
    page, wrong = source.text, list[Diagnostic]()
    laid: list[str] = []
    for fence in reversed([one for one in fences(source) if one.language == LANGUAGE]):
        text = _body(fence)
        try:
            if fence.closed and text and "ignore" not in fence.attributes:
                text = format_source(Source(source.name, fence.text), limits)
                page = _replaced(page, fence, text)
        except CompileError as error:
            if "fails" not in fence.attributes and "# error:" not in fence.text:
                places = Places({Path(source.name).resolve(): fence})
                wrong += map(places.diagnostic, error.diagnostics)
        laid.insert(0, text)
    if wrong:
        raise CompileError(sorted(wrong, key=lambda one: one.span.start))
    again = [_body(one) for one in fences(Source(source.name, page)) if one.language == LANGUAGE]
    if again != laid:
        raise RuntimeError(f"to format {source.name} would change it")
    return page


def _body(fence: Fence) -> str:
    """The text of a block, without what stands for the page above it."""
    return fence.text.lstrip("\n")


def _replaced(page: str, fence: Fence, text: str) -> str:
    """The page with another text in a block; options of a directive stay above it."""
    parts = zip(fence.starts, pairwise(fence.offsets), strict=False)
    spans = [(start, fence.text[at:end].rstrip("\n")) for start, (at, end) in parts]
    first = next(start for start, row in spans if row.strip())
    closing = page.rindex("\n", 0, fence.starts[-1]) + 1
    break_ = "\r\n" if page.startswith("\r\n", fence.opening.end) else "\n"
    lines = text.rstrip("\r\n").replace("\r\n", "\n").split("\n")
    more = (_with_margin(line, fence.margin) for line in lines[1:])
    return page[:first] + break_.join((lines[0], *more, "")) + page[closing:]


def _with_margin(line: str, margin: str) -> str:
    """A line of a block in the page; a first space behind `>` would be no part of it."""
    if not line:
        return margin.rstrip()
    return f"{margin} {line}" if margin.endswith(">") and line.startswith(" ") else margin + line
