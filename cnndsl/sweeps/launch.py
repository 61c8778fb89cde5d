"""Finds MPI, says how its launcher is called here, and whether it has started this process."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

__all__ = ["environment", "is_started_by_mpi", "launcher", "words"]

_SIZES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MPI_LOCALNRANKS", "SLURM_STEP_NUM_TASKS")
"""What Open MPI, MPICH and Intel MPI, and `srun` set to how many processes they have started."""

_LOOPBACK = "lo0" if sys.platform == "darwin" else "lo"


def is_started_by_mpi(surroundings: Mapping[str, str] = os.environ) -> bool:
    """Whether this process is one of several that MPI has started.

    >>> is_started_by_mpi({"OMPI_COMM_WORLD_SIZE": "4"}), is_started_by_mpi({"PMI_SIZE": "1"})
    (True, False)
    """
    return any(
        value.isdecimal() and int(value) > 1
        for name in _SIZES
        if (value := surroundings.get(name, ""))
    )


def launcher() -> str:
    """The path of `mpiexec`: the one beside this Python before any other; empty without MPI."""
    if find_spec("mpi4py") is None:
        return ""
    beside = Path(sys.executable).parent
    return shutil.which("mpiexec", path=str(beside)) or shutil.which("mpiexec") or ""


def words(mpiexec: str, count: int) -> list[str]:
    """The beginning of a command that starts so many processes on this machine alone.

    They speak through shared memory, or the loopback; no other machine is looked for.
    """
    if "ompi" in os.path.realpath(mpiexec) or _is_open_mpi(mpiexec):
        here = ["--host", f"localhost:{count}", "--mca", "btl_tcp_if_include", _LOOPBACK]
        return [mpiexec, *here, "--bind-to", "none", "-n", str(count)]
    return [mpiexec, "-n", str(count)]


def _is_open_mpi(mpiexec: str) -> bool:
    """Whether a launcher is Open MPI's, whose options others do not have."""
    from subprocess import run

    try:
        done = run([mpiexec, "--version"], capture_output=True, text=True, check=False, timeout=20)
    except OSError:
        return False
    return "Open MPI" in done.stdout


def environment() -> dict[str, str]:
    """The environment of what is launched."""
    found = dict(os.environ)
    if hasattr(os, "geteuid") and os.geteuid() == 0:  # as in a container
        found |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    return found
