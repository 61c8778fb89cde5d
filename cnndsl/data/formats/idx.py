"""Turns a folder of idx files (MNIST and its kin) into a dataset.

An idx file is a magic number (two zero bytes, the type of the numbers, how many dimensions), each
size as four bytes, the most significant first, and then the numbers. Pictures are ``idx3-ubyte``,
labels ``idx1-ubyte``; each may be packed with gzip.
"""

from __future__ import annotations

import math
import os
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy
from typing_extensions import override

from cnndsl.data.arraysets import ArraySet, demand_pictures, pictures_column
from cnndsl.data.class_names import number_indices
from cnndsl.data.formats.base import DataFormat, Place
from cnndsl.data.gzipped import Unpacker
from cnndsl.data.splits import Split, Wanted, no_part, not_understood, only_input
from cnndsl.data.stores import MEMORY_LIMIT, Store, StoredArray, demand_few_labels, unpack
from cnndsl.diagnostics.model import UserError
from cnndsl.diagnostics.words import quoted
from cnndsl.files import open_regular
from cnndsl.graph.files import reason

__all__ = ["Idx", "is_idx"]

_NAME = re.compile(r"(.*?)[-._]?(images|labels)[-._]idx[13]-ubyte(?:\.gz)?", re.IGNORECASE)

_MARKS: dict[Split, tuple[str, ...]] = {
    "train": ("train",),
    "valid": ("valid",),
    "test": ("t10k", "test"),
}

_AGAIN = "download the file again"

_ROWS_FIRST, _COLUMNS_FIRST = (0, 1, 2), (0, 2, 1)


@dataclass(frozen=True, slots=True)
class _Pair:
    """The pictures and labels of one part, as far as they are there."""

    prefix: str
    images: Path | None = None
    labels: Path | None = None


def is_idx(names: Iterable[str]) -> bool:
    """Whether files of these names are idx files."""
    return any(_NAME.fullmatch(name) for name in names)


class Idx(DataFormat):
    """A folder of idx files: MNIST and its kin."""

    keyword = "idx"

    @override
    def holdings(self, place: Place) -> tuple[str, ...]:
        return ("idx files",) if is_idx(place.files) else ()

    @override
    def refusal(self, place: Place) -> UserError | None:
        if place.is_folder or not is_idx([place.path.name]):
            return None
        return not_understood(
            f"`{place.data}` is one of several idx files",
            f"give their folder: `{place.path.parent}`",
        )

    @override
    def open(self, place: Place, wanted: Wanted) -> ArraySet:
        """The part asked for.

        Raises:
            UserError: CNN801 where files are missing, damaged or do not belong together, CNN703
                where the network takes no such pictures.
        """
        folder, names, data = place.path, place.files, place.data
        model_input = only_input(wanted, data)
        images_path, labels_path = _files(_pair(folder, names, data, wanted.split), data)
        # The pictures of EMNIST are stored column by column; all other sets store them by rows.
        axes = _COLUMNS_FIRST if images_path.name.lower().startswith("emnist") else _ROWS_FIRST
        shape, counts = _sizes(images_path, 3, "pictures"), _sizes(labels_path, 1, "labels")
        if shape[0] != counts[0]:
            raise not_understood(
                f"`{images_path.name}` holds {shape[0]} pictures, but `{labels_path.name}`"
                f" {counts[0]} labels",
                "take both files from one download",
            )
        demand_pictures(shape, axes, model_input, str(images_path))
        demand_few_labels(counts, str(labels_path))
        # Only now, when the headers agree, is anything unpacked.
        labels = _read(labels_path, 1, "labels")
        images = _read(images_path, 3, "pictures")
        column = pictures_column(images, model_input, str(images_path), axes)
        everything = numpy.arange(labels.shape[0])
        numbers = number_indices(labels[everything].astype(numpy.int64), data, wanted.classes)
        return ArraySet(
            data,
            {model_input.name: column},
            labels=numbers.indices,
            classes=wanted.classes,
            part=str(images_path),
            notes=numbers.notes,
        )


