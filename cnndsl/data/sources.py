"""Turns the paths that a user names into samples: files of pictures or arrays, one by one.

Nothing here holds more than one sample (and one batch) at a time, so that memory stays flat
however many files there are.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy
import numpy.typing

from cnndsl.diagnostics.model import UserError
from cnndsl.files import check_regular
from cnndsl.graph.files import reason
from cnndsl.semantics.preparation import Preparation
from cnndsl.types import TensorType

__all__ = [
    "ARRAY_SUFFIXES",
    "PICTURE_SUFFIXES",
    "Array",
    "ModelInput",
    "Sample",
    "batches",
    "find_files",
    "natural",
    "stack",
    "walk_files",
]

Array: TypeAlias = "numpy.typing.NDArray[Any]"

ARRAY_SUFFIXES = frozenset({".npy", ".npz"})

# fmt: off
PICTURE_SUFFIXES = frozenset((
    ".avif", ".bmp", ".dib", ".gif", ".ico", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg",
    ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp",
))
# fmt: on
"""What counts as a picture in a folder; a file named by itself may be called anything."""


@dataclass(frozen=True, slots=True)
class ModelInput:
    """One input of a model: what it is called, its type, and how raw data becomes it."""

    name: str
    type: TensorType
    preparation: Preparation = field(default_factory=Preparation)


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """What a network answers for: a prepared array for every input, without batch dimension.

    ``name`` tells samples apart (``digits.npy[3]``), ``source`` is the file it came from.
    """

    name: str
    source: Path
    arrays: Mapping[str, Array]


def find_files(paths: Iterable[str | os.PathLike[str]]) -> Iterator[Path]:
    """The files that paths stand for: themselves, and the pictures and arrays in folders.

    Folders are searched to the bottom, in natural order (``2.png`` before ``10.png``); hidden
    files, links to folders and files of other kinds are passed over.

    Raises:
        UserError: CNN702 for a path that is not there or cannot be listed, CNN706 for a folder
            without any picture or array.
    """
    for path in map(Path, paths):
        if not path.is_dir():
            _demand(path)
            yield path
            continue
        empty = True
        for file in walk_files(path, ARRAY_SUFFIXES | PICTURE_SUFFIXES):
            empty = False
            yield file
        if empty:
            raise UserError(
                "CNN706",
                f"the folder `{path}` has no pictures or arrays in it",
                help="name a folder with pictures (PNG, JPEG, …) or `.npy` or `.npz` files",
            )


def _demand(path: Path) -> None:
    try:
        check_regular(path)
    except OSError as error:
        raise UserError(
            "CNN702", f"cannot read `{path}`: {reason(error)}", help="check the path of the input"
        ) from error


def walk_files(folder: Path, suffixes: Collection[str]) -> Iterator[Path]:
    """The files with these suffixes in a folder and those below, in natural order.

    Hidden files and links to folders are passed over.

    Raises:
        UserError: CNN702 for a folder that cannot be listed.
    """
    try:
        with os.scandir(folder) as entries:
            found = sorted(
                (natural(entry.name), entry.name, entry.is_dir(follow_symlinks=False))
                for entry in entries
                if not entry.name.startswith(".")
            )
    except OSError as error:
        raise UserError(
            "CNN702",
            f"cannot list the folder `{folder}`: {reason(error)}",
            help="check its permissions",
        ) from error
    for _, name, is_folder in found:
        if is_folder:
            yield from walk_files(folder / name, suffixes)
        elif os.path.splitext(name)[1].lower() in suffixes:
            yield folder / name


def natural(name: str) -> tuple[tuple[bool, int, str], ...]:
    """A key that sorts names as people do: numbers by their value.

    >>> sorted(["10.png", "2.png", "a1.png"], key=natural)
    ['2.png', '10.png', 'a1.png']
    """
    key = []
    for part in re.split(r"([0-9]+)", name.lower()):
        if part.isascii() and part.isdecimal():
            # Without zeros in front, the longer number is the larger one, however long.
            digits = part.lstrip("0")
            key.append((False, len(digits), digits))
        elif part:
            key.append((True, 0, part))
    return tuple(key)


def batches(samples: Iterable[Sample], size: int) -> Iterator[tuple[Sample, ...]]:
    """Groups of ``size`` samples; the last one may be smaller."""
    group: list[Sample] = []
    for sample in samples:
        group.append(sample)
        if len(group) == size:
            yield tuple(group)
            group = []
    if group:
        yield tuple(group)


def stack(samples: Sequence[Sample]) -> dict[str, Array]:
    """The arrays of several samples as one batch, input by input."""
    names = samples[0].arrays
    return {name: numpy.stack([sample.arrays[name] for sample in samples]) for name in names}
