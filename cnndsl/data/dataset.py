"""Turns what the user calls the training data into a dataset, by looking at what is there."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import get_args

from cnndsl.data.formats import FORMATS
from cnndsl.data.formats.base import DataFormat, Place
from cnndsl.data.formats.folders import Folders
from cnndsl.data.formats.memory import ArrayData, open_arrays
from cnndsl.data.holdout import divide
from cnndsl.data.samples import Dataset
from cnndsl.data.sources import PICTURE_SUFFIXES, ModelInput
from cnndsl.data.splits import Split, Wanted, not_understood
from cnndsl.diagnostics.model import UserError
from cnndsl.files import check_regular
from cnndsl.graph.files import reason

__all__ = ["Dataset", "divide", "has_labels", "open_dataset"]


def open_dataset(
    given: str | os.PathLike[str] | ArrayData,
    inputs: Sequence[ModelInput],
    *,
    split: Split = "train",
    classes: Sequence[str] = (),
    counted: bool = False,
    heads: Sequence[str] = (),
) -> Dataset:
    """Open training data: ``digits``, a folder, a ``.npz`` or CSV file (docs/data.md), or arrays.

    Args:
        given: what the user called it, or arrays of samples and labels.
        inputs: the network's inputs, and how raw data becomes them.
        split: the part to take, where the data has parts.
        classes: the names of the network's classes; data that names its classes must name these.
        counted: the network learns from labels that are indices of classes without names.
        heads: the further heads of the network, whose labels data may have by their names.

    Raises:
        UserError: CNN801 where there is no such data or it is not understood, CNN802 where its
            classes are not those of the spec, CNN808 where it is empty, CNN703 where the network
            does not take it.
        ValueError: for another ``split``.
    """
    if split not in get_args(Split):
        raise ValueError(f"`split` must be {', '.join(get_args(Split))}, not {split!r}")
    wanted = Wanted(tuple(inputs), split, tuple(classes), counted, tuple(heads))
    if not isinstance(given, str | os.PathLike):
        return open_arrays(given, wanted)
    data = os.fspath(given)
    named = FORMATS.find(data) if data.isidentifier() else None
    if named is not None and named.dataset:
        return _open_named(named(), data, wanted)
    place = Place(Path(data), data)
    try:
        if not place.is_folder:
            check_regular(place.path)
    except OSError as error:
        what = "cannot read the" if os.path.lexists(data) else "there is no"
        raise not_understood(f"{what} training data `{data}`: {reason(error)}", _HELP) from error
    return _format_of(place).open(place, wanted)


def has_labels(given: str | os.PathLike[str] | ArrayData) -> bool:
    """Whether what a user named is meant as labelled data.

    It is not where it is a picture or an array by itself, or a folder that holds nothing else.
    """
    if not isinstance(given, str | os.PathLike):
        return True
    path, data = Path(given), os.fspath(given)
    if (data.isidentifier() and FORMATS.find(data) is not None) or not path.exists():
        return True
    if path.is_dir():
        place = Place(path, data)
        every = [kind() for keyword in FORMATS.keywords() if (kind := FORMATS.find(keyword))]
        return bool(_holding(every, place)) or any(one.is_dir() for one in path.iterdir())
    return path.suffix.lower() not in {*PICTURE_SUFFIXES, ".npy"}


_HELP = "give a folder, a `.npz` file, a CSV file, or `digits`"


def _open_named(kind: DataFormat, data: str, wanted: Wanted) -> Dataset:
    if os.path.lexists(data) and not _is_a_run(Path(data)):
        raise not_understood(
            f"`{data}` means {kind.dataset}, but there is a file or folder of that name",
            f"write `./{data}` for what is there, or give it another name",
        )
    return kind.open(Place(Path(data), data), wanted)


def _is_a_run(folder: Path) -> bool:
    """Whether a folder is what training wrote, which is no data: ``--data digits --out digits``."""
    return all((folder / name).is_file() for name in ("command.txt", "model.onnx"))


def _format_of(place: Place) -> DataFormat:
    """The one format whose data a place holds; those of other packages are asked after ours.

    Raises:
        UserError: CNN801 where there are several, or none.
    """
    every = [kind() for keyword in FORMATS.shipped if (kind := FORMATS.find(keyword))]
    ours = sorted(every, key=lambda one: one.turn)
    found = _holding(ours, place) or _holding(_installed(), place)
    if len(found) > 1:
        raise not_understood(
            f"`{place.data}` holds both {' and '.join(found)}", "give each set a folder of its own"
        )
    for only in found.values():
        return only
    for one in ours:
        refusal = one.refusal(place)
        if refusal is not None:
            raise refusal
    if place.is_folder:
        return Folders()  # which says what it misses
    raise _not_a_format(place)


def _holding(kinds: Iterable[DataFormat], place: Place) -> dict[str, DataFormat]:
    """What a place holds, in words, and the format of each."""
    return {what: kind for kind in kinds for what in kind.holdings(place)}


def _installed() -> Iterator[DataFormat]:
    """The formats of other packages."""
    for keyword in FORMATS.keywords():
        kind = None if FORMATS.is_shipped(keyword) else FORMATS.find(keyword)
        if kind is not None:
            yield kind()


def _not_a_format(place: Place) -> UserError:
    suffix = place.path.suffix.lower()
    if suffix == ".npy":
        what, help = "has no labels", "put samples and labels into a `.npz` file, as `x` and `y`"
    elif suffix in PICTURE_SUFFIXES:
        what, help = "is a single picture", "give a folder with a folder of pictures for each class"
    else:
        what = "is not data of a kind that is known"
        help = "give a folder, a `.npz` file, a CSV file (`.csv`), or `digits`"
    return not_understood(f"`{place.data}` {what}", help)
