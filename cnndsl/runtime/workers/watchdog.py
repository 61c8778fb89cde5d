"""Sees that workers end together: each watches itself, one of the others, and what started it.

Whoever waits for others in MPI waits for ever where one of them was stopped, hangs, or has left by
an error that only it has. So a thread in each worker tells the next one that it is there, each
second, and listens for the one before it. Where that is silent for too long, or its own worker
neither computes nor waits for others, it says which one it is and ends all. What they tell each
other is how many of them in a row have waited for others all this time: where that has come round
to all of them, nobody is left to wait for. Where what started the workers is gone, nobody else
would end them: each ends by itself.

Seconds in which this process was stopped itself, as a laptop that sleeps, count for nothing; nor do
those in which nobody takes what it prints, as a pager that stands still.
"""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import os
import select
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import numpy

from cnndsl.data.sources import Array
from cnndsl.diagnostics.exit_codes import FAILED, INTERRUPTED, LOST, MISTAKE
from cnndsl.diagnostics.model import CnndslError, UserError
from cnndsl.diagnostics.words import count
from cnndsl.runtime.workers.communicator import Communicator, Worker
from cnndsl.runtime.workers.control import going_on
from cnndsl.runtime.workers.launching_process import launching_chain
from cnndsl.runtime.workers.mpi import Mpi
from cnndsl.training.shards import Span

__all__ = ["Watched", "watching"]

T = TypeVar("T")

_BEAT = 1.0
"""Seconds between two signs of life."""

_SILENCE = 60.0
"""Seconds without one that are too long, whatever a step may take."""

_GRACE = 3.0
"""Seconds in which the others end too, where all have the same error."""

_LAST = 5.0
"""Seconds that a worker has to say why it ends, and to have MPI end the others."""

_EXIT = 10.0
"""Seconds that a worker has from leaving by an error of its own to its end."""


class Watched:
    """Workers as they are, and a watch on them: whatever they say to each other is progress.

    What takes long and says nothing to the others calls :meth:`progress` now and then.
    """

    def __init__(self, workers: Communicator) -> None:
        self._workers = workers
        self.worker = workers.worker
        self.steps = 0
        self.waits = False

    def progress(self) -> None:
        """Note that something has come about."""
        self.steps += 1

    def waiting(self) -> None:
        """Note that from here on this worker waits for others."""
        self.waits = True
        self.steps += 1

    def computing(self) -> None:
        """Note that it does not any more."""
        self.waits = False
        self.steps += 1

    def sum(
        self,
        parts: Mapping[Span, Array],
        whole: Span,
        out: Array,
        *more: tuple[Mapping[Span, Array], Array],
    ) -> None:
        """As :class:`~cnndsl.runtime.workers.communicator.Communicator` says."""
        self.waiting()
        self._workers.sum(parts, whole, out, *more)
        self.computing()

    def gather(self, thing: T) -> list[T]:
        """As :class:`~cnndsl.runtime.workers.communicator.Communicator` says."""
        self.waiting()
        found = self._workers.gather(thing)
        self.computing()
        return found

    def broadcast(self, thing: T) -> T:
        """As :class:`~cnndsl.runtime.workers.communicator.Communicator` says."""
        self.waiting()
        found = self._workers.broadcast(thing)
        self.computing()
        return found

    def send(self, thing: Any) -> None:
        """As :class:`~cnndsl.runtime.workers.communicator.Communicator` says."""
        self.waiting()
        self._workers.send(thing)
        self.computing()

    def receive(self, rank: int) -> Any:
        """As :class:`~cnndsl.runtime.workers.communicator.Communicator` says."""
        self.waiting()
        found = self._workers.receive(rank)
        self.computing()
        return found


@contextlib.contextmanager
def watching(
    workers: Communicator,
    timeout: float,
    silence: float | None = None,
    *,
    resumes: bool = True,
) -> Iterator[Watched]:
    """Watch workers while they do something together; all of them do, and use what this gives.

    At its end each waits for the others. An error that all have is raised in one of them, the
    others exit without a word (:class:`SystemExit`); one that only some have ends all workers as
    soon as these have said it.

    Args:
        workers: all of them.
        timeout: seconds that a worker may compute without any progress.
        silence: seconds without a sign of life after which a worker is lost; by default 60, or
            the ``timeout`` where that is less.
        resumes: whether what they do can go on with ``--resume``.
    """
    watched = Watched(workers)
    if not isinstance(workers, Mpi):
        yield watched
        return
    dog = _Watchdog(watched, workers, timeout, min(timeout, silence or _SILENCE), resumes=resumes)
    try:
        yield watched
    except BaseException as error:
        if not isinstance(error, SystemExit):
            dog.leave(error)
        raise
    dog.end()


