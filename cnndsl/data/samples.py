"""What training reads: a dataset, which turns the indices of samples into prepared arrays.

A dataset knows the labels of all its samples, and reads the samples themselves when they are
asked for. A part of one is a view of it.
"""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b
from types import MappingProxyType
from typing import TypeAlias

import numpy
import numpy.typing
from typing_extensions import override

from cnndsl.data.normalize import Floats
from cnndsl.data.prefetch import in_order
from cnndsl.data.sources import Array, ModelInput
from cnndsl.diagnostics.model import UserError

__all__ = [
    "LISTED",
    "Broken",
    "BrokenSampleError",
    "Dataset",
    "Indices",
    "Subset",
    "broken_error",
    "find_broken",
    "without",
]

Indices: TypeAlias = "numpy.typing.NDArray[numpy.int64]"

SCAN_SECONDS = 30.0
"""How long the search for more broken samples may hold up the message about the first one."""

LISTED = 10
"""How many broken samples a message names."""

_CHUNK = 64


@dataclass(frozen=True, slots=True)
class Broken:
    """A sample that cannot be used, and why."""

    index: int
    name: str
    why: str


class BrokenSampleError(Exception):
    """What ``load`` raises for a sample that cannot be used; ``read`` makes a message of it."""

    def __init__(self, broken: Broken) -> None:
        self.broken = broken
        super().__init__(f"{broken.name}: {broken.why}")


