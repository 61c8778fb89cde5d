"""A lexer for Pygments: coloured specs in Sphinx, MkDocs, Jupyter and wherever Pygments colours.

Pygments finds it by the entry point; ``pygmentize -l cnn FILE`` colours a file.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from pygments.lexer import RegexLexer
from pygments.token import (
    Comment,
    Error,
    Keyword,
    Name,
    Number,
    Operator,
    Punctuation,
    String,
    Whitespace,
)
from typing_extensions import override

from cnndsl.highlighting.words import Words, words

__all__ = ["CnnLexer"]


class CnnLexer(RegexLexer):  # type: ignore[misc]
    """For specs of cnndsl, ``*.cnn``."""

    name = "cnndsl"
    aliases: ClassVar[list[str]] = ["cnn", "cnndsl"]
    filenames: ClassVar[list[str]] = ["*.cnn"]
    mimetypes: ClassVar[list[str]] = ["text/x-cnndsl"]
    url = "https://pypi.org/project/cnndsl/"

    tokens: ClassVar[dict[str, Any]] = {
        "root": [
            (r"\s+", Whitespace),
            (r"#[^\n]*", Comment.Single),
            (r'"([^"\\\n]|\\[^\n])*"', String.Double),
            (r"->|=>", Operator),
            (r"[0-9?]+(x[0-9?]+)+(?!\w)", Number),
            (r"[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?(?!\w)", Number),
            (r"\?", Number),
            (r"\.\.|//|[<>=!]=|[-+*/%@<>=]", Operator),
            (r"[A-Za-z_]\w*(?=[ \t]*:)", Name.Label),
            (r"[A-Za-z_]\w*(\.\w+)*", Name),
            (r"[][(){},:]", Punctuation),
            (r".", Error),
        ]
    }

    @override
    def get_tokens_unprocessed(
        self, text: str, stack: tuple[str, ...] = ("root",)
    ) -> Iterator[tuple[int, Any, str]]:
        """The tokens, names among them told apart by the words that are known."""
        known, before = words(), ""
        for at, kind, value in super().get_tokens_unprocessed(text, stack):
            if kind is Name:
                kind = _kind(value, before, known)
            if value.strip(" \t") or "\n" in value:
                before = value
            yield at, kind, value


def _kind(word: str, before: str, known: Words) -> Any:
    """What a word is; the sign before it tells a layer from an attribute of the same name."""
    begins = not before or before[-1] in "\n{}(,;:" or before in ("->", "=")
    if word in known.operators:
        return Operator.Word
    if word in known.keywords:
        return Keyword
    if before == "expect" and word in known.quantities:
        return Name.Attribute
    for is_one, kind in (
        (begins and word in known.layers, Name.Builtin),
        (word in known.values and not begins, Keyword.Constant),
        (word in known.functions, Name.Function),
        (word in known.attributes or word in known.settings, Name.Attribute),
        (word in known.kinds, Name.Class),
        (word in known.layers, Name.Builtin),
    ):
        if is_one:
            return kind
    return Name.Variable
