r"""Turns formulas into text and LaTeX: in letters, and with their numbers.

>>> W, K = Symbol("W", 28, "input size"), Symbol("K", 5, "kernel")
>>> written((W - K) / 2 + 1), written((W - K) / 2 + 1, numbers=True)
('(W - K)/2 + 1', '(28 - 5)/2 + 1')
>>> latex((W - K) / 2 + 1)
'\\frac{W - K}{2} + 1'
"""

from __future__ import annotations

import re
from collections.abc import Container
from typing import TYPE_CHECKING

from typing_extensions import override

from cnndsl.layers.formula import Function, Number, Product, Quotient, Sum, Symbol, Term

if TYPE_CHECKING:
    from fractions import Fraction

__all__ = ["latex", "latex_number", "letter", "shown_number", "written"]

_SUM, _PRODUCT, _ATOM = range(3)
"""How tightly a term holds together."""

DIGITS = 4
"""So many decimals are shown where they are all that there are."""


def written(term: Term, *, numbers: bool = False, open: Container[str] = ()) -> str:
    """A formula as text; with ``numbers`` in place of all letters but those of open parameters."""
    return _Text(numbers, open).whole(term)


def latex(term: Term, *, numbers: bool = False, open: Container[str] = ()) -> str:
    """The same as LaTeX, for mathematics mode."""
    return _Latex(numbers, open).whole(term)


def shown_number(value: int | Fraction) -> str:
    """A number for people: ``117,600``, ``54.25``, ``12 + 2/3``."""
    whole, rest = divmod(value, 1)
    if not rest:
        return f"{int(value):,}"
    if 10**DIGITS % rest.denominator == 0:
        return f"{float(value):,.{DIGITS}f}".rstrip("0")
    return f"{int(whole):,} + {rest.numerator}/{rest.denominator}"


def latex_number(value: int | Fraction) -> str:
    """The same as LaTeX, in which a comma between digits takes no space."""
    text = shown_number(value).replace(",", "{,}")
    return re.sub(r"(\d+)/(\d+)$", r"\\frac{\1}{\2}", text)


def letter(symbol: Symbol) -> str:
    """A symbol's letter as LaTeX: ``Kh`` and ``P1`` have an index, ``H'`` a prime."""
    first, index, prime = re.fullmatch(r"([A-Za-z])(\w*)('?)", symbol.letter).groups()  # type: ignore[union-attr]
    return f"{first}{prime}_{{{index}}}" if index else f"{first}{prime}"


class _Text:
    """Writes formulas as text."""

    def __init__(self, numbers: bool, open: Container[str]) -> None:
        self.numbers = numbers
        self.open = open

    def whole(self, term: Term) -> str:
        """A formula that stands by itself."""
        return self.term(term)[0]

    def term(self, term: Term) -> tuple[str, int]:
        """A term, and how tightly it holds together."""
        match term:
            case Number(number=number):
                return self.number(number), _ATOM if number >= 0 else _SUM
            case Symbol(number=number, parameter=parameter):
                if not self.numbers or (parameter and parameter in self.open):
                    return self.symbol(term), _ATOM
                return self.number(number), _ATOM if number >= 0 else _SUM
            case Sum():
                return self.sum(term), _SUM
            case Product(factors=factors):
                return self.product([self.within(one, _PRODUCT) for one in factors], term), _PRODUCT
            case Quotient(above=above, below=below):
                return self.quotient(above, below)
            case Function():
                return self.function(term), _ATOM
        raise AssertionError(term)

    def within(self, term: Term, least: int) -> str:
        """A term in another one, in parentheses where it holds together less tightly."""
        text, tightness = self.term(term)
        return text if tightness >= least else self.parenthesised(text)

    def sum(self, term: Sum) -> str:
        """``W - K + 2P``."""
        text = ""
        for sign, one in term.summands:
            part = self.within(one, _PRODUCT if sign < 0 or text else _SUM)
            text += f" {'-' if sign < 0 else '+'} {part}" if text else part
        return text

    def number(self, number: int) -> str:
        """A number within a formula."""
        return str(number)

    def symbol(self, symbol: Symbol) -> str:
        """A symbol by its letter."""
        return symbol.letter

    def parenthesised(self, text: str) -> str:
        """A term that holds together."""
        return f"({text})"

    def product(self, factors: list[str], term: Product) -> str:
        """``2P``, else ``C*K*K``."""
        first, *others = term.factors
        tight = isinstance(first, Number) and [*map(type, others)] == [Symbol]
        return ("" if tight and not factors[1].isdecimal() else "*").join(factors)

    def quotient(self, above: Term, below: Term) -> tuple[str, int]:
        """``(W - K)/S``."""
        return f"{self.within(above, _PRODUCT)}/{self.within(below, _ATOM)}", _PRODUCT

    def function(self, term: Function) -> str:
        """``floor((W - K)/S)``."""
        return f"{term.name}({', '.join(map(self.whole, term.arguments))})"


class _Latex(_Text):
    """Writes formulas as LaTeX."""

    @override
    def symbol(self, symbol: Symbol) -> str:
        return letter(symbol)

    @override
    def parenthesised(self, text: str) -> str:
        return rf"\left({text}\right)"

    @override
    def product(self, factors: list[str], term: Product) -> str:
        text = factors[0]
        for one in factors[1:]:
            of_numbers = one[:1].isdecimal() or (text[-1:].isdecimal() and one.startswith("\\"))
            between = "" if text[-1:].isdecimal() else r" \, "
            text += (r" \cdot " if of_numbers else between) + one
        return text

    @override
    def quotient(self, above: Term, below: Term) -> tuple[str, int]:
        return rf"\frac{{{self.whole(above)}}}{{{self.whole(below)}}}", _PRODUCT

    @override
    def function(self, term: Function) -> str:
        inner = ", ".join(map(self.whole, term.arguments))
        match term.name:
            case "floor":
                return rf"\left\lfloor {inner} \right\rfloor"
            case "ceil":
                return rf"\left\lceil {inner} \right\rceil"
            case name:
                return rf"\{name}\left({inner}\right)"
