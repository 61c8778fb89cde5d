"""Starts the command at hand again as several workers on this machine, by MPI's ``mpiexec``.

No other machine takes part, whatever a scheduler names, and workers speak to each other through
memory. A signal reaches the launcher only, which asks all workers to stop when they can; a second
one ends them. None of them outlives it (:mod:`cnndsl.runtime.workers.control`).
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from types import FrameType
from typing import IO, Literal

from cnndsl.diagnostics.model import UserError
from cnndsl.limits import processors
from cnndsl.runtime.device import read_driver, trial
from cnndsl.runtime.start import CUDA
from cnndsl.runtime.workers.control import ADDRESS, LOST, Attached, Control, opened

__all__ = [
    "INTERRUPTED",
    "count_of",
    "find_mpiexec",
    "is_lost",
    "launch",
    "local_command",
    "local_environment",
    "not_started",
]

INTERRUPTED = 130
"""What a job ends with that was asked to stop."""

_GRACE = 5.0
"""Seconds that workers have to end in once their launcher is gone."""


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


def find_mpiexec() -> str:
    """The path of MPI's launcher: what stands beside this Python goes before what is on the path.

    Raises:
        UserError: CNN871 where there is none.
    """
    folders = [os.path.dirname(sys.executable), sysconfig.get_path("scripts")]
    for place in (*folders, None):
        if found := shutil.which("mpiexec", path=place):
            return found
    raise UserError(
        "CNN871",
        "`mpiexec`, which starts workers, is neither beside this Python nor on the path",
        help='run `pip install "cnndsl[mpi]"`, or load the MPI of your cluster',
    )


def launch(
    words: Sequence[str],
    workers: int,
    *,
    restarts: int = 0,
    again: Sequence[str] | None = None,
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
        tell: what is to be done with what the user should know; by default it is printed.
        program: what ``words`` are given to; by default cnndsl in this Python.

    Raises:
        UserError: CNN870 without mpi4py, CNN871 where no workers can be started.
    """
    tell = tell or _print
    _refuse_what_cannot_work(workers)
    start = [*(program or _this_program())]
    again = list(again) if again is not None else _resuming(words)
    with _signals() as asked:
        for attempt in range(restarts + 1):
            command = [*start, *(again if attempt else words)]
            end = _Job(command, workers, asked).run()
            if asked.times:
                return end.status if end.status in (0, INTERRUPTED) else INTERRUPTED
            if not is_lost(end.status):
                break
            if end.status != LOST or attempt < restarts:  # a worker has said what happened
                tell(_lost(end, attempt + 1, restarts))
    return LOST if is_lost(end.status) else end.status


def is_lost(status: int) -> bool:
    """Whether a job has ended because a worker was lost, and not by an error of its user.

    >>> is_lost(1), is_lost(75), is_lost(128 + 9), is_lost(130)
    (False, True, True, False)
    """
    return status == LOST or status < 0 or (status > 128 and status != INTERRUPTED)


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
        raise UserError(
            "CNN870",
            "workers speak to each other by MPI, and mpi4py is not installed",
            help='run `pip install "cnndsl[mpi]"`, or load the mpi4py of your cluster',
        )


def _this_program() -> list[str]:
    """This cnndsl in this Python, which looks for modules where this process does."""
    here = sys.path[:1] in ([""], [os.getcwd()])
    return [sys.executable, *([] if here else ["-P"]), "-m", "cnndsl"]


def _resuming(words: Sequence[str]) -> list[str]:
    return [*words, *([] if "--resume" in words else ["--resume"])]


def _print(error: UserError) -> None:
    from cnndsl.diagnostics.render import render_error

    print(render_error(error, color=False), file=sys.stderr, flush=True)


# --- the command ------------------------------------------------------------------------------


def local_command(command: Sequence[str], workers: int) -> list[str]:
    """The words that start a command as workers on this machine."""
    mpiexec = find_mpiexec()
    own: list[str] = []
    if _is_open_mpi(mpiexec):
        cores = processors()
        own = ["--host", f"localhost:{cores}", "--bind-to", "none"]
        if workers > cores:
            own.append("--oversubscribe")
    return [mpiexec, *own, "-n", str(workers), *command]


