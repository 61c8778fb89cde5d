"""Numbers of float32, in which networks compute, and parameters that it can hold."""

# No `from __future__ import annotations` here, for the reason that stands in `base.py`.

import struct
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field

__all__ = ["LARGEST", "SMALLEST", "NotNegative", "Positive", "Real", "single"]

LARGEST = 3.4e38
"""No number may be larger, or smaller than minus this."""

SMALLEST = 1.2e-38
"""No number that has to be above 0 may be smaller: float32 could hold it as 0."""


def single(number: float) -> float:
    """The nearest number of float32.

    >>> single(0.1)
    0.10000000149011612
    """
    return float(struct.unpack("f", struct.pack("f", number))[0])


def _held(value: float) -> float:
    if 0 < value < SMALLEST:
        raise ValueError(f"float32 cannot tell {value:g} from 0; from {SMALLEST:g} on it can")
    if value > LARGEST:
        raise ValueError(f"float32 cannot hold {value:g}; {LARGEST:g} is the largest")
    return value


Real: TypeAlias = Annotated[float, Field(ge=-LARGEST, le=LARGEST, allow_inf_nan=False)]
"""Any number."""

Positive: TypeAlias = Annotated[float, Field(gt=0, allow_inf_nan=False), AfterValidator(_held)]
"""A number above 0."""

NotNegative: TypeAlias = Annotated[float, Field(ge=0, allow_inf_nan=False), AfterValidator(_held)]
"""A number above 0, or 0."""
