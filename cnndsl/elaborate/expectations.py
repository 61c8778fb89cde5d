"""Turns ``expect`` statements into quantities and what they must be: numbers, sizes, or bounds."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from cnndsl.diagnostics.model import Diagnostic
from cnndsl.diagnostics.words import closest, quoted
from cnndsl.elaborate.draft import PendingExpectation
from cnndsl.elaborate.evaluate import evaluate
from cnndsl.elaborate.quantities import BYTES, COUNTS, Quantity
from cnndsl.elaborate.schema_errors import unknown_quantity
from cnndsl.elaborate.values import (
    Constants,
    EvaluationError,
    OpenHole,
    Value,
    evaluation_error,
    show,
)
from cnndsl.syntax.ast import Expect, Expr, Name

__all__ = ["expectation"]


def expectation(statement: Expect, constants: Constants) -> PendingExpectation:
    """What a statement expects.

    Raises:
        EvaluationError: CNN115 for an unknown quantity, CNN204 for what is no number, CNN406 for a
            hole that nothing settles, CNN408 for a unit that does not suit the quantity, and as
            ``evaluate`` does.
    """
    if statement.quantity.name not in tuple(Quantity):
        raise EvaluationError(unknown_quantity(statement.quantity, tuple(Quantity)))
    exprs, scale = _without_unit(statement, constants)
    values: list[Value] = []
    for expr in exprs:
        value = evaluate(expr, constants)
        values.extend(value if isinstance(value, tuple) else (value,))
    if not values or not all(_suits(value, statement) for value in values):
        raise _no_number(statement, values)
    if len(values) > 1 and statement.comparison and not Quantity(statement.quantity.name).is_sizes:
        raise _no_number(statement, values)
    if statement.comparison == "!=" and any(isinstance(value, OpenHole) for value in values):
        help = "write the number that it must not be"
        message = "nothing settles what a `?` behind `!=` is"
        raise evaluation_error("CNN406", message, statement.values[0].span, help)
    return PendingExpectation(tuple(_scaled(value, scale) for value in values), statement)


def _suits(value: Value, statement: Expect) -> bool:
    """Whether a value is one that the quantity can be held against: a bound may be a fraction."""
    kinds = int | float | OpenHole if statement.comparison else int | OpenHole
    return isinstance(value, kinds) and not isinstance(value, bool)


def _no_number(statement: Expect, values: list[Value]) -> EvaluationError:
    name = statement.quantity.name
    said = ", ".join(map(show, values))
    if statement.comparison:
        message = f"a budget of `{name}` is a number, not `{said}`"
        help = "write one number, as in `expect params <= 5e6`"
    else:
        message = f"`expect {name}` takes whole numbers, not `{said}`"
        help = "write the number, as in `expect params 61706`"
        if any(isinstance(value, float) for value in values):
            written = " ".join(expr.span.text for expr in statement.values)
            help = f"write all its digits, or a budget: `expect {name} <= {written}`"
    return evaluation_error("CNN204", message, statement.span, help)


# --- units --------------------------------------------------------------------------------------


def _without_unit(statement: Expect, constants: Constants) -> tuple[tuple[Expr, ...], int]:
    """The expressions without the unit behind them, and the number that the unit stands for."""
    *before, last = statement.values
    if not before or not isinstance(last, Name):
        return statement.values, 1
    every = {**COUNTS, **BYTES}
    if last.name not in every and constants.find(last.name) is not None:
        return statement.values, 1
    quantity = Quantity(statement.quantity.name)
    if not statement.comparison:
        written = " ".join(expr.span.text for expr in statement.values)
        message = f"`expect {quantity}` states a whole number, and `{last.name}` is no part of one"
        help = f"write all its digits, or a budget: `expect {quantity} <= {written}`"
        raise evaluation_error("CNN408", message, last.span, help)
    if last.name not in quantity.units:
        raise EvaluationError(_unsuited(last, quantity, every))
    return tuple(before), quantity.units[last.name]


def _unsuited(unit: Name, quantity: Quantity, every: Mapping[str, int]) -> Diagnostic:
    units = quantity.units
    help = f"leave it out: `{quantity}` has no units"
    if units:
        near = closest(unit.name, units)
        help = f"did you mean `{near[0]}`?" if near else f"it takes {quoted(units)}"
    what = f"no unit is called `{unit.name}`"
    if unit.name in every:
        kind = "bytes" if unit.name in BYTES else "counts"
        what = f"`{unit.name}` is a unit of {kind}, and none of `{quantity}`"
    return Diagnostic("CNN408", what, unit.span, help=help)


def _scaled(value: Value, scale: int) -> Value:
    """A number of units, exact where it is a decimal fraction: ``0.1 GB`` are 100,000,000 bytes."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    exact = Fraction(str(value)) * scale
    return exact.numerator if exact.denominator == 1 else float(exact)
