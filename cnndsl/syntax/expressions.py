"""Turns expressions back into text, with no parentheses but the needed and the helpful ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from cnndsl.syntax.alignment import COMMENT
from cnndsl.syntax.ast import (
    Argument,
    At,
    Binary,
    BinaryOperator,
    Call,
    Chain,
    Conditional,
    Expr,
    Hole,
    Identifier,
    List,
    Name,
    Number,
    Size,
    Text,
    Unary,
)
from cnndsl.syntax.trivia import PLAIN, Gap, Trivia

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
    """Prints expressions; ``chain`` prints the chains that stand as arguments of calls.

    With the trivia of a text, words and parentheses stay as they are written. Comments among the
    words put line ends into what is printed else on one line, indented by ``margin``.
    """

    def __init__(self, chain: Callable[[Chain], str], trivia: Trivia = PLAIN) -> None:
        self._chain = chain
        self._trivia = trivia
        self.margin = ""

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
            value = argument.value
            text = self._chain(value) if isinstance(value, Chain) else self.alone(value)
            site = argument.span.start
            arguments.append(self.before(site) + self.argument_name(argument) + text)
        inner = ", ".join(arguments) + self.before_closing(call.callee.span.end)
        return f"{self.name(call.callee)}({inner}){self.share(call)}"

    def name(self, name: Identifier | Name) -> str:
        """A name, the parentheses around it, and the comments before it."""
        return self.grouped(name, self.comments(self._trivia.within(name.span.start)) + name.name)

    def grouped(self, part: Expr | Identifier, text: str) -> str:
        """A printed part in the parentheses that stand around it in its text."""
        for closer in self._trivia.parentheses(part):
            text = f"({text}{self.before(closer)})"
        return text

    def before(self, site: int) -> str:
        """The comments before a site, among words of one line."""
        return self.comments(self._trivia.gap(site))

    def argument_name(self, argument: Argument) -> str:
        """``stride = ``, or nothing."""
        return f"{argument.name.name} = " if argument.name else ""

    def share(self, call: Call) -> str:
        """`` share left`` behind a call, or nothing."""
        return f" share {self.name(call.share)}" if call.share else ""

    def before_closing(self, opener: int) -> str:
        """The comments before a bracket closes: the first one from an offset on."""
        return self.before(self._trivia.closing(opener))

    def comments(self, gap: Gap) -> str:
        """Comments, and the line end that each of them needs, among words of one line."""
        if not gap.comments:
            return ""
        lines = [f" {COMMENT}{gap.trailing}"] if gap.trailing else [""]
        lines += [self.margin + comment.text for comment in gap.own]
        return "\n".join((*lines, self.margin))

    def _text(self, expr: Expr, binding: int, *, tight: bool) -> str:
        """An expression where only what binds at least so tightly needs no parentheses."""
        own = _binding(expr)
        if self._trivia is not PLAIN:
            closers = self._trivia.parentheses(expr)
            return self.grouped(expr, self._bare(expr, own, tight=tight and not closers))
        if own < binding:
            return f"({self._bare(expr, own, tight=tight and own >= _RANGE)})"
        return self._bare(expr, own, tight=tight)

    def _bare(self, expr: Expr, own: int, *, tight: bool) -> str:
        """An expression without parentheses around it; ``own`` is how tightly it binds."""
        match expr:
            case Number() | Text() | Hole() | Name() | Size():
                before = self.comments(self._trivia.within(expr.span.start))
                return before + self._trivia.spelled(expr.span, _word(expr))
            case List():
                return self._list(expr)
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
                before = self.before(self._trivia.first(expr.otherwise))
                return f"{then} if {condition} {before}else {otherwise}"
        assert_never(expr)

    def item(self, item: Expr) -> str:
        """An item of a list; what was written as a pair stays one: ``[(64, 3), (128, 4)]``."""
        text = self.alone(item)
        is_pair = isinstance(item, List) and item.is_pair and self._trivia is PLAIN
        return f"({text[1:-1]})" if is_pair else text

    def _list(self, expr: List) -> str:
        items = []
        for item in expr.items:
            site = self._trivia.first(item) if self._trivia is not PLAIN else 0
            items.append(self.before(site) + self.item(item))
        inner = ", ".join(items)
        if self._trivia is PLAIN:
            return f"[{inner}]"
        left, right = "()" if expr.is_pair else "[]"
        return f"{left}{inner}{self.before_closing(expr.span.start)}{right}"

    def _binary(self, expr: Binary, *, tight: bool) -> str:
        own = _binding(expr)
        chains = own not in (_COMPARISON, _RANGE)
        tight = tight or own >= _PRODUCT or own == _RANGE
        left = self._text(expr.left, own if chains else own + 1, tight=tight)
        right = self._text(expr.right, own + 1, tight=tight)
        if own == _RANGE or (tight and own > _RANGE):
            return f"{left}{expr.operator}{right}"
        return f"{left} {expr.operator} {right}"


def _word(expr: Number | Text | Hole | Name | Size) -> str:
    """A literal or a name as it is written where no text says how."""
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
            return "x".join(map(_word, expr.dims))


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
