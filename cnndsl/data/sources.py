"""Turns the paths that a user names into samples: files of pictures or arrays, one by one.

Nothing here holds more than one sample (and one batch) at a time, so that memory stays flat
however many files there are.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy
import numpy.typing

from cnndsl.diagnostics.model import UserError
from cnndsl.files import check_regular, natural
from cnndsl.graph.files import reason
from cnndsl.recipe.preparation import Preparation
from cnndsl.types import TensorType

__all__ = [
    "ARRAY_SUFFIXES",
    "PICTURE_SUFFIXES",
    "Array",
    "ModelInput",
    "Sample",
    "UnreadableError",
    "batches",
    "find_files",
    "is_hidden",
    "kinds",
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
    """One input of a model: what it is called, its type, and how raw data becomes it.

    Where it ``is_raw``, the model prepares it: it takes pictures of the type's size as bytes, with
    their channels last, as red, green and blue.
    """

    name: str
    type: TensorType
    preparation: Preparation = field(default_factory=Preparation)
    is_raw: bool = False


class UnreadableError(UserError):
    """Of a sample that is there and of no use: whoever leaves out what is broken goes on."""


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """What a network answers for: a prepared array for every input, without batch dimension.

    ``name`` tells samples apart (``digits.npy[3]``), ``source`` is the file it came from.
    """

    name: str
    source: Path
    arrays: Mapping[str, Array]


def find_files(
    paths: Iterable[str | os.PathLike[str]], tell: Callable[[str], None] = lambda note: None
) -> Iterator[Path]:
    """The files that paths stand for: themselves, and the pictures and arrays in folders.

    Folders are searched to the bottom, in natural order (``2.png`` before ``10.png``); hidden
    files, links to folders and files of other kinds are passed over. ``tell`` learns, at the end of
    each folder, how many of the latter two there were.

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
        passed: Counter[str] = Counter()
        for file in walk_files(path, ARRAY_SUFFIXES | PICTURE_SUFFIXES, passed):
            empty = False
            yield file
        if empty:
            raise UserError(
                "CNN706",
                f"the folder `{path}` has no pictures or arrays in it",
                notes=[f"it has {kinds(passed)}"] if passed else (),
                help="name a folder with pictures (PNG, JPEG, …) or `.npy` or `.npz` files",
            )
        if passed:
            tell(f"passed over in `{path}`: {kinds(passed)}")


def _demand(path: Path) -> None:
    try:
        check_regular(path)
    except OSError as error:
        raise UserError(
            "CNN702", f"cannot read `{path}`: {reason(error)}", help="check the path of the input"
        ) from error


def walk_files(
    folder: Path, suffixes: Collection[str], passed: Counter[str] | None = None
) -> Iterator[Path]:
    """The files with these suffixes in a folder and those below, in natural order.

    Hidden files, links to folders and other files are passed over; ``passed`` counts the latter
    two by kind, for :func:`kinds`.

    Raises:
        UserError: CNN702 for a folder that cannot be listed.
    """
    waiting = [(folder, True)]
    while waiting:
        path, is_folder = waiting.pop()
        if is_folder:
            # The last one in comes out first.
            waiting += reversed([(path / name, below) for name, below in _entries(path, passed)])
        elif path.suffix.lower() in suffixes:
            yield path
        elif passed is not None:
            passed[path.suffix.lower()] += 1


def _entries(folder: Path, passed: Counter[str] | None) -> list[tuple[str, bool]]:
    """What is in a folder, in natural order, and whether it is a folder to go into."""
    found = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if is_hidden(entry.name):
                    continue
                if entry.is_symlink() and entry.is_dir():
                    if passed is not None:
                        passed[_LINK] += 1
                    continue
                is_folder = entry.is_dir(follow_symlinks=False)
                found.append((natural(entry.name), entry.name, is_folder))
    except OSError as error:
        raise UserError(
            "CNN702",
            f"cannot list the folder `{folder}`: {reason(error)}",
            help="check its permissions",
        ) from error
    return [(name, is_folder) for _, name, is_folder in sorted(found)]


_LINK = "/"
"""How a link to a folder is counted: no suffix can be called that."""


def is_hidden(name: str) -> bool:
    """Whether a file or folder is one that people do not see: also what macOS packs along."""
    return name.startswith(".") or name == "__MACOSX"


def kinds(passed: Mapping[str, int]) -> str:
    """What was passed over, by kind, the most frequent first.

    >>> kinds({".txt": 1, ".heic": 30, "": 2})
    '30 .heic, 2 without an ending, 1 .txt'
    """
    found = sorted(passed.items(), key=lambda one: (-one[1], one[0]))
    texts = [f"{count:,} {_kind(kind, count)}" for kind, count in found[:_KINDS]]
    if len(found) > _KINDS:
        texts.append(f"{sum(count for _, count in found[_KINDS:]):,} of other kinds")
    return ", ".join(texts)


_KINDS = 8


def _kind(kind: str, count: int) -> str:
    if kind == _LINK:
        return "link to a folder" if count == 1 else "links to folders"
    return kind or "without an ending"


T = TypeVar("T")


def batches(samples: Iterable[T], size: int) -> Iterator[tuple[T, ...]]:
    """Groups of ``size`` samples; the last one may be smaller."""
    group: list[T] = []
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
