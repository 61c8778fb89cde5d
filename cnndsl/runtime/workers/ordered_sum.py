"""Adds what workers have in an order that does not depend on how many there are.

It is a reduce-scatter and an all-gather, bucket by bucket: each worker gets a slice of all that the
others have, adds it in the order of the tree, and gives everybody the sum. While some buckets are
on the way, others are added. All that does not change from sum to sum is laid out once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy

from cnndsl.data.sources import Array
from cnndsl.training.shards import Span, added, covering, shards_of

__all__ = ["OrderedSum"]

BUCKET = 2**19
"""Numbers that are exchanged at once."""

FLYING = 4
"""Buckets that are on the way at once: each has room of its own for what the others send."""


class OrderedSum:
    """The sum of arrays of ``size`` numbers over the shards that ``whole`` says, and workers.

    Args:
        comm: MPI's communicator of the workers.
        mpi: the module ``mpi4py.MPI``.
        size: how many numbers.
        dtype: ``float32`` or ``float64``.
        whole: all shards.
    """

    def __init__(self, comm: Any, mpi: Any, size: int, dtype: str, whole: Span) -> None:
        self._comm, self._mpi, self._whole = comm, mpi, whole
        self._kind = {"float32": mpi.FLOAT, "float64": mpi.DOUBLE}[dtype]
        rank, count = comm.Get_rank(), comm.Get_size()
        shards = whole[1] - whole[0]
        spans = [[*covering(shards_of(at, count, shards), whole)] for at in range(count)]
        self._mine = spans[rank]
        edges = [*range(0, size, BUCKET), size]
        # An empty slice of a buffer would begin where that does, which Open MPI takes for in place.
        self._nothing = numpy.empty(0, dtype)
        longest = (min(BUCKET, size) // count + 1) * count * max(map(len, spans))
        rooms = [numpy.empty(longest, dtype) for _ in range(min(FLYING, len(edges) - 1))]
        self._buckets = [
            _Bucket(first, end, rank, spans, rooms[at % FLYING])
            for at, (first, end) in enumerate(pairwise(edges))
        ]

    def begin(self, parts: Mapping[Span, Array]) -> list[list[Any]]:
        """Send the first buckets; what is given back is for :meth:`finish`."""
        return [self._start(bucket, parts) for bucket in self._buckets[:FLYING]]

    def finish(
        self, started: list[list[Any]], parts: Mapping[Span, Array], out: Array
    ) -> list[Any]:
        """Add everything; ``out`` is whole when the requests that are given back are done."""
        gathering = []
        for at, bucket in enumerate(self._buckets):
            self._mpi.Request.Waitall(started[at])
            part = out[bucket.first : bucket.end]
            part[bucket.own] = added(self._whole, bucket.received.get, _add)
            gathering.append(
                self._comm.Iallgatherv(
                    self._mpi.IN_PLACE, [part, bucket.widths, bucket.starts, self._kind]
                )
            )
            if at + FLYING < len(self._buckets):
                started.append(self._start(self._buckets[at + FLYING], parts))
        return gathering

    def _start(self, bucket: _Bucket, parts: Mapping[Span, Array]) -> list[Any]:
        """Give each worker its slice of all parts; those that have no more give nothing."""
        requests = []
        for turn, (taken, widths, starts) in enumerate(bucket.turns):
            given = [self._nothing, bucket.none, bucket.none, self._kind]
            if turn < len(self._mine):
                mine = parts[self._mine[turn]][bucket.first : bucket.end]
                given = [mine, bucket.widths, bucket.starts, self._kind]
            requests.append(self._comm.Ialltoallv(given, [taken, widths, starts, self._kind]))
        return requests


class _Bucket:
    """Neighbouring numbers of what is added, in a slice for each worker.

    ``widths`` and ``starts`` are those of the slices, ``own`` is the worker's. In each of its
    ``turns`` a worker gives one part: with the room that takes them, how much comes from whom, and
    where in the room. ``received`` is what is there then, by the shards that it is of.
    """

    def __init__(
        self, first: int, end: int, rank: int, spans: Sequence[Sequence[Span]], room: Array
    ) -> None:
        self.first, self.end = first, end
        count = len(spans)
        edges = [at * (end - first) // count for at in range(count + 1)]
        self.starts = edges[:-1]
        self.widths = [after - before for before, after in pairwise(edges)]
        self.none = [0] * count
        self.own = slice(edges[rank], edges[rank + 1])
        width = self.widths[rank]
        places = [at * width for at in range(count)]
        self.turns: list[tuple[Array, list[int], list[int]]] = []
        self.received: dict[Span, Array] = {}
        for turn in range(max(map(len, spans))):
            taken = room[turn * count * width : (turn + 1) * count * width]
            giving = [turn < len(some) for some in spans]
            self.turns.append((taken, [width * gives for gives in giving], places))
            for some, place, gives in zip(spans, places, giving, strict=True):
                if gives:
                    self.received[some[turn]] = taken[place : place + width]


def _add(left: Array, right: Array) -> Array:
    numpy.add(left, right, out=left)
    return left
