"""Trains several runs at once: one process hands them out, the others train, over MPI.

The one that hands out is rank 0. A run is trained by one process, exactly as it would be alone.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, replace
from types import FrameType
from typing import Any

from cnndsl.limits import processor_numbers, processors
from cnndsl.runtime.training import TrainingOptions
from cnndsl.runtime.workers.communicator import Worker
from cnndsl.runtime.workers.environment import device_of, joined, mpi_library
from cnndsl.sweeps.runs import RunResult, Task, crashed, train_task, untrained

__all__ = [
    "Hands",
    "hand_out",
    "leading",
    "serve",
    "threads_each",
    "work",
]

_SEVERAL = 2
"""More than one, as there always are here."""

_PAUSE = 0.2
"""Seconds between two looks at whether somebody wants the end."""


@dataclass
class _State:
    """What this process knows: the tasks, which worker it is, and whether it is to stop."""

    tasks: Sequence[Task] = ()
    local: int = 0
    """Its number among the processes of its machine that train."""
    trains: bool = False
    stops: bool = False
    began: Callable[[Task], None] = lambda task: None


_state = _State()


def _stop(number: int, frame: FrameType | None) -> None:
    """Take SIGUSR1, which MPI's launchers pass on, for Ctrl-C: stop after the step at hand."""
    _state.stops = True
    if _state.trains:
        signal.raise_signal(signal.SIGINT)


class Hands:
    """The processes that MPI has started, as each of them sees them."""

    def __init__(self) -> None:
        # First of all: somebody may want the end before MPI has started.
        if hasattr(signal, "SIGUSR1") and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGUSR1, _stop)
        joined()  # which says what is wrong with MPI, if anything is
        mpi = mpi_library()
        self.comm: Any = mpi.COMM_WORLD.Dup()
        self.leads = self.comm.Get_rank() == 0
        self.has_handed_out = False
        local = self.comm.Split_type(mpi.COMM_TYPE_SHARED)
        ranks = local.allgather(self.comm.Get_rank())
        trainers = [rank for rank in ranks if rank != 0]
        me = self.comm.Get_rank()
        _state.local = trainers.index(me) if me in trainers else 0
        known = local.allgather(processor_numbers())
        shared = len(set().union(*known)) // max(len(trainers), 1)
        local.Free()
        self.threads = max(1, min(self.comm.allgather(shared)))
        """How many threads a run may use, so that all of them together use all processors."""

    @property
    def workers(self) -> int:
        """How many processes train."""
        return int(self.comm.Get_size()) - 1


def threads_each(workers: int) -> int | None:
    """How many threads a run uses where so many are trained at once; None leaves it open."""
    return max(1, processors() // workers) if workers > 1 else None


def hand_out(hands: Hands, tasks: Sequence[Task]) -> Generator[RunResult]:
    """The results of tasks as they come, for the process that leads; the others :func:`serve`.

    Where somebody wants the end, each run that is under way stops after its step, and comes too.
    """
    from mpi4py.futures import MPICommExecutor

    hands.has_handed_out = True
    hands.comm.bcast(list(tasks))
    with MPICommExecutor(hands.comm, root=0) as found:
        executor: Any = found  # which is there in the process that leads
        pending: dict[Future[RunResult], Task] = {}
        for at, task in enumerate(tasks):
            pending[executor.submit(work, at)] = task
        try:
            while pending:
                done, _ = wait(pending, timeout=_PAUSE, return_when=FIRST_COMPLETED)
                for future in done:
                    yield _result(future, pending.pop(future))
        finally:
            for future in pending:
                future.cancel()


def _result(future: Future[RunResult], task: Task) -> RunResult:
    error = future.exception()
    return future.result() if error is None else crashed(task, error)


def serve(hands: Hands, began: Callable[[Task], None] = lambda task: None) -> None:
    """Train what the process that leads hands out, until there is nothing more.

    Where it found nothing to hand out, this returns at once.
    """
    from mpi4py.futures import MPICommExecutor

    tasks = hands.comm.bcast(None)
    if tasks is None:
        return
    _state.tasks, _state.began = tasks, began
    with MPICommExecutor(hands.comm, root=0):
        pass


@contextlib.contextmanager
def leading(hands: Hands | None) -> Iterator[None]:
    """Let the others go at the end, where nothing was handed out to them."""
    try:
        yield
    finally:
        if hands is not None and not hands.has_handed_out:
            hands.comm.bcast(None)


def work(at: int) -> RunResult:
    """Train a task, in a process that trains."""
    task = _state.tasks[at]
    if _state.stops:
        return untrained(task)
    _state.began(task)
    result = RunResult(task.number, "interrupted")
    with contextlib.suppress(KeyboardInterrupt):
        try:
            _state.trains = True
            options: TrainingOptions = {**task.options, "device": _device(task)}
            result = train_task(replace(task, options=options))
        finally:
            _state.trains = False
    # Training may take the signal itself, and then nobody else hears of it.
    _state.stops |= result.how == "interrupted"
    return result


def _device(task: Task) -> str:
    """The device of a run in this process: GPUs in turn, where the choice is not made."""
    wanted = task.options.get("device", "auto")
    return device_of(wanted, Worker(_state.local, _SEVERAL, _state.local, ""))
