"""Types of parameters that are lists of numbers: long lists, matrices, tables.

A spec writes them as lists in lists, ``filter [[1, 0, -1], [1, 0, -1]]``. What is wrong with one
is said of the row or the number at fault. Only layers that take such values load this module.
"""

# No `from __future__ import annotations` here, for the reason that stands in `base.py`.

import math
from collections.abc import Callable
from typing import Annotated, TypeAlias

from pydantic import BeforeValidator, WithJsonSchema

from cnndsl.layers.base import MAX_SIZE, ItemError, Lists

__all__ = ["Kernels", "Matrices", "Matrix", "Nested", "Numbers", "Table", "shape_of"]

Nested: TypeAlias = "float | tuple[Nested, ...]"
"""A number, or a tuple of such: what a list of any depth holds."""

_LARGEST = 3.4028234663852886e38

_NAMES = {1: "a list of numbers", 2: "a matrix", 3: "a list of matrices", 4: "lists of matrices"}


def shape_of(value: Nested) -> tuple[int, ...]:
    """How many rows, columns and so on a rectangular list has.

    >>> shape_of(((1.0, 0.0, -1.0), (1.0, 0.0, -1.0))), shape_of((1.0, 2.0)), shape_of(3.0)
    ((2, 3), (2,), ())
    """
    return (len(value), *shape_of(value[0])) if isinstance(value, tuple) else ()


def _depth(value: object) -> int:
    """How deeply lists stand in each other, by the first of each."""
    if not isinstance(value, tuple):
        return 0
    return 1 + (_depth(value[0]) if value else 0)


def _checked(
    value: object, depth: int, path: tuple[int, ...], number: Callable[..., float]
) -> Nested:
    """A value as lists of this depth.

    Raises:
        ItemError: where it is not, with the place.
    """
    if depth == 0:
        return number(value, path)
    if not isinstance(value, tuple):
        raise ItemError(path, f"{_place(path)}must be {_NAMES[depth]}")
    if not value:
        raise ItemError(path, f"{_place(path)}is empty" if path else "must not be empty")
    return tuple(_checked(item, depth - 1, (*path, at), number) for at, item in enumerate(value))


def _place(path: tuple[int, ...]) -> str:
    """Which item of a list, counted from 1 as people do: ``row 2``; nothing for the list itself."""
    if not path:
        return ""
    numbers = ", ".join(str(at + 1) for at in path)
    return f"row {numbers} " if len(path) == 1 else f"item {numbers} "


def _real(value: object, path: tuple[int, ...]) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ItemError(path, f"{_place(path)}must be a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not abs(number) <= _LARGEST:
        raise ItemError(path, f"{_place(path)}must be a number that float32 can hold")
    return number


def _index(value: object, path: tuple[int, ...]) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_SIZE:
        raise ItemError(path, f"{_place(path)}must be a whole number from 0 on")
    return value


def _rectangular(value: Nested, path: tuple[int, ...] = ()) -> None:
    """See to it that all items of a list have the shape of the first.

    Raises:
        ItemError: with the place of the first that has not.
    """
    if not isinstance(value, tuple) or not isinstance(value[0], tuple):
        return
    for at, item in enumerate(value):
        _rectangular(item, (*path, at))
    first = shape_of(value[0])
    for at, item in enumerate(value):
        if shape_of(item) != first:
            one, other = _sizes(shape_of(item)), _sizes(first)
            message = f"{_place((*path, at))}has {one}, and {_place((*path, 0))}has {other}"
            raise ItemError((*path, at), message)


def _sizes(shape: tuple[int, ...]) -> str:
    if len(shape) > 1:
        return "x".join(map(str, shape)) + " numbers"
    return f"{shape[0]} numbers" if shape[0] != 1 else "1 number"


def _numbers(value: object) -> object:
    items = value if isinstance(value, tuple) else (value,)
    return _checked(items, 1, (), _real)


def _matrix(value: object) -> object:
    found = _checked(value, 2, (), _real)
    _rectangular(found)
    return found


def _matrices(value: object) -> object:
    depth = max(2, min(_depth(value), 3))
    found = _checked(value, depth, (), _real)
    _rectangular(found)
    return (found,) if depth == 2 else found


def _nested(value: object) -> object:
    found = _checked(value, max(1, _depth(value)), (), _real)
    _rectangular(found)
    return found


def _table(value: object) -> object:
    return _checked(value, 2, (), _index)


def _schema(depth: int, item: str = "number") -> dict[str, object]:
    schema: dict[str, object] = {"type": item}
    for _ in range(depth):
        schema = {"type": "array", "items": schema}
    return schema


Numbers: TypeAlias = Annotated[
    tuple[float, ...], BeforeValidator(_numbers), Lists(), WithJsonSchema(_schema(1))
]
"""``[1, 0.5, -1]``: numbers, as many as one likes; a single number is a list of one."""

Matrix: TypeAlias = Annotated[
    tuple[tuple[float, ...], ...], BeforeValidator(_matrix), Lists(), WithJsonSchema(_schema(2))
]
"""``[[1, 0, -1], [1, 0, -1]]``: rows of one length."""

Matrices: TypeAlias = Annotated[
    tuple[tuple[tuple[float, ...], ...], ...],
    BeforeValidator(_matrices),
    Lists(),
    WithJsonSchema({"anyOf": [_schema(2), _schema(3)]}),
]
"""``[[[1, 0], [0, 1]], [[0, 1], [1, 0]]]``: matrices of one size; a single one is a list of one."""

Kernels: TypeAlias = Annotated[
    tuple[object, ...],
    BeforeValidator(_nested),
    Lists(),
    WithJsonSchema({"anyOf": [_schema(depth) for depth in (1, 2, 3, 4)]}),
]
"""A rectangular list of numbers of any depth; how deep it must be, the layer's input decides."""

Table: TypeAlias = Annotated[
    tuple[tuple[int, ...], ...],
    BeforeValidator(_table),
    Lists(),
    WithJsonSchema(_schema(2, "integer")),
]
"""``[[0, 1, 2], [1, 2]]``: rows of whole numbers from 0 on, of whatever length each."""