def _is_open_mpi(mpiexec: str) -> bool:
    try:
        said = subprocess.run(
            [mpiexec, "--version"], capture_output=True, timeout=30, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise not_started(mpiexec, str(error)) from error
    return b"open mpi" in (said.stdout + said.stderr).lower()


_FOREIGN = re.compile(
    "OMPI_COMM_|PMI_|PMIX_|PRTE_LAUNCHED|SLURM_|PBS_|LSB_|LSF_|SGE_|PE_HOSTFILE|JOB_ID$|ARC$|FLUX_"
)
"""Variables by which MPI would find another job that this process is a part of, or its machines."""


def local_environment(workers: int, given: Mapping[str, str]) -> dict[str, str]:
    """The environment of workers on this machine, where ``given`` is this process's."""
    found = {name: value for name, value in given.items() if not _FOREIGN.match(name)}
    found.setdefault("OMPI_MCA_pml", "ob1")
    found.setdefault("OMPI_MCA_btl", "self,sm")
    if workers > processors():
        # Who waits for others must not keep them from their work.
        found.setdefault("OMPI_MCA_mpi_yield_when_idle", "1")
    if os.geteuid() == 0:
        found |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    return found


# --- the job ----------------------------------------------------------------------------------


class _Asked:
    """How many times the user or the system has asked for an end."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.times += 1


@contextlib.contextmanager
def _signals() -> Iterator[_Asked]:
    """Count Ctrl-C, SIGTERM and SIGUSR1, those that nobody wants ignored."""
    asked = _Asked()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
    found = {number: signal.getsignal(number) for number in numbers}
    before = {n: known for n, known in found.items() if known not in (None, signal.SIG_IGN)}
    try:
        for number in before:
            signal.signal(number, asked)
        yield asked
    finally:
        for number, known in before.items():
            signal.signal(number, known)


class _End:
    """How a job went: its exit status, what ``mpiexec`` said, and whose lines ended, in order."""

    def __init__(self, status: int, said: str, gone: Sequence[Attached]) -> None:
        self.status, self.said, self.gone = status, said, gone


class _Job:
    """A command that runs as workers, once."""

    def __init__(self, command: Sequence[str], workers: int, asked: _Asked) -> None:
        self._command = local_command(command, workers)
        self._workers, self._asked = workers, asked

    def run(self) -> _End:
        """Run it to its end; nothing of it is left then.

        Raises:
            UserError: CNN871 where it fails before all workers are there.
        """
        with opened() as control, tempfile.TemporaryFile() as said:
            environment = local_environment(self._workers, os.environ)
            environment[ADDRESS] = str(control.path)
            try:
                process = subprocess.Popen(
                    self._command,
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=said,
                    env=environment,
                    start_new_session=True,  # A terminal's Ctrl-C is for the launcher alone.
                )
            except OSError as error:
                raise not_started(self._command[0], str(error)) from error
            try:
                self._wait(process, control)
            finally:
                _end_all(process)
                control.end(_GRACE)
            end = _End(process.returncode, _text(said), control.gone)
        if end.status and control.count < self._workers and not self._asked.times:
            raise not_started(self._command[0], end.said)
        return end

    def _wait(self, process: subprocess.Popen[bytes], control: Control) -> None:
        answers = (control.ask_to_stop, process.terminate, partial(_kill, process))
        answered = 0
        while process.poll() is None:
            control.serve(0.1)
            while answered < min(self._asked.times, len(answers)):
                answers[answered]()
                answered += 1


def _end_all(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
        _kill(process)
        process.wait()


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)


def _text(file: IO[bytes]) -> str:
    """The end of what a file has taken."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 2**16))
    return file.read().decode(errors="replace")


# --- words ------------------------------------------------------------------------------------


def not_started(mpiexec: str, said: str) -> UserError:
    """Why workers did not start, in the words of what should have started them."""
    lines = [line.strip() for line in said.splitlines() if line.strip(" -\r\t")]
    return UserError(
        "CNN871",
        f"`{mpiexec}` could not start the workers",
        notes=lines[-12:],
        help="run `cnndsl doctor`, which tries to start two",
    )


_SIGNALLED = re.compile(r"process rank (\d+) with PID \d+ on node (\S+) exited on\s+signal (\d+)")
"""How Open MPI says whom a signal has ended."""


def _lost(end: _End, attempt: int, restarts: int) -> UserError:
    """CNN872: who was lost, and how it goes on."""
    help = "go on with `--resume`, with any number of workers"
    if attempt <= restarts:
        help = f"none is needed: it goes on with `--resume`, restart {attempt} of {restarts}"
    notes = []
    who, number = _who(end)
    if end.status == LOST:
        message = "all workers have ended, because one was lost"
    elif end.status < 0:
        message = f"`mpiexec` was ended by {_signal(-end.status)}, and all workers with it"
    else:
        message = f"{who} was ended by {_signal(number)}"
        if number == signal.SIGKILL:
            notes.append("a system that runs out of memory ends processes like that")
    return UserError("CNN872", message, notes, help)


def _who(end: _End) -> tuple[str, int]:
    if found := _SIGNALLED.search(" ".join(end.said.split())):
        host = next((one.host for one in end.gone if one.rank == int(found[1])), found[2])
        return f"worker {found[1]} on {host}", int(found[3])
    if end.gone:
        return f"worker {end.gone[0].rank} on {end.gone[0].host}", end.status - 128
    return "a worker", end.status - 128


def _signal(number: int) -> str:
    try:
        return f"signal {number} ({signal.Signals(number).name})"
    except ValueError:
        return f"signal {number}"
