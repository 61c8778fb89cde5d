"""Says which settings of an input from another tool's file are none, and where it has none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from pydantic import ValidationError

from cnndsl.elaborate.values import brief
from cnndsl.recipe.preparation import CHANNELS, SETTINGS, prepare
from cnndsl.types import TensorType

if TYPE_CHECKING:
    from cnndsl.elaborate.values import Value
    from cnndsl.importers.networks.graph import ImportedInput
    from cnndsl.layers.base import Schema

__all__ = ["unfit", "unsaid_preparation"]


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


def unsaid_preparation(inputs: Sequence[ImportedInput]) -> Iterator[str]:
    """A note for each input of pictures whose file does not say what is done to them."""
    for one in inputs:
        dims = one.type.dims
        if not one.settings and len(dims) == 3 and dims[0] in CHANNELS.values():
            name = "" if len(inputs) == 1 else f" `{one.name}`"
            yield (
                f"the file does not say how pictures become the input{name}: as it stands, they are"
                " 0 to 255; if it was trained otherwise, say so in the input's braces, as"
                " `scale 1/255`, `mean …` and `std …`"
            )


def _written(name: str, values: tuple[Value, ...]) -> str:
    return " ".join((name, *(brief(value) for value in values)))


def _why(error: ValidationError) -> str:
    found = error.errors()[0]["msg"].removeprefix("Value error, ")
    return found[:1].lower() + found[1:]
