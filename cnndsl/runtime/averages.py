"""Averages what several views of a sample, and several models, gave: numbers at equal places.

The numbers are averaged as the output has them: probabilities behind a softmax or sigmoid, else
scores or values. A map of a mirrored picture is mirrored back first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy

from cnndsl.data.sources import Array
from cnndsl.data.views import View, Views
from cnndsl.diagnostics.model import UserError
from cnndsl.typecheck.answers import Answers

__all__ = ["Average", "check_outputs", "facing_right"]


class Average:
    """The mean of some named arrays; they are added up in float64."""

    def __init__(self) -> None:
        self._count = 0
        self._sums: dict[str, Array] = {}
        self._first: Mapping[str, Array] = {}

    def add(self, arrays: Mapping[str, Array]) -> None:
        """Take one more of each array."""
        self._count += 1
        if self._count == 1:
            self._first = arrays
            return
        if self._count == 2:
            self._sums = {name: one.astype(numpy.float64) for name, one in self._first.items()}
        with numpy.errstate(invalid="ignore", over="ignore"):
            for name, total in self._sums.items():
                total += arrays[name]

    def means(self) -> dict[str, Array]:
        """The mean of each array, in its own type; of a single one, itself."""
        if self._count == 1:
            return dict(self._first)
        kinds = {name: one.dtype for name, one in self._first.items()}
        return {
            name: (total / self._count).astype(
                kinds[name] if kinds[name].kind == "f" else numpy.float32
            )
            for name, total in self._sums.items()
        }


def check_outputs(
    dims: Mapping[str, Sequence[object]], answers: Mapping[str, Answers], views: Views
) -> None:
    """Make sure that the outputs of these sizes, without the batch, have a mean over views.

    Raises:
        UserError: CNN709 for maps of several crops, and what is neither a vector nor a map.
    """
    if len(views.each) == 1:
        return
    for name, sizes in dims.items():
        places = answers[name].places if name in answers else ()
        if len(sizes) == 1 and not places:
            continue
        shape, has_sides = "x".join(map(str, sizes)), len(places or sizes[1:]) in (2, 3)
        if views.crops > 1:
            flip = "; `--flip` averages maps too: it mirrors them back" if has_sides else ""
            raise UserError(
                "CNN709",
                f"the output `{name}` is `{shape}`: its places are not the same in every crop",
                help=f"leave out `--crops`{flip}",
            )
        if not has_sides:
            raise UserError(
                "CNN709",
                f"the output `{name}` is `{shape}`: nothing says which of its numbers change places"
                " when the picture is mirrored",
                help="leave out `--flip`: it is for vectors, and for maps of height x width",
            )


def facing_right(
    arrays: Mapping[str, Array], answers: Mapping[str, Answers], view: View
) -> Mapping[str, Array]:
    """The outputs for a batch of views, those with places as for a picture not mirrored."""
    if not view.is_mirrored:
        return arrays
    return {name: _unmirrored(one, answers.get(name)) for name, one in arrays.items()}


def _unmirrored(array: Array, answers: Answers | None) -> Array:
    places = answers.places if answers else ()
    if places:
        maps = array.reshape(len(array), -1, *places)
        return numpy.flip(maps, -1).reshape(array.shape)
    return numpy.flip(array, -1) if array.ndim > 2 else array
