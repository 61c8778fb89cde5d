"""Says a layer's settings in as few words as it takes.

A foreign file states every default and every size twice; a spec says ``conv 64@3 padding 1``. What
is left out here is what the layer's own schema gives back, so that reading the spec makes the same
layer: which is checked once the whole is written (:mod:`.proof`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING

from cnndsl.elaborate.bound import validate
from cnndsl.layers import find
from cnndsl.layers.base import Init, Layer
from cnndsl.layers.window import Rounding
from cnndsl.syntax.sharing import SHARE
from cnndsl.types import TensorType

if TYPE_CHECKING:
    from cnndsl.elaborate.values import Value

__all__ = [
    "ROUNDING",
    "brief_number",
    "brief_settings",
    "defaults_of",
    "roundings",
    "same_settings",
]

ROUNDING = "rounding"

_SIZES = ("kernel", "stride", "padding", "dilation", "output_padding")
"""Parameters that have a value for each spatial dimension, or one for all."""

_NEXT = 2.0**-23
"""How far apart, of their size, neighbours in float32 are."""

_LARGE = 1e15
"""Whole numbers up to here are written without a point."""


def brief_settings(layer: Layer, types: Sequence[TensorType]) -> dict[str, Value]:
    """The settings that differ from the schema's defaults, each in its shortest form.

    Without ``rounding``, of which :func:`roundings` says what it may be.
    """
    fields = type(layer).model_fields
    found: dict[str, Value] = {}
    for name in (*layer.positional, *(one for one in fields if one not in layer.positional)):
        if name in (ROUNDING, "index"):
            continue
        value = _plain(getattr(layer, name))
        if name in _SIZES:
            value = _brief_sizes(value)
        default = fields[name].default
        if value is None or (
            not fields[name].is_required() and value == _brief_sizes(_plain(default))
        ):
            continue
        found[name] = value
    if "stride" in found and fields["stride"].default is None:
        rank = len(types[0].spatial)
        if _spread(found["stride"], rank) == _spread(found.get("kernel"), rank):
            del found["stride"]
    return found


def same_settings(one: Mapping[str, Value], other: Mapping[str, Value]) -> bool:
    """Whether settings are the same, where a number that was shortened may be so once more.

    >>> same_settings({"rate": 0.08571429}, {"rate": 0.0857143})
    True
    """
    return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)


def _same(one: Value, other: Value) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= 2 * _NEXT * abs(one)
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return one == other


def roundings(layer: Layer, types: Sequence[TensorType]) -> frozenset[str]:
    """The rules of rounding by which a layer gives what it does; empty where it has none."""
    if ROUNDING not in type(layer).model_fields:
        return frozenset()
    given = {name: getattr(layer, name) for name in type(layer).model_fields}
    wanted = layer.output(*types)
    found = set()
    for rule in Rounding:
        other = validate(type(layer), {**given, ROUNDING: rule.value})
        if not any(True for _ in other.faults(*types)) and other.output(*types) == wanted:
            found.add(rule.value)
    return frozenset(found)


@cache
def defaults_of(keyword: str) -> Mapping[str, Value | None]:
    """What a layer's settings are where they are left out, in the schema's order, in short form.

    None stands for what must be given, for a default that is no value, and for ``rounding`` and
    ``share``, which stand last.
    """
    layer = find(keyword)
    assert layer is not None
    found: dict[str, Value | None] = {}
    fields = layer.model_fields
    for name in (*layer.positional, *(one for one in fields if one not in layer.positional)):
        if name != ROUNDING:
            given = not fields[name].is_required()
            found[name] = _brief_sizes(_plain(fields[name].default)) if given else None
    return {**found, ROUNDING: None, SHARE: None}


def _plain(value: object) -> Value | None:
    """A parameter's value as a spec's value."""
    match value:
        case None | bool() | int() | range() | Init():
            return value
        case float():
            return brief_number(value)
        case Enum():
            return str(value.value)
        case str():
            return value
        case tuple() | list():
            return tuple(item for item in map(_plain, value) if item is not None)
    raise TypeError(f"{value!r} is no value of a spec")


def brief_number(value: float) -> float | int:
    """The shortest number that is the same, or nearly the next one, in float32.

    >>> brief_number(9.999999747378752e-06), brief_number(0.10000000149011612), brief_number(6.0)
    (1e-05, 0.1, 6)
    """
    for digits in range(1, 17):
        short = float(f"{value:.{digits}g}")
        if abs(short - value) <= _NEXT * abs(value):
            value = short
            break
    return int(value) if value.is_integer() and abs(value) < _LARGE else value


def _brief_sizes(value: Value | None) -> Value | None:
    """``3`` for ``(3, 3)``, ``(1, 2)`` for ``(1, 2, 1, 2)``."""
    if not isinstance(value, tuple) or not value:
        return value
    if all(item == value[0] for item in value):
        return value[0]
    half = len(value) // 2
    if len(value) in (4, 6) and value[:half] == value[half:]:
        return value[:half]
    return value


def _spread(value: Value | None, rank: int) -> tuple[Value, ...]:
    if isinstance(value, tuple):
        return value
    return () if value is None else (value,) * rank
