"""Writes the TextMate grammar: editors colour by it before, or without, the language server."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cnndsl.highlighting.words import words

__all__ = ["SCOPE", "grammar", "snippets"]

SCOPE = "source.cnn"


def grammar() -> dict[str, Any]:
    """The grammar as plain data."""
    return {
        "$schema": "https://raw.githubusercontent.com/martinring/tmlanguage/master/tmlanguage.json",
        "name": "cnndsl",
        "scopeName": SCOPE,
        "fileTypes": ["cnn"],
        "patterns": _rules(),
    }


# Long, because it lists the rules: of several that match at a place, the first counts.
def _rules() -> list[dict[str, Any]]:
    """What is matched, and what it is called."""
    known = words()
    names = r"[A-Za-z_][A-Za-z0-9_]*"
    signs: list[dict[str, Any]] = [
        {"name": "keyword.operator.arrow.cnn", "match": r"->|=>"},
        {"name": "keyword.operator.cnn", "match": r"\.\.|//|[<>=!]=|[-+*/%@<>=]"},
        {"name": "punctuation.cnn", "match": r"[\[\](){},:]"},
    ]
    return [
        {"name": "comment.line.number-sign.cnn", "match": r"#.*$"},
        {
            "name": "string.quoted.double.cnn",
            "match": r'"([^"\\]|\\.)*"',
        },
        {
            "match": rf"\b(network)[ \t]+({names})",
            "captures": _captures("keyword.control.cnn", "entity.name.type.cnn"),
        },
        {
            "match": rf"\b(block)[ \t]+({names})",
            "captures": _captures("keyword.control.cnn", "entity.name.function.cnn"),
        },
        {
            "match": rf"\b(param|let)[ \t]+({names})",
            "captures": _captures("keyword.control.cnn", "variable.other.constant.cnn"),
        },
        {
            "match": rf"\b(expect)[ \t]+({_any(known.quantities)})\b",
            "captures": _captures("keyword.control.cnn", "support.constant.cnn"),
        },
        {
            "match": rf"({names})[ \t]*(:)",
            "captures": _captures("entity.name.label.cnn", "punctuation.separator.cnn"),
        },
        {"name": "constant.numeric.cnn", "match": r"(?<![\w.])[0-9?]+(x[0-9?]+)+(?!\w)"},
        {
            "name": "constant.numeric.cnn",
            "match": r"(?<![\w.])[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?(?!\w)",
        },
        {"name": "constant.numeric.cnn", "match": r"\?"},
        {
            "match": rf"(^|[{{(,]|->|(?<![<>=!])=(?!=)|:)[ \t]*({_any(known.layers)})\b(?![.\w])",
            "captures": {"1": {"patterns": signs}, "2": {"name": "support.class.cnn"}},
        },
        *signs[:2],
        _words(known.operators, "keyword.operator.word.cnn"),
        _words(known.keywords, "keyword.control.cnn"),
        _words(known.values, "constant.language.cnn"),
        _words(known.functions, "support.function.cnn"),
        _words(known.attributes | known.settings, "support.type.property-name.cnn"),
        _words(known.kinds | known.layers, "support.class.cnn"),
        {"name": "variable.other.cnn", "match": rf"{names}(\.[A-Za-z0-9_]+)*"},
        signs[2],
    ]


def _captures(*names: str) -> dict[str, dict[str, str]]:
    return {str(at): {"name": name} for at, name in enumerate(names, 1)}


def _words(some: Iterable[str], name: str) -> dict[str, str]:
    return {"name": name, "match": rf"(?<![\w.])({_any(some)})(?![\w.])"}


def _any(some: Iterable[str]) -> str:
    """One of the words, the longest first."""
    return "|".join(sorted(some, key=lambda word: (-len(word), word)))


def snippets() -> dict[str, dict[str, str | list[str]]]:
    """Snippets of VS Code: whole pieces of specs."""
    return {
        "network": _snippet("network", "A network for pictures", _NETWORK),
        "residual": _snippet("residual", "A residual unit", _RESIDUAL),
        "block": _snippet("block", "A block", "block ${1:name}(${2:width}) {\n\t$0\n}"),
        "train": _snippet("train", "A recipe", _RECIPE),
        "for": _snippet("for", "A loop over values", "for ${1:width} in [${2:16, 32}] { $0 }"),
        "repeat": _snippet("repeat", "Rounds", "repeat ${1:2} { $0 }"),
        "if": _snippet("if", "A choice", "if ${1:condition} { $2 } else { $0 }"),
    }


_NETWORK = """network ${1:name}
input ${2:3x224x224} { scale 1/255 }

conv ${3:16}@3 padding 1 -> relu -> maxpool 2
flatten -> dense ${4:10} -> softmax
$0"""

_RESIDUAL = """add(
\tconv ${1:64}@3 padding 1 -> batchnorm -> relu -> conv ${1:64}@3 padding 1 -> batchnorm,
\tidentity
) -> relu
$0"""

_RECIPE = """train {
\tloss ${1:crossentropy}
\toptimizer ${2:sgd lr 0.1 momentum 0.9}
\tschedule ${3:cosine}
\tbatch ${4:64}
\tepochs ${5:10}
}"""


def _snippet(prefix: str, description: str, body: str) -> dict[str, str | list[str]]:
    return {"prefix": prefix, "description": description, "body": body.split("\n")}
