"""How weights begin: the initialisers that a spec can name."""

# No `from __future__ import annotations` here, for the reason that stands in `base.py`.

from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticKnownError

from cnndsl.frozen import frozen
from cnndsl.layers.floats import LARGEST

__all__ = ["NUMBERED", "Init", "InitName", "InitWord"]

InitName: TypeAlias = Literal["he", "glorot", "lecun", "uniform", "normal", "constant"]


@frozen
class Init:
    """How a weight begins: the name of an initialiser and its number, where it takes one.

    ``he`` is normal with variance 2/fan_in (He et al. 2015, eq. 10), ``glorot`` uniform with
    variance 2/(fan_in + fan_out) (Glorot & Bengio 2010, eq. 16), ``lecun`` normal with variance
    1/fan_in (LeCun et al. 1998, Efficient BackProp, eq. 16), ``uniform(a)`` uniform in [-a, a],
    ``normal(s)`` normal with standard deviation s, ``constant(c)`` is c everywhere.
    """

    name: InitName
    value: float | None = None


_SCALED: tuple[InitName, ...] = ("he", "glorot", "lecun")
NUMBERED: tuple[InitName, ...] = ("uniform", "normal", "constant")


def _as_init(value: object) -> object:
    """Make an initialiser of a word, and see to it that it has a number where it needs one."""
    if isinstance(value, str):
        known = {str(name): name for name in (*_SCALED, *NUMBERED)}
        if value not in known:
            raise PydanticKnownError("literal_error", {"expected": str([*known])[1:-1]})
        value = Init(known[value])
    if not isinstance(value, Init):
        return value
    name, number = value.name, value.value
    if name in _SCALED and number is not None:
        raise ValueError(f"`{name}` takes no number: its scale follows from the layer's size")
    if name in NUMBERED and number is None:
        raise ValueError(f"`{name}` needs a number: `{name}(0.01)`")
    if number is not None and not (number >= 0 or name == "constant"):
        raise ValueError(f"`{name}` takes a number that is not negative, not {number}")
    if number is not None and not abs(number) <= LARGEST:
        raise ValueError(f"float32 cannot hold {number:g}; {LARGEST:g} is the largest")
    return value


_INIT_SCHEMA = {
    "anyOf": [
        {"enum": [*_SCALED]},
        {
            "type": "string",
            "pattern": rf"^({'|'.join(NUMBERED)})\(.+\)$",
            "examples": ["uniform(0.05)", "normal(0.01)", "constant(0.1)"],
        },
    ]
}

InitWord: TypeAlias = Annotated[
    Init, BeforeValidator(_as_init), WithJsonSchema(_INIT_SCHEMA, mode="validation")
]
"""``he``, ``glorot``, ``lecun``, ``uniform(a)``, ``normal(s)`` or ``constant(c)``."""
