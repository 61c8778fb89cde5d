"""Writes the highlights of the Tree-sitter grammar: Neovim, Helix and Zed colour by them."""

from __future__ import annotations

from collections.abc import Iterable

from cnndsl.highlighting.words import words

__all__ = ["highlights"]

_HEAD = """\
; Written by `python -m cnndsl.highlighting`: the words are those of the layers and settings.
; Of several that match, the last counts. Names without a meaning of their own have no colour.
"""

_RULES = """
(comment) @comment
(string) @string
[(number) (size) (hole)] @number
["->" "=>" "@" "=" "+" "-" "*" "/" "//" "%" ".." (comparison)] @operator
["," ":"] @punctuation.delimiter
["(" ")" "[" "]" "{" "}"] @punctuation.bracket

(network name: (name) @type)
(block name: (name) @function)
(param name: (name) @constant)
(let name: (name) @constant)
(parameter name: (name) @variable.parameter)
(label (name) @label)
(bind name: (name) @variable)
(named_argument name: (name) @property)
(expect quantity: (name) @property)
(rounding rule: (name) @constant)
(call name: (name) @function)
(setting name: (name) @property)
"""


def highlights() -> str:
    """The text of ``highlights.scm``."""
    known = words()
    attributes, layers = known.attributes | known.settings, known.layers
    values = known.values - attributes
    operators = " ".join(f'"{word}"' for word in sorted(known.operators))
    others = " ".join(f'"{word}"' for word in sorted(known.keywords))
    parts = [
        _HEAD,
        f"[{operators}] @keyword.operator",
        f"[{others}] @keyword",
        _RULES,
        _rule("(phrase . (name) @type", "@type", layers),
        _rule("(call name: (name) @type", "@type", layers),
        _rule("(call name: (name) @function.builtin", "@function.builtin", known.functions),
        _rule("((name) @constant.builtin", "@constant.builtin", values),
        _rule("(phrase (_) (name) @property", "@property", attributes),
        _rule("(setting (_) (_) (name) @property", "@property", attributes),
        _rule("(setting name: (name) . (name) @type", "@type", known.kinds),
        _rule('(setting "->" . (name) @type', "@type", known.kinds),
    ]
    return "\n".join(parts)


def _rule(pattern: str, capture: str, some: Iterable[str]) -> str:
    """A pattern that holds for some words only."""
    listed = " ".join(f'"{word}"' for word in sorted(some))
    return f"{pattern}\n  (#any-of? {capture} {listed}))\n"
