"""Turns a folder with a folder per class, or with such folders for each part, into a dataset."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy
from typing_extensions import override

from cnndsl.data.class_names import class_indices, composed, listed, notes_on_names
from cnndsl.data.formats.base import DataFormat, Place, list_folder
from cnndsl.data.formats.cifar import cifar_kinds
from cnndsl.data.formats.idx import is_idx
from cnndsl.data.formats.tiny_imagenet import is_tiny_imagenet
from cnndsl.data.part_names import FALLBACKS, part_folders, part_named
from cnndsl.data.pictures import PictureSet, holds_pictures, pictures_in, pictures_of_class
from cnndsl.data.sources import PICTURE_SUFFIXES, kinds
from cnndsl.data.splits import Split, Wanted, no_part, not_understood, refuse_valid
from cnndsl.diagnostics.model import UserError
from cnndsl.diagnostics.words import quoted

__all__ = ["Folders"]


class Folders(DataFormat):
    """A folder with a folder of pictures for each class, or with such folders for each part."""

    keyword = "folders"
    turn = 3

    @override
    def holdings(self, place: Place) -> tuple[str, ...]:
        hold = any(holds_pictures(place.path / name) for name in place.folders)
        if not hold or is_tiny_imagenet(place):
            return ()
        named = part_folders(place.folders)
        parts = any(list_folder(place.path / name)[0] for name in named)
        return ("parts" if parts else "folders of pictures",)

    @override
    def open(self, place: Place, wanted: Wanted) -> PictureSet:
        """The pictures of the part asked for.

        Raises:
            UserError: CNN801 where it is not clear what the folders are, or they hold no
                pictures, CNN802 where they are not the spec's classes, CNN808 where one is empty
                and is to be learnt.
        """
        folder, data = place.path, place.data
        parts = _parts_of(folder, place.folders, data, wanted.classes) if place.folders else {}
        if parts:
            return _open_parts(folder, parts, data, wanted)
        if place.folders:
            refuse_valid(data, wanted)
        return _open_classes(folder, data, wanted)


# --- parts ------------------------------------------------------------------------------------


def _parts_of(
    folder: Path, folders: Sequence[str], data: str, classes: Sequence[str]
) -> dict[str, Split]:
    """Which of the folders are parts of the data; none where all of them are classes.

    A part has folders in it. What the spec's ``classes`` name are classes.

    Raises:
        UserError: CNN801 where this is not clear, or two folders are the same part.
    """
    if {composed(name) for name in folders} <= {composed(name) for name in classes}:
        return {}
    named = part_folders(folders)
    parts = {name: split for name, split in named.items() if list_folder(folder / name)[0]}
    others = [name for name in folders if name not in named]
    if parts and others:
        raise not_understood(
            f"`{data}` holds both `{next(iter(parts))}/` with folders in it and `{others[0]}/`:"
            " whether these are parts or classes is not clear",
            f"move `{others[0]}/` elsewhere, or the folders in `{next(iter(parts))}/`",
        )
    if named and not parts and not others:
        raise not_understood(
            f"`{data}` has {quoted((f'{name}/' for name in folders), ' and ')}, but no folders of"
            " classes in them",
            "make a folder for each class in each of them, and move its pictures there",
        )
    if not parts:
        return {}
    for split in FALLBACKS:
        same = [name for name, own in named.items() if own == split]
        if len(same) > 1:
            raise not_understood(
                f"`{data}` has {quoted((f'{name}/' for name in same), ' and ')}, which both seem to"
                f" be its part for {_PURPOSES[split]}",
                "put their pictures together, or move one of them elsewhere",
            )
    return named


_PURPOSES: Mapping[Split, str] = {"train": "training", "valid": "validation", "test": "testing"}


def _open_parts(folder: Path, parts: Mapping[str, Split], data: str, wanted: Wanted) -> PictureSet:
    """The part asked for of data in ``train/`` and ``test/`` or ``val/``.

    The folders of all parts must be the same; in their natural order they are the classes.

    Raises:
        UserError: as for folders of classes, and CNN801 where the part is not there.
    """
    names = {split: name for name, split in parts.items()}
    found = next((split for split in FALLBACKS[wanted.split] if split in names), None)
    if found is None:
        usual = {"train": "train", "valid": "val", "test": "test"}[wanted.split]
        raise no_part(data, wanted.split, f"folder such as `{usual}/`")
    classes = wanted.classes
    if not classes and not wanted.counted and found != "train" and "train" in names:
        learnt, _ = list_folder(folder / _inner(folder, names["train"]))
        _, classes = class_indices(learnt, (), data, "folders")
    inner = _inner(folder, names[found])
    part = Wanted(wanted.inputs, wanted.split, classes, wanted.counted)
    return _open_classes(folder / inner, os.path.join(data, inner), part)


def _inner(folder: Path, name: str) -> str:
    """Where the classes of a part are: archives tend to pack it into a folder of its own name."""
    split = part_named(name)
    while split is not None:
        folders, files = list_folder(folder / name)
        same = [inner for inner in folders if part_named(inner) == split]
        if len(folders) != 1 or not same or _pictures(files):
            break
        name = os.path.join(name, same[0])
    return name


# --- a folder per class -----------------------------------------------------------------------


def _open_classes(folder: Path, data: str, wanted: Wanted) -> PictureSet:
    """The pictures in the folders of a folder, each a class.

    Raises:
        UserError: CNN801 where there are no such folders, pictures beside them, or parts among
            them; CNN802 where they are not the spec's classes; CNN808 where one is empty and is
            to be learnt.
    """
    folders, files = list_folder(folder)
    if _pictures(files) or not folders:
        raise _no_classes(folder, data, folders, files)
    for name in _parts_of(folder, folders, data, wanted.classes):
        raise not_understood(
            f"`{data}` has the part `{name}/` in it, with folders, and is a part itself",
            f"give `{data}` as the data, or move the folders of classes up into it",
        )
    passed: Counter[str] = Counter(os.path.splitext(name)[1].lower() for name in files)
    found: dict[str, list[str]] = {}
    for name in folders:
        own: Counter[str] = Counter()
        found[name] = pictures_in(folder / name, own)
        passed += own
    if not any(found.values()):
        raise _no_pictures(folder, data, folders, passed)
    _check_layout(folder, data, found, wanted)
    for name in folders:
        known = composed(name) in map(composed, wanted.classes)
        if not found[name] and (wanted.split == "train" or (wanted.classes and not known)):
            pictures_of_class(folder / name, data, learnt=True)
    order, classes = class_indices(folders, wanted.classes, data, "folders", counted=wanted.counted)
    places = sorted(zip(order.tolist(), folders, strict=True))
    labels = numpy.repeat([at for at, _ in places], [len(found[name]) for _, name in places])
    notes = [f"passed over in `{data}`: {kinds(passed)}"] if passed else []
    if not wanted.classes:
        notes += notes_on_names(classes, data, "folders")
    paths = [path for _, name in places for path in found[name]]
    return PictureSet(data, paths, labels.astype(numpy.int64), classes, wanted, notes)


def _pictures(files: Sequence[str]) -> list[str]:
    return [name for name in files if os.path.splitext(name)[1].lower() in PICTURE_SUFFIXES]


# --- folders that are no classes --------------------------------------------------------------


def _check_layout(
    folder: Path, data: str, found: Mapping[str, Sequence[str]], wanted: Wanted
) -> None:
    """Raise CNN801 where the folders hold the classes instead of being them."""
    alone = len(found) == 1 and {*map(composed, found)}.isdisjoint(map(composed, wanted.classes))
    for name, paths in found.items():
        inside = _subfolders(folder / name, paths)
        if alone and inside:
            raise not_understood(
                f"`{data}` has only the folder `{name}/`, and in it {_folders(inside)}: whether"
                f" `{name}` is a class is not clear",
                f"give `{os.path.join(data, name)}` if the classes are in it",
            )
        parts = part_folders(inside)
        if len(set(parts.values())) > 1 and len(parts) == len(inside):
            raise not_understood(
                f"`{data}` has its parts within the classes: `{name}/` holds {_folders(inside)}",
                f"put the classes into the parts: {_folders([f'{one}/{name}' for one in inside])}",
            )


def _subfolders(folder: Path, paths: Sequence[str]) -> list[str]:
    """The folders of a class that hold its pictures; none where some lie beside them."""
    start = len(str(folder)) + 1
    if not paths or os.sep not in paths[0][start:] or os.sep not in paths[-1][start:]:
        return []
    heads = [path[start:].partition(os.sep) for path in paths]
    return list(dict.fromkeys(head for head, _, _ in heads)) if all(h[1] for h in heads) else []


def _folders(names: Sequence[str]) -> str:
    return listed([f"{name}/" for name in names])


def _no_pictures(
    folder: Path, data: str, folders: Sequence[str], passed: Mapping[str, int]
) -> UserError:
    have = kinds(passed)
    help = (
        "give a folder with a folder of pictures (PNG, JPEG, …) for each class; see docs/data.md"
        " for others"
    )
    inner = [os.path.join(data, name) for name in folders if _is_data(folder / name)]
    if inner:
        help = f"give the folder with the data in it: `{inner[0]}`"
        if len(inner) > 1:
            help = f"give one of the folders with data in them, such as `{inner[0]}`"
    return not_understood(
        f"there are no pictures in the folders of `{data}`: {_folders(folders)}",
        help,
        [f"there are {have}" if have else "there are no files at all"],
    )


def _is_data(folder: Path) -> bool:
    """Whether files in a folder are data of a known kind, as what an archive was unpacked to is."""
    _, files = list_folder(folder)
    return is_idx(files) or bool(cifar_kinds(files)) or bool(_tables(files))


def _tables(files: Sequence[str]) -> list[str]:
    return [name for name in files if os.path.splitext(name)[1].lower() in (".csv", ".npz")]


def _no_classes(folder: Path, data: str, folders: Sequence[str], files: Sequence[str]) -> UserError:
    stray = _pictures(files)
    tables = _tables(files)
    if folders:
        count = f"{len(stray)} pictures" if len(stray) > 1 else f"the picture `{stray[0]}`"
        return not_understood(
            f"`{data}` has {count} beside the folders of its classes",
            "move every picture into the folder of its class",
        )
    if tables:
        return not_understood(
            f"`{data}` has no folder for each class, but {listed(tables)}",
            f"give the file itself: `{os.path.join(data, tables[0])}`",
        )
    if stray:
        return not_understood(
            f"`{data}` has pictures, but no folder for each class",
            f"make a folder for each class in `{data}`, and move its pictures there",
        )
    have = kinds(Counter(os.path.splitext(name)[1].lower() for name in files))
    if {"train.bin", "test.bin"} & {*files}:
        return not_understood(
            f"`{data}` has {listed(files)}, which could be anything",
            "put CIFAR-100's `fine_label_names.txt` beside its batches",
        )
    return not_understood(
        f"the folder `{data}` has no training data in it",
        "give a folder with a folder of pictures for each class; see docs/data.md for others",
        [f"it has {have}"] if have else (),
    )
