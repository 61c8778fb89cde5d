"""Turns a file of weights into the start of a training run: whatever fits by name is taken.

What has no place in the network, as the head of another classifier, is passed over; what the file
lacks or has in another shape begins as the recipe says.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy
from numpy.typing import NDArray

from cnndsl.diagnostics.model import UserError
from cnndsl.graph.weights import open_weights, refuse_not_finite

__all__ = ["Start", "start_from"]

Array: TypeAlias = NDArray[numpy.float32]

_SHOWN = 8


@dataclass(frozen=True, eq=False)
class Start:
    """The weights that training begins with, and where they are from, by full names.

    ``taken`` came from the file. ``missing`` are not in it, ``unfit`` are in it with another
    shape or type, which a text says; both begin as drawn. ``unused`` are only in the file.
    """

    weights: Mapping[str, Array]
    taken: tuple[str, ...]
    missing: tuple[str, ...]
    unfit: tuple[str, ...]
    unused: tuple[str, ...]

    def notes(self, path: str | os.PathLike[str]) -> Iterator[str]:
        """What whoever trains should know of it, a line each."""
        count = len(self.weights)
        yield f"{len(self.taken)} of {count} weights are taken from `{os.fspath(path)}`"
        if self.missing:
            yield f"not in the file, so they begin anew: {_listed(self.missing)}"
        if self.unfit:
            yield f"of another kind in the file, so they begin anew: {_listed(self.unfit)}"
        if self.unused:
            yield f"in the file, but not in the network: {_listed(self.unused)}"


def start_from(path: str | os.PathLike[str], drawn: Mapping[str, Array]) -> Start:
    """Take what fits from a file; ``drawn`` are the network's weights before training.

    Raises:
        UserError: CNN601 where nothing fits or what fits is not finite, CNN602 where the file
            cannot be read.
    """
    with open_weights(path) as file:
        stored = file.stored
        fits = [
            name
            for name, array in drawn.items()
            if name in stored and (stored[name].shape, stored[name].dtype) == (array.shape, "F32")
        ]
        taken = {name: file.read(name) for name in fits}
    start = Start(
        weights={**drawn, **taken},
        taken=tuple(taken),
        missing=tuple(f"`{name}`" for name in drawn if name not in stored),
        unfit=tuple(
            f"`{name}` ({_kind(stored[name].shape, stored[name].dtype)}, not {_kind(array.shape)})"
            for name, array in drawn.items()
            if name in stored and name not in taken
        ),
        unused=tuple(f"`{_printable(name)}`" for name in stored if name not in drawn),
    )
    if not taken:
        raise UserError(
            "CNN601",
            f"nothing in `{os.fspath(path)}` fits the network by name and shape",
            notes=list(start.notes(path))[1:],
            help="name the layers as in the spec of those weights, or train without `--weights`",
        )
    refuse_not_finite(taken, path)
    return start


def _kind(shape: Sequence[int], dtype: str = "F32") -> str:
    sizes = "x".join(map(str, shape)) or "a single number"
    return sizes if dtype == "F32" else f"{sizes} of {dtype}"


def _listed(names: Sequence[str]) -> str:
    rest = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _printable(name: str) -> str:
    """A name that may come from anybody's file."""
    text = name if name.isprintable() else ascii(name)[1:-1]
    return text if len(text) <= 80 else f"{text[:80]}…"
