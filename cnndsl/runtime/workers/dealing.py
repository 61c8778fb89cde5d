"""Deals out to workers what is to be done, and hands the results back in the order of the list."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest
from typing import Generic, TypeVar

import numpy

from cnndsl.data.samples import Indices
from cnndsl.diagnostics.model import UserError
from cnndsl.runtime.workers.agreement import shared
from cnndsl.runtime.workers.communicator import Communicator, Worker

__all__ = ["dealt", "in_turn"]

T = TypeVar("T")
R = TypeVar("R")


def dealt(samples: int, batch: int, worker: Worker) -> Indices:
    """The samples of a worker: batch after batch is given to one after the other.

    >>> [dealt(7, 2, Worker(rank, 2, rank, "here")).tolist() for rank in range(2)]
    [[0, 1, 4, 5], [2, 3, 6]]
    """
    places = numpy.arange(samples)
    own: Indices = places[places // batch % worker.count == worker.rank]
    return own


def in_turn(
    workers: Communicator,
    things: Iterable[T],
    work: Callable[[T], R],
    name: Callable[[T], object] = lambda thing: None,
) -> Iterator[R]:
    """What ``work`` makes of each thing, in their order, for the worker that leads.

    All workers go through all things, in rounds of one thing for each; for those that do not lead,
    nothing comes. All stop where one fails, and where the one that leads wants no more. ``name``
    tells things apart that may not be the same for all.

    Raises:
        Exception: in every worker, the first in the order of the things of what ``work`` and going
            through them raise.
        UserError: CNN878 in every worker, where they go through different things.
    """
    worker = workers.worker
    if worker.count == 1:
        yield from map(work, things)
        return
    rest = iter(things)
    if worker.leads:
        yield from _led(workers, rest, work, name)
        return
    while (called := workers.broadcast(_Call(True))).goes_on:
        workers.send(_round(worker, rest, work, name))
    if called.error is not None:
        raise shared(called.error)


@dataclass(frozen=True, slots=True)
class _Call:
    """What the worker that leads calls out: a round, or the end."""

    goes_on: bool
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class _Said(Generic[R]):
    """What a worker says of a round: what there was, what it made of its own, why it ends there.

    ``failed`` is an error of its work, ``cut`` one of going through the things.
    """

    names: tuple[object, ...]
    results: tuple[R, ...]
    failed: Exception | None
    cut: Exception | None


def _led(
    workers: Communicator,
    things: Iterator[T],
    work: Callable[[T], R],
    name: Callable[[T], object],
) -> Iterator[R]:
    worker = workers.worker
    error: Exception | None = None
    is_over = False
    try:
        while not is_over:
            workers.broadcast(_Call(True))
            mine = _round(worker, things, work, name)
            others: list[_Said[R]] = [workers.receive(rank) for rank in range(1, worker.count)]
            if error := _difference(mine, others):
                break
            for said in (mine, *others):
                yield from said.results
                if error := said.failed:
                    break
            error = error or mine.cut
            is_over = error is not None or len(mine.names) < worker.count
    except GeneratorExit:
        workers.broadcast(_Call(False))
        raise
    workers.broadcast(_Call(False, error))
    if error is not None:
        raise shared(error)


def _round(
    worker: Worker, things: Iterator[T], work: Callable[[T], R], name: Callable[[T], object]
) -> _Said[R]:
    """Do the worker's part of a round.

    Raises:
        Exception: a mistake, in a worker that does not lead: it may be of a kind that does not
            travel.
    """
    names: list[object] = []
    own: list[T] = []
    cut = failed = None
    try:
        for at, thing in enumerate(islice(things, worker.count)):
            names.append(name(thing))
            if at == worker.rank:
                own.append(thing)
    except UserError as error:
        cut = error
    results: tuple[R, ...] = ()
    try:
        results = tuple(map(work, own))
    except Exception as error:
        if not worker.leads and not isinstance(error, UserError):
            raise
        failed = error
    return _Said(tuple(names), results, failed, cut)


def _difference(mine: _Said[R], others: Sequence[_Said[R]]) -> Exception | None:
    """Why workers cannot go on together: what one finds, another does not."""
    for rank, said in enumerate(others, start=1):
        if said.names == mine.names and (said.cut is None) == (mine.cut is None):
            continue
        pairs = zip_longest(said.names, mine.names, fillvalue="nothing")
        theirs, ours = next((pair for pair in pairs if pair[0] != pair[1]), ("nothing", "more"))
        return (
            mine.cut
            or said.cut
            or UserError(
                "CNN878",
                f"worker {rank} finds `{theirs}` where worker 0 finds `{ours}`",
                help="give all machines the same data, and let it be while they read",
            )
        )
    return None
