"""Turns the shipped data of the grammar into Lark's parser for it.

Lark takes longer to build a parser from ``grammar/cnn.lark`` than reading most specs takes, so
its own serialised form is shipped as JSON beside the grammar (:mod:`cnndsl.syntax.parser_data`),
with the hash of the grammar it was made of. Where that does not match, the parser is built anew.
"""

from __future__ import annotations

import json
from contextlib import suppress
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from lark import Lark

from cnndsl import resources
from cnndsl.syntax.contextual_lexer import ContextualLexer

if TYPE_CHECKING:
    from cnndsl.syntax.parser_data import Data

__all__ = ["load", "revive"]

_LARK: Any = Lark
"""Lark's loader has no types."""


@cache
def load() -> Lark:
    """The parser of the grammar as it stands, from the shipped file where that is fresh."""
    text = resources.grammar().read_bytes()
    # Whatever is wrong with the file, or new in Lark since it was made: the grammar is at hand.
    with suppress(Exception):
        data = json.loads(resources.parser_data().read_bytes())
        if data["grammar"] == sha256(text).hexdigest():
            return revive(data)
    from cnndsl.syntax.parser_data import build  # a fresh file does not need it

    return revive(build(text.decode()))


def revive(data: Data) -> Lark:
    """The parser that :func:`cnndsl.syntax.parser_data.build` described.

    JSON has no numbers for keys and no classes: both are put back first, as Lark wants them.
    """
    parser, table = data["data"]["parser"], data["data"]["parser"]["parser"]
    table = {**table, "states": _numbered(table["states"])}
    lexer_conf = {**parser["lexer_conf"], "lexer_type": ContextualLexer}
    parser = {**parser, "parser": table, "lexer_conf": lexer_conf}
    options = {**data["data"]["options"], "lexer": ContextualLexer}
    described = {**data["data"], "parser": parser, "options": options}
    lark: Lark = _LARK.load({"data": described, "memo": _numbered(data["memo"])})
    return lark


def _numbered(mapping: dict[str, Any]) -> dict[int, Any]:
    return {int(key): value for key, value in mapping.items()}
