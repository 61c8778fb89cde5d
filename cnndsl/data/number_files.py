"""Turns text files of numbers into prepared samples: a row of numbers for each row of a map.

For inputs so small that they are written by hand, as on a blackboard: one sample in each file.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator

import numpy

from cnndsl.data.arrays import check_elements, prepare_array
from cnndsl.data.sources import Array, ModelInput, UnreadableError
from cnndsl.diagnostics.model import UserError
from cnndsl.diagnostics.words import count
from cnndsl.files import read_regular
from cnndsl.graph.files import reason
from cnndsl.types import TensorType

__all__ = ["read_numbers"]


def read_numbers(path: str | os.PathLike[str], model_input: ModelInput) -> Array:
    """The sample in a text file: rows of the input's last dimension, channel after channel.

    Numbers stand between spaces or commas. Empty lines, and what follows a ``#``, do not count.
    Like an array of floating-point numbers they are prepared already, and token ids are ids.

    Raises:
        UserError: CNN702 for a file that cannot be read or holds other words, CNN703 for rows that
            the input does not take.
    """
    name = os.fspath(path)
    if model_input.is_raw:
        raise UserError(
            "CNN703",
            f"`{name}` holds prepared numbers, but the model was compiled with `--raw`: its input"
            f" `{model_input.name}` takes bytes",
            help="give a picture, or compile the spec without `--raw`",
        )
    rows = list(_rows(_text(name), name))
    dims = model_input.type.dims
    _demand_shape(rows, dims, model_input.name, name)
    values = numpy.array(rows).reshape(dims)
    if model_input.type.is_tokens and (values == values.round()).all():
        values = values.astype(numpy.int64)
    check_elements(values.dtype, model_input, name)
    return prepare_array(values, model_input, 0, name)


_MOST = 2**24
"""Bytes of a file: more than anybody writes by hand."""


def _text(name: str) -> str:
    try:
        return read_regular(name, _MOST).decode("utf-8-sig")
    except OSError as error:
        raise _unreadable(name, reason(error)) from error
    except UnicodeDecodeError as error:
        raise _unreadable(name, "it is not text in UTF-8") from error


def _rows(text: str, name: str) -> Iterator[list[float]]:
    """The numbers of each line that has any; all have as many as the first."""
    first: tuple[int, int] | None = None
    for at, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].replace(",", " ").split()
        if not words:
            continue
        row = [_number(word, at, name) for word in words]
        first = first or (at, len(row))
        if len(row) != first[1]:
            raise _unreadable(
                name,
                f"line {at} has {count(len(row), 'number')}, line {first[0]} has {first[1]}",
                "write rows of one length",
            )
        yield row


def _number(word: str, line: int, name: str) -> float:
    try:
        # Python reads `1_0` as ten, which no table of numbers means.
        return float(word.replace("_", "?"))
    except ValueError:
        raise _unreadable(
            name, f"`{word[:20]}` in line {line} is no number", "write numbers between spaces"
        ) from None


def _demand_shape(rows: list[list[float]], dims: tuple[int, ...], called: str, name: str) -> None:
    """Raise CNN703 for rows that are not those of the input; a vector may stand in any rows."""
    across = len(rows[0]) if rows else 0
    wanted = math.prod(dims)
    if len(rows) * across == wanted and (len(dims) == 1 or across == dims[-1]):
        return
    held = f"{count(len(rows), 'row')} of {count(across, 'number')}" if rows else "no numbers"
    takes = count(wanted, "number")
    if len(dims) > 1:
        takes = f"{count(wanted // dims[-1], 'row')} of {count(dims[-1], 'number')}"
    if len(dims) > 2 and dims[0] > 1:
        takes += ", channel after channel"
    raise UserError(
        "CNN703",
        f"`{name}` holds {held}, but the input `{called}` takes `{TensorType(dims)}`",
        help=f"write {takes}",
    )


def _unreadable(name: str, why: str, help: str = "write rows of numbers") -> UnreadableError:
    return UnreadableError("CNN702", f"cannot read `{name}`: {why}", help=help)
