"""Workers that a process of its own launches, all of which are gone at the end of a test."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Self

import pytest

from cnndsl.diagnostics.model import UserError
from cnndsl.runtime.workers.job import find_mpiexec, local_command
from cnndsl.runtime.workers.started import started_as

PROGRAM = Path(__file__).with_name("worker_program.py")
SECONDS = 60.0

_NAME = "CNNDSL_TEST"
_AS_ROOT = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}

_LAUNCHER = """
import sys
from cnndsl.cli.errors import report
from cnndsl.diagnostics.model import UserError
from cnndsl.runtime.workers.launcher import launch
count, restarts, *words = sys.argv[1:]
try:
    status = launch(words, int(count), restarts=int(restarts), tell=report,
        program=[sys.executable, {program!r}])
except UserError as error:
    status = report(error)
sys.exit(status)
"""


def need_mpi() -> None:
    """Skip where workers cannot be started."""
    if importlib.util.find_spec("mpi4py") is None:
        pytest.skip("no workers to test: mpi4py is not installed")
    try:
        find_mpiexec()
    except UserError as error:
        pytest.skip(f"no workers to test: {error}")


class Patience:
    """Seconds to wait; those in which this process was stopped itself do not count."""

    def __init__(self, seconds: float) -> None:
        self._left = seconds
        self._last = time.monotonic()

    def lasts(self) -> bool:
        """Whether some are left; to be asked twice a second, at least."""
        now = time.monotonic()
        self._left -= min(now - self._last, 0.5)
        self._last = now
        return self._left > 0


class Started:
    """A command and all processes that come of it, known by a word in their environment.

    With ``is_ours`` it starts workers by a launcher of ours, which leaves no file behind.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        is_ours: bool = True,
        folder: Path | None = None,
        stdout: int | IO[bytes] = subprocess.PIPE,
        environment: Mapping[str, str] | None = None,
        seconds: float = SECONDS,
    ) -> None:
        self._word = f"{os.getpid()}.{time.monotonic_ns()}"
        self.said = ""
        self._is_ours = is_ours
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self._patience = Patience(seconds)
        own = {"TMPDIR": self._folder.name, _NAME: self._word}
        if not is_ours:
            own["OMPI_MCA_btl_sm_backing_directory"] = self._folder.name
            own["OMPI_MCA_btl"] = "self,sm"  # Open MPI takes a second to look for networks.
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            env={**os.environ, **_AS_ROOT, **own, **(environment or {})},
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for process in self.left():
            with contextlib.suppress(OSError):
                os.kill(process, signal.SIGKILL)
        self.process.kill()
        self.process.wait()
        self._folder.cleanup()
        for shared in self._shared():
            shutil.rmtree(shared, ignore_errors=True)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()

    def _shared(self) -> list[Path]:
        """What the job keeps in memory."""
        return list(Path("/dev/shm").glob(f"cnndsl-{self.process.pid}-*"))

    def left(self) -> list[int]:
        """The processes that are still there, the launcher too."""
        return [one for one in _processes() if _environment(one).get(_NAME) == self._word]

    def workers(self) -> list[int]:
        """The processes that are there as workers, in no order."""
        return [one for one in self.left() if started_as(_environment(one)) is not None]

    def wait_for(self, text: str, times: int = 1) -> str:
        """Read what is printed until it has a text, so often."""
        stream = self.process.stdout
        assert stream is not None
        while self.said.count(text) < times:
            assert self._patience.lasts(), self.said
            if select.select([stream], [], [], 0.2)[0]:
                more = os.read(stream.fileno(), 65536)
                assert more, f"{self.said}\n{self.process.communicate()[1].decode()}"
                self.said += more.decode()
        return self.said

    def pids(self) -> list[int]:
        """The workers' processes, by their ranks."""
        self.wait_for("pids ")
        while not (found := re.search(r"pids ([0-9 ]+)\n", self.said)):
            self.wait_for("\n", self.said.count("\n") + 1)
        return [int(word) for word in found[1].split()]

    def end(self) -> tuple[int, str, str]:
        """The exit status, and what was printed; no process is left."""
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                out, err = self.process.communicate(timeout=0.2)
                break
            assert self._patience.lasts(), f"still there: {self.left()}"
        after = Patience(5)
        while left := self.left():
            assert after.lasts(), f"left behind: {left}"
            time.sleep(0.05)
        if self._is_ours:
            assert os.listdir(self._folder.name) == []
            assert self._shared() == []
        return self.process.returncode, self.said + (out or b"").decode(), err.decode()


class Launched(Started):
    """A launcher and its workers, each of which runs a program for tests.

    With ``bare``, the launcher is MPI's own, as whoever has a cluster calls it; with ``script``,
    what that starts is a script that starts the worker; with ``closed``, nothing is printed.
    """

    def __init__(
        self,
        workers: int,
        *words: str,
        restarts: int = 0,
        stdout: int | IO[bytes] = subprocess.PIPE,
        environment: Mapping[str, str] | None = None,
        program: Path = PROGRAM,
        bare: bool = False,
        script: bool = False,
        closed: bool = False,
    ) -> None:
        start = [sys.executable, str(program), *words]
        if script:
            start = ["/bin/sh", "-c", f"{shlex.join(start)}; exit $?"]
        if bare:
            command = local_command(start, workers)
        else:
            launcher = _LAUNCHER.format(program=str(program))
            command = [sys.executable, "-c", launcher, str(workers), str(restarts), *words]
        if closed:
            command = ["/bin/sh", "-c", f"exec {shlex.join(command)} >&-"]
        super().__init__(command, is_ours=not bare, stdout=stdout, environment=environment)


def _processes() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdecimal())


def _environment(process: int) -> dict[str, str]:
    """That with which a process began; nothing where it is gone."""
    try:
        text = os.fsdecode(Path(f"/proc/{process}/environ").read_bytes())
    except OSError:
        return {}
    return dict(pair.partition("=")[::2] for pair in text.split("\0"))
