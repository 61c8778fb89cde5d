"""Parameters that are lists, matrices and tables, and several values that stand apart."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import Field

from cnndsl.analysis.summary import word
from cnndsl.diagnostics.model import Diagnostic, Report
from cnndsl.diagnostics.source import Source
from cnndsl.elaborate.bind import bind
from cnndsl.elaborate.values import Constants
from cnndsl.layers.base import Count, Layer
from cnndsl.layers.lists import Kernels, Matrices, Matrix, Numbers, Table, shape_of
from cnndsl.layers.reference import parameter_table
from cnndsl.syntax.ast import ChainStatement, Phrase
from cnndsl.syntax.parser import parse


class Listed(Layer):
    """A layer with a parameter of every kind."""

    keyword: ClassVar[str] = "listed"
    numbers: Numbers | None = Field(None, description="a")
    matrix: Matrix | None = Field(None, description="b")
    several: Matrices | None = Field(None, description="c")
    kernels: Kernels | None = Field(None, description="d")
    table: Table | None = Field(None, description="e")
    stride: Count = Field(1, description="f")


class Between(Layer):
    """A layer with two values that stand apart, the second of which has a default."""

    keyword: ClassVar[str] = "between"
    positional = ("low", "high")
    spaced = True
    low: float = Field(description="a", examples=["0"])
    high: float = Field(6.0, description="b")
    steps: Count = Field(1, description="c")


def bound(schema: type[Layer], phrase: str) -> tuple[Layer | None, tuple[Diagnostic, ...]]:
    """The layer of a phrase, and what is wrong with it."""
    report = Report()
    module = parse(Source(str(Path("a.cnn")), f"{schema.keyword} {phrase}\n"), report)
    (statement,) = module.statements
    assert isinstance(statement, ChainStatement)
    element = statement.chain.links[0].element
    assert isinstance(element, Phrase)
    found = bind(schema, element.head, element.arguments, Constants(), report)
    return found.validate() if found else None, report.sorted()


def problem(schema: type[Layer], phrase: str) -> Diagnostic:
    layer, found = bound(schema, phrase)
    assert layer is None
    (one,) = found
    return one


@pytest.mark.parametrize(
    ("phrase", "name", "value"),
    [
        ("numbers [1, -0.5, 2]", "numbers", (1.0, -0.5, 2.0)),
        ("numbers 3", "numbers", (3.0,)),
        ("matrix [[1, 0, -1], [2, 0, -2]]", "matrix", ((1.0, 0.0, -1.0), (2.0, 0.0, -2.0))),
        ("matrix [\n  [1],\n  [-2],\n]", "matrix", ((1.0,), (-2.0,))),
        ("several [[1, 2], [3, 4]]", "several", (((1.0, 2.0), (3.0, 4.0)),)),
        ("several [[[1, 2]], [[3, 4]]]", "several", (((1.0, 2.0),), ((3.0, 4.0),))),
        ("kernels [1, 2]", "kernels", (1.0, 2.0)),
        ("kernels [[[[1]]], [[[2]]]]", "kernels", ((((1.0,),),), (((2.0,),),))),
        ("table [[0, 1, 2], [1], [3, 4]]", "table", ((0, 1, 2), (1,), (3, 4))),
    ],
)
def test_a_list_is_taken_as_it_is_written(phrase: str, name: str, value: object) -> None:
    layer, found = bound(Listed, phrase)
    assert (getattr(layer, name), found) == (value, ())


def test_a_list_may_be_longer_than_a_tensor_has_dimensions() -> None:
    numbers = ", ".join(map(str, range(84)))
    layer, found = bound(Listed, f"matrix [{', '.join([f'[{numbers}]'] * 10)}]")
    assert not found
    assert isinstance(layer, Listed)
    assert layer.matrix is not None
    assert shape_of(layer.matrix) == (10, 84)


@pytest.mark.parametrize(
    ("phrase", "code", "at", "said"),
    [
        ("matrix [[1, 2], [3, 4], [5]]", "CNN204", "[5]", "row 3 has 1 number, and row 1 has 2"),
        ("matrix [[1, 2], 3]", "CNN204", "3", "row 2 must be a list of numbers, not `3`"),
        ("matrix [[1, 2], [3, yes]]", "CNN204", "yes", "item 2, 2 must be a number, not `yes`"),
        ("matrix [[1, k], [3, 4]]", "CNN102", "k", "nothing is called `k` here"),
        ("matrix [[1, 2], []]", "CNN204", "[]", "row 2 is empty"),
        ("matrix 3", "CNN204", "3", "must be a matrix, not `3`"),
        ("matrix [[[1]]]", "CNN204", "[1]", "item 1, 1 must be a number"),
        (
            "several [[[1, 2]], [[3]]]",
            "CNN204",
            "[[3]]",
            "row 2 has 1x1 numbers, and row 1 has 1x2",
        ),
        ("table [[0, 1], [-1]]", "CNN204", "-1", "item 2, 1 must be a whole number from 0 on"),
        ("table [[0.5]]", "CNN204", "0.5", "item 1, 1 must be a whole number from 0 on, not `0.5`"),
        ("stride [[1, 2], [3, 4]]", "CNN204", "[[1, 2], [3, 4]]", "takes values, not lists of"),
    ],
)
def test_what_is_wrong_with_a_list_is_said_at_its_place(
    phrase: str, code: str, at: str, said: str
) -> None:
    found = problem(Listed, phrase)
    assert (found.code, found.span.text) == (code, at)
    assert said in found.message


def test_lists_stand_in_each_other_no_deeper_than_any_layer_needs() -> None:
    found = problem(Listed, "kernels [[[[[1]]]]]")
    assert (found.code, "4 deep at most, not 5" in found.message) == ("CNN204", True)


def test_a_list_holds_no_more_values_in_all_than_a_bound() -> None:
    row = ", ".join(["1"] * 100)
    found = problem(Listed, f"matrix [{', '.join([f'[{row}]'] * 10)}]")
    assert (found.code, "not 1010" in found.message) == ("CNN205", True)


@pytest.mark.parametrize(
    ("phrase", "values"),
    [
        ("0 6", (0.0, 6.0, 1)),
        ("-1 1", (-1.0, 1.0, 1)),
        ("-1", (-1.0, 6.0, 1)),
        ("0 -1 steps 3", (0.0, -1.0, 3)),
        ("0 steps 3", (0.0, 6.0, 3)),
        ("low 0 high 2", (0.0, 2.0, 1)),
    ],
)
def test_values_that_stand_apart_are_taken_in_order(phrase: str, values: object) -> None:
    layer, found = bound(Between, phrase)
    assert isinstance(layer, Between)
    assert ((layer.low, layer.high, layer.steps), found) == (values, ())


@pytest.mark.parametrize(
    ("phrase", "code", "at", "help"),
    [
        ("", "CNN202", "between", "write `between 0 6.0`"),
        ("0 6 7", "CNN203", "7", "write `between 0 6.0`"),
        ("0 yes", "CNN204", "yes", "write `between 0 6.0`"),
        ("0@6", "CNN203", "0@6", "write `between 0 6.0`"),
    ],
)
def test_too_few_and_too_many_values_that_stand_apart(
    phrase: str, code: str, at: str, help: str
) -> None:
    found = problem(Between, phrase)
    assert (found.code, found.span.text) == (code, at)
    assert help in found.help


def test_the_table_of_parameters_says_what_a_list_is() -> None:
    table = parameter_table(Listed)
    assert "| `numbers` | a list of numbers | - | a |" in table
    assert "| `matrix` | a matrix | - | b |" in table
    assert "| `several` | a matrix, a list of matrices | - | c |" in table
    assert "| `table` | lists of whole numbers | - | e |" in table


def test_a_summary_shows_the_beginning_of_a_large_list() -> None:
    assert word(((1.0, 0.0, -1.0),)) == "[[1, 0, -1]]"
    assert word(((0.5,) * 10,) * 10).count("…") == 9
    assert word((3, 3)) == "3x3"
