"""Runs programs under MPI on this machine, where it is installed: the loopback device only."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest

__all__ = ["ENVIRONMENT", "Done", "launcher", "under_mpi"]

ENVIRONMENT = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_btl_tcp_if_include": "lo",
    "PMIX_MCA_ptl_tcp_if_include": "lo",
    "OMP_NUM_THREADS": "1",
}
"""For Open MPI: other MPIs do not know these variables."""


class Done(NamedTuple):
    """What a job came to."""

    code: int
    out: str
    err: str


def launcher() -> str:
    """The path of ``mpiexec``; the test is skipped where there is none, or no mpi4py.

    That of the environment comes first: mpi4py takes the library beside it.
    """
    beside = Path(sys.executable).parent / "mpiexec"
    found = str(beside) if beside.exists() else shutil.which("mpiexec")
    if found is None or find_spec("mpi4py") is None:
        pytest.skip("MPI is not installed: `pip install cnndsl[mpi]`")
    return found


def under_mpi(
    count: int, program: Path, *words: str, seconds: float = 60, settings: tuple[str, ...] = ()
) -> Done:
    """Run a Python program in so many processes; all of them end after a time.

    ``settings`` are Open MPI's parameters: ``("coll_tuned_use_dynamic_rules", "1")``, one behind
    the other.
    """
    pairs = zip(settings[::2], settings[1::2], strict=True)
    mca = [word for name, value in pairs for word in ("--mca", name, value)]
    command = [launcher(), "-n", str(count), "--oversubscribe", *mca, sys.executable, str(program)]
    process = subprocess.Popen(
        [*command, *words],
        env=os.environ | ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        raise AssertionError(f"not done after {seconds} s\n{out}\n{err}") from None
    return Done(process.returncode, out, err)
