"""One worker of the benchmark of sums; MPI starts it, and ``workers.py`` reads what it writes.

    mpiexec -n 2 python benchmarks/workers_sum.py PAIRS MEGABYTES…

The first worker writes a line of JSON for each size: the seconds of pairs, MPI's own ``Allreduce``
and the ordered sum right after it, or the other way round. Each is the median of some sums, and all
workers begin one together.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy

from cnndsl.runtime.slots import aligned
from cnndsl.runtime.workers.mpi import Mpi

TURN = 0.15
"""Seconds that a turn should last."""


def main(pairs: str, *sizes: str) -> None:
    from mpi4py import MPI

    others = Mpi()
    me, count = others.worker.rank, others.worker.count
    for megabytes in sizes:
        size = round(float(megabytes) * 1e6 / 4)
        kind = numpy.dtype(numpy.float32)
        mine, ours, theirs = (aligned((size,), kind) for _ in range(3))
        mine[...] = numpy.random.default_rng(me).standard_normal(size, numpy.float32)
        ours[...], theirs[...] = 0, 0
        comm: Any = MPI.COMM_WORLD

        def plain(given: Any = mine, out: Any = theirs, comm: Any = comm) -> None:
            comm.Allreduce([given, MPI.FLOAT], [out, MPI.FLOAT], MPI.SUM)

        def ordered(given: Any = mine, out: Any = ours) -> None:
            others.sum({(me, me + 1): given}, (0, count), out)

        turns = [timed(plain, 3, comm), timed(ordered, 3, comm)]
        assert numpy.allclose(ours, theirs, rtol=1e-4, atol=1e-5)
        repeats = comm.bcast(max(1, round(TURN / max(turns))))
        found = []
        for number in range(int(pairs)):
            order = (plain, ordered) if number % 2 == 0 else (ordered, plain)
            times = {one: timed(one, repeats, comm) for one in order}
            found.append((times[plain], times[ordered]))
        if others.worker.leads:
            print(json.dumps({"megabytes": float(megabytes), "pairs": found}), flush=True)


def timed(work: Callable[[], None], repeats: int, comm: Any) -> float:
    times = []
    for _ in range(repeats):
        comm.Barrier()
        begin = time.perf_counter()
        work()
        times.append(comm.allreduce(time.perf_counter() - begin, op=max_of()))
    return float(statistics.median(times))


def max_of() -> Any:
    from mpi4py import MPI

    return MPI.MAX


if __name__ == "__main__":
    main(*sys.argv[1:])
