"""Sizes and counts as a spec writes them: one for all dimensions, or one for each."""

# No `from __future__ import annotations`: pydantic reads these types.

from typing import Annotated, TypeAlias

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticKnownError

from cnndsl.layers.window import Rounding

__all__ = ["MAX_SIZE", "Count", "RoundingWord", "Sizes", "as_tuple", "spread"]

MAX_SIZE = 2**31 - 1
"""No single size, count or stride may be larger."""


def as_tuple(value: object) -> object:
    """A single number as the sizes that it stands for; anything else as it is."""
    return (value,) if isinstance(value, int) and not isinstance(value, bool) else value


def _as_rounding(value: object) -> object:
    for word in Rounding:
        if value == word.value:
            return word
    raise PydanticKnownError("literal_error", {"expected": "'exact', 'floor' or 'ceil'"})


Count: TypeAlias = Annotated[int, Field(ge=1, le=MAX_SIZE)]
"""A positive whole number."""

Sizes: TypeAlias = Annotated[tuple[Count, ...], BeforeValidator(as_tuple), Field(min_length=1)]
"""``K``, ``KxK`` or ``[k, 1]``: one size for every spatial dimension, or one for each."""

RoundingWord: TypeAlias = Annotated[Rounding, BeforeValidator(_as_rounding)]
"""``exact``, ``floor`` or ``ceil``."""


def spread(sizes: tuple[int, ...], rank: int) -> tuple[int, ...]:
    """One size for each of ``rank`` spatial dimensions; a single size means the same for all.

    >>> spread((3,), 2), spread((3, 1), 2)
    ((3, 3), (3, 1))
    """
    return sizes * rank if len(sizes) == 1 else sizes
