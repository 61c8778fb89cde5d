"""Turns a file of weights into the start of a training run: whatever fits by name is taken.

What has no place in the network, as the head of another classifier, is passed over; what the file
lacks or has in another shape begins as the recipe says. So does the head of other classes of the
same number, whose weights would fit; for the same classes in another order its rows are reordered.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy
from numpy.typing import NDArray

from cnndsl.diagnostics.model import UserError
from cnndsl.diagnostics.words import abridged
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.graph.heads import head_of
from cnndsl.graph.weight_files import StoredTensor, open_weights
from cnndsl.graph.weights import quoted, refuse_not_finite

__all__ = ["Start", "start_from"]

Array: TypeAlias = NDArray[numpy.float32]

_SHOWN = 8


@dataclass(frozen=True, eq=False)
class Start:
    """The weights that training begins with, and where they are from, by full names.

    ``taken`` came from the file, those in ``reordered`` with their rows in another order.
    ``missing`` are not in it, ``unfit`` are in it with another shape or type, which a text says,
    ``foreign`` are those of other classes; all these begin as drawn. ``unused`` are only in the
    file. ``others`` is a class of the file that the network does not have. ``conversion`` says
    which numbers were of another type.
    """

    weights: Mapping[str, Array]
    taken: tuple[str, ...]
    missing: tuple[str, ...]
    unfit: tuple[str, ...]
    unused: tuple[str, ...]
    foreign: tuple[str, ...] = ()
    reordered: tuple[str, ...] = ()
    others: str = ""
    conversion: str = ""

    def notes(self, path: str | os.PathLike[str]) -> Iterator[str]:
        """What whoever trains should know of it, a line each."""
        count = len(self.weights)
        yield f"{len(self.taken)} of {count} weights are taken from `{os.fspath(path)}`"
        if self.missing:
            yield f"not in the file, so they begin anew: {abridged(self.missing, _SHOWN)}"
        if self.unfit:
            yield f"of another kind in the file, so they begin anew: {abridged(self.unfit, _SHOWN)}"
        if self.foreign:
            yield (
                f"of other classes in the file (such as {quoted(self.others)}), so they begin anew:"
                f" {abridged(self.foreign, _SHOWN)}"
            )
        if self.reordered:
            yield (
                "for the same classes in another order in the file, so they are reordered:"
                f" {abridged(self.reordered, _SHOWN)}"
            )
        if self.conversion:
            yield self.conversion
        if self.unused:
            yield f"in the file, but not in the network: {abridged(self.unused, _SHOWN)}"


def start_from(
    path: str | os.PathLike[str],
    drawn: Mapping[str, Array],
    typed: TypedNetwork,
    *,
    verify: bool = True,
) -> Start:
    """Take what fits from a file; ``drawn`` are the network's weights before training.

    With ``verify``, the file's checksum is compared first, where it has one.

    Raises:
        UserError: CNN601 where nothing fits or what fits is not finite, CNN602 where the file
            cannot be read, CNN604 for a model that is none of ours, CNN607 for a damaged file.
    """
    classes = typed.network.classes
    with open_weights(path, verify=verify) as file:
        stored = file.stored
        fits = [
            name
            for name, array in drawn.items()
            if name in stored and stored[name].shape == array.shape and stored[name].is_readable
        ]
        head = _class_weights(typed, fits) if _differ(file.classes, classes) else _NO_HEAD
        rows = _rows(file.classes, classes) if head.by_rows else None
        foreign = () if rows is not None else head.names
        kept = [name for name in fits if name not in foreign]
        taken = {name: file.read(name) for name in kept}
        conversion = file.conversion(kept)
    if rows is not None:
        taken |= {name: taken[name][rows] for name in head.names}
    unfit = [name for name in drawn if name in stored and name not in fits]
    start = Start(
        weights={**drawn, **taken},
        taken=tuple(taken),
        missing=tuple(f"`{name}`" for name in drawn if name not in stored),
        unfit=tuple(_unlike(name, stored[name], drawn[name]) for name in unfit),
        unused=tuple(quoted(name) for name in stored if name not in drawn),
        foreign=tuple(f"`{name}`" for name in foreign),
        reordered=() if rows is None else tuple(f"`{name}`" for name in head.names),
        others=next((name for name in file.classes if name not in classes), ""),
        conversion=conversion,
    )
    if not taken:
        raise _nothing_fits(start, path)
    refuse_not_finite(taken, path)
    return start


# --- other classes ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _ClassWeights:
    """The weights that know the classes, and whether they have a row for each."""

    names: tuple[str, ...]
    by_rows: bool


_NO_HEAD = _ClassWeights((), by_rows=False)


def _differ(stored: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether weights are known to be of other classes, or of the same in another order."""
    return bool(stored and wanted) and tuple(stored) != tuple(wanted)


def _class_weights(typed: TypedNetwork, fits: Sequence[str]) -> _ClassWeights:
    head = head_of(typed)
    own = {
        name
        for position, node in enumerate(typed.network.nodes)
        if node.name in head.layers
        for name in typed.weights_of(position)
    }
    names = tuple(name for name in fits if name in own)
    return _ClassWeights(names, head.by_rows and bool(names))


def _rows(stored: Sequence[str], wanted: Sequence[str]) -> list[int] | None:
    """Where each wanted class stands in the file; None where the classes are others."""
    places = {name: at for at, name in enumerate(stored)}
    if len(places) != len(stored) or sorted(stored) != sorted(wanted):
        return None
    return [places[name] for name in wanted]


# --- texts ------------------------------------------------------------------------------------


def _nothing_fits(start: Start, path: str | os.PathLike[str]) -> UserError:
    return UserError(
        "CNN601",
        f"nothing in `{os.fspath(path)}` fits the network by name and shape",
        notes=list(start.notes(path))[1:],
        help="name the layers as in the spec of those weights, or train without `--weights`",
    )


def _unlike(name: str, stored: StoredTensor, drawn: Array) -> str:
    return f"`{name}` ({_kind(stored.shape, stored.dtype)}, not {_kind(drawn.shape)})"


def _kind(shape: Sequence[int], dtype: str = "F32") -> str:
    sizes = "x".join(map(str, shape)) or "a single number"
    return sizes if dtype == "F32" else f"{sizes} of {dtype}"