class Dataset(ABC):
    """Samples with labels.

    Args:
        name: what the user called it.
        inputs: the network's inputs, which the samples are prepared for.
        labels: the class of each sample, counted from 0, of shape ``[count]``; for a network that
            answers for every place, ``[count, *places]``.
        targets: instead of labels, what the network's output should be: ``[count, ...]``.
        classes: the names of the classes, where they have names.
        others: labels (whole numbers) or targets of further heads of the network, by name.
        notes: what whoever uses the data should know: how its labels were read, what was passed
            over.

    Raises:
        UserError: CNN808 where there are no samples.
    """

    threads: int = 1
    """How many threads reading is worth."""

    head: str = ""
    """The head whose labels these are, where they are an array of its own."""

    def __init__(
        self,
        name: str,
        inputs: Sequence[ModelInput],
        *,
        labels: Indices | None = None,
        targets: Floats | None = None,
        classes: Sequence[str] = (),
        notes: Sequence[str] = (),
        others: Mapping[str, Array] = MappingProxyType({}),
    ) -> None:
        self.name = name
        self.others = others
        self.inputs = tuple(inputs)
        self.labels = labels
        self.targets = targets
        self.classes = tuple(classes)
        self.notes = tuple(notes)
        if not len(self):
            raise UserError(
                "CNN808", f"`{name}` holds no samples", help="give data with at least one sample"
            )

    def __len__(self) -> int:
        answers = self.targets if self.labels is None else self.labels
        assert answers is not None
        return len(answers)

    def read(self, indices: Indices) -> dict[str, Array]:
        """Prepared samples: a float32 array ``[n, *dims]`` for every input, by its name.

        Raises:
            UserError: CNN803 where a sample is broken: with the names of all broken ones that a
                search of at most ``SCAN_SECONDS`` finds; CNN804 where the data has changed.
        """
        try:
            return self.load(indices)
        except BrokenSampleError as error:
            raise broken_error(self, error.broken) from error

    def label_of(self, index: int) -> str:
        """The label of a sample, for people: its class's name, or its number."""
        if self.labels is None or self.labels.ndim > 1:
            return ""
        label = int(self.labels[index])
        return self.classes[label] if 0 <= label < len(self.classes) else str(label)

    @abstractmethod
    def name_of(self, index: int) -> str:
        """What tells a sample from the others: a path, or a place in a file."""

    @abstractmethod
    def load(self, indices: Indices) -> dict[str, Array]:
        """What :meth:`read` gives; raises BrokenSampleError for the first broken sample."""

    def files(self, indices: Indices) -> Sequence[tuple[str, int, int]]:
        """The picture files of these samples, with the sizes and times that they must have.

        Other processes can read them; of a dataset that is no such files, none.
        """
        return ()

    @abstractmethod
    def faults(self, indices: Indices) -> list[Broken]:
        """The broken ones among these samples."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """A text that changes when the data does."""


class Subset(Dataset):
    """Some of the samples of a dataset, in the order given."""

    def __init__(self, whole: Dataset, indices: Indices, name: str = "") -> None:
        self.whole = whole
        self.indices = indices
        self.threads = whole.threads
        super().__init__(
            name or whole.name,
            whole.inputs,
            labels=None if whole.labels is None else whole.labels[indices],
            targets=None if whole.targets is None else whole.targets[indices],
            classes=whole.classes,
            notes=whole.notes,
            others={name: array[indices] for name, array in whole.others.items()},
        )

    @override
    def name_of(self, index: int) -> str:
        return self.whole.name_of(int(self.indices[index]))

    @override
    def load(self, indices: Indices) -> dict[str, Array]:
        return self.whole.load(self.indices[indices])

    @override
    def files(self, indices: Indices) -> Sequence[tuple[str, int, int]]:
        return self.whole.files(self.indices[indices])

    @override
    def faults(self, indices: Indices) -> list[Broken]:
        places = dict(zip(self.indices[indices].tolist(), indices.tolist(), strict=True))
        found = self.whole.faults(self.indices[indices])
        return [replace(broken, index=places[broken.index]) for broken in found]

    @cached_property
    def _fingerprint(self) -> str:
        digest = blake2b(self.whole.fingerprint.encode(), digest_size=16)
        digest.update(numpy.ascontiguousarray(self.indices).data)
        return digest.hexdigest()

    @property
    @override
    def fingerprint(self) -> str:
        return self._fingerprint


# --- broken samples ---------------------------------------------------------------------------


def find_broken(dataset: Dataset) -> list[Broken]:
    """Read all samples and give those that cannot be used, in order."""
    return [broken for found, _ in _scan(dataset) for broken in found]


def without(dataset: Dataset, indices: Sequence[int]) -> Subset:
    """A view of all samples but these.

    Raises:
        UserError: CNN808 where none is left.
    """
    return Subset(dataset, numpy.delete(numpy.arange(len(dataset)), numpy.asarray(indices, int)))


def broken_error(dataset: Dataset, first: Broken) -> UserError:
    """The message about broken samples, after a search for others than the first one found."""
    found: dict[str, Broken] = {}
    seen = 0
    end = time.monotonic() + SCAN_SECONDS
    with closing(_scan(dataset)) as scan:
        for more, count in scan:
            found |= {broken.name: broken for broken in more}
            seen += count
            if time.monotonic() > end:
                break
    complete = seen == len(dataset)
    found.setdefault(first.name, first)
    help = "repair what is broken or take it away, or go on without it: `--skip-broken`"
    count, total = len(found), len(dataset)
    if count == 1 and complete:
        only = next(iter(found.values()))
        return UserError("CNN803", f"`{only.name}` cannot be used: {only.why}", help=help)
    notes = [f"`{broken.name}`: {broken.why}" for broken in list(found.values())[:LISTED]]
    if count > LISTED:
        notes.append(f"and {count - LISTED} more")
    if not complete:
        notes.append(f"the search ended after {seen} samples; there may be more")
    least = "" if complete else "at least "
    return UserError(
        "CNN803",
        f"{least}{count} of {total} samples of `{dataset.name}` cannot be used",
        notes=notes,
        help=help,
    )


def _scan(dataset: Dataset) -> Generator[tuple[list[Broken], int], None, None]:
    """The broken samples piece by piece, and how many samples each piece has."""
    everything = numpy.arange(len(dataset))
    pieces = (everything[at : at + _CHUNK] for at in range(0, len(everything), _CHUNK))
    threads = max(dataset.threads, min(4, os.cpu_count() or 1))

    def search(piece: Indices) -> tuple[list[Broken], int]:
        return dataset.faults(piece), len(piece)

    return in_order(search, pieces, threads=threads, ahead=2 * threads)
