"""Wraps what is written for people to the width of a terminal."""

from __future__ import annotations

import textwrap

__all__ = ["WIDTH", "wrapped"]

WIDTH = 80
"""No line is wider, unless a single word is."""


def wrapped(text: str, indent: str) -> list[str]:
    """A text in lines: the first as far in as it begins, the others by ``indent``.

    >>> wrapped("  params: " + "123 " * 20, "      ")[1]
    '      123 123 123'
    """
    lead = text[: len(text) - len(text.lstrip())]
    lines = textwrap.wrap(
        text.strip(),
        WIDTH,
        initial_indent=lead,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return lines or [text]
