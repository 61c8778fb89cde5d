"""Says from the environment whether this process is one of several that something has started.

Whatever starts processes for MPI tells each of them its number and how many there are. A shell
within an allocation of SLURM is none of them: it knows how many tasks there may be
(``SLURM_NTASKS``), but only a step has tasks.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Start", "started_as"]


@dataclass(frozen=True, slots=True)
class Start:
    """How this process was started: ``by`` what, and as which of how many."""

    by: str
    rank: int
    count: int


# fmt: off
_STARTERS = (
    ("mpiexec", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),  # Open MPI
    ("mpiexec", "PMI_RANK", "PMI_SIZE"),                          # MPICH, Intel, Microsoft, Cray
    ("mpirun_rsh", "MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE"), # MVAPICH
    ("srun", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS"),
    ("flux run", "FLUX_TASK_RANK", "FLUX_JOB_SIZE"),
)
# fmt: on
"""What starts workers, and the variables by which it tells each its number and their count."""


def started_as(environment: Mapping[str, str] = os.environ) -> Start | None:
    """Which of several processes this one is; None where it was started by itself.

    >>> started_as({"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "4"})
    Start(by='mpiexec', rank=1, count=4)
    >>> started_as({"SLURM_NTASKS": "64", "SLURM_PROCID": "0"})
    """
    for by, rank, count in _STARTERS:
        numbers = environment.get(rank, ""), environment.get(count, "")
        if all(number.isdecimal() for number in numbers) and int(numbers[1]) > 1:
            return Start(by, int(numbers[0]), int(numbers[1]))
    return None
