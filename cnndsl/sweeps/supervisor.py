"""Starts processes that train by MPI's launcher, hears what comes of it, and stops them cleanly.

MPI ends all processes where one is killed (for memory, say). Then they are started again for what
is left. A run that was under way is first tried alone, so that it is known which one does it.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import sys
import tempfile
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from importlib.util import find_spec
from typing import IO, Any

from cnndsl.diagnostics.model import UserError
from cnndsl.graph.files import cannot_write
from cnndsl.runtime.events import EpochRecord
from cnndsl.runtime.interrupt import signals_handled
from cnndsl.runtime.workers.job import Asked, End, Job, find_mpiexec, not_started
from cnndsl.sweeps.runs import RunResult, Task, failed

__all__ = ["can_start", "supervised"]

_PROGRAM = ("-m", "cnndsl.sweeps.worker")

_AT_ONCE = 3
"""How often somebody must ask for the end until everything is ended at once."""


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
        UserError: CNN871 where the processes cannot be started, CNN603 where there is no room for
            what is to be trained.
    """
    left = {task.number: task for task in tasks}
    alone: dict[int, Task] = {}
    """Those that were under way when processes were killed, to be tried one by one."""
    asked = Asked()
    with signals_handled(asked):
        while left:
            some = [next(iter(alone.values()))] if alone else list(left.values())
            with _Start(some, min(workers, len(some)), asked) as start:
                for result in start.results():
                    left.pop(result.number, None)
                    alone.pop(result.number, None)
                    yield result
            if asked.times:
                return
            end = start.end()
            under_way = {n: _going_on(left[n]) for n in sorted(start.running) if n in left}
            if under_way and len(some) == 1:
                [task] = some
                left.pop(task.number)
                alone.pop(task.number, None)
                yield _killed(task, end)
            elif under_way:
                alone = under_way
            elif not start.has_results:
                raise not_started(find_mpiexec(), end.said)


def _going_on(task: Task) -> Task:
    """The same task, where its run was begun and the process that trained it was ended."""
    return replace(task, options={**task.options, "resume": True})


def _killed(task: Task, end: End) -> RunResult:
    error = UserError(
        "CNN884",
        f"the process that trained was ended from outside: `{find_mpiexec()}` returned"
        f" {end.status}",
        help="it may have wanted more memory than there is: take a smaller batch, or fewer"
        " `--workers`",
    )
    return failed(task, error)


class _Start:
    """Processes that train tasks, so many at once; left, none of them is there any more.

    ``running`` are the numbers of those that have begun and of which nothing came yet.

    Raises:
        UserError: CNN871 and CNN603, as :func:`supervised`.
    """

    def __init__(self, tasks: Sequence[Task], workers: int, asked: Asked) -> None:
        self.running: set[int] = set()
        self.has_results = False
        self._asked = asked
        self._came_to: End | BaseException | None = None
        with ExitStack() as files:
            # A file without a name: whoever is killed, nothing of it is left.
            given = files.enter_context(_written(tasks))
            number, into = os.pipe()
            self._lines = files.enter_context(open(number, "rb"))
            self._into = into
            files.callback(self._close_pipe)
            # One process more hands out, and waits most of the time.
            streams = {0: given.fileno(), 1: into, 2: 2}
            command = [sys.executable, *_PROGRAM]
            self._job = Job(command, workers + 1, asked, streams=streams)
            self._files = files.pop_all()
        self._thread = threading.Thread(target=self._run, name="workers")

    def __enter__(self) -> _Start:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._thread.is_alive() and any(error):
            self._asked.times = _AT_ONCE
        self._thread.join()
        self._files.close()

    def _run(self) -> None:
        try:
            self._came_to = self._job.run()
        except BaseException as error:  # it is raised in the thread that waits for it
            self._came_to = error
        finally:
            self._close_pipe()

    def _close_pipe(self) -> None:
        """Let the lines end: the processes that could write more are gone."""
        into, self._into = self._into, -1
        if into >= 0:
            os.close(into)

    def results(self) -> Iterator[RunResult]:
        """What comes of the tasks."""
        for line in self._lines:
            fact = _fact(line)
            if "began" in fact:
                self.running.add(fact["began"])
            elif "result" in fact:
                result = _result(fact["result"])
                self.running.discard(result.number)
                self.has_results = True
                yield result
            else:
                _pass_on(line)

    def end(self) -> End:
        """How it went.

        Raises:
            UserError: CNN871 where the processes could not be started.
        """
        if isinstance(self._came_to, End):
            return self._came_to
        assert self._came_to is not None, "it is over"
        raise self._came_to


def _written(tasks: Sequence[Task]) -> IO[bytes]:
    """A file from which the tasks can be read."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - whoever asks for it closes it
    try:
        pickle.dump(list(tasks), file, protocol=pickle.HIGHEST_PROTOCOL)
        file.flush()
        file.seek(0)
    except OSError as error:
        file.close()
        raise cannot_write(
            tempfile.gettempdir(), error, "set `TMPDIR` to another folder"
        ) from error
    except BaseException:
        file.close()
        raise
    return file


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
