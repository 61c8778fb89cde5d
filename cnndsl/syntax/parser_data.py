"""Turns the grammar into the data of Lark's parser for it, which is shipped beside the grammar.

The data are Lark's own serialised form, as JSON. After a change of the grammar::

    python -m cnndsl.syntax.parser_data
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any, TypeAlias

from lark import Lark
from lark.grammar import Rule
from lark.lexer import TerminalDef

from cnndsl import resources
from cnndsl.syntax.contextual_lexer import ContextualLexer
from cnndsl.syntax.unit_reductions import without_unit_reductions

__all__ = ["Data", "build", "main"]

Data: TypeAlias = dict[str, Any]
"""What is shipped: the grammar's hash and what ``Lark.memo_serialize`` gives."""


def build(grammar: str, *, strict: bool = False) -> Data:
    """The parser of a grammar as plain data. ``strict`` also looks for colliding terminals."""
    if strict:  # what compares the terminals knows no possessive repetition (`*+`)
        relaxed = grammar.replace(")*+", ")*").replace(")++", ")+")
        Lark(relaxed, parser="lalr", start="module", strict=True)
    lark = Lark(
        grammar,
        parser="lalr",
        start="module",
        lexer=ContextualLexer,
        keep_all_tokens=True,  # a node begins and ends where its punctuation does
        maybe_placeholders=False,
    )
    engine: Any = lark.parser.parser
    engine._parse_table = without_unit_reductions(engine._parse_table)
    data, memo = lark.memo_serialize([TerminalDef, Rule])
    data["options"]["lexer"] = data["parser"]["lexer_conf"]["lexer_type"] = None
    written = {"grammar": sha256(grammar.encode()).hexdigest(), "data": data, "memo": memo}
    read: Data = json.loads(json.dumps(written))  # as it is read: keys are texts
    return read


def main() -> None:
    """Write the shipped data."""
    data = build(resources.grammar().read_text(encoding="utf-8"))
    resources.parser_data().write_text(f"{_lines(data)}\n", encoding="utf-8")


def _lines(value: Any) -> str:
    """JSON with a line for each rule, terminal and state, so that changes can be read."""
    if not isinstance(value, dict) or len(json.dumps(value)) < _LONG_LINE:
        return json.dumps(value, separators=(",", ":"))
    items = (f"{json.dumps(key)}:{_lines(item)}" for key, item in value.items())
    return "{\n" + ",\n".join(items) + "\n}"


_LONG_LINE = 2_000


if __name__ == "__main__":
    main()
