"""Turns numbers of any type into raw values, 0 to 255, by one rule for files and arrays.

The full range of a type of up to 16 bits is 0 to 255: ``uint16`` is divided by 257, ``int8`` is
raised by 128, ``False`` and ``True`` are 0 and 255. Other types have no such range: what 0 and 255
are in them, ``range`` says in the spec's ``input``.
"""

from __future__ import annotations

import numpy

from cnndsl.data.sources import Array, ModelInput
from cnndsl.diagnostics.model import UserError

__all__ = ["demand_bytes", "demand_range", "has_full_range", "needs_no_preparing", "raw_values"]


def has_full_range(dtype: numpy.dtype[numpy.generic]) -> bool:
    """Whether the type itself says which values are 0 and 255."""
    return dtype.kind == "b" or (dtype.kind in "ui" and dtype.itemsize <= 2)


def needs_no_preparing(dtype: numpy.dtype[numpy.generic], model_input: ModelInput) -> bool:
    """Whether an array of this type is prepared already: floats are, unless there is a range."""
    plain = model_input.preparation.range is None and not model_input.is_raw
    return dtype.kind == "f" and plain


def demand_bytes(dtype: numpy.dtype[numpy.generic], model_input: ModelInput, name: str) -> None:
    """Refuse numbers that are no bytes where the model takes nothing else.

    To round them would lose all of what lies between two bytes: of 12 bits that are kept in 16,
    all but 16 grays.

    Raises:
        UserError: CNN703.
    """
    if model_input.is_raw and dtype != numpy.uint8 and dtype.kind != "b":
        raise UserError(
            "CNN703",
            f"`{name}` holds `{dtype}` numbers, but the model was compiled with `--raw`: its input"
            f" `{model_input.name}` takes bytes",
            help="save them as `uint8`, or compile the spec without `--raw`",
        )


def demand_range(dtype: numpy.dtype[numpy.generic], model_input: ModelInput, name: str) -> None:
    """Refuse raw values of a type that has no full range, where the spec gives none.

    Raises:
        UserError: CNN703.
    """
    if has_full_range(dtype) or model_input.preparation.range is not None:
        return
    example = "0 1" if dtype.kind == "f" else "0 255"
    raise UserError(
        "CNN703",
        f"`{name}` holds `{dtype}` numbers: which of them are 0 and 255 is not known",
        help=f"say it in the spec, `input {model_input.type} {{ range {example} }}`, or save them"
        " as `uint8`",
    )


def raw_values(values: Array, model_input: ModelInput, name: str) -> Array:
    """Bytes as they are, anything else as float32 from 0 to 255; NaN and infinities stay.

    Raises:
        UserError: CNN703 for a type without a full range where the spec gives none, for values
            outside of the spec's, and for all but bytes where the model takes nothing else.
    """
    dtype = values.dtype
    demand_bytes(dtype, model_input, name)
    demand_range(dtype, model_input, name)
    if dtype == numpy.uint8:
        return values
    if dtype.kind == "b":
        return values.astype(numpy.uint8) * numpy.uint8(255)
    if dtype.kind in "ui" and dtype.itemsize <= 2:
        raw: Array = values.astype(numpy.float32)
        raw -= numpy.float32(numpy.iinfo(dtype).min)
        raw /= numpy.float32(1 if dtype.itemsize == 1 else 257)
        return raw
    assert model_input.preparation.range is not None
    return _stretched(values, model_input.preparation.range, name)


def _stretched(values: Array, span: tuple[float, float], name: str) -> Array:
    low, high = span
    with numpy.errstate(all="ignore"):
        outside = numpy.isfinite(values) & ((values < low) | (values > high))
        if outside.any():
            finite = values[numpy.isfinite(values)]
            ends = f"{finite.min():g} to {finite.max():g}"
            raise UserError(
                "CNN703",
                f"`{name}` holds values from {ends}, but the spec's input says"
                f" `range {low:g} {high:g}`",
                help="correct the range, or cut the values off at its ends before you save them",
            )
        # In float64, for float32 has not all numbers of 32 bits.
        whole = (values.astype(numpy.float64) - low) * (255 / (high - low))
        return whole.astype(numpy.float32)
