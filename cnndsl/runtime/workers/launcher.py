"""Starts the command at hand again as several workers on this machine, again where one is lost.

A signal reaches the launcher only, which asks all workers to stop when they can; a second one ends
them. None of them outlives it (:mod:`cnndsl.runtime.workers.control`).
"""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Literal

from cnndsl.diagnostics.exit_codes import FAILED, INTERRUPTED, LOST, MISTAKE, MISUSED
from cnndsl.diagnostics.model import UserError
from cnndsl.runtime.device import read_driver, trial
from cnndsl.runtime.interrupt import signals_handled
from cnndsl.runtime.start import CUDA
from cnndsl.runtime.workers.control import going_on
from cnndsl.runtime.workers.environment import without_mpi4py
from cnndsl.runtime.workers.job import Asked, End, Job

__all__ = ["count_of", "is_lost", "launch"]

_OWN = frozenset((0, FAILED, MISUSED, MISTAKE, INTERRUPTED))
"""What workers end with by themselves."""


def count_of(workers: int | Literal["gpus"]) -> int:
    """How many workers are meant: ``gpus`` is one for each GPU of this machine.

    Raises:
        UserError: CNN701 where no GPU works.
    """
    if workers != "gpus":
        return workers
    result = trial(CUDA)
    driver = read_driver() if result.works else None
    if driver is None or not driver.gpus:
        raise UserError(
            "CNN701",
            f"`--workers gpus` finds no GPU: {result.reason}",
            result.notes,
            help="say how many workers there are to be, as `--workers 2`",
        )
    return len(driver.gpus)


def launch(
    words: Sequence[str],
    workers: int,
    *,
    restarts: int = 0,
    again: Sequence[str] | None = None,
    resumes: bool = True,
    tell: Callable[[UserError], object] | None = None,
    program: Sequence[str] | None = None,
) -> int:
    """Run a command as so many workers on this machine; the exit status of all of them.

    That is what the first of them ended with that failed, 130 where they were asked to stop, 75
    where one was lost, and 0 else.

    Args:
        words: those of the command, without ``cnndsl`` and ``--workers``.
        workers: how many.
        restarts: how many times it starts them again where one was lost.
        again: the words to do that with; by default, ``words`` and ``--resume``.
        resumes: whether the command can go on where it ended.
        tell: what is to be done with what the user should know; by default it is printed.
        program: what ``words`` are given to; by default cnndsl in this Python.

    Raises:
        UserError: CNN870 without mpi4py, CNN871 where no workers can be started.
    """
    tell = tell or _print
    _refuse_what_cannot_work(workers)
    start = [*(program or _this_program())]
    again = list(again) if again is not None else _resuming(words)
    asked = Asked()
    with signals_handled(asked):
        for attempt in range(restarts + 1):
            command = [*start, *(again if attempt else words)]
            end = Job(command, workers, asked).run()
            if asked.times:
                is_forced = asked.times > 1 or is_lost(end.status)
                return INTERRUPTED if is_forced else end.status
            if not is_lost(end.status):
                break
            if end.status != LOST or attempt < restarts:  # a worker has said what happened
                tell(_lost(end, attempt + 1, restarts, resumes=resumes))
    return LOST if is_lost(end.status) else end.status


def is_lost(status: int) -> bool:
    """Whether a job has ended because a worker was lost, and not by an error of its user.

    MPI's launchers say in ways of their own that a signal has ended a worker: 137 or 9 for one
    that was killed. All else is what cnndsl itself ends with.

    >>> is_lost(1), is_lost(75), is_lost(128 + 9), is_lost(130)
    (False, True, True, False)
    """
    return status not in _OWN


def _refuse_what_cannot_work(workers: int) -> None:
    if workers < 1:
        raise ValueError(f"`workers` must be a whole number from 1 on, not {workers!r}")
    if not hasattr(os, "fork"):
        raise UserError(
            "CNN871",
            "`--workers` cannot start processes on this system",
            help=f"run `mpiexec -n {workers} cnndsl …` without `--workers`",
        )
    if find_spec("mpi4py") is None:
        raise without_mpi4py()


def _this_program() -> list[str]:
    """This cnndsl in this Python, which looks for modules where this process does."""
    here = sys.path[:1] in ([""], [os.getcwd()])
    return [sys.executable, *([] if here else ["-P"]), "-m", "cnndsl"]


def _resuming(words: Sequence[str]) -> list[str]:
    return [*words, *([] if "--resume" in words else ["--resume"])]


def _print(error: UserError) -> None:
    from cnndsl.diagnostics.render import render_error

    print(render_error(error, color=False), file=sys.stderr, flush=True)


# --- words ------------------------------------------------------------------------------------


_RANK = re.compile(r"process rank (\d+) with PID \d+ on node \S+ exited on signal")
_PROCESS = re.compile(r"PID (\d+) RUNNING AT")
"""How Open MPI and MPICH say whom a signal has ended."""


def _lost(end: End, attempt: int, restarts: int, *, resumes: bool = True) -> UserError:
    """CNN872: who was lost, and how it goes on."""
    help = going_on(resumes)
    if attempt <= restarts:
        help = f"none is needed: it goes on with `--resume`, restart {attempt} of {restarts}"
    notes = []
    number = end.status - 128 if end.status > 128 else end.status
    if end.status == LOST:
        message = "all workers have ended, because one was lost"
    elif end.status < 0:
        message = f"`mpiexec` was ended by {_signal(-end.status)}, and all workers with it"
    else:
        message = f"{_who(end)} was ended by {_signal(number)}"
        if number == signal.SIGKILL:
            notes.append("a system that runs out of memory ends processes like that")
    return UserError("CNN872", message, notes, help)


def _who(end: End) -> str:
    said = " ".join(end.said.split())
    rank, process = _RANK.search(said), _PROCESS.search(said)
    for one in end.gone:
        if (rank and one.rank == int(rank[1])) or (process and one.process == int(process[1])):
            return f"worker {one.rank} on {one.host}"
    return f"worker {rank[1]}" if rank else "a worker"


def _signal(number: int) -> str:
    try:
        return f"signal {number} ({signal.Signals(number).name})"
    except ValueError:
        return f"signal {number}"
