"""Runs a command once as several workers on this machine, and leaves none of them behind.

No other machine takes part, whatever a scheduler names, and workers speak to each other through
memory. What MPI's ``mpiexec`` has to say is kept for where nothing else says what went wrong.
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
import time
from collections.abc import Mapping, Sequence
from functools import partial
from types import FrameType, MappingProxyType
from typing import IO

from cnndsl.diagnostics.model import UserError
from cnndsl.limits import processors
from cnndsl.runtime.workers.control import ADDRESS, Attached, Control, opened
from cnndsl.runtime.workers.job_folders import job_folders

__all__ = [
    "Asked",
    "End",
    "Job",
    "find_mpiexec",
    "local_command",
    "local_environment",
    "not_started",
]

_GRACE = 5.0
"""Seconds that workers have to end in once their launcher is gone."""

_KILLED = frozenset((-signal.SIGKILL, signal.SIGKILL, 128 + signal.SIGKILL))
"""What ``mpiexec`` ends with that was killed, or by whom a worker was, as each MPI says it."""


# --- the command ------------------------------------------------------------------------------


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


def local_command(command: Sequence[str], workers: int) -> list[str]:
    """The words that start a command as workers on this machine.

    Raises:
        UserError: CNN871 where there is no ``mpiexec``, or it does not run.
    """
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


class Asked:
    """How many times the user or the system has asked for an end; handles signals."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Take a signal."""
        self.times += 1


class End:
    """How a job went: its exit status, what ``mpiexec`` said, and whose lines ended, in order."""

    def __init__(self, status: int, said: str, gone: Sequence[Attached]) -> None:
        self.status, self.said, self.gone = status, said, gone


class Job:
    """A command that runs as workers, once.

    Args:
        command: all its words.
        workers: how many run it.
        asked: how often it is to end: the first time when it can, the second time at once.
        streams: what the workers have as standard output (1) and error (2); where there is one
            for standard input (0), all of them have it.
        seconds: after which it is ended.

    Raises:
        UserError: CNN871 where it cannot be started.
    """

    def __init__(
        self,
        command: Sequence[str],
        workers: int,
        asked: Asked,
        *,
        streams: Mapping[int, int] = MappingProxyType({1: 1, 2: 2}),
        seconds: float = float("inf"),
    ) -> None:
        self._command = local_command(command, workers)
        self._workers, self._asked = workers, asked
        self._streams, self._seconds = streams, seconds

    def run(self) -> End:
        """Run it to its end; nothing of it is left then.

        Raises:
            UserError: CNN871 where it fails before all workers are there, unless one was killed:
                that is no fault of what starts them.
        """
        with (
            job_folders(self._workers) as folders,
            opened(folders.folder, self._streams) as control,
            tempfile.TemporaryFile() as said,
        ):
            environment = local_environment(self._workers, os.environ) | folders.environment()
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
            end = End(process.returncode, _text(said), control.gone)
        has_started = control.count == self._workers or end.status in _KILLED
        if end.status and not has_started and not self._asked.times:
            raise not_started(self._command[0], end.said)
        return end

    def _wait(self, process: subprocess.Popen[bytes], control: Control) -> None:
        answers = (control.ask_to_stop, process.terminate, partial(_kill, process))
        answered = 0
        until = time.monotonic() + self._seconds
        while process.poll() is None and time.monotonic() < until:
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


def not_started(mpiexec: str, said: str) -> UserError:
    """Why workers did not start, in the words of what should have started them."""
    lines = [line.strip() for line in said.splitlines() if line.strip(" -\r\t")]
    return UserError(
        "CNN871",
        f"`{mpiexec}` could not start the workers",
        notes=lines[-12:],
        help="run `cnndsl doctor`, which tries to start two",
    )
