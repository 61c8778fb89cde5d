"""Turns what the user calls the training data into a dataset, by looking at what is there."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import get_args

from cnndsl.data.formats.cifar import cifar_kinds, is_pickled_cifar, open_cifar
from cnndsl.data.formats.digits import DIGITS, open_digits
from cnndsl.data.formats.folders import list_folder, open_classes, open_parts, parts_of
from cnndsl.data.formats.idx import is_idx, open_idx
from cnndsl.data.formats.memory import ArrayData, open_arrays
from cnndsl.data.formats.npz import open_npz
from cnndsl.data.formats.tables import open_table
from cnndsl.data.formats.tiny_imagenet import open_tiny_imagenet
from cnndsl.data.holdout import divide
from cnndsl.data.pictures import pictures_in
from cnndsl.data.samples import Dataset
from cnndsl.data.sources import PICTURE_SUFFIXES, ModelInput
from cnndsl.data.splits import Split, Wanted, not_understood, refuse_valid
from cnndsl.files import check_regular, open_regular
from cnndsl.graph.files import reason

__all__ = ["Dataset", "divide", "open_dataset"]


def open_dataset(
    given: str | os.PathLike[str] | ArrayData,
    inputs: Sequence[ModelInput],
    *,
    split: Split = "train",
    classes: Sequence[str] = (),
    counted: bool = False,
) -> Dataset:
    """Open training data: ``digits``, a folder, a ``.npz`` or CSV file (docs/data.md), or arrays.

    Args:
        given: what the user called it, or arrays of samples and labels.
        inputs: the network's inputs, and how raw data becomes them.
        split: the part to take, where the data has parts.
        classes: the names of the network's classes; data that names its classes must name these.
        counted: the network learns from labels that are indices of classes without names.

    Raises:
        UserError: CNN801 where there is no such data or it is not understood, CNN802 where its
            classes are not those of the spec, CNN808 where it is empty, CNN703 where the network
            does not take it.
        ValueError: for another ``split``.
    """
    if split not in get_args(Split):
        raise ValueError(f"`split` must be {', '.join(get_args(Split))}, not {split!r}")
    wanted = Wanted(tuple(inputs), split, tuple(classes), counted)
    if not isinstance(given, str | os.PathLike):
        return open_arrays(given, wanted)
    data = os.fspath(given)
    if data == DIGITS:
        if os.path.lexists(data):
            raise not_understood(
                "`digits` means scikit-learn's digits, but there is a file or folder of that name",
                "write `./digits` for what is there, or give it another name",
            )
        return open_digits(wanted)
    path = Path(data)
    try:
        if not path.is_dir():
            check_regular(path)
    except OSError as error:
        what = "cannot read the" if os.path.lexists(path) else "there is no"
        raise not_understood(
            f"{what} training data `{data}`: {reason(error)}",
            f"give a folder, a `.npz` file, a CSV file, or `{DIGITS}`",
        ) from error
    if path.is_dir():
        return _open_folder(path, data, wanted)
    return _open_file(path, data, wanted)


def _open_file(path: Path, data: str, wanted: Wanted) -> Dataset:
    suffix = path.suffix.lower()
    if _is_zip(path) or suffix == ".npz":
        return open_npz(path, data, wanted)
    if suffix == ".csv":
        return open_table(path, data, wanted)
    if suffix == ".npy":
        what, help = "has no labels", "put samples and labels into a `.npz` file, as `x` and `y`"
    elif suffix in PICTURE_SUFFIXES:
        what, help = "is a single picture", "give a folder with a folder of pictures for each class"
    elif is_idx([path.name]):
        what, help = "is one of several idx files", f"give their folder: `{path.parent}`"
    elif suffix == ".bin" and cifar_kinds([path.name]):
        what, help = "is one of several batches of CIFAR", f"give their folder: `{path.parent}`"
    else:
        what = "is not data of a kind that is known"
        help = f"give a folder, a `.npz` file, a CSV file (`.csv`), or `{DIGITS}`"
    raise not_understood(f"`{data}` {what}", help)


def _is_zip(path: Path) -> bool:
    with open_regular(path) as file:
        return zipfile.is_zipfile(file)


def _open_folder(folder: Path, data: str, wanted: Wanted) -> Dataset:
    """The one reading of a folder that what is in it allows."""
    folders, files = list_folder(folder)
    readings: dict[str, Callable[[], Dataset]] = {}
    if is_idx(files):
        readings["idx files"] = lambda: open_idx(folder, files, data, wanted)
    for kind in cifar_kinds(files):
        readings[f"batches of {kind}"] = lambda: open_cifar(folder, files, data, wanted)
    if "wnids.txt" in files:
        readings["Tiny-ImageNet"] = lambda: open_tiny_imagenet(folder, data, wanted)
    elif folders and (not readings or _has_pictures(folder, folders)):
        parts = parts_of(folder, folders, data, wanted.classes)
        if parts:
            readings["parts"] = lambda: open_parts(folder, parts, data, wanted)
        else:
            readings["folders of pictures"] = lambda: _open_whole(folder, data, wanted)
    if len(readings) > 1:
        raise not_understood(
            f"`{data}` holds both {' and '.join(readings)}", "give each set a folder of its own"
        )
    if not readings and is_pickled_cifar(files):
        raise not_understood(
            f"`{data}` holds CIFAR's batches for Python, which could run any program when loaded",
            "download the binary version of CIFAR",
        )
    open_it = next(iter(readings.values()), lambda: open_classes(folder, data, wanted))
    return open_it()


def _open_whole(folder: Path, data: str, wanted: Wanted) -> Dataset:
    refuse_valid(data, wanted)
    return open_classes(folder, data, wanted)


def _has_pictures(folder: Path, folders: Sequence[str]) -> bool:
    """Whether pictures lie in these folders, at whatever depth."""
    return any(pictures_in(folder / name) for name in folders)
