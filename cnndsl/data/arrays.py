"""Turns arrays in memory into prepared arrays.

An array holds one sample (``3x32x32``) or several (``N x 3x32x32``); an input of one channel may
leave the channel out. Arrays of whole numbers are raw data and get prepared like a picture's
values; arrays of floating-point numbers are prepared already, unless the input has a ``range``.
A model that takes raw pictures takes arrays of bytes only, with their channels last or first.
"""

from __future__ import annotations

import numpy

from cnndsl.data.normalize import in_spec_order, taken_values
from cnndsl.data.raw import demand_bytes, demand_range, needs_no_preparing, raw_values
from cnndsl.data.sources import Array, ModelInput
from cnndsl.data.tokens import FOREIGN_HELP, as_ids, foreign_id
from cnndsl.diagnostics.model import UserError
from cnndsl.types import TensorType

__all__ = ["as_batch", "check_elements", "is_single", "prepare_array"]


def as_batch(array: Array, model_input: ModelInput, name: str) -> tuple[Array, bool]:
    """An array as a prepared batch for an input, and whether it was a single sample.

    Raises:
        UserError: CNN703 for a shape or element type that the input does not take, for numbers
            that are not finite, and for token ids that the vocabulary does not have.
    """
    single = is_single(array.shape, model_input, name)
    check_elements(array.dtype, model_input, name)
    batch = in_spec_order(array[None] if single else array, model_input)
    prepared = prepare_array(batch, model_input, 1, name)
    for at, sample in enumerate(prepared if model_input.type.is_tokens else ()):
        if stray := foreign_id(sample, model_input):
            raise UserError(
                "CNN703",
                f"`{name if single else f'{name}[{at}]'}` does not fit: {stray}",
                help=FOREIGN_HELP,
            )
    if not numpy.isfinite(prepared).all():
        raise UserError(
            "CNN703",
            f"`{name}` holds numbers that are not finite",
            help="mend the numbers that are NaN, infinite or too large for float32",
        )
    return prepared, single


def prepare_array(values: Array, model_input: ModelInput, channel_axis: int, name: str) -> Array:
    """Numbers of an input's own shape as the network takes them.

    Raises:
        UserError: CNN703 for raw values outside of the input's range.
    """
    if model_input.type.is_tokens:
        return as_ids(values)
    if needs_no_preparing(values.dtype, model_input):
        with numpy.errstate(over="ignore"):  # What float32 cannot hold counts as broken.
            return values.astype(numpy.float32)
    raw = raw_values(values, model_input, name)
    return taken_values(raw, model_input, channel_axis)


def is_single(shape: tuple[int, ...], model_input: ModelInput, name: str) -> bool:
    """Whether an array of this shape is one sample; otherwise it is several.

    Raises:
        UserError: CNN703 for a shape that the input does not take.
    """
    dims = model_input.type.dims
    forms = [dims, dims[1:]] if dims[0] == 1 and len(dims) > 1 else [dims]
    if model_input.is_raw:
        forms.insert(0, (*dims[1:], dims[0]))
    for form in forms:
        if shape == form:
            return True
        if len(shape) == len(form) + 1 and shape[1:] == form:
            if shape[0] == 0:
                raise UserError(
                    "CNN703", f"`{name}` holds no samples", help="give at least one sample"
                )
            return False
    raise UserError(
        "CNN703",
        f"`{name}` holds {_article(shape)} array, but the input `{model_input.name}` takes"
        f" {' or '.join(f'`{TensorType(form)}` or `Nx{TensorType(form)}`' for form in forms)}",
        help=_turned(shape, dims) or "give the array that shape",
    )


def _article(shape: tuple[int, ...]) -> str:
    return f"a `{TensorType(shape)}`" if shape else "a single number, not an"


def _turned(shape: tuple[int, ...], dims: tuple[int, ...]) -> str:
    """Help for the commonest mistake: the channels stand last."""
    if len(dims) < 2:
        return ""
    last = (*dims[1:], dims[0])
    if shape == last:
        axes = (len(dims) - 1, *range(len(dims) - 1))
    elif shape[1:] == last:
        axes = (0, len(dims), *range(1, len(dims)))
    else:
        return ""
    return f"put the channels first: `array.transpose{axes}`"


def check_elements(dtype: numpy.dtype[numpy.generic], model_input: ModelInput, name: str) -> None:
    """Raise CNN703 for elements that the input does not take."""
    tokens = model_input.type.is_tokens
    if dtype.kind in ("ui" if tokens else "uibf"):
        demand_bytes(dtype, model_input, name)
        if not tokens and not needs_no_preparing(dtype, model_input):
            demand_range(dtype, model_input, name)
        return
    wanted = "whole numbers, for they are token ids" if tokens else "numbers"
    held = "Python objects, which are never loaded" if dtype.hasobject else f"`{dtype}`"
    raise UserError(
        "CNN703",
        f"`{name}` holds {held}; the input `{model_input.name}` takes {wanted}",
        help=f"save it as `{'int64' if tokens else 'float32'}`",
    )
