"""Turns two numbers and an operator into a number: exact where both are whole, and bounded."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping

from cnndsl.elaborate.values import LARGEST, evaluation_error, show
from cnndsl.syntax.ast import Binary

__all__ = ["COMPARISONS", "arithmetic"]

_ARITHMETIC: Mapping[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
}
COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


def arithmetic(expr: Binary, left: float, right: float) -> int | float:
    """What an operator makes of the numbers on its sides.

    Raises:
        EvaluationError: CNN210 for a division by zero and a result beyond 2^63.
    """
    if expr.operator in ("/", "//", "%") and right == 0:
        raise evaluation_error(
            "CNN210",
            f"{show(left)} {expr.operator} 0 has no value",
            expr.span,
            label="division by zero",
            help="divide by something other than 0",
        )
    whole = isinstance(left, int) and isinstance(right, int)
    if whole and expr.operator == "/" and left % right == 0:
        return int(left) // int(right)
    try:
        result = _ARITHMETIC[expr.operator](left, right)
    except OverflowError:
        result = math.inf
    if not -LARGEST <= result <= LARGEST:  # also catches nan
        raise evaluation_error(
            "CNN210",
            f"the result of `{expr.operator}` is beyond what a network can use (2^63)",
            expr.span,
            help="use smaller numbers",
        )
    return int(result) if expr.operator == "//" else result
