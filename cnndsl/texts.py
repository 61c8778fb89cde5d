"""Turns specs into specs: into the canonical layout."""

from __future__ import annotations

from cnndsl.diagnostics.source import Source
from cnndsl.pipeline import current_limits
from cnndsl.syntax.formatter import format_source

__all__ = ["format"]


def format(text: str, name: str = "spec.cnn") -> str:
    r"""A spec's text in the canonical layout; ``name`` stands for its file in messages.

    Neither what it means nor its comments change, and its line ends stay what they are.

    >>> import cnndsl
    >>> print(cnndsl.format("input 1x8x8\nC1:conv 4 @ 3->relu =>4x6x6 # six by six"), end="")
    input 1x8x8
    C1: conv 4@3 -> relu  => 4x6x6   # six by six

    Raises:
        CompileError: where the text cannot be read; what else is wrong with it is no matter.
    """
    return format_source(Source(name, text), current_limits())
