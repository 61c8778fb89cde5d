"""Turns tokens into a tree, one token at a time: the LALR(1) automaton.

This is the textbook's shift-reduce loop (Aho, Lam, Sethi & Ullman, *Compilers*, section 4.5) over
the tables that Lark made. It knows nothing of recovery.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cnndsl.diagnostics.source import Source, Span
from cnndsl.syntax.ast_builder import OPERATORS, AstBuilder
from cnndsl.syntax.collector import Refusal
from cnndsl.syntax.tables import END, Rule, Tables

__all__ = ["Automaton"]

_VALUED = frozenset(("NAME", "NUMBER", "SIZE", "STRING", "HOLE", "RECOVERED")) | OPERATORS
"""The terminals that reach the builder, as their spans."""

_TALL = 1_000
"""A stack that is taller is looked through rather than copied."""


class Automaton:
    """The parser's stack, as parallel lists: states, pieces of the tree, and their places."""

    def __init__(self, tables: Tables, source: Source, builder: AstBuilder) -> None:
        self._tables = tables
        self._source = source
        self._methods: list[Callable[..., Any] | None] = [
            getattr(builder, rule.build) if rule.build else None for rule in tables.rules
        ]
        self._settled: dict[tuple[int, int, str], int] = {}
        self._before: Sequence[int] = ()
        self.states = [tables.start]
        self.values: list[Any] = []
        self.starts: list[int] = []
        self.ends: list[int] = []

    def feed(self, kind: str, start: int, end: int) -> bool:
        """Take one token; False where it cannot stand here.

        Raises:
            Refusal: where a piece is complete and the builder refuses it.
        """
        actions, states = self._tables.actions, self.states
        action = actions[states[-1]].get(kind)
        self._before = ()
        if action is not None and action < 0:
            # LALR(1) tables may reduce before they find a token wrong: what could have stood in
            # its place is to be told from the stack as it was.
            if len(states) < _TALL:
                self._before = states.copy()
            elif not self.accepts(kind):
                return False
        while action is not None and action < 0:
            self._reduce(-1 - action, kind)
            if states[-1] == self._tables.end:
                return kind == END
            action = actions[states[-1]].get(kind)
        if action is None:
            return False
        states.append(action)
        self.values.append(Span(self._source, start, end) if kind in _VALUED else None)
        self.starts.append(start)
        self.ends.append(end)
        return True

    def _reduce(self, number: int, kind: str) -> None:
        rule = self._tables.rules[number]
        values, starts, ends, states = self.values, self.starts, self.ends, self.states
        base = len(values) - rule.size
        if rule.size:
            start, end = starts[base], ends[-1]
        else:
            start = end = ends[-1] if ends else 0
        children = values[base:] if rule.whole else self._children(rule, base)
        method = self._methods[number]
        value: Any = children
        if rule.passes:
            value = children[0]
        elif method is not None:
            leaf = rule.size == 1 and children and type(children[0]) is Span
            span = children[0] if leaf else Span(self._source, start, end)
            value = method(span, *children)
        del values[base:], starts[base:], ends[base:], states[base + 1 :]
        values.append(value)
        starts.append(start)
        ends.append(end)
        below = states[-1]
        states.append(self._settle(below, self._tables.actions[below][rule.origin], kind))

    def _children(self, rule: Rule, base: int) -> list[Any]:
        children: list[Any] = []
        for at, is_list in rule.kept:
            value = self.values[base + at]
            if not is_list:
                children.append(value)
            elif children:
                children += value
            else:
                children = value  # lists grow at their end: to extend the first keeps them linear
        return children

    def _settle(self, below: int, state: int, kind: str) -> int:
        """Where the chain of rules that only pass a child on (an atom is a product is a sum) ends.

        It depends on nothing but these three, so each is walked once.
        """
        key = (below, state, kind)
        settled = self._settled.get(key)
        if settled is None:
            actions, rules = self._tables.actions, self._tables.rules
            settled = state
            while (action := actions[settled].get(kind, 0)) < 0 and rules[-1 - action].passes:
                settled = actions[below][rules[-1 - action].origin]
            self._settled[key] = settled
        return settled

    def accepts(self, kind: str, states: Sequence[int] = ()) -> bool:
        """Whether a token of this kind can stand here: the loop of ``feed`` without its tree."""
        actions, rules, end = self._tables.actions, self._tables.rules, self._tables.end
        states = states or self.states
        height = len(states)
        above: list[int] = []
        while True:
            action = actions[above[-1] if above else states[height - 1]].get(kind)
            if action is None or action >= 0:
                return action is not None
            rule = rules[-1 - action]
            dropped = min(rule.size, len(above))
            del above[len(above) - dropped :]
            height -= rule.size - dropped
            below = above[-1] if above else states[height - 1]
            state = actions[below][rule.origin]
            if state == end:
                return kind == END
            above.append(self._settle(below, state, kind))

    def expected(self) -> frozenset[str]:
        """The terminals that could stand where the last token could not."""
        states = self._before or self.states
        here = self._tables.actions[states[-1]]
        return frozenset(kind for kind in here if kind.isupper() and self.accepts(kind, states))

    def abandon(self) -> int:
        """Drop the pieces of the innermost statement; gives where it began, or -1 for none."""
        actions = self._tables.actions
        self._leave_body()
        height = len(self.values)
        while actions[self.states[height]].get("RECOVERED", -1) < 0:
            height -= 1
        start = self.starts[height] if height < len(self.starts) else -1
        self._drop(height)
        return start

    def _leave_body(self) -> None:
        """Where a body has just ended, reduce it: its inside is not the place to go on."""
        possible = set(self._tables.actions[self.states[-1]].values())
        number = -1 - min(possible)
        rule = self._tables.rules[max(number, 0)]
        if len(possible) == 1 and number >= 0 and rule.build in ("body", "settings"):
            try:
                self._reduce(number, "")
            except Refusal:
                self._drop(len(self.values) - rule.size)

    def _drop(self, base: int) -> None:
        """Drop the pieces from a height on."""
        del self.values[base:], self.starts[base:], self.ends[base:]
        del self.states[base + 1 :]
