"""The expressions of the syntax tree: numbers, sizes, names, arithmetic. Part of :mod:`.ast`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from cnndsl.diagnostics.source import Span
from cnndsl.frozen import frozen

if TYPE_CHECKING:
    from cnndsl.syntax.ast import Expr

__all__ = [
    "At",
    "Binary",
    "BinaryOperator",
    "Conditional",
    "Hole",
    "List",
    "Name",
    "Number",
    "Size",
    "Text",
    "Unary",
]


@frozen
class Number:
    """``4``, ``0.75``, ``1e-3``: an int where it was written as one."""

    value: int | float
    span: Span


@frozen
class Text:
    """``"labels.txt"``, without its quotes."""

    value: str
    span: Span


@frozen
class Hole:
    """``?``: a number that the checker finds."""

    span: Span


@frozen
class Name:
    """A name in an expression: a constant, a keyword of a schema (``same``, ``yes``) or a stream.

    Dotted names (``stem.conv1``) reach into the scope of a labelled block call.
    """

    name: str
    span: Span


@frozen
class Size:
    """``5x5``, ``1x32x32``, ``3x?x?``: two or more literal sizes in one word."""

    dims: tuple[Number | Hole, ...]
    span: Span


@frozen
class List:
    """``[k, 1]``, and the pairs of a ``for``: ``(64, 3)``."""

    items: tuple[Expr, ...]
    span: Span


@frozen
class At:
    """``6@5x5``: how many, of which size. Binds loosest."""

    count: Expr
    size: Expr
    span: Span


@frozen
class Unary:
    """``-x`` or ``not x``."""

    operator: Literal["-", "not"]
    operand: Expr
    span: Span


BinaryOperator: TypeAlias = Literal[
    "+", "-", "*", "/", "//", "%", "<", "<=", ">", ">=", "==", "!=", "and", "or", ".."
]


@frozen
class Binary:
    """Arithmetic, a comparison, ``and``/``or``, or a range ``1..N`` (both ends included)."""

    operator: BinaryOperator
    left: Expr
    right: Expr
    span: Span


@frozen
class Conditional:
    """``1 if first else 2``."""

    then: Expr
    condition: Expr
    otherwise: Expr
    span: Span
