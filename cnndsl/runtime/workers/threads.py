"""Workers that are threads of one process: an engine for tests, and a model of the others."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy

from cnndsl.data.sources import Array
from cnndsl.runtime.workers.communicator import Communicator, Worker
from cnndsl.training.shards import Span, added

__all__ = ["together"]

T = TypeVar("T")


def together(count: int, work: Callable[[Communicator], T]) -> list[T]:
    """What each of so many workers makes of ``work``, in their order.

    Where one of them fails, the others end with :class:`threading.BrokenBarrierError`, and its
    error is raised.
    """
    room = _Room(count)

    def one(rank: int) -> T:
        try:
            return work(_Threads(room, rank))
        except BaseException:
            room.barrier.abort()
            raise

    with ThreadPoolExecutor(count) as pool:
        found = [pool.submit(one, rank) for rank in range(count)]
    errors = [error for one in found if (error := one.exception()) is not None]
    for error in errors:
        if not isinstance(error, threading.BrokenBarrierError):
            raise error
    return [one.result() for one in found]


class _Room:
    """What the workers share."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.barrier = threading.Barrier(count)
        self.things: list[Any] = [None] * count
        self.sent: list[queue.SimpleQueue[Any]] = [queue.SimpleQueue() for _ in range(count)]


class _Threads:
    """The others, as one of the threads sees them."""

    def __init__(self, room: _Room, rank: int) -> None:
        self._room = room
        self.worker = Worker(rank, room.count, rank, "this process")

    def sum(
        self,
        parts: Mapping[Span, Array],
        whole: Span,
        out: Array,
        *more: tuple[Mapping[Span, Array], Array],
    ) -> None:
        for given, array in ((parts, out), *more):
            everything: dict[Span, Array] = {}
            for some in self.gather({span: part.copy() for span, part in given.items()}):
                everything |= some
            array[...] = added(whole, everything.get, numpy.add)

    def gather(self, thing: T) -> list[T]:
        self._room.things[self.worker.rank] = thing
        self._room.barrier.wait()
        found: list[T] = list(self._room.things)
        self._room.barrier.wait()
        return found

    def broadcast(self, thing: T) -> T:
        return self.gather(thing)[0]

    def send(self, thing: Any) -> None:
        self._room.sent[self.worker.rank].put(thing)

    def receive(self, rank: int) -> Any:
        while True:
            try:
                return self._room.sent[rank].get(timeout=0.1)
            except queue.Empty:
                if self._room.barrier.broken:
                    raise threading.BrokenBarrierError from None
