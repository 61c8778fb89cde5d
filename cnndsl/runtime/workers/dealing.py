"""Deals batches out to workers, and collects what they make of them in the batches' order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import numpy

from cnndsl.data.samples import Indices
from cnndsl.runtime.workers.communicator import Communicator

__all__ = ["collected", "dealt"]

T = TypeVar("T")


def dealt(samples: int, batch: int, workers: int) -> list[Indices]:
    """The samples of each worker: batch after batch is given to one after the other.

    >>> [one.tolist() for one in dealt(7, 2, 2)]
    [[0, 1, 4, 5], [2, 3, 6]]
    """
    places = numpy.arange(samples)
    return [places[places // batch % workers == rank] for rank in range(workers)]


def collected(workers: Communicator, own: Iterator[T], count: int) -> Iterator[T]:
    """What all workers make of ``count`` batches, in order, for the one that leads.

    For the others there is nothing. An error of a worker is raised by the one that leads, when all
    others have done what they do.
    """
    worker = workers.worker
    if not worker.leads:
        for answer in _tried(own):
            workers.send(answer)
        return
    failed: dict[int, Exception] = {}
    mine = _tried(own)
    for at in range(count):
        rank = at % worker.count
        if rank in failed:
            continue
        found, error = next(mine) if rank == 0 else workers.receive(rank)
        if error is not None:
            failed[rank] = error
        elif not failed:
            (one,) = found
            yield one
    for error in failed.values():  # the first in the order of the batches
        raise error


def _tried(own: Iterator[T]) -> Iterator[tuple[list[T], Exception | None]]:
    """What there is one after the other, until an error."""
    try:
        for one in own:
            yield [one], None
    except Exception as error:
        yield [], error
