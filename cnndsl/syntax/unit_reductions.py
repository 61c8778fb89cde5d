"""Takes the reductions out of a parser's table that only pass a value on.

An atom is a unary, is a product, is a sum, and so on: a dozen reductions for each number of a
text, and none of them does anything. Where such a chain begins, the parser goes to one new state
instead, which does for each terminal what the end of the chain would do (D. Pager, *Eliminating
unit productions from LR parsers*, Acta Informatica 9, 1977). The language stays the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import itemgetter
from typing import Any, TypeAlias

from lark.grammar import Rule
from lark.parsers.lalr_analysis import Action, IntParseTable, Reduce, Shift

from cnndsl.frozen import frozen

__all__ = ["without_unit_reductions"]

Row: TypeAlias = dict[str, tuple[Action, Any]]
"""What a state does with each symbol: shift and go to a state, or reduce by a rule."""


@frozen
class _Merged:
    """A new state: what it does with terminals, and which old states say where rules lead."""

    actions: tuple[tuple[str, Action, Any], ...]
    gotos: tuple[tuple[str, int], ...]


_State: TypeAlias = int | _Merged


def without_unit_reductions(table: IntParseTable) -> IntParseTable:
    """The shortened table; states are numbered in the order in which they are met.

    Lark's own numbers differ from run to run.
    """
    [(name, start)] = table.start_states.items()
    numbers: dict[_State, int] = {start: 0}
    waiting: list[_State] = [start]
    rows: dict[int, Row] = {}
    for state in waiting:
        row: Row = {}
        for symbol, action, to in sorted(_row(table.states, state), key=itemgetter(0)):
            if action is Shift and to not in numbers:
                numbers[to] = len(numbers)
                waiting.append(to)
            row[symbol] = (action, numbers[to] if action is Shift else to)
        rows[numbers[state]] = row
    make: Any = IntParseTable  # Lark's own has no types
    shortened: IntParseTable = make(rows, {name: 0}, {name: numbers[table.end_states[name]]})
    return shortened


def _row(states: dict[int, Row], state: _State) -> Iterator[tuple[str, Action, Any]]:
    """What a state does with each symbol."""
    if isinstance(state, _Merged):
        yield from state.actions
        for rule, old in state.gotos:
            yield rule, Shift, _goto(states, old, rule)
    else:
        for symbol, (action, to) in states[state].items():
            yield symbol, action, to if symbol.isupper() else _goto(states, state, symbol)


def _goto(states: dict[int, Row], state: int, rule: str) -> _State:
    """Where a rule leads from a state: past all rules that only pass its value on."""
    first: int = states[state][rule][1]
    if not any(action is Reduce and _passes(by) for action, by in states[first].values()):
        return first
    ends = {first}
    actions: list[tuple[str, Action, Any]] = []
    for symbol in filter(str.isupper, states[first]):
        at = first
        found: tuple[Action, Any] | None = states[at][symbol]
        while found and found[0] is Reduce and _passes(found[1]):
            at = states[state][found[1].origin.name][1]
            found = states[at].get(symbol)
        if found:
            ends.add(at)
            actions.append((symbol, *found))
    gotos: dict[str, int] = {}
    for at in sorted(ends):
        for name in states[at]:
            if not name.isupper() and gotos.setdefault(name, at) != at:
                raise ValueError(f"the rule `{name}` leads two ways after `{rule}`")
    return _Merged(tuple(sorted(actions, key=itemgetter(0))), tuple(sorted(gotos.items())))


def _passes(rule: Rule) -> bool:
    """Whether a rule does nothing but pass on the value of the one that it is made of."""
    single = len(rule.expansion) == 1 and not rule.expansion[0].is_term
    return single and rule.options.expand1 and not rule.alias