def _pair(folder: Path, names: Iterable[str], data: str, split: Split) -> _Pair:
    pairs: dict[str, dict[str, Path]] = {}
    # Packed files come first, so that of `a` and `a.gz` the unpacked one is kept.
    for name in sorted(names, key=lambda name: not name.lower().endswith(".gz")):
        found = _NAME.fullmatch(name)
        if found and _belongs(found[1], split):
            pairs.setdefault(found[1], {})[found[2].lower()] = folder / name
    if not pairs:
        marks = " or ".join(f"`{mark}-images-idx3-ubyte`" for mark in _MARKS[split])
        raise no_part(data, split, marks)
    if len(pairs) > 1:
        listed = quoted(sorted(pairs))
        raise not_understood(
            f"`{data}` holds several sets of idx files: {listed}",
            "give each set a folder of its own",
        )
    prefix, files = next(iter(pairs.items()))
    return _Pair(prefix, files.get("images"), files.get("labels"))


def _belongs(prefix: str, split: Split) -> bool:
    """Whether a word of a file's name says that it is of this part."""
    return any(word.startswith(_MARKS[split]) for word in re.split(r"[-._]", prefix.lower()))


def _files(pair: _Pair, data: str) -> tuple[Path, Path]:
    if pair.images is not None and pair.labels is not None:
        return pair.images, pair.labels
    have, lack = ("labels", "pictures") if pair.images is None else ("pictures", "labels")
    kind = "labels-idx1-ubyte" if pair.labels is None else "images-idx3-ubyte"
    raise not_understood(
        f"`{data}` has the {have} of `{pair.prefix}`, but not its {lack}",
        f"put `{pair.prefix}-{kind}` (or the same with `.gz`) beside them",
    )


# --- files ------------------------------------------------------------------------------------


def _sizes(path: Path, rank: int, what: str) -> tuple[int, ...]:
    """What the header says of how many numbers there are."""
    with _opened(path) as (read, _):
        return _shape(read(4 + 4 * rank), rank, path, what)


def _read(path: Path, rank: int, what: str) -> Store:
    """The numbers of an idx file of bytes: in memory, or in a file where they are many."""
    dtype = numpy.dtype(numpy.uint8)
    with _opened(path) as (read, stored):
        header = read(4 + 4 * rank)
        shape = _shape(header, rank, path, what)
        name = f"{shape[0]} {what}"
        name += f" of {'x'.join(map(str, shape[1:]))}" if len(shape) > 1 else ""
        if stored is not None:
            _check_length(path, name, math.prod(shape), stored - len(header))
            if math.prod(shape) > MEMORY_LIMIT:
                return StoredArray(str(path), len(header), shape, dtype)
        return unpack(read, str(path), shape, dtype, str(path), MEMORY_LIMIT, f"its {name}", _AGAIN)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Callable[[int], bytes], int | None]]:
    """What reads a file's bytes, packed or not, and how many there are if it is not packed."""
    try:
        with open_regular(path) as file:
            if path.suffix.lower() == ".gz":
                yield Unpacker(file).read, None
            else:
                yield file.read, os.fstat(file.fileno()).st_size
    except (zlib.error, EOFError) as error:
        raise _broken(path, f"its packed data is broken ({error})") from error
    except OSError as error:
        raise _broken(path, reason(error)) from error


def _shape(header: bytes, rank: int, path: Path, what: str) -> tuple[int, ...]:
    magic = bytes((0, 0, 8, rank))
    if not header:
        raise not_understood(f"`{path}` is empty", "download the file again")
    if header[:4] != magic:
        raise not_understood(
            f"`{path}` is not an idx file of {what}: it begins with `{header[:4].hex()}`, not"
            f" `{magic.hex()}`",
            "download the file again",
        )
    if len(header) < 4 + 4 * rank:
        raise _broken(path, "it ends within its header")
    return tuple(int(size) for size in numpy.frombuffer(header, ">u4", offset=4))


def _check_length(path: Path, what: str, size: int, length: int) -> None:
    if length != size:
        have = f"there are {length}" if length < size else "there are more"
        raise _broken(path, f"its {what} take {size} bytes, but {have}")


def _broken(path: Path, why: str) -> UserError:
    return not_understood(f"cannot read `{path}`: {why}", _AGAIN)
