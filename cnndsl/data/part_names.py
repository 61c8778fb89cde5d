"""Turns the name of a folder, or a word in a table, into the part of the data that it means.

``Train``, ``training_set``, ``valset``, ``test-images``, ``train2017``: whatever the case, with or
without words that say nothing about which part it is.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cnndsl.data.splits import Split

__all__ = ["FALLBACKS", "PartName", "part_folders", "part_named"]

_WORDS: Mapping[str, Split] = {
    "train": "train",
    "training": "train",
    "trn": "train",
    "trainval": "train",
    "val": "valid",
    "valid": "valid",
    "validate": "valid",
    "validation": "valid",
    "dev": "valid",
    "development": "valid",
    "test": "test",
    "testing": "test",
    "tst": "test",
    "eval": "test",
    "evaluate": "test",
    "evaluation": "test",
    "holdout": "test",
}

_FILLERS = (
    "set", "sets", "data", "dataset", "datasets", "image", "images", "img", "imgs", "picture",
    "pictures", "photo", "photos", "sample", "samples", "split", "part", "subset", "folder", "dir",
    "file", "files",
)  # fmt: skip
"""Words beside the part's that say nothing more."""

_FUSED = re.compile(f"({'|'.join(_WORDS)})({'|'.join(_FILLERS)})")

FALLBACKS: Mapping[Split, tuple[Split, ...]] = {
    "train": ("train",),
    "valid": ("valid",),
    "test": ("test", "valid"),
}
"""The parts that are taken for one, the best first."""


@dataclass(frozen=True, slots=True)
class PartName:
    """The part that a name means, and its other words: ``seg`` of ``seg_train``."""

    split: Split
    others: tuple[str, ...] = ()


def part_named(name: str) -> PartName | None:
    """The part that a name means; None where it has no word for one, or several.

    >>> part_named("Training_Set"), part_named("seg_train")
    (PartName(split='train', others=()), PartName(split='train', others=('seg',)))
    >>> part_named("cat"), part_named("train_test")
    (None, None)
    """
    splits: list[Split] = []
    others: list[str] = []
    for word in _words(name):
        fused = _FUSED.fullmatch(word)
        split = _WORDS.get(fused[1] if fused else word)
        if split is not None:
            splits.append(split)
        elif word not in _FILLERS and not word.isdecimal():
            others.append(word)
    return PartName(splits[0], tuple(others)) if len(splits) == 1 else None


def _words(name: str) -> list[str]:
    """The words of a name in small letters: ``TrainImages2`` has three."""
    name = unicodedata.normalize("NFC", name)
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).casefold()
    return re.findall(r"[^\W\d_]+|[0-9]+", name)


def part_folders(names: Sequence[str]) -> dict[str, Split]:
    """Those of some names side by side that mean parts, and which.

    A name with other words (``seg_train``) means a part only beside one for another part with the
    same other words (``seg_test``): a ``test tube`` is none.

    >>> part_folders(["seg_train", "seg_test", "test tube"])
    {'seg_train': 'train', 'seg_test': 'test'}
    """
    found = {name: part for name in names if (part := part_named(name)) is not None}
    splits: dict[tuple[str, ...], set[Split]] = {}
    for part in found.values():
        splits.setdefault(part.others, set()).add(part.split)
    return {
        name: part.split
        for name, part in found.items()
        if not part.others or len(splits[part.others]) > 1
    }
