"""Turns jobs of reading pictures into prepared samples, in processes beside this one.

Threads wait for the interpreter's lock: decoding frees it, but what is between takes it, and two
threads read small pictures 1.3 times as fast as one, two processes 2.0 times. What they read lies
in memory that has no name and so is gone with the last process that has it. Where there is no such
memory (elsewhere than on Linux), threads read.

Each process is a fresh interpreter that knows nothing of the program's own ``__main__``, so that
it works in notebooks and scripts alike, and has no threads of ONNX Runtime copied into it.
"""

from __future__ import annotations

import contextlib
import math
import mmap
import os
import pickle
import select
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy

from cnndsl.data.picture_process import BOOTSTRAP, READY, Answer, Job
from cnndsl.data.samples import Dataset, Indices
from cnndsl.data.sources import Array
from cnndsl.diagnostics.model import UserError
from cnndsl.limits import Limits, processors

__all__ = ["WORTH", "Elsewhere", "Readers", "readers_for"]

WORTH = 512
"""For fewer pictures no processes are started: each takes half a second to begin."""


class Readers:
    """Processes that read pictures; they end with this object, and with this process.

    Args:
        count: how many.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._owner = os.getpid()
        self._lock = threading.Lock()
        self._starting = [_Reader() for _ in range(count)]
        self._idle: list[_Reader] = []
        self._all = list(self._starting)
        self._end = weakref.finalize(self, _end, self._all)

    def are_mine(self, count: int) -> bool:
        """Whether this process has started them, and so many."""
        return os.getpid() == self._owner and self.count == count and self._end.alive

    def close(self) -> None:
        """End them now."""
        self._end()

    def read(self, job: Job, put: Callable[[dict[str, Array]], None]) -> bool:
        """Hand the samples of a job to ``put``, which copies them; false where no process has them.

        It has none as long as all are starting or busy, and where reading fails in whatever way:
        whoever asks then reads them as if there were no processes.

        Raises:
            UserError: CNN813 where a process ended while it read.
        """
        reader = self._take()
        if reader is None:
            return False
        try:
            arrays = reader.ask(job)
            if arrays is not None:
                put(arrays)
        except (OSError, EOFError, pickle.UnpicklingError) as error:
            raise _ended(reader) from error
        except BaseException:
            reader.end()  # Nobody knows what it says next.
            raise
        with self._lock:
            self._idle.append(reader)
        return arrays is not None

    def _take(self) -> _Reader | None:
        if os.getpid() != self._owner:  # In a copy of the process, which shares their pipes.
            return None
        with self._lock:
            for reader in [one for one in self._starting if one.has_spoken()]:
                self._starting.remove(reader)
                if reader.is_ready():
                    self._idle.append(reader)
                else:
                    reader.end()
            return self._idle.pop() if self._idle else None


def _end(readers: Sequence[_Reader]) -> None:
    for reader in readers:
        reader.end()


def _ended(reader: _Reader) -> UserError:
    code = reader.end()
    how = f"with code {code}" if code >= 0 else f"by the signal {signal.Signals(-code).name}"
    return UserError(
        "CNN813",
        f"a process that read pictures was ended {how}",
        notes=["Linux ends processes by SIGKILL where memory runs short"],
        help="read them in this process: `CNNDSL_LIMITS=readers=1`",
    )


_KEEPS_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(2**25),
    "MALLOC_TRIM_THRESHOLD_": str(2**28),
}
"""Tells glibc to keep what is freed for the next pictures: to have it cleared by the system again
and again takes a third of the time."""


class _Reader:
    """One process, its pipes and the memory that it shares."""

    def __init__(self) -> None:
        self._descriptor = os.memfd_create("cnndsl-pictures")
        self._memory: mmap.mmap | None = None
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", BOOTSTRAP, str(self._descriptor)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pass_fds=[self._descriptor],
            start_new_session=True,  # A terminal's Ctrl-C does not reach it.
            env=os.environ | _KEEPS_MEMORY,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._jobs, self._answers = self._process.stdin, self._process.stdout
        self._send(sys.path)

    def has_spoken(self) -> bool:
        """Whether it is ready, or has ended."""
        poll = select.poll()
        poll.register(self._answers, select.POLLIN | select.POLLHUP)
        return bool(poll.poll(0))

    def is_ready(self) -> bool:
        try:
            return self._hear() == READY
        except (OSError, EOFError, pickle.UnpicklingError):
            return False

    def ask(self, job: Job) -> dict[str, Array] | None:
        """The samples of a job, in memory that the next one overwrites; None where it failed."""
        if self._memory is None or len(self._memory) < job.room:
            os.ftruncate(self._descriptor, job.room)
            self._memory = mmap.mmap(self._descriptor, job.room)
        self._send(job)
        answer = self._hear()
        if isinstance(answer, str):
            return None
        return {
            one.name: numpy.ndarray(one.shape, one.type, self._memory, one.start) for one in answer
        }

    def end(self) -> int:
        """End it, and what is shared with it; its exit code."""
        for pipe in (self._jobs, self._answers):
            with contextlib.suppress(OSError):
                pipe.close()
        try:
            code = self._process.wait(0.5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        return code

    def _send(self, what: object) -> None:
        pickle.dump(what, self._jobs)
        self._jobs.flush()

    def _hear(self) -> Answer:
        answer: Answer = pickle.load(self._answers)
        return answer


class Elsewhere:
    """The picture files of a dataset as processes read and change them, where there are such.

    Args:
        dataset: whose samples.
        augment: their change; None for none.
        epoch: what it is told.
        count: how many samples will be read.
    """

    def __init__(self, dataset: Dataset, augment: object, epoch: int, count: int) -> None:
        self._dataset, self._epoch = dataset, epoch
        self._readers: Readers | None = None
        if len(dataset.inputs) != 1 or not dataset.files(numpy.zeros(1, numpy.int64)):
            return
        try:
            self._plan = pickle.dumps((dataset.inputs[0], augment))
        except Exception:  # An augmentation of the caller's own need not be a thing to be sent.
            return
        self._readers = readers_for(dataset, count)

    @property
    def count(self) -> int:
        """How many processes there are."""
        return self._readers.count if self._readers else 0

    def read(self, indices: Indices, put: Callable[[dict[str, Array]], None]) -> bool:
        """Hand the samples to ``put``; false where whoever asks has to read them.

        Raises:
            UserError: as :meth:`Readers.read`.
        """
        if self._readers is None:
            return False
        room = _WIDEST * len(indices) * math.prod(self._dataset.inputs[0].type.dims)
        files = self._dataset.files(indices)
        return self._readers.read(Job(self._plan, files, self._epoch, indices, room), put)


_WIDEST = 8
"""The bytes of the widest floating-point number, which an augmentation may make."""


# --- who has them -----------------------------------------------------------------------------


_held: weakref.WeakKeyDictionary[Dataset, Readers] = weakref.WeakKeyDictionary()
_latest: weakref.ref[Readers] | None = None
_starting = threading.Lock()


def readers_for(dataset: Dataset, count: int) -> Readers | None:
    """The processes for a dataset of picture files of which so many will be read; None for none.

    All datasets share them; they end when the last dataset that uses them is gone.
    """
    global _latest
    most = min(Limits.current().readers, processors())
    if count < WORTH or most < 2 or not _are_possible():
        return None
    with _starting:
        found = _held.get(dataset) or (_latest() if _latest is not None else None)
        if found is None or not found.are_mine(most):
            try:
                found = Readers(most)
            except OSError:  # No more processes, no more memory: threads do it.
                return None
            _latest = weakref.ref(found)
        _held[dataset] = found
        return found


def _are_possible() -> bool:
    """Whether memory without a name can be shared, and a Python be started."""
    name = os.path.basename(sys.executable or "").lower()
    frozen: Any = getattr(sys, "frozen", False)
    return hasattr(os, "memfd_create") and name.startswith("python") and not frozen
