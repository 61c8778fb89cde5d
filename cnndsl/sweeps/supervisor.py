"""Starts processes that train by MPI's launcher, hears what comes of it, and stops them cleanly.

MPI ends all processes where one is killed (for memory, say). Then they are started again for what
is left. A run that was under way is first tried alone, so that it is known which one does it.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator, Sequence
from importlib.util import find_spec
from types import FrameType
from typing import IO, Any

from cnndsl.diagnostics.model import UserError
from cnndsl.runtime.events import EpochRecord
from cnndsl.runtime.interrupt import signals_handled
from cnndsl.runtime.workers.job import (
    find_mpiexec,
    local_command,
    local_environment,
    not_started,
)
from cnndsl.sweeps.runs import RunResult, Task, failed

__all__ = ["can_start", "supervised"]

_PROGRAM = ("-m", "cnndsl.sweeps.worker")


def can_start() -> bool:
    """Whether there is an MPI by which processes can be started on this machine."""
    if find_spec("mpi4py") is None or not hasattr(signal, "SIGUSR1"):
        return False
    try:
        return bool(find_mpiexec())
    except UserError:
        return False


def supervised(tasks: Sequence[Task], workers: int) -> Generator[RunResult]:
    """The results of tasks as they come, so many of which are trained at once.

    Ctrl-C and SIGTERM let each run that is under way stop after its step; a second one ends all.

    Raises:
        UserError: CNN871 where the processes cannot be started.
    """
    left = {task.number: task for task in tasks}
    alone: dict[int, Task] = {}
    """Those that were under way when processes were killed, to be tried one by one."""
    while left:
        some = [next(iter(alone.values()))] if alone else list(left.values())
        with _Job(min(workers, len(some)), some) as job:
            for result in job.results():
                left.pop(result.number, None)
                alone.pop(result.number, None)
                yield result
        if job.stopped or (job.code == 0 and not left):
            return
        if job.code == 0:
            continue
        if not job.running:
            raise not_started(job.words[0], "\n".join(job.errors))
        if len(some) == 1:
            [task] = some
            left.pop(task.number)
            alone.pop(task.number, None)
            yield _killed(task, job)
        else:
            alone = {number: left[number] for number in job.running if number in left}


def _killed(task: Task, job: _Job) -> RunResult:
    error = UserError(
        "CNN884",
        f"the process that trained was ended from outside: `{job.words[0]}` returned {job.code}",
        notes=job.errors[-1:],
        help="it may have wanted more memory than there is: take a smaller batch, or fewer"
        " `--workers`",
    )
    return failed(task, error)


class _Job:
    """Processes that were started together; left, they have ended."""

    def __init__(self, workers: int, tasks: Sequence[Task]) -> None:
        self.workers = workers
        # One more hands out, and waits most of the time.
        self.words = local_command([sys.executable, *_PROGRAM], workers + 1)
        self.running: set[int] = set()
        self.errors: list[str] = []
        self.stopped = False
        self.code = 0
        self._tasks = tasks
        self._signals = contextlib.ExitStack()

    def __enter__(self) -> _Job:
        self._process = subprocess.Popen(
            self.words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=local_environment(self.workers + 1, os.environ),
            # A terminal's Ctrl-C reaches this process alone, which stops the others in its way.
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read_errors, daemon=True)
        self._reader.start()
        self._signals.enter_context(signals_handled(self._stop))
        return self

    def __exit__(self, *error: object) -> None:
        self._signals.close()
        if self._process.poll() is None:
            self._process.terminate()
        with contextlib.suppress(OSError):
            self._input.close()
        self.code = self._process.wait()
        self._reader.join()
        self._output.close()

    @property
    def _input(self) -> IO[bytes]:
        assert self._process.stdin is not None
        return self._process.stdin

    @property
    def _output(self) -> IO[bytes]:
        assert self._process.stdout is not None
        return self._process.stdout

    def results(self) -> Iterator[RunResult]:
        """What comes of the tasks."""
        with contextlib.suppress(BrokenPipeError):  # they have ended, which is seen below
            pickle.dump(list(self._tasks), self._input, protocol=pickle.HIGHEST_PROTOCOL)
            self._input.flush()
        for line in self._output:
            fact = _fact(line)
            if "began" in fact:
                self.running.add(fact["began"])
            elif "result" in fact:
                result = _result(fact["result"])
                self.running.discard(result.number)
                yield result
            else:
                _pass_on(line)
        self._process.wait()

    def _read_errors(self) -> None:
        """Pass on what the processes say on standard error, and keep the last of it."""
        assert self._process.stderr is not None
        with self._process.stderr as stream:
            for line in stream:
                self.errors = [*self.errors[-20:], line.decode(errors="replace").rstrip()]

    # --- signals --------------------------------------------------------------------------------

    def _stop(self, number: int, frame: FrameType | None) -> None:
        """Pass on that somebody wants the end; the second time, end at once."""
        with contextlib.suppress(OSError):
            if self.stopped:
                self._process.terminate()
            else:
                self._process.send_signal(signal.SIGUSR1)
        self.stopped = True


def _fact(line: bytes) -> dict[str, Any]:
    try:
        fact = json.loads(line)
    except ValueError:
        return {}
    return fact if isinstance(fact, dict) else {}


def _result(data: dict[str, Any]) -> RunResult:
    best = data["best"]
    record = None if best is None else EpochRecord(**best)
    return RunResult(**{**data, "best": record, "notes": tuple(data["notes"])})


def _pass_on(line: bytes) -> None:
    """Show what is no fact: another library's words."""
    if sys.stderr is not None:
        sys.stderr.write(line.decode(errors="replace"))
