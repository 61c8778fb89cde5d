"""Turns arrays that a Python program holds into a dataset, as a ``.npz`` file of them would be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy
import numpy.typing

from cnndsl.data.arraysets import ArraySet
from cnndsl.data.formats.npz import open_members
from cnndsl.data.sources import Array
from cnndsl.data.splits import Wanted, not_understood
from cnndsl.diagnostics.model import UserError
from cnndsl.diagnostics.words import quoted

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["ArrayData", "open_arrays"]

Samples: TypeAlias = "ArrayLike | Mapping[str, ArrayLike]"
ArrayData: TypeAlias = "tuple[Samples, Samples] | Mapping[str, ArrayLike]"
"""Samples and labels: ``(x, y)``; for several inputs ``({"left": x1, "right": x2}, y)``, for
several heads with labels ``(x, {"output": y, "box": b})``; or all arrays by the names that they
have in a ``.npz`` file."""

MAIN = "output"
"""What the main output is called."""


@dataclass(frozen=True, slots=True, eq=False)
class _Held:
    """An array in memory, in the place of one in an archive."""

    array: Array
    name: str

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a single number, that of one sample."""
        return self.values().shape

    @property
    def dtype(self) -> numpy.dtype[Any]:
        """The type of the elements."""
        return self.array.dtype

    def values(self) -> Array:
        """The array itself."""
        return self.array if self.array.ndim else self.array[None]

    store = values


def open_arrays(data: object, wanted: Wanted, called: str = "arrays") -> ArraySet:
    """The part asked for of arrays in memory, which messages call so; they are not copied.

    Raises:
        UserError: as for a ``.npz`` file of the same arrays, and CNN801 for samples without
            labels.
        TypeError: for what is no data at all.
    """
    named = _named(data, wanted)
    members = {name: _Held(_as_array(named, name), f"{called}:{name}") for name in named}
    return open_members(members, members.__getitem__, called, wanted)


def _named(data: object, wanted: Wanted) -> Mapping[str, object]:
    """The arrays by the names that they would have in a file."""
    if isinstance(data, Mapping):
        return data
    if isinstance(data, tuple) and len(data) == 2:
        samples, labels = data
        further: Mapping[str, object] = {}
        if isinstance(labels, Mapping):
            labels, further = _by_head(labels)
        if isinstance(samples, Mapping):
            return {**further, **samples, "y": labels}
        if len(wanted.inputs) > 1:
            names = quoted(one.name for one in wanted.inputs)
            pairs = ", ".join(f"{one.name!r}: x{at}" for at, one in enumerate(wanted.inputs, 1))
            raise UserError(
                "CNN703",
                f"one array of samples is given, but the network has the inputs {names}",
                help=f"give an array for each: `({{{pairs}}}, y)`",
            )
        return {**further, "x": samples, "y": labels}
    if hasattr(data, "__array__") or isinstance(data, list):
        raise not_understood(
            "an array of samples is given, but no labels", "give both, as a pair: `(x, y)`"
        )
    raise TypeError(
        "training data is a path, a pair (x, y) of arrays, or a mapping of arrays, not"
        f" {type(data).__name__}"
    )


def _by_head(labels: Mapping[str, object]) -> tuple[object, Mapping[str, object]]:
    """The main output's labels, and those of other heads by their names."""
    if MAIN not in labels:
        raise not_understood(
            f"the labels are by name, and none are called `{MAIN}`",
            f'give those of the main output too: `{{"{MAIN}": y, …}}`',
        )
    return labels[MAIN], {name: one for name, one in labels.items() if name != MAIN}


def _as_array(named: Mapping[str, object], name: str) -> Array:
    if not isinstance(name, str):
        raise TypeError(f"an array's name is a text, not {type(name).__name__}")
    try:
        if numpy.ma.is_masked(named[name]):
            raise not_understood(
                f"`{name}` is a masked array, and nothing can be learnt from what is masked",
                "leave these samples out, or fill in numbers: `array.filled(0)`",
            )
        return numpy.asarray(named[name])
    except (ValueError, TypeError, RuntimeError) as error:
        raise not_understood(
            f"`{name}` is no array: {error}", "give arrays of numbers, all rows of one length"
        ) from error
