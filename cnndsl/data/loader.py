"""Turns a dataset and an order of its samples into batches, read ahead in the background."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy

from cnndsl.data.prefetch import in_order
from cnndsl.data.readers import Elsewhere
from cnndsl.data.samples import BrokenSampleError, Dataset, Indices, broken_error
from cnndsl.data.sources import Array
from cnndsl.diagnostics.model import UserError

__all__ = ["Augment", "Batch", "epoch_order", "evaluation_batches", "feed", "not_finite_error"]


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Samples that enter the network together.

    ``inputs`` are float32 arrays ``[n, *dims]`` by the inputs' names, ``labels`` what the network
    should answer, for several heads by their names, ``indices`` the samples' places in their
    dataset.
    """

    inputs: Mapping[str, Array]
    labels: Any
    indices: Indices

    def labels_of(self, head: str) -> Array:
        """The labels of a head; all that there are, where they are not by name."""
        found: Array = self.labels[head] if isinstance(self.labels, Mapping) else self.labels
        return found


class Augment(Protocol):
    """A random change of samples; the same for the same epoch and index."""

    def __call__(
        self, arrays: dict[str, Array], epoch: int, indices: Indices, /
    ) -> dict[str, Array]:
        """The samples of these indices, changed."""
        ...


def epoch_order(count: int, seed: int, epoch: int) -> Indices:
    """A random order of all samples, another one in every epoch.

    It is made of raw random bits, which NumPy promises never to change, and so stays the same
    over all versions.

    >>> sorted(epoch_order(4, seed=1, epoch=0).tolist())
    [0, 1, 2, 3]
    """
    bits = numpy.random.PCG64(numpy.random.SeedSequence([seed, epoch]))
    keys = bits.random_raw(count)
    return numpy.argsort(keys, kind="stable").astype(numpy.int64)


def feed(
    dataset: Dataset,
    order: Indices,
    batch: int,
    *,
    labels: Callable[[Indices], Array | Mapping[str, Array]] | None = None,
    augment: Augment | None = None,
    epoch: int = 0,
    start: int = 0,
    ahead: int = 3,
    threads: int | None = None,
    drop_last: bool = True,
) -> Generator[Batch, None, None]:
    """Batches of samples in a given order; the next ones are read while the last one is used.

    Whoever stops early closes the generator, and no thread is left. What comes out does not
    depend on the number of threads.

    Args:
        dataset: the samples.
        order: which of them, in this order.
        batch: how many in one batch.
        labels: gives the labels of samples; by default the dataset's labels or targets.
        augment: applied to every batch, in the background too.
        epoch: what ``augment`` is told.
        start: how many batches to pass over, for a run that goes on within an epoch.
        ahead: how many batches are read ahead at most.
        threads: by default as many as the dataset is worth, and processes for picture files.
        drop_last: leave out an incomplete last batch.

    Raises:
        UserError: what reading raises: CNN803 for broken samples, CNN804 for changed data.
    """
    answers = labels or _own_labels(dataset)
    others = Elsewhere(dataset, augment, epoch, len(order)) if threads is None else None

    def load(indices: Indices) -> dict[str, Array]:
        arrays = dataset.load(indices)
        return arrays if augment is None else augment(arrays, epoch, indices)

    def read(piece: _Piece) -> Batch | None:
        piece.read(others, load)
        if piece.stop < len(piece.batch.indices):
            return None
        return Batch(piece.batch.inputs, answers(piece.batch.indices), piece.batch.indices)

    end = len(order) - (len(order) % batch if drop_last else 0)
    groups = (order[at : min(at + batch, end)] for at in range(start * batch, end, batch))
    size = _samples_in_piece(dataset)
    workers = threads or max(dataset.threads, others.count if others else 0)
    most = max(ahead * -(-batch // size), workers)
    pieces = in_order(read, _pieces(groups, size), threads=workers, ahead=most)
    try:
        # The pieces of a batch come in order, so that all are there with the last one.
        yield from filter(None, pieces)
    except BrokenSampleError as error:
        # Searched here, where all readers have stopped, and not by each of them.
        raise broken_error(dataset, error.broken) from error
    finally:
        pieces.close()


# --- pieces of batches ------------------------------------------------------------------------


_PIECE = 2**19
"""So many numbers are read and changed at once: what is made on the way stays in the cache, and
several threads read one batch, so that the first one is there soon and few are in memory."""


def _samples_in_piece(dataset: Dataset) -> int:
    numbers = sum(math.prod(one.type.dims) for one in dataset.inputs)
    return max(1, _PIECE // max(1, numbers))


class _Assembly:
    """A batch in the making; its pieces are put in their places by several threads."""

    def __init__(self, indices: Indices) -> None:
        self.indices = indices
        self.inputs: dict[str, Array] = {}
        self._lock = threading.Lock()

    def put(self, start: int, arrays: dict[str, Array], *, borrowed: bool = False) -> None:
        """Samples of every input, which begin at this place of the batch.

        Where they are not ``borrowed``, and are all of the batch, no copy is made.
        """
        count = len(self.indices)
        with self._lock:
            if not self.inputs:
                self.inputs = {
                    name: array
                    if len(array) == count and not borrowed
                    else numpy.empty((count, *array.shape[1:]), array.dtype)
                    for name, array in arrays.items()
                }
        for name, array in arrays.items():
            if self.inputs[name] is not array:
                self.inputs[name][start : start + len(array)] = array


@dataclass(frozen=True, slots=True, eq=False)
class _Piece:
    batch: _Assembly
    start: int
    stop: int

    def read(self, others: Elsewhere | None, load: Callable[[Indices], dict[str, Array]]) -> None:
        """Put the samples in their place: from another process, else as ``load`` gives them."""
        indices = self.batch.indices[self.start : self.stop]
        if others is None or not others.read(indices, self._put_borrowed):
            self.batch.put(self.start, load(indices))

    def _put_borrowed(self, arrays: dict[str, Array]) -> None:
        self.batch.put(self.start, arrays, borrowed=True)


def _pieces(groups: Iterable[Indices], size: int) -> Iterator[_Piece]:
    for indices in groups:
        batch = _Assembly(indices)
        for start in range(0, len(indices), size):
            yield _Piece(batch, start, min(start + size, len(indices)))


def evaluation_batches(
    dataset: Dataset,
    batch: int,
    *,
    labels: Callable[[Indices], Array | Mapping[str, Array]] | None = None,
    threads: int | None = None,
) -> Generator[Batch, None, None]:
    """All samples in order, without augmentation; the last batch may be smaller.

    Raises:
        UserError: as :func:`feed`.
    """
    order = numpy.arange(len(dataset))
    return feed(dataset, order, batch, labels=labels, threads=threads, drop_last=False)


def not_finite_error(dataset: Dataset, batch: Batch) -> UserError | None:
    """CNN803 for the first sample of a batch that holds a NaN or an infinity, where one does."""
    for array in batch.inputs.values():
        finite = numpy.isfinite(array.reshape(len(array), -1)).all(axis=1)
        if not finite.all():
            name = dataset.name_of(int(batch.indices[int(finite.argmin())]))
            return UserError(
                "CNN803",
                f"`{name}` holds numbers that are not finite",
                help="repair what is broken or take it away",
            )
    return None


def _own_labels(dataset: Dataset) -> Callable[[Indices], Array]:
    answers: Array | None = dataset.targets if dataset.labels is None else dataset.labels
    assert answers is not None
    held = answers

    def take(indices: Indices) -> Array:
        return held[indices]

    return take
