"""Turns Tiny-ImageNet's folder into a dataset."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy
from typing_extensions import override

from cnndsl.data.class_names import class_indices, listed
from cnndsl.data.formats.base import DataFormat, Place
from cnndsl.data.pictures import PictureSet, pictures_of_class
from cnndsl.data.splits import Wanted, not_understood
from cnndsl.files import read_regular
from cnndsl.graph.files import reason

__all__ = ["TinyImageNet", "is_tiny_imagenet"]

_LARGEST_TEXT = 2**26


def is_tiny_imagenet(place: Place) -> bool:
    """Whether a folder is Tiny-ImageNet's: it lists its classes by their WordNet ids."""
    return "wnids.txt" in place.files


class TinyImageNet(DataFormat):
    """Tiny-ImageNet's folder, as it is unpacked."""

    keyword = "tiny_imagenet"
    turn = 2

    @override
    def holdings(self, place: Place) -> tuple[str, ...]:
        return ("Tiny-ImageNet",) if is_tiny_imagenet(place) else ()

    @override
    def open(self, place: Place, wanted: Wanted) -> PictureSet:
        """The part asked for; for testing it is ``val/``, as ``test/`` has no labels.

        Classes are called by their words (``words.txt``), where these tell them apart; the spec may
        call them by their WordNet ids (``n01443537``) too. Their order is that of the ids.

        Raises:
            UserError: as a folder of classes.
        """
        folder, data = place.path, place.data
        ids = _ids(folder)
        words = _words(folder, ids)
        classes = wanted.classes
        by_id = bool(classes) and set(classes) == set(ids)
        order, classes = class_indices(
            ids if by_id else words,
            classes or (() if wanted.counted else words),
            data,
            "classes",
            counted=wanted.counted,
        )
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


def _ids(folder: Path) -> list[str]:
    """The ids of the classes, which are the names of folders too."""
    path = folder / "wnids.txt"
    ids = sorted(_text(path).split())
    for name in ids:
        _demand_plain(name, path)
    if len(set(ids)) < len(ids):
        twice = next(name for name, after in pairwise(ids) if name == after)
        raise not_understood(f"`{path}` lists {listed([twice])} twice", "unpack the data again")
    return ids


def _demand_plain(name: str, path: Path) -> None:
    """Raise CNN801 for what cannot be the name of a file or folder in a certain folder."""
    if not name.isprintable() or name in ("", ".", "..") or os.path.basename(name) != name:
        raise not_understood(
            f"`{path}` lists {name[:60]!a}, which is no name of a file",
            "unpack the data again",
        )


def _listed_pictures(
    folder: Path, ids: Sequence[str], data: str, wanted: Wanted
) -> tuple[list[str], list[str]]:
    """The paths of the pictures, and the id of each one's class."""
    if wanted.split != "train":
        return _validation(folder)
    paths: list[str] = []
    names: list[str] = []
    for name in ids:
        if not (folder / "train" / name).is_dir():
            raise not_understood(
                f"`{data}` has no folder `train/{name}`, but its `wnids.txt` lists `{name}`",
                "unpack the data again",
            )
        found = pictures_of_class(folder / "train" / name, data, learnt=True)
        paths += found
        names += [name] * len(found)
    return paths, names


def _validation(folder: Path) -> tuple[list[str], list[str]]:
    path = folder / "val" / "val_annotations.txt"
    cells = [line.split("\t") for line in _text(path).splitlines() if line.strip()]
    for line in cells:
        _demand_plain(line[0], path)
        if len(line) < 2:
            raise not_understood(
                f"`{path}` gives no class for `{line[0][:60]}`", "unpack the data again"
            )
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


def _text(path: Path) -> str:
    try:
        return read_regular(path, _LARGEST_TEXT).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = reason(error) if isinstance(error, OSError) else "it is not UTF-8 text"
        raise not_understood(f"cannot read `{path}`: {why}", "unpack the data again") from error
