"""Turns a folder of CIFAR's binary batches into a dataset.

A record is one byte of label (CIFAR-100: the coarse one, then the fine one, which counts), and
3 x 32 x 32 bytes of picture: all red, all green, all blue.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy
from typing_extensions import override

from cnndsl.data.arraysets import ArraySet, pictures_column
from cnndsl.data.class_names import class_indices, number_indices
from cnndsl.data.formats.base import DataFormat, Place
from cnndsl.data.samples import Indices
from cnndsl.data.sources import Array
from cnndsl.data.splits import Wanted, no_part, not_understood, only_input
from cnndsl.diagnostics.model import UserError
from cnndsl.files import natural, read_regular
from cnndsl.graph.files import reason

__all__ = ["Cifar", "cifar_kinds"]

_PIXELS = 3 * 32 * 32
_COLOURS_FIRST = (0, 2, 3, 1)
_LARGEST = 2**29
_LARGEST_NAMES = 2**20
_BATCH = re.compile(r"data_batch_([0-9]+)\.bin")


@dataclass(frozen=True, slots=True)
class _Kind:
    """Where CIFAR-10 and CIFAR-100 differ."""

    name: str
    labels: int
    names: str
    test: str


_TEN = _Kind("CIFAR-10", 1, "batches.meta.txt", "test_batch.bin")
_HUNDRED = _Kind("CIFAR-100", 2, "fine_label_names.txt", "test.bin")


def cifar_kinds(names: Collection[str]) -> list[str]:
    """Which of CIFAR's two sets files of these names are: none, one, or both of them."""
    parts = not {"train.bin", _HUNDRED.test}.isdisjoint(names)
    ten = any(_BATCH.fullmatch(name) for name in names) or _TEN.test in names
    # Such names are common: beside nothing else of CIFAR's they say nothing.
    hundred = parts and (ten or _HUNDRED.names in names)
    return [kind.name for kind, there in ((_TEN, ten), (_HUNDRED, hundred)) if there]


def _are_pickled(names: Collection[str]) -> bool:
    """Whether files of these names are CIFAR's batches for Python, which are never loaded."""
    return "data_batch_1" in names or {"train", "test", "meta"} <= set(names)


class Cifar(DataFormat):
    """A folder of the binary batches of CIFAR-10 or CIFAR-100."""

    keyword = "cifar"
    turn = 1

    @override
    def holdings(self, place: Place) -> tuple[str, ...]:
        return tuple(f"batches of {kind}" for kind in cifar_kinds(place.files))

    @override
    def refusal(self, place: Place) -> UserError | None:
        if place.is_folder and _are_pickled(place.files):
            return not_understood(
                f"`{place.data}` holds CIFAR's batches for Python, which could run any program"
                " when loaded",
                "download the binary version of CIFAR",
            )
        if place.path.suffix.lower() == ".bin" and cifar_kinds([place.path.name]):
            return not_understood(
                f"`{place.data}` is one of several batches of CIFAR",
                f"give their folder: `{place.path.parent}`",
            )
        return None

    @override
    def open(self, place: Place, wanted: Wanted) -> ArraySet:
        """The part asked for.

        Raises:
            UserError: CNN801 where files are missing or damaged, CNN802 where the spec's classes
                are others, CNN703 where the network takes no such pictures.
        """
        folder, names, data = place.path, place.files, place.data
        model_input = only_input(wanted, data)
        kind = _HUNDRED if _HUNDRED.name in cifar_kinds(names) else _TEN
        if wanted.split == "valid":
            raise no_part(data, "valid", "such batch in CIFAR")
        if wanted.split == "test":
            files = [kind.test]
        else:
            files = ["train.bin"] if kind is _HUNDRED else _batches(names, data)
        for file in files:
            if file not in names:
                raise no_part(data, wanted.split, f"`{file}`")
        _demand_few(folder, files, data)
        records = numpy.concatenate([_records(folder / file, kind) for file in files])
        pictures = records[:, kind.labels :].reshape(-1, 3, 32, 32)
        labels = records[:, kind.labels - 1].astype(numpy.int64)
        classes = wanted.classes
        notes: tuple[str, ...] = ()
        if kind.names in names:
            labels, classes = _named(labels, folder / kind.names, data, wanted)
        else:
            numbers = number_indices(labels, data, classes)
            labels, notes = numbers.indices, numbers.notes
        column = pictures_column(pictures, model_input, data, _COLOURS_FIRST)
        return ArraySet(
            data, {model_input.name: column}, labels=labels, classes=classes, notes=notes
        )


def _named(
    labels: Indices, path: Path, data: str, wanted: Wanted
) -> tuple[Indices, tuple[str, ...]]:
    """The labels as indices of the classes, and the classes, which a file beside them names."""
    named = _names(path)
    order, classes = class_indices(
        named,
        wanted.classes or (() if wanted.counted else named),
        data,
        "classes",
        counted=wanted.counted,
    )
    if labels.size and labels.max() >= len(order):
        raise not_understood(
            f"`{data}` has the label {labels.max()}, but `{path.name}` names {len(order)} classes",
            "download the files again",
        )
    return order[labels], classes


def _batches(names: Collection[str], data: str) -> list[str]:
    found = sorted((name for name in names if _BATCH.fullmatch(name)), key=natural)
    expected = [f"data_batch_{number}.bin" for number in range(1, len(found) + 1)]
    missing = [name for name in expected if name not in found]
    if missing:
        raise not_understood(
            f"`{data}` has `{found[-1]}`, but not `{missing[0]}`",
            "put all the batches into the folder",
        )
    return found or ["data_batch_1.bin"]


def _demand_few(folder: Path, files: Sequence[str], data: str) -> None:
    """Refuse batches that together would not fit memory; CIFAR itself has 150 MB."""
    size = sum((folder / file).stat().st_size for file in files if (folder / file).is_file())
    if size > _LARGEST:
        raise UserError(
            "CNN906",
            f"the batches of `{data}` have {size:,} bytes, more than {_LARGEST:,}",
            help="put the data into a `.npz` file, unpacked: it is read piece by piece",
        )


def _records(path: Path, kind: _Kind) -> Array:
    try:
        content = read_regular(path, _LARGEST)
    except OSError as error:
        raise not_understood(
            f"cannot read `{path}`: {reason(error)}", "download the file again"
        ) from error
    size = kind.labels + _PIXELS
    if not content:
        raise not_understood(f"`{path}` is empty", "download the file again")
    if len(content) % size:
        raise not_understood(
            f"`{path}` is not a batch of CIFAR: its {len(content)} bytes are not a multiple of"
            f" {size}",
            "download the file again",
        )
    return numpy.frombuffer(content, numpy.uint8).reshape(-1, size)


def _names(path: Path) -> list[str]:
    try:
        lines = read_regular(path, _LARGEST_NAMES).decode().split("\n")
    except (OSError, UnicodeDecodeError) as error:
        why = reason(error) if isinstance(error, OSError) else "it is not text"
        raise not_understood(f"cannot read `{path}`: {why}", "download the file again") from error
    return [line.strip() for line in lines if line.strip()]
