"""Turns what MkDocs indents into quotations, for a parser that does not know admonitions and tabs.

To CommonMark what stands below `!!! note` is code, as it is indented by four columns. Lines stay
lines, and each ends as it did.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

__all__ = ["quoted_admonitions"]

_HEAD = re.compile(r"( *)(?:!!!|\?\?\?\+?) +[\w\"]|( *)===[!+]? +\"")
_FENCE = re.compile(r" {0,3}(```+|~~~+)")
_STEP = " " * 4


def quoted_admonitions(text: str) -> str:
    r"""The text with the bodies of admonitions and tabs as quotations.

    >>> quoted_admonitions("!!! note\n    text\n\n    ```cnn\n    ```\nmore")
    '!!! note\n> text\n>\n> ```cnn\n> ```\nmore'
    """
    if "!!!" not in text and "???" not in text and '=== "' not in text:
        return text
    # Ends of lines are kept, as what follows counts by them.
    return "".join(_quoted(re.findall(r"[^\r\n]*(?:\r\n?|\n)|[^\r\n]+\Z", text)))


def _quoted(lines: Sequence[str]) -> Iterator[str]:
    at, fence = 0, ""
    while at < len(lines):
        line = lines[at]
        at += 1
        yield line
        found = _FENCE.match(line)
        if fence:
            closes = found and found[1].startswith(fence) and not line.strip().strip(fence[0])
            fence = "" if closes else fence
            continue
        fence = found[1] if found else ""
        head = _HEAD.match(line)
        if head is None:
            continue
        margin = head[1] if head[1] is not None else head[2]
        size = _size(lines[at:], margin + _STEP)
        body = [line[len(margin) + 4 :] or line for line in lines[at : at + size]]
        for row in _quoted(body):
            yield f"{margin}> {row}" if row.strip() else f"{margin}>{row.lstrip(' ')}"
        at += size


def _size(lines: Sequence[str], indent: str) -> int:
    """How many lines belong to a body: indented ones, and blank ones between them."""
    size = 0
    for number, line in enumerate(lines, start=1):
        if line.strip():
            if not line.startswith(indent):
                break
            size = number
    return size
