"""Says why an input cannot have settings that another tool's file gives it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import ValidationError

from cnndsl.elaborate.values import brief
from cnndsl.recipe.preparation import SETTINGS, prepare
from cnndsl.types import TensorType

if TYPE_CHECKING:
    from cnndsl.elaborate.values import Value
    from cnndsl.layers.base import Schema

__all__ = ["unfit"]


def unfit(settings: Mapping[str, tuple[Value, ...]], type: TensorType) -> tuple[str, str]:
    """The first setting that is none, as it would stand there, and why; empty where all are.

    ``settings`` are as in :class:`~cnndsl.importers.networks.graph.ImportedInput`.

    >>> unfit({"scale": (1 / 255,)}, TensorType((1, 28, 28)))
    ('', '')
    >>> unfit({"scale": (1e39,)}, TensorType((1, 28, 28)))
    ('scale 1e+39', 'float32 cannot hold 1e+39; 3.4e+38 is the largest')
    """
    made: dict[str, Schema] = {}
    for name, values in settings.items():
        first, *rest = values
        given = {"value": first, **dict(zip(map(str, rest[::2]), rest[1::2], strict=False))}
        try:
            made[name] = SETTINGS[name].model_validate(given)
        except ValidationError as error:
            return _written(name, values), _why(error)
    for fault in prepare(made).faults(type):
        name = fault.blame[0]
        return _written(name, settings.get(name, ())), fault.message
    return "", ""


def _written(name: str, values: tuple[Value, ...]) -> str:
    return " ".join((name, *(brief(value) for value in values)))


def _why(error: ValidationError) -> str:
    found = error.errors()[0]["msg"].removeprefix("Value error, ")
    return found[:1].lower() + found[1:]
