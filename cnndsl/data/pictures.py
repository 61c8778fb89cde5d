"""Turns a list of picture files with labels into a dataset; pictures are read when asked for."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property
from hashlib import blake2b
from pathlib import Path

import numpy
from typing_extensions import override

from cnndsl.data.images import check_size, read_picture
from cnndsl.data.normalize import Floats
from cnndsl.data.samples import LISTED, Broken, BrokenSampleError, Dataset, Indices
from cnndsl.data.sources import PICTURE_SUFFIXES, Array, UnreadableError, kinds, walk_files
from cnndsl.data.splits import Wanted, not_understood, only_input
from cnndsl.diagnostics.model import UserError
from cnndsl.diagnostics.words import abridged_lines
from cnndsl.graph.files import reason
from cnndsl.limits import processors

__all__ = ["PictureSet", "holds_pictures", "pictures_in", "pictures_of_class"]


_NOWHERE = -1
"""The size of a link to a file that is not there: a sample that is broken."""


def pictures_in(folder: Path, passed: Counter[str] | None = None) -> list[str]:
    """The pictures in a folder and below, in natural order; ``passed`` counts what else is there.

    Raises:
        UserError: CNN801 for a folder that cannot be listed.
    """
    return [str(file) for file in _walked(folder, passed)]


def holds_pictures(folder: Path) -> bool:
    """Whether there is a picture in a folder or below; only the way to the first is walked.

    Raises:
        UserError: as :func:`pictures_in`.
    """
    return next(_walked(folder), None) is not None


def _walked(folder: Path, passed: Counter[str] | None = None) -> Iterator[Path]:
    try:
        yield from walk_files(folder, PICTURE_SUFFIXES, passed)
    except UserError as error:
        raise not_understood(error.message, error.help) from error


class PictureSet(Dataset):
    """A dataset of picture files.

    Only their paths, sizes and times are held; a file that is another one when it is read is an
    error.

    Raises:
        UserError: CNN801 where files are not there, CNN703 where the network takes no pictures.
    """

    threads = min(8, processors())

    def __init__(
        self,
        name: str,
        files: Sequence[str],
        labels: Indices,
        classes: Sequence[str],
        wanted: Wanted,
        notes: Sequence[str] = (),
    ) -> None:
        self._input = only_input(wanted, name)
        if self._input.preparation.layout_for(self._input.type) is None:
            raise UserError(
                "CNN703",
                f"`{name}` holds pictures, but the input `{self._input.name}` takes"
                f" `{self._input.type}`",
                help="give the data as arrays of that shape in a `.npz` file",
            )
        check_size(self._input)
        self._files = files
        self._states = _states(name, files)
        super().__init__(name, wanted.inputs, labels=labels, classes=classes, notes=notes)

    @override
    def name_of(self, index: int) -> str:
        return self._files[index]

    @override
    def load(self, indices: Indices) -> dict[str, Array]:
        pictures = numpy.empty((len(indices), *self._input.type.dims), numpy.float32)
        for at, index in enumerate(indices.tolist()):
            self._load(index, pictures[at])
        return {self._input.name: pictures}

    def _load(self, index: int, out: Floats | None = None) -> None:
        path = self._files[index]
        self._demand_unchanged(index)
        try:
            read_picture(path, self._input, out)
        except UnreadableError as error:
            # It may have gone or been cut off just now.
            self._demand_unchanged(index)
            why = error.message.removeprefix(f"cannot read `{path}`: ")
            raise BrokenSampleError(Broken(index, path, why)) from error

    def _demand_unchanged(self, index: int) -> None:
        path = self._files[index]
        size, time = self._states[index].tolist()
        try:
            status = os.stat(path)
        except OSError as error:
            if size == _NOWHERE:
                raise BrokenSampleError(Broken(index, path, reason(error))) from error
            raise _changed(path, reason(error)) from error
        if size == _NOWHERE:
            raise _changed(path, "it led nowhere and is there now")
        if status.st_size != size:
            raise _changed(path, f"it had {size} bytes and has {status.st_size}")
        if status.st_mtime_ns != time:
            raise _changed(path, "it has been written again")

    @override
    def files(self, indices: Indices) -> Sequence[tuple[str, int, int]]:
        states = self._states[indices].tolist()
        return [
            (self._files[at], *state) for at, state in zip(indices.tolist(), states, strict=True)
        ]

    @override
    def faults(self, indices: Indices) -> list[Broken]:
        found = []
        for index in indices.tolist():
            try:
                self._load(index)
            except BrokenSampleError as error:
                found.append(error.broken)
        return found

    @cached_property
    def _fingerprint(self) -> str:
        digest = blake2b(repr(self.classes).encode(), digest_size=16)
        for file in self._files:
            digest.update(os.fsencode(file) + b"\0")
        digest.update(self._states.data)
        assert self.labels is not None
        digest.update(numpy.ascontiguousarray(self.labels).data)
        return digest.hexdigest()

    @property
    @override
    def fingerprint(self) -> str:
        return self._fingerprint


def _states(name: str, files: Sequence[str]) -> Indices:
    """Size and time of each file; all must be there, though links may lead nowhere."""
    states = numpy.empty((len(files), 2), numpy.int64)
    missing = []
    slashed = False
    for at, file in enumerate(files):
        try:
            status = os.stat(file)
        except (OSError, ValueError) as error:
            if os.path.islink(file):
                states[at] = _NOWHERE
                continue
            why = reason(error) if isinstance(error, OSError) else str(error)
            missing.append(f"`{file}`: {why}")
            slashed = slashed or os.path.exists(file.replace("\\", "/"))
        else:
            states[at] = status.st_size, status.st_mtime_ns
    if missing:
        notes = abridged_lines(missing, LISTED)
        verb = "is" if len(missing) == 1 else "are"
        help = "correct the paths; they count from the folder of the file that lists them"
        if slashed:
            help = "write `/` between folders, and not `\\`"
        raise not_understood(
            f"{len(missing)} of the {len(files)} pictures of `{name}` {verb} not there",
            help,
            notes,
        )
    return states


def _changed(path: str, how: str) -> UserError:
    return UserError(
        "CNN804",
        f"`{path}` changed after the data was opened: {how}",
        help="put the file back as it was, or start again",
    )


def pictures_of_class(folder: Path, data: str, *, learnt: bool) -> list[str]:
    """The pictures of a class; what is to be learnt must have some.

    Raises:
        UserError: CNN808 where it has none.
    """
    passed: Counter[str] = Counter()
    found = pictures_in(folder, passed)
    if not found and learnt:
        raise UserError(
            "CNN808",
            f"the class `{folder.name}` of `{data}` is empty: there are no pictures in `{folder}`",
            notes=[f"it has {kinds(passed)}"] if passed else (),
            help="put pictures into the folder, or take it away",
        )
    return found
