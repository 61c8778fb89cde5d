"""Turns what a layer's holes can be together into few lines: numbers that step evenly as one.

>>> rows = [{"kernel": 3 + 2 * i, "padding": (i,)} for i in range(30)]
>>> [family] = families(rows)
>>> family.text
'kernel 3 + 2i, padding i, for i = 0 to 29'
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import TypeGuard

from cnndsl.elaborate.values import Value, show
from cnndsl.frozen import frozen

__all__ = ["Family", "Holes", "Row", "families", "numbers_in", "row_text"]

Row = Mapping[str, Value]
"""What the parameters of a layer are in one solution, by their names."""

SHOWN = 12
"""So many families of a layer's solutions are listed."""

FEWEST = 3
"""Fewer solutions in a row are listed one by one."""

STEPS = 64
"""So many solutions are looked at for the step from one to the next."""


@frozen
class Family:
    """Solutions that are one step apart: the first, and what each parameter grows by.

    ``count`` says how many there are; None where they never end.
    """

    first: Row
    step: tuple[int, ...]
    """By what each number of the first solution grows, in order."""
    count: int | None = 1

    def at(self, index: int) -> dict[str, Value]:
        """The solution of that index, whether it is one that was found or not."""
        steps = iter(self.step)
        return {name: _moved(value, steps, index) for name, value in self.first.items()}

    @property
    def text(self) -> str:
        """In words, with the letter `i`."""
        if self.count == 1:
            return row_text(self.first)
        steps = iter(self.step)
        parts = (f"{name} {_written(value, steps)}" for name, value in self.first.items())
        last = "0, 1, 2, …" if self.count is None else f"0 to {self.count - 1}"
        return f"{', '.join(parts)}, for i = {last}"


@frozen
class Holes:
    """What the parameters of a layer that are left open can be together.

    ``left`` says which numbers were not tried; it is empty where there are no others than the
    ``rows`` and the ``families`` of them.
    """

    rows: tuple[Row, ...]
    families: tuple[Family, ...]
    left: str = ""

    @property
    def lines(self) -> tuple[str, ...]:
        """In words: those of the first solution, by which numbers are reckoned, and all others."""
        return tuple(_lines(self))


def families(rows: Sequence[Row]) -> tuple[Family, ...]:
    """All solutions: of those that are left, as many as can be step with the first of them."""
    left = {tuple(numbers_in(row)): row for row in rows}
    found: list[Family] = []
    while left:
        first = next(iter(left))
        step, count = _longest(first, left)
        found.append(Family(left[first], step, count))
        for index in range(count):
            del left[_moved_by(first, step, index)]
    return tuple(found)


def row_text(row: Row) -> str:
    """One solution: ``kernel 3x3, padding 1``."""
    return ", ".join(f"{name} {_shown(value)}" for name, value in row.items())


def _lines(holes: Holes) -> Iterator[str]:
    if len(holes.rows) > 1:
        yield f"numbers below are for {row_text(holes.rows[0])}; it can be"
    shown = holes.families[:SHOWN]
    yield from (one.text for one in shown)
    if more := sum(one.count or 0 for one in holes.families[SHOWN:]):
        yield f"and {more:,} more"
    if holes.left:
        yield f"and perhaps further ones: {holes.left} were not tried"


# --- steps --------------------------------------------------------------------------------------

_Point = tuple[int, ...]


def _longest(first: _Point, left: Mapping[_Point, Row]) -> tuple[_Point, int]:
    """The step that goes furthest from a solution to others, and how many solutions it meets."""
    best, most = (0,) * len(first), 1
    for other in islice(left, 1, STEPS):
        step = tuple(b - a for a, b in zip(first, other, strict=True))
        count = 2
        while _moved_by(first, step, count) in left:
            count += 1
        if count > most:
            best, most = step, count
    return (best, most) if most >= FEWEST else ((0,) * len(first), 1)


def _moved_by(point: _Point, step: _Point, times: int) -> _Point:
    return tuple(a + times * b for a, b in zip(point, step, strict=True))


# --- values -------------------------------------------------------------------------------------


def _is_number(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def numbers_in(value: object) -> Iterator[int]:
    """The whole numbers in a row, or in one of its values, from left to right."""
    if isinstance(value, Mapping):
        for one in value.values():
            yield from numbers_in(one)
    elif isinstance(value, tuple):
        for one in value:
            yield from numbers_in(one)
    elif _is_number(value):
        yield value


def _moved(value: Value, steps: Iterator[int], times: int) -> Value:
    if isinstance(value, tuple):
        return tuple(_moved(one, steps, times) for one in value)
    return value + times * next(steps) if _is_number(value) else value


def _shown(value: Value) -> str:
    if isinstance(value, tuple) and value and all(map(_is_number, value)):
        return "x".join(map(str, value))
    return show(value)


def _written(value: Value, steps: Iterator[int]) -> str:
    """A value as it grows: ``3 + 2i``, ``(3 + 2i)x5``."""
    if isinstance(value, tuple):
        parts = [_written(one, steps) for one in value]
        if len(parts) == 1 or not all(map(_is_number, value)):
            return parts[0] if len(parts) == 1 else f"[{', '.join(parts)}]"
        return "x".join(f"({part})" if "i" in part and part != "i" else part for part in parts)
    if not _is_number(value):
        return show(value)
    step = next(steps)
    times = "i" if abs(step) == 1 else f"{abs(step)}i"
    if not step:
        return str(value)
    if not value and step > 0:
        return times
    return f"{value} {'+' if step > 0 else '-'} {times}"
