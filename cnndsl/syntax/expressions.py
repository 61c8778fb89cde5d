"""Turns expressions back into text, with no parentheses but the needed and the helpful ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from cnndsl.syntax.ast import (
    At,
    Binary,
    BinaryOperator,
    Call,
    Chain,
    Conditional,
    Expr,
    Hole,
    List,
    Name,
    Number,
    Size,
    Text,
    Unary,
)

__all__ = ["ExpressionPrinter", "quoted"]

_AT, _CONDITIONAL, _OR, _AND, _NOT, _COMPARISON, _RANGE, _SUM, _PRODUCT, _UNARY, _ATOM = range(11)
"""How tightly the kinds of expressions bind, the loosest first, as in the grammar."""

_BINDING: dict[BinaryOperator, int] = {
    "or": _OR,
    "and": _AND,
    "<": _COMPARISON,
    "<=": _COMPARISON,
    ">": _COMPARISON,
    ">=": _COMPARISON,
    "==": _COMPARISON,
    "!=": _COMPARISON,
    "..": _RANGE,
    "+": _SUM,
    "-": _SUM,
    "*": _PRODUCT,
    "/": _PRODUCT,
    "//": _PRODUCT,
    "%": _PRODUCT,
}


def quoted(text: str) -> str:
    """A text between double quotes."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


class ExpressionPrinter:
    """Prints expressions; ``chain`` prints the chains that stand as arguments of calls."""

    def __init__(self, chain: Callable[[Chain], str]) -> None:
        self._chain = chain

    def alone(self, expr: Expr) -> str:
        """An expression that has its place to itself: ``let k = 2*n + 1``."""
        return self._text(expr, _AT, tight=False)

    def beside(self, expr: Expr) -> str:
        """An expression among others: ``padding (k-1)//2``.

        It is written without spaces, and what has words in it stands in parentheses.
        """
        if isinstance(expr, At):
            return self._text(expr, _AT, tight=True)
        return self._text(expr, _RANGE, tight=True)

    def call(self, call: Call) -> str:
        """A call on one line, unless it holds a body that needs several."""
        arguments = []
        for argument in call.arguments:
            name = f"{argument.name.name} = " if argument.name else ""
            value = argument.value
            text = self._chain(value) if isinstance(value, Chain) else self.alone(value)
            arguments.append(name + text)
        share = f" share {call.share.name}" if call.share else ""
        return f"{call.callee.name}({', '.join(arguments)}){share}"

    def _text(self, expr: Expr, binding: int, *, tight: bool) -> str:
        """An expression where only what binds at least so tightly needs no parentheses."""
        own = _binding(expr)
        if own < binding:
            return f"({self._text(expr, _AT, tight=tight and own >= _RANGE)})"
        match expr:
            case Number():
                return repr(expr.value)
            case Text():
                return quoted(expr.value)
            case Hole():
                return "?"
            case Name():
                return expr.name
            case Size():
                return "x".join(self._text(dim, _ATOM, tight=True) for dim in expr.dims)
            case List():
                return f"[{', '.join(map(self.item, expr.items))}]"
            case Call():
                return self.call(expr)
            case At():
                count = self._text(expr.count, _RANGE, tight=True)
                return f"{count}@{self._text(expr.size, _RANGE, tight=True)}"
            case Unary():
                operand = self._text(expr.operand, own, tight=tight)
                return f"-{operand}" if expr.operator == "-" else f"not {operand}"
            case Binary():
                return self._binary(expr, tight=tight)
            case Conditional():
                then = self._text(expr.then, _OR, tight=False)
                condition = self._text(expr.condition, _OR, tight=False)
                otherwise = self._text(expr.otherwise, _CONDITIONAL, tight=False)
                return f"{then} if {condition} else {otherwise}"
        assert_never(expr)

    def item(self, item: Expr) -> str:
        """An item of a list; what was written as a pair stays one: ``[(64, 3), (128, 4)]``."""
        text = self.alone(item)
        return f"({text[1:-1]})" if isinstance(item, List) and item.is_pair else text

    def _binary(self, expr: Binary, *, tight: bool) -> str:
        own = _binding(expr)
        chains = own not in (_COMPARISON, _RANGE)
        tight = tight or own >= _PRODUCT or own == _RANGE
        left = self._text(expr.left, own if chains else own + 1, tight=tight)
        right = self._text(expr.right, own + 1, tight=tight)
        if own == _RANGE or (tight and own > _RANGE):
            return f"{left}{expr.operator}{right}"
        return f"{left} {expr.operator} {right}"


def _binding(expr: Expr) -> int:
    match expr:
        case At():
            return _AT
        case Conditional():
            return _CONDITIONAL
        case Binary():
            return _BINDING[expr.operator]
        case Unary():
            return _UNARY if expr.operator == "-" else _NOT
        case Number():
            return _UNARY if expr.value < 0 else _ATOM
    return _ATOM
