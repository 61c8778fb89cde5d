"""Workers that MPI has started, on one machine or many; mpi4py carries what they say.

The sum is that of a reduce-scatter and an all-gather: each worker adds a slice of all that the
others have, in the order of the tree, and everybody gets all slices. That moves no more bytes than
the ring does, but adds in an order that does not depend on how many there are. MPI's own
``Allreduce`` does not: its algorithms, and so its order, depend on sizes and on settings.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, TypeVar

import numpy

from cnndsl.data.sources import Array
from cnndsl.runtime.workers.communicator import Worker
from cnndsl.training.shards import Span, added, covering, shards_of

__all__ = ["Mpi"]

T = TypeVar("T")

_BUCKET = 2**20
"""Numbers that are exchanged at once: while some are on the way, others are added."""


class Mpi:
    """The others, as MPI knows them: those of a communicator, by default of all that it started."""

    def __init__(self, comm: Any = None) -> None:
        from mpi4py import MPI

        self._mpi: Any = MPI
        self._comm = (MPI.COMM_WORLD if comm is None else comm).Dup()
        shared = self._comm.Split_type(MPI.COMM_TYPE_SHARED)
        self.worker = Worker(
            self._comm.Get_rank(), self._comm.Get_size(), shared.Get_rank(), socket.gethostname()
        )
        shared.Free()
        self._room: dict[str, Array] = {}

    def another(self) -> Any:
        """MPI's communicator of the same workers, for what is said beside; all ask at once."""
        return self._comm.Dup()

    def sum(self, parts: Mapping[Span, Array], whole: Span, out: Array) -> None:
        """As :class:`~cnndsl.runtime.workers.communicator.Communicator` says."""
        me, count = self.worker.rank, self.worker.count
        spans = [
            list(covering(shards_of(rank, count, whole[1] - whole[0]), whole))
            for rank in range(count)
        ]
        edges = [*range(0, out.size, _BUCKET), out.size]
        buckets = [_Bucket(first, end, count) for first, end in pairwise(edges)]
        rounds = max(map(len, spans))
        room = self._scratch(out, rounds * sum(bucket.width(me) * count for bucket in buckets))
        pending: list[tuple[_Bucket, dict[Span, Array], list[Any]]] = []
        for bucket in buckets:
            received: dict[Span, Array] = {}
            requests = []
            for turn in range(rounds):
                size = bucket.width(me) * count
                taken, room = room[:size], room[size:]
                mine = parts[spans[me][turn]] if turn < len(spans[me]) else None
                requests.append(self._exchange(bucket, mine, taken, [len(x) > turn for x in spans]))
                for rank in range(count):
                    if turn < len(spans[rank]):
                        at = rank * bucket.width(me)
                        received[spans[rank][turn]] = taken[at : at + bucket.width(me)]
            pending.append((bucket, received, requests))
        gathering = []
        for bucket, received, requests in pending:
            self._mpi.Request.Waitall(requests)
            total = added(whole, received.get, _add)
            gathering.append(self._spread(bucket, total, out))
        self._mpi.Request.Waitall(gathering)

    def _exchange(
        self, bucket: _Bucket, mine: Array | None, taken: Array, gives: list[bool]
    ) -> Any:
        """Give each worker its slice of a part; those that have none give nothing."""
        kind = self._kind(taken)
        count, width = self.worker.count, bucket.width(self.worker.rank)
        sent = [bucket.width(rank) if mine is not None else 0 for rank in range(count)]
        # An empty slice of `taken` would begin where that does, which Open MPI takes for in place.
        source = numpy.empty(0, taken.dtype) if mine is None else mine[bucket.first : bucket.end]
        return self._comm.Ialltoallv(
            [source, sent, bucket.starts if mine is not None else [0] * count, kind],
            [
                taken,
                [width * is_given for is_given in gives],
                [rank * width for rank in range(count)],
                kind,
            ],
        )

    def _spread(self, bucket: _Bucket, total: Array, out: Array) -> Any:
        widths = [bucket.width(rank) for rank in range(self.worker.count)]
        kind = self._kind(out)
        return self._comm.Iallgatherv(
            [total, total.size, kind],
            [out[bucket.first : bucket.end], widths, bucket.starts, kind],
        )

    def _kind(self, array: Array) -> Any:
        return {"float32": self._mpi.FLOAT, "float64": self._mpi.DOUBLE}[array.dtype.name]

    def _scratch(self, out: Array, size: int) -> Array:
        """Room for what the others send, made once for each type."""
        room = self._room.get(out.dtype.name)
        if room is None or room.size < size:
            self._room[out.dtype.name] = room = numpy.empty(size, out.dtype)
        return room

    def gather(self, thing: T) -> list[T]:
        """As :class:`~cnndsl.runtime.workers.communicator.Communicator` says."""
        found: list[T] = self._comm.allgather(thing)
        return found

    def broadcast(self, thing: T) -> T:
        """As :class:`~cnndsl.runtime.workers.communicator.Communicator` says."""
        found: T = self._comm.bcast(thing)
        return found

    def send(self, thing: Any) -> None:
        """As :class:`~cnndsl.runtime.workers.communicator.Communicator` says."""
        self._comm.send(thing, 0)

    def receive(self, rank: int) -> Any:
        """As :class:`~cnndsl.runtime.workers.communicator.Communicator` says."""
        return self._comm.recv(source=rank)

    def abort(self, code: int) -> None:
        """End all workers at once, wherever they are."""
        self._comm.Abort(code)


class _Bucket:
    """Neighbouring numbers of what is added, in a slice for each worker."""

    def __init__(self, first: int, end: int, count: int) -> None:
        self.first, self.end = first, end
        edges = [rank * (end - first) // count for rank in range(count + 1)]
        self.starts = edges[:-1]
        self._widths = [after - before for before, after in pairwise(edges)]

    def width(self, rank: int) -> int:
        """How many numbers a worker adds."""
        return self._widths[rank]


def _add(left: Array, right: Array) -> Array:
    numpy.add(left, right, out=left)
    return left