class _Watchdog:
    """The thread of a worker."""

    def __init__(
        self, watched: Watched, workers: Mpi, timeout: float, silence: float, *, resumes: bool
    ) -> None:
        from mpi4py import MPI

        self._watched = watched
        self._timeout, self._silence = timeout, silence
        self._resumes = resumes
        self._all = workers.gather(workers.worker)
        self._beats, self._ends = workers.another(), workers.another()
        # Without this, MPI may be called by one thread alone: then nobody listens for others.
        self._speaks = MPI.Query_thread() >= MPI.THREAD_MULTIPLE
        self._chain = launching_chain()
        self._over = threading.Event()
        self._left: int | None = None
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self._thread.start()

    # --- the thread ---------------------------------------------------------------------------

    def _watch(self) -> None:
        beat = min(_BEAT, self._timeout / 5, self._silence / 5)
        seen, stalled, silent, gone = -1, 0.0, 0.0, 0.0
        last = time.monotonic()
        line = _Line(self._beats, self._watched.worker) if self._speaks else None
        while not self._over.wait(beat):
            now = time.monotonic()
            passed, last = min(now - last, 2 * beat), now
            if launching_chain() != self._chain:
                os._exit(LOST)
            steps, waits = self._watched.steps, self._watched.waits
            if steps != seen:
                seen, stalled = steps, 0.0
            elif waits or not _is_output_full():
                stalled += passed
            is_late = stalled > self._timeout
            if line is not None:
                silent = 0.0 if line.exchange(waits and is_late) else silent + passed
            gone += passed if self._left is not None else 0.0
            if gone > _EXIT:
                self._end_all(self._left or FAILED)
            if silent > self._silence:
                before = self._all[self._watched.worker.rank - 1]
                self._lose(f"{before} has not been heard of", silent)
            if is_late and not waits and self._left is None:
                self._lose(f"{self._watched.worker} has made no progress", stalled)
            if line is not None and line.has_come_round and self._watched.worker.leads:
                every = f"all {len(self._all)} workers have waited for each other"
                self._lose(every, stalled, "whether their machines reach each other")

    def _lose(self, what: str, seconds: float, see: str = "what its machine does") -> None:
        """Say which worker is lost, and end all."""
        from cnndsl.diagnostics.render import render_error

        self._end_soon(LOST)
        error = UserError(
            "CNN872",
            f"{what} for {count(round(seconds), 'second')}",
            help=f"see {see}, then {going_on(self._resumes)};"
            " where a step takes that long, give a longer `--timeout`",
        )
        text = render_error(error, color=False)
        with contextlib.suppress(OSError):
            os.write(2, f"{text}\n".encode(errors="backslashreplace"))
        if os.environ.get("CNNDSL_DEBUG"):
            faulthandler.dump_traceback()
        self._end_all(LOST)

    def _end_all(self, status: int) -> None:
        """End all workers at once, without what MPI would say of it."""
        self._end_soon(status)
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        if self._speaks or threading.current_thread() is threading.main_thread():
            self._beats.Abort(status)
        os._exit(status)

    @staticmethod
    def _end_soon(status: int) -> None:
        """End this worker, whatever it waits for before it has ended by itself."""
        timer = threading.Timer(_LAST, os._exit, [status])
        timer.daemon = True
        timer.start()

    # --- the end ------------------------------------------------------------------------------

    def end(self) -> None:
        """Wait for all others, and stop watching.

        Raises:
            SystemExit: where others have failed, who say why.
        """
        try:
            failed = self._meet(failed=False, patience=None)
        except KeyboardInterrupt:
            self._leave_alone(INTERRUPTED)
            raise
        if any(failed or ()):
            raise SystemExit(FAILED)

    def leave(self, error: BaseException) -> None:
        """Leave by an error.

        Raises:
            SystemExit: where another worker says it.
        """
        waits = isinstance(error, CnndslError) and error.is_shared
        failed = self._meet(failed=True, patience=None if waits else _GRACE)
        status = _status_of(error)
        if failed is None:
            self._leave_alone(status)
        elif failed.index(True) != self._watched.worker.rank:
            raise SystemExit(status) from None

    def _leave_alone(self, status: int) -> None:
        """See that all end when this worker does: they would wait for it."""
        self._left = status
        atexit.register(self._end_all_at_exit, status)

    def _end_all_at_exit(self, status: int) -> None:
        for stream in filter(None, (sys.stdout, sys.stderr)):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        self._end_all(status)

    def _meet(self, *, failed: bool, patience: float | None) -> list[bool] | None:
        """Whether each worker has failed, once all are at the end; None where they do not come."""
        self._watched.waiting()
        mine = numpy.array([failed], numpy.uint8)
        all_of_them = numpy.zeros(len(self._all), numpy.uint8)
        request = self._ends.Iallgather(mine, all_of_them)
        until = None if patience is None else time.monotonic() + patience
        while not request.Test():
            if until is not None and time.monotonic() > until:
                self._kept = mine, all_of_them, request  # MPI may still write into these
                return None
            time.sleep(0.002)
        self._over.set()
        self._thread.join()
        return [bool(one) for one in all_of_them]


class _Line:
    """Signs of life from the worker before this one, and to the one after it.

    A sign is how many workers in a row, the one that gives it the last of them, wait in vain.
    """

    def __init__(self, comm: Any, worker: Worker) -> None:
        self._comm = comm
        self._before = (worker.rank - 1) % worker.count
        self._after = (worker.rank + 1) % worker.count
        self._count = worker.count
        self._sign, self._room = numpy.zeros(1, numpy.int32), numpy.zeros(1, numpy.int32)
        self._sending: Any = None

    @property
    def has_come_round(self) -> bool:
        """Whether all workers wait in vain."""
        return int(self._sign[0]) > self._count

    def exchange(self, waits_in_vain: bool) -> bool:
        """Give a sign; whether there was one."""
        if self._sending is None or self._sending.Test():
            self._sign[0] = self._room[0] + 1 if waits_in_vain else 0
            self._sending = self._comm.Isend(self._sign, self._after)
        heard = False
        while self._comm.Iprobe(self._before):
            self._comm.Recv(self._room, self._before)
            heard = True
        return heard


def _is_output_full() -> bool:
    """Whether nobody takes what is printed: whoever prints now waits until somebody does."""
    for stream in (1, 2):
        with contextlib.suppress(OSError, ValueError):  # it is closed, or cannot be asked
            if not select.select([], [stream], [], 0)[1]:
                return True
    return False


def _status_of(error: BaseException) -> int:
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    # That of click for a command that is used wrongly.
    known = getattr(error, "exit_code", None)
    if isinstance(known, int):
        return known
    return FAILED if isinstance(error, CnndslError | OSError | MemoryError) else MISTAKE
