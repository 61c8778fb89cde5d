"""Tries whether workers can be started here: two of them add a megabyte.

As a program, it is what these two do.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from statistics import median
from typing import Any

from cnndsl.diagnostics.model import UserError
from cnndsl.runtime.workers.job import Asked, Job, find_mpiexec

__all__ = ["WorkersTrial", "add_a_megabyte", "try_workers"]

_NUMBERS = 2**18
"""float32 in a megabyte."""

_ROUNDS = 9
_SECONDS = 60.0
_ANSWER = "cnndsl: "


@dataclass(frozen=True, slots=True)
class WorkersTrial:
    """What two workers came to.

    ``mpi`` is the library that mpi4py has loaded, ``mpi4py`` its version, ``mpiexec`` the path of
    what starts workers; ``milliseconds`` is what adding a megabyte took. ``error`` is why they
    did not come to that. Without mpi4py all is empty.
    """

    mpi: str = ""
    mpi4py: str = ""
    mpiexec: str = ""
    milliseconds: float | None = None
    error: UserError | None = None


def try_workers() -> WorkersTrial:
    """Start two workers, where there is mpi4py."""
    if find_spec("mpi4py") is None:
        return WorkersTrial()
    try:
        known = version("mpi4py")
    except PackageNotFoundError:
        known = "of an unknown version"
    mpiexec = ""
    try:
        mpiexec = find_mpiexec()
        with tempfile.TemporaryFile() as said:
            command = [sys.executable, "-P", "-c", _PROGRAM.format(path=sys.path)]
            streams = {1: said.fileno(), 2: said.fileno()}
            end = Job(command, 2, Asked(), streams=streams, seconds=_SECONDS).run()
            said.seek(0)
            text = said.read().decode(errors="replace").strip()
        found = _answer(end.status, text)
    except UserError as error:
        return WorkersTrial(mpi4py=known, mpiexec=mpiexec, error=error)
    return WorkersTrial(found["mpi"], known, mpiexec, found["milliseconds"])


_PROGRAM = """
import sys
sys.path[:] = {path!r}
from cnndsl.runtime.workers.trial import add_a_megabyte
sys.exit(add_a_megabyte())
"""


def _answer(status: int, text: str) -> dict[str, Any]:
    """What the first worker has found, among what libraries may print."""
    lines = [line for line in text.splitlines() if line.startswith(_ANSWER)]
    if status or not lines:
        raise _failed(text or f"they ended with the exit status {status}")
    found: dict[str, Any] = json.loads(lines[0].removeprefix(_ANSWER))
    return found


def _failed(text: str) -> UserError:
    return UserError(
        "CNN871",
        "two workers were started, and could not add their numbers",
        notes=text.splitlines()[-6:],
        help="see that mpi4py and `mpiexec` belong to the same MPI",
    )


def add_a_megabyte() -> int:
    """What each of the two does: add, and let the first one say how long it took."""
    import numpy

    from cnndsl.runtime.workers.environment import joined, library_name

    try:
        workers = joined()
    except UserError as error:
        print(error, *error.notes, sep="\n", file=sys.stderr, flush=True)
        return 1
    rank, count = workers.worker.rank, workers.worker.count
    mine, total = (numpy.empty(_NUMBERS, numpy.float32) for _ in range(2))
    seconds = []
    for _ in range(_ROUNDS):
        mine[...] = rank + 1
        workers.gather(None)
        began = time.perf_counter()
        workers.sum({(rank, rank + 1): mine}, (0, count), total)
        seconds.append(time.perf_counter() - began)
    if not (total == count * (count + 1) / 2).all():
        print(f"the sum of {count} workers is {total.min()} to {total.max()}", file=sys.stderr)
        return 1
    if workers.worker.leads:
        found = {"mpi": library_name(), "milliseconds": 1000 * median(seconds)}
        os.write(1, f"{_ANSWER}{json.dumps(found)}\n".encode())
    return 0
