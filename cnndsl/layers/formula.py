"""The arithmetic of layers as formulas: what is reckoned, with which numbers, in exact arithmetic.

A layer builds its formulas of symbols that carry their numbers. They are values: whoever shows
them writes them as text or LaTeX, in letters or in numbers, and works them out.

>>> W, K, P = Symbol("W", 32, "input"), Symbol("K", 5, "kernel"), Symbol("P", 2, "padding")
>>> (W - K + 2 * P + 1).value
32
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Literal

from typing_extensions import override

from cnndsl.frozen import frozen

if TYPE_CHECKING:
    from fractions import Fraction

__all__ = [
    "Function",
    "Number",
    "Product",
    "Quotient",
    "Sum",
    "Symbol",
    "Term",
    "ceiling",
    "floored",
    "least",
    "product",
    "symbols_of",
    "total",
]


class Term:
    """A formula, or a part of one."""

    @property
    def value(self) -> int | Fraction:
        """What it comes to."""
        raise NotImplementedError

    @property
    def parts(self) -> tuple[Term, ...]:
        """The terms that it is made of."""
        return ()

    def __add__(self, other: Term | int) -> Term:
        return Sum((*_summands(self), *_summands(_term(other))))

    def __radd__(self, other: int) -> Term:
        return _term(other) + self

    def __sub__(self, other: Term | int) -> Term:
        return Sum((*_summands(self), (-1, _term(other))))

    def __mul__(self, other: Term | int) -> Term:
        return Product((*_factors(self), *_factors(_term(other))))

    def __rmul__(self, other: int) -> Term:
        return _term(other) * self

    def __truediv__(self, other: Term | int) -> Term:
        return Quotient(self, _term(other))


@frozen
class Number(Term):
    """A number that is the same in every layer."""

    number: int

    @property
    @override
    def value(self) -> int:
        return self.number


@frozen
class Symbol(Term):
    """A letter, the number that it has here, and what it means.

    ``parameter`` is the layer's parameter that it comes from, where there is one.
    """

    letter: str
    number: int
    meaning: str
    parameter: str = ""

    @property
    @override
    def value(self) -> int:
        return self.number


@frozen
class Sum(Term):
    """Terms that are added or, where their sign is -1, subtracted."""

    summands: tuple[tuple[int, Term], ...]

    @property
    @override
    def value(self) -> int | Fraction:
        return sum(sign * term.value for sign, term in self.summands)

    @property
    @override
    def parts(self) -> tuple[Term, ...]:
        return tuple(term for _, term in self.summands)


@frozen
class Product(Term):
    """Terms that are multiplied."""

    factors: tuple[Term, ...]

    @property
    @override
    def value(self) -> int | Fraction:
        return math.prod(term.value for term in self.factors)

    @property
    @override
    def parts(self) -> tuple[Term, ...]:
        return self.factors


@frozen
class Quotient(Term):
    """One term by another, exact."""

    above: Term
    below: Term

    @property
    @override
    def value(self) -> int | Fraction:
        from fractions import Fraction  # here: a check makes terms of nothing

        exact = Fraction(self.above.value) / self.below.value
        return exact.numerator if exact.denominator == 1 else exact

    @property
    @override
    def parts(self) -> tuple[Term, ...]:
        return (self.above, self.below)


@frozen
class Function(Term):
    """A number rounded down or up, or the smallest or largest of several."""

    name: Literal["floor", "ceil", "min", "max"]
    arguments: tuple[Term, ...]

    @property
    @override
    def value(self) -> int | Fraction:
        values = [term.value for term in self.arguments]
        match self.name:
            case "floor":
                return math.floor(values[0])
            case "ceil":
                return math.ceil(values[0])
            case "min":
                return min(values)
            case "max":
                return max(values)

    @property
    @override
    def parts(self) -> tuple[Term, ...]:
        return self.arguments


def floored(term: Term) -> Term:
    """A term rounded down."""
    return Function("floor", (term,))


def ceiling(term: Term) -> Term:
    """A term rounded up."""
    return Function("ceil", (term,))


def least(*terms: Term) -> Term:
    """The smallest of some terms."""
    return Function("min", terms)


def total(terms: Iterable[Term]) -> Term:
    """The sum of some terms; 0 where there are none."""
    first, *rest = [*terms] or [Number(0)]
    return sum(rest, start=first)


def product(terms: Iterable[Term]) -> Term:
    """The product of some terms; 1 where there are none."""
    factors = tuple(factor for term in terms for factor in _factors(term))
    return Product(factors) if len(factors) > 1 else (*factors, Number(1))[0]


def symbols_of(term: Term) -> Iterator[Symbol]:
    """The symbols of a formula, from left to right; one may come more than once."""
    if isinstance(term, Symbol):
        yield term
    for part in term.parts:
        yield from symbols_of(part)


def _term(value: Term | int) -> Term:
    return Number(value) if isinstance(value, int) else value


def _summands(term: Term) -> tuple[tuple[int, Term], ...]:
    return term.summands if isinstance(term, Sum) else ((1, term),)


def _factors(term: Term) -> tuple[Term, ...]:
    return term.factors if isinstance(term, Product) else (term,)
