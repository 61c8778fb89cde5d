"""Workers that MPI has started, on one machine or many; mpi4py carries what they say.

MPI's own ``Allreduce`` adds in an order that depends on how many there are, on sizes and settings;
:mod:`cnndsl.runtime.workers.ordered_sum` does not.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any, TypeVar

from cnndsl.data.sources import Array
from cnndsl.runtime.workers.communicator import Worker
from cnndsl.runtime.workers.ordered_sum import OrderedSum
from cnndsl.training.shards import Span

__all__ = ["Mpi"]

T = TypeVar("T")


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
        self._sums: dict[tuple[int, int, str, Span], OrderedSum] = {}

    def another(self) -> Any:
        """MPI's communicator of the same workers, for what is said beside; all ask at once."""
        return self._comm.Dup()

    def sum(
        self,
        parts: Mapping[Span, Array],
        whole: Span,
        out: Array,
        *more: tuple[Mapping[Span, Array], Array],
    ) -> None:
        """As :class:`~cnndsl.runtime.workers.communicator.Communicator` says."""
        pairs = [*more, (parts, out)]
        sums = [self._sum(at, array, whole) for at, (_, array) in enumerate(pairs)]
        started = [one.begin(given) for one, (given, _) in zip(sums, pairs, strict=True)]
        requests: list[Any] = []
        for one, begun, (given, array) in zip(sums, started, pairs, strict=True):
            requests += one.finish(begun, given, array)
        self._mpi.Request.Waitall(requests)

    def _sum(self, at: int, out: Array, whole: Span) -> OrderedSum:
        """How arrays of this size and type are added, laid out once for each of some at a time."""
        key = at, out.size, out.dtype.name, whole
        if key not in self._sums:
            self._sums[key] = OrderedSum(self._comm, self._mpi, *key[1:])
        return self._sums[key]

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
