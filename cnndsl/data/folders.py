"""Turns a folder with a folder per class, and Tiny-ImageNet's folders, into datasets."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy

from cnndsl.data.class_names import class_indices
from cnndsl.data.parts import Wanted, no_part, not_understood
from cnndsl.data.pictures import PictureSet, pictures_in
from cnndsl.data.sources import PICTURE_SUFFIXES
from cnndsl.diagnostics.model import UserError
from cnndsl.files import read_regular
from cnndsl.graph.files import reason

__all__ = ["PARTS", "list_folder", "open_classes", "open_parts", "open_tiny_imagenet"]

PARTS: Mapping[str, tuple[str, ...]] = {
    "train": ("train",),
    "valid": ("val", "valid", "validation"),
    "test": ("test", "val", "valid", "validation"),
}
"""The folders that a part of the data may be in, the best first."""


def list_folder(folder: Path) -> tuple[list[str], list[str]]:
    """The names of the folders and of the files in a folder, without hidden ones.

    Raises:
        UserError: CNN801 for a folder that cannot be listed.
    """
    folders: list[str] = []
    files: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not entry.name.startswith("."):
                    (folders if entry.is_dir() else files).append(entry.name)
    except OSError as error:
        raise not_understood(
            f"cannot list the folder `{folder}`: {reason(error)}", "check its permissions"
        ) from error
    return sorted(folders), sorted(files)


# --- a folder per class -----------------------------------------------------------------------


def open_parts(folder: Path, folders: Sequence[str], data: str, wanted: Wanted) -> PictureSet:
    """The part asked for of data in ``train/`` and ``test/`` or ``val/``.

    The folders of all parts must be the same; in their natural order they are the classes.

    Raises:
        UserError: as :func:`open_classes`, and CNN801 where the part is not there.
    """
    found = [name for name in PARTS[wanted.split] if name in folders]
    if not found:
        listed = " or ".join(f"`{name}/`" for name in PARTS[wanted.split])
        raise no_part(data, wanted.split, listed)
    classes = wanted.classes
    if not classes and found[0] != "train" and "train" in folders:
        names, _ = list_folder(folder / "train")
        _, classes = class_indices(names, (), data, "folders")
    part = Wanted(wanted.inputs, wanted.split, classes)
    return open_classes(folder / found[0], os.path.join(data, found[0]), part)


def open_classes(folder: Path, data: str, wanted: Wanted) -> PictureSet:
    """The pictures in the folders of a folder, each a class.

    Raises:
        UserError: CNN801 where there are no such folders, or pictures beside them; CNN802 where
            they are not the spec's classes; CNN808 where one is empty and is to be learnt.
    """
    folders, files = list_folder(folder)
    stray = [name for name in files if os.path.splitext(name)[1].lower() in PICTURE_SUFFIXES]
    if stray or not folders:
        raise _no_classes(data, folders, stray)
    order, classes = class_indices(folders, wanted.classes, data, "folders")
    paths: list[str] = []
    labels: list[int] = []
    for label in range(len(classes)):
        name = folders[int(numpy.flatnonzero(order == label)[0])]
        found = _pictures_of(folder / name, data, wanted)
        paths += found
        labels += [label] * len(found)
    return PictureSet(data, paths, numpy.array(labels, numpy.int64), classes, wanted)


def _pictures_of(folder: Path, data: str, wanted: Wanted) -> list[str]:
    """The pictures of a class; what is to be learnt must have some."""
    found = pictures_in(folder)
    if not found and wanted.split == "train":
        raise UserError(
            "CNN808",
            f"the class `{folder.name}` of `{data}` is empty: there are no pictures in `{folder}`",
            help="put pictures into the folder, or take it away",
        )
    return found


def _no_classes(data: str, folders: Sequence[str], stray: Sequence[str]) -> UserError:
    if folders:
        count = f"{len(stray)} pictures" if len(stray) > 1 else f"the picture `{stray[0]}`"
        return not_understood(
            f"`{data}` has {count} beside the folders of its classes",
            "move every picture into the folder of its class",
        )
    if stray:
        return not_understood(
            f"`{data}` has pictures, but no folder for each class",
            f"make a folder for each class in `{data}`, and move its pictures there",
        )
    return not_understood(f"the folder `{data}` has no training data in it", _LAYOUTS)


_LAYOUTS = "give a folder with a folder of pictures for each class; see docs/data.md for others"


# --- Tiny-ImageNet ----------------------------------------------------------------------------


def open_tiny_imagenet(folder: Path, data: str, wanted: Wanted) -> PictureSet:
    """The part asked for; for testing it is ``val/``, as ``test/`` has no labels.

    Classes are called by their words (``words.txt``), where these tell them apart; the spec may
    call them by their WordNet ids (``n01443537``) too. Their order is that of the ids.

    Raises:
        UserError: as :func:`open_classes`.
    """
    ids = sorted(_text(folder / "wnids.txt").split())
    words = _words(folder, ids)
    classes = wanted.classes
    by_id = bool(classes) and set(classes) == set(ids)
    order, classes = class_indices(ids if by_id else words, classes or words, data, "classes")
    places = dict(zip(ids, order.tolist(), strict=True))
    paths, names = _listed_pictures(folder, ids, data, wanted)
    unknown = sorted(set(names) - set(ids))
    if unknown:
        raise not_understood(
            f"`{data}` has pictures of `{unknown[0]}`, which its `wnids.txt` does not list",
            "unpack the data again",
        )
    labels = numpy.array([places[name] for name in names], numpy.int64)
    return PictureSet(data, paths, labels, classes, wanted)


def _listed_pictures(
    folder: Path, ids: Sequence[str], data: str, wanted: Wanted
) -> tuple[list[str], list[str]]:
    """The paths of the pictures, and the id of each one's class."""
    if wanted.split != "train":
        return _validation(folder)
    paths: list[str] = []
    names: list[str] = []
    for name in ids:
        found = _pictures_of(folder / "train" / name, data, wanted)
        paths += found
        names += [name] * len(found)
    return paths, names


def _validation(folder: Path) -> tuple[list[str], list[str]]:
    text = _text(folder / "val" / "val_annotations.txt")
    cells = [line.split("\t") for line in text.splitlines() if "\t" in line]
    images = folder / "val" / "images"
    return [os.path.join(images, line[0]) for line in cells], [line[1] for line in cells]


def _words(folder: Path, ids: Sequence[str]) -> list[str]:
    """What each id is called: the first of its words, all of them, or the id itself."""
    if not (folder / "words.txt").exists():
        return list(ids)
    lines = (line.partition("\t") for line in _text(folder / "words.txt").splitlines())
    meanings = {name: words.strip() for name, _, words in lines}
    whole = [meanings.get(name) or name for name in ids]
    short = [words.split(",")[0] for words in whole]
    for names in (short, whole):
        if len(set(names)) == len(ids):
            return names
    return list(ids)


_LARGEST_TEXT = 2**26


def _text(path: Path) -> str:
    try:
        return read_regular(path, _LARGEST_TEXT).decode()
    except (OSError, UnicodeDecodeError) as error:
        why = reason(error) if isinstance(error, OSError) else "it is not UTF-8 text"
        raise not_understood(f"cannot read `{path}`: {why}", "unpack the data again") from error
