"""Turns the grammar into the tables that drive the lexer and the parser.

Lark checks ``grammar/cnn.lark`` and computes its LALR(1) tables. That takes longer than reading
most specs, so the tables are shipped as plain data in ``grammar/cnn.json``, beside the hash of the
grammar they were made of; where they do not match, they are built anew. After a change of the
grammar::

    python -m cnndsl.syntax.tables
"""

from __future__ import annotations

import json
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any, TypeAlias

from cnndsl import resources
from cnndsl.frozen import frozen

if TYPE_CHECKING:
    from pathlib import Path

    from lark import Lark

__all__ = ["END", "Rule", "Tables", "build", "load", "main", "shipped"]

END = "$END"
"""The terminal behind the last one."""

Data: TypeAlias = dict[str, Any]


@frozen
class Rule:
    """One alternative of a rule of the grammar.

    ``kept`` are the positions of the symbols that reach the builder and whether each is itself a
    list to be taken apart; ``build`` is the builder's method, or empty for a rule that only
    gathers a list; ``passes`` says that the one kept child stands for the whole, ``whole`` that
    every symbol is kept and none is a list.
    """

    origin: str
    size: int
    build: str
    kept: tuple[tuple[int, bool], ...]
    passes: bool
    whole: bool


@frozen
class Tables:
    """What the lexer and the parser need of the grammar.

    ``actions`` holds, for each state and each symbol, the state to go to, or ``-1 - n`` to reduce
    by rule ``n``. ``patterns`` are the regular expressions of terminals; ``words`` and ``signs``
    are spelled one way only: the terminal of each spelling.
    """

    patterns: dict[str, str]
    words: dict[str, str]
    signs: dict[str, str]
    rules: tuple[Rule, ...]
    actions: list[dict[str, int]]
    start: int
    end: int

    @classmethod
    def of(cls, data: Data) -> Tables:
        """The tables that :func:`build` described."""
        rules = tuple(
            Rule(origin, size, build, tuple(map(tuple, kept)), passes, whole)
            for origin, size, build, kept, passes, whole in data["rules"]
        )
        terminals = data["patterns"], data["words"], data["signs"]
        return cls(*terminals, rules, data["actions"], data["start"], data["end"])


@cache
def load() -> Tables:
    """The tables of the grammar as it stands, from the shipped file where that is fresh."""
    text = resources.grammar().read_bytes()
    try:
        data = json.loads(shipped().read_bytes())
    except (OSError, ValueError):
        data = {}
    if data.get("grammar") != sha256(text).hexdigest():
        data = build(text.decode())
    return Tables.of(data)


def shipped() -> Path:
    """The file that holds the tables."""
    return resources.grammar().with_suffix(".json")


def build(grammar: str, *, strict: bool = False) -> Data:
    """The tables of a grammar as plain data. ``strict`` also looks for colliding terminals."""
    from lark import Lark

    if strict:  # what compares the terminals knows no possessive repetition (`*+`)
        relaxed = grammar.replace(")*+", ")*").replace(")++", ")+")
        Lark(relaxed, parser="lalr", start="module", strict=True)
    lark = Lark(grammar, parser="lalr", start="module")
    table = lark.parser.parser._parse_table
    lists = _lists(lark)
    rules = {rule: number for number, rule in enumerate(lark.rules)}
    start = table.start_states["module"]
    states = _numbered(table.states, start)
    return {
        "grammar": sha256(grammar.encode()).hexdigest(),
        **_terminals(lark),
        "rules": [_rule(rule, lists) for rule in lark.rules],
        "actions": [
            {
                symbol: states[to] if isinstance(to, int) else -1 - rules[to]
                for symbol, (_, to) in sorted(table.states[state].items())
            }
            for state in states
        ],
        "start": states[start],
        "end": states[table.end_states["module"]],
    }


def _numbered(states: dict[int, Any], start: int) -> dict[int, int]:
    """New numbers for the states, in the order in which they are met: Lark's vary by run."""
    numbers = {start: 0}
    waiting = [start]
    for state in waiting:
        for symbol in sorted(states[state]):
            to = states[state][symbol][1]
            if isinstance(to, int) and to not in numbers:
                numbers[to] = len(numbers)
                waiting.append(to)
    return numbers


def _terminals(lark: Lark) -> Data:
    """The terminals: regular expressions, words (what a name's pattern covers too) and signs."""
    import re

    name = re.compile(lark.get_terminal("NAME").pattern.to_regexp())
    fixed = {t.pattern.value: t.name for t in lark.terminals if t.pattern.type == "str"}
    return {
        "patterns": {t.name: t.pattern.value for t in lark.terminals if t.pattern.type == "re"},
        "words": {text: kind for text, kind in fixed.items() if name.fullmatch(text)},
        "signs": {text: kind for text, kind in fixed.items() if not name.fullmatch(text)},
    }


def _kept(rule: Any) -> list[tuple[int, Any]]:
    """The symbols of a rule that carry meaning: not the punctuation."""
    return [
        (at, symbol)
        for at, symbol in enumerate(rule.expansion)
        if not (symbol.is_term and symbol.filter_out)
    ]


def _lists(lark: Lark) -> frozenset[str]:
    """The nameless rules (``_rule``) that stand for several children, or none."""
    found: set[str] = set()
    while True:
        more = {
            rule.origin.name
            for rule in lark.rules
            if rule.origin.name.startswith("_")
            and (len(kept := _kept(rule)) != 1 or kept[0][1].name in found)
        }
        # The lists that Lark makes of `*` and `+` may hold one child, and are lists nevertheless.
        more |= {rule.origin.name for rule in lark.rules if rule.origin.name.startswith("__")}
        if more <= found:
            return frozenset(found)
        found |= more


def _rule(rule: Any, lists: frozenset[str]) -> list[Any]:
    origin = rule.origin.name
    kept = [[at, symbol.name in lists] for at, symbol in _kept(rule)]
    single = len(kept) == 1 == len(rule.expansion)
    passes = single and origin not in lists and (origin.startswith("_") or rule.options.expand1)
    build = "" if origin in lists or passes else rule.alias or origin
    whole = len(kept) == len(rule.expansion) and not any(is_list for _, is_list in kept)
    return [origin, len(rule.expansion), build, kept, passes and not rule.alias, whole]


def main() -> None:
    """Write the shipped tables."""
    data = build(resources.grammar().read_text(encoding="utf-8"))
    lines = ",\n".join(f"{json.dumps(key)}: {_compact(value)}" for key, value in data.items())
    shipped().write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")


def _compact(value: Any) -> str:
    if not isinstance(value, list):
        return json.dumps(value, separators=(",", ":"))
    return "[\n" + ",\n".join(json.dumps(item, separators=(",", ":")) for item in value) + "\n]"


if __name__ == "__main__":
    main()
