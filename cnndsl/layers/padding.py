"""Padding as a spec writes it, and what it adds in front of and behind each dimension."""

from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, GetPydanticSchema, WithJsonSchema, WrapValidator
from pydantic_core import PydanticKnownError

from cnndsl.layers.base import MAX_SIZE, spread

__all__ = ["WORDS", "Padding", "margins"]

WORDS = ("valid", "same", "full")
"""The paddings that have a name."""

_Margin: TypeAlias = Annotated[int, Field(ge=0, le=MAX_SIZE)]


def _words(value: object, validate: Callable[[object], object]) -> object:
    """Let the words through, and make one size of one number."""
    if isinstance(value, str):
        if value in WORDS:
            return value
        raise PydanticKnownError("literal_error", {"expected": "'valid', 'same' or 'full'"})
    if value == ():
        raise ValueError("`padding` needs at least one size")
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return validate((value,) if is_number else value)


_SCHEMA = Annotated[
    tuple[_Margin, ...],
    WrapValidator(_words),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": list(WORDS)},
                {
                    "type": "array",
                    "items": {"type": "integer", "minimum": 0, "maximum": MAX_SIZE},
                    "minItems": 1,
                },
            ]
        }
    ),
]


def _schema(_source: object, handler: Callable[[Any], Any]) -> Any:
    return handler(_SCHEMA)


# A plain union would report a bad size once for each of its members; this reports it once.
Padding: TypeAlias = Annotated[
    tuple[int, ...] | Literal["valid", "same", "full"], GetPydanticSchema(_schema)
]
"""``valid``, ``same``, ``full``, ``2``, ``2x1``, or ``[top, left, bottom, right]``."""


def margins(
    padding: tuple[int, ...] | Literal["valid", "same", "full"],
    sizes: tuple[int, ...],
    extents: tuple[int, ...],
    strides: tuple[int, ...],
) -> tuple[tuple[int, int], ...]:
    """The cells added in front of and behind each dimension of ``sizes``.

    ``extents`` are the cells that the kernel covers, ``D(K - 1) + 1``. ``same`` adds what
    ``ceil(W/S)`` positions need, the odd cell at the end; ``full`` all but one cell of the kernel
    on both sides. A list of twice the rank gives all fronts, then all ends, as ONNX does.

    >>> margins("same", (28, 28), (4, 4), (1, 2))
    ((1, 2), (1, 1))
    >>> margins((0, 0, 1, 2), (28, 28), (3, 3), (2, 2))
    ((0, 1), (0, 2))
    """
    rank = len(sizes)
    if padding == "valid":
        return ((0, 0),) * rank
    if padding == "full":
        return tuple((extent - 1, extent - 1) for extent in extents)
    if padding == "same":
        return tuple(map(_same, sizes, extents, strides))
    if len(padding) == 2 * rank:
        return tuple(zip(padding[:rank], padding[rank:], strict=True))
    return tuple((margin, margin) for margin in spread(padding, rank))


def _same(size: int, extent: int, stride: int) -> tuple[int, int]:
    total = max(0, (-(-size // stride) - 1) * stride + extent - size)
    return total // 2, total - total // 2
