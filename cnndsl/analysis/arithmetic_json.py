"""Turns the arithmetic of a layer into JSON, for programs that show or test it.

Formulas come as text and as LaTeX, with what each letter is here, and with what they come to.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

from typing_extensions import TypedDict

from cnndsl.analysis.arithmetic import Equation, Topic
from cnndsl.analysis.arithmetic_text import Heading
from cnndsl.analysis.formula_text import latex, written
from cnndsl.analysis.solution_sets import Family, Holes, Row
from cnndsl.elaborate.node_types import Fact
from cnndsl.elaborate.values import Value, show
from cnndsl.layers.formula import symbols_of

__all__ = [
    "ArithmeticJson",
    "EquationJson",
    "ExplainedJson",
    "FamilyJson",
    "HolesJson",
    "SymbolJson",
    "TopicJson",
    "ValueJson",
    "arithmetic_json",
]


ValueJson: TypeAlias = bool | int | float | str | list[Any]
"""What a parameter is: a number, a word as a spec writes it, a list of such."""


class SymbolJson(TypedDict):
    """A letter of a formula, the number that it has here, and what it means.

    ``parameter`` is the parameter of the layer that it comes from, where it is one.
    """

    letter: str
    value: int
    meaning: str
    parameter: str | None


class EquationJson(TypedDict):
    """What is reckoned, in letters, in numbers, and the result.

    The result is a fraction only of a layer that does not fit; ``name`` and ``unit`` may be empty.
    """

    name: str
    formula: str
    numbers: str
    latex: str
    value: int | float
    unit: str
    symbols: list[SymbolJson]


class TopicJson(TypedDict):
    """What is reckoned of one thing: the output, the parameters."""

    title: str
    equations: list[EquationJson]
    notes: list[str]


class FamilyJson(TypedDict):
    """Solutions that are one step apart; ``count`` is null where they never end.

    The numbers of ``step`` belong to those of ``first``, from left to right.
    """

    first: dict[str, ValueJson]
    step: list[int]
    count: int | None


class HolesJson(TypedDict):
    """What open parameters can be together; ``first`` is what the numbers are reckoned for.

    ``complete`` says whether there are no others.
    """

    first: dict[str, ValueJson]
    families: list[FamilyJson]
    complete: bool


class ArithmeticJson(TypedDict):
    """The arithmetic of a layer. Sizes that are not known are null, and so are whole shapes.

    ``call`` is the line that calls the block in which it stands, where it stands in one.
    """

    name: str
    phrase: str
    file: str
    line: int
    call: int | None
    inputs: list[list[int | None] | None]
    output: list[int | None] | None
    problems: list[str]
    holes: HolesJson | None
    topics: list[TopicJson]


ExplainedJson: TypeAlias = list[ArithmeticJson]
"""The layers that were asked for, in the network's order."""


def arithmetic_json(heading: Heading, topics: Iterable[Topic]) -> ArithmeticJson:
    """The arithmetic as data."""
    return {
        "name": heading.name,
        "phrase": heading.phrase,
        "file": heading.file,
        "line": heading.line,
        "call": heading.call,
        "inputs": [_sizes(fact) for fact in heading.inputs],
        "output": _sizes(heading.output),
        "problems": [*heading.problems],
        "holes": _holes(heading.holes) if heading.holes else None,
        "topics": [
            {
                "title": topic.title,
                "equations": [_equation(one, heading) for one in topic.equations],
                "notes": [*topic.notes],
            }
            for topic in topics
        ],
    }


def _sizes(fact: Fact) -> list[int | None] | None:
    if fact.type is None:
        return None
    return [None if at in fact.assumed else size for at, size in enumerate(fact.type.dims)]


def _equation(equation: Equation, heading: Heading) -> EquationJson:
    term, value = equation.term, equation.term.value
    symbols = {(one.letter, one.number): one for one in symbols_of(term)}
    return {
        "name": equation.name,
        "formula": written(term),
        "numbers": written(term, numbers=True, open=heading.open),
        "latex": latex(term),
        "value": value if isinstance(value, int) else float(value),
        "unit": equation.unit,
        "symbols": [
            {
                "letter": one.letter,
                "value": one.number,
                "meaning": one.meaning,
                "parameter": one.parameter or None,
            }
            for one in symbols.values()
        ],
    }


def _holes(holes: Holes) -> HolesJson:
    return {
        "first": _row(holes.rows[0]),
        "families": [_family(one) for one in holes.families],
        "complete": not holes.left,
    }


def _family(family: Family) -> FamilyJson:
    return {"first": _row(family.first), "step": [*family.step], "count": family.count}


def _row(row: Row) -> dict[str, ValueJson]:
    return {name: _plain(value) for name, value in row.items()}


def _plain(value: Value) -> ValueJson:
    """A value as JSON has it: numbers and lists as they are, words as a spec writes them."""
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return value if isinstance(value, int | float | str) else show(value)
