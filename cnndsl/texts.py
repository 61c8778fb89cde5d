"""Turns specs into specs: into the canonical layout, and into what they are without shorthand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnndsl.diagnostics.source import Source
from cnndsl.pipeline import current_limits
from cnndsl.syntax.formatter import format_source

if TYPE_CHECKING:
    from cnndsl.api import Network

__all__ = ["expand", "format"]


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


def expand(network: Network, *, defaults: bool = False) -> str:
    r"""A network's spec without blocks, loops, branches, imports and parameters.

    It is a spec of the same network: layers have the same names, and compiled models differ in
    nothing but the text that they carry. With ``defaults``, each setting is written out. The first
    line has the SHA-256 of the network's content (:func:`cnndsl.elaborate.content.content_hash`).

    >>> import cnndsl
    >>> network = cnndsl.parse("input 1x8x8\nfor k in [3, 5] { conv 2@k }\nflatten -> dense 3")
    >>> print(cnndsl.expand(network).partition("\n")[2], end="")
    network spec
    input 1x8x8
    <BLANKLINE>
    conv 2@3  => 2x6x6
    conv 2@5  => 2x2x2
    flatten   => 8
    dense 3   => 3

    Raises:
        CompileError: where the network is wrong.
    """
    from cnndsl.elaborate.expand import expanded_text

    return expanded_text(network.typed, defaults=defaults)
