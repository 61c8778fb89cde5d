"""Which workers a process is one of, as the variables say that those who start processes set."""

from __future__ import annotations

import os
import subprocess
import sys
from math import inf

import pytest
from launched import need_mpi

from cnndsl.limits import processors
from cnndsl.runtime.device import Driver, Trial
from cnndsl.runtime.workers import environment
from cnndsl.runtime.workers.communicator import ALONE, Communicator, Worker
from cnndsl.runtime.workers.environment import device_of, joined, threads_each
from cnndsl.runtime.workers.started import Start, started_as
from cnndsl.runtime.workers.threads import together

STARTED = {
    "Open MPI": (
        {"OMPI_COMM_WORLD_RANK": "3", "OMPI_COMM_WORLD_SIZE": "4", "PMIX_RANK": "3"},
        Start("mpiexec", 3, 4),
    ),
    "MPICH": ({"PMI_RANK": "0", "PMI_SIZE": "2"}, Start("mpiexec", 0, 2)),
    "MVAPICH": (
        {"MV2_COMM_WORLD_RANK": "1", "MV2_COMM_WORLD_SIZE": "2"},
        Start("mpirun_rsh", 1, 2),
    ),
    "a step of SLURM": (
        {"SLURM_PROCID": "63", "SLURM_STEP_NUM_TASKS": "64", "SLURM_NTASKS": "64"},
        Start("srun", 63, 64),
    ),
    "Flux": ({"FLUX_TASK_RANK": "1", "FLUX_JOB_SIZE": "8"}, Start("flux run", 1, 8)),
    "a shell of sbatch": ({"SLURM_PROCID": "0", "SLURM_NTASKS": "64", "SLURM_JOB_ID": "7"}, None),
    "a shell of salloc": (
        {"SLURM_PROCID": "0", "SLURM_NTASKS": "64", "SLURM_STEP_NUM_TASKS": "1"},
        None,
    ),
    "one worker": ({"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "1"}, None),
    "mpirun in a shell of salloc": (
        {
            "SLURM_PROCID": "0",
            "SLURM_STEP_NUM_TASKS": "1",
            "OMPI_COMM_WORLD_RANK": "1",
            "OMPI_COMM_WORLD_SIZE": "2",
        },
        Start("mpiexec", 1, 2),
    ),
    "nothing": ({"PATH": "/bin"}, None),
    "what nobody sets": ({"PMI_RANK": "zero", "PMI_SIZE": "many"}, None),
}


@pytest.mark.parametrize("case", STARTED)
def test_who_started_it_is_recognised(case: str) -> None:
    variables, start = STARTED[case]
    assert started_as(variables) == start


def test_a_process_by_itself_is_alone_and_loads_no_mpi() -> None:
    program = (
        "import sys; from cnndsl.runtime.workers.environment import joined;"
        "print(joined().worker.count, 'mpi4py' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.split() == ["1", "False"]
    assert joined() is ALONE


JOIN = """
from cnndsl.cli.errors import report
from cnndsl.diagnostics.model import UserError
from cnndsl.runtime.workers.environment import joined
{before}
try:
    joined()
except UserError as error:
    report(error)
"""


def join(variables: dict[str, str], before: str = "") -> str:
    done = subprocess.run(
        [sys.executable, "-c", JOIN.format(before=before)],
        capture_output=True,
        text=True,
        env={**os.environ, "OMPI_MCA_btl": "self", **variables},
        timeout=60,
    )
    assert done.stdout == ""
    return done.stderr


def test_without_mpi4py_the_first_worker_says_how_to_get_it() -> None:
    missing = "import sys; sys.modules['mpi4py'] = None"
    first = {"PMI_RANK": "0", "PMI_SIZE": "2"}
    assert join(first, missing) == (
        "error[CNN870]: workers speak to each other by MPI, and mpi4py is not installed\n"
        '  = help: run `pip install "cnndsl[mpi]"`, or load the mpi4py of your cluster\n'
    )
    assert join({"PMI_RANK": "1", "PMI_SIZE": "2"}, missing) == ""


def test_an_mpi_that_does_not_load_is_named() -> None:
    need_mpi()
    first = {"PMI_RANK": "0", "PMI_SIZE": "2", "MPI4PY_LIBMPI": "/nowhere/libmpi.so"}
    said = join(first)
    assert said.startswith("error[CNN870]: mpi4py does not find an MPI that it can load: ")


def test_srun_without_pmix_is_told_of_it() -> None:
    need_mpi()
    said = join({"SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "64"})
    assert said.startswith("error[CNN870]: `srun` has started 64 workers, and MPI knows of 1\n")
    assert "  = help: start them by `srun --mpi=pmix -n 64 …` (" in said


def test_the_mpiexec_of_another_mpi_is_told_of() -> None:
    need_mpi()
    said = join({"PMI_RANK": "0", "PMI_SIZE": "2"})
    assert "error[CNN870]: `mpiexec` has started 2 workers, and MPI knows of 1\n" in said
    assert "  = help: start them by the `mpiexec` that belongs to " in said


# --- shares -----------------------------------------------------------------------------------


def shares(
    count: int, monkeypatch: pytest.MonkeyPatch, *sets: tuple[int, ...], quota: float = inf
) -> list[int]:
    """The threads of workers that may use these processors."""
    monkeypatch.setattr(environment, "time_quota", lambda: quota)
    ranks = iter(range(count))
    monkeypatch.setattr(environment, "processor_numbers", lambda: sets[next(ranks) % len(sets)])
    return sorted(together(count, threads_each))


def test_workers_share_the_processors_of_their_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    all_of_them = tuple(range(16))
    assert shares(4, monkeypatch, all_of_them) == [4, 4, 4, 4]
    assert shares(3, monkeypatch, all_of_them) == [5, 5, 5]
    assert shares(3, monkeypatch, (0, 1)) == [1, 1, 1]
    # Each bound to its own, and two by two to one half.
    assert shares(4, monkeypatch, (0,), (1,), (2,), (3,)) == [1, 1, 1, 1]
    assert shares(4, monkeypatch, all_of_them[:8], all_of_them[8:]) == [4, 4, 4, 4]


def test_workers_share_what_a_container_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shares(3, monkeypatch, tuple(range(64)), quota=6.5) == [2, 2, 2]
    assert shares(8, monkeypatch, tuple(range(64)), quota=6.5) == [1] * 8
    assert shares(2, monkeypatch, (0, 1), (2, 3), quota=6.5) == [2, 2]


def test_a_worker_alone_has_all_processors() -> None:
    assert threads_each(ALONE) == processors()


def test_workers_of_other_machines_take_nothing_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "processor_numbers", lambda: (0, 1, 2, 3))
    monkeypatch.setattr(environment, "time_quota", lambda: inf)

    def elsewhere(workers: Communicator) -> int:
        rank = workers.worker.rank
        workers.worker = Worker(rank, 2, 0, f"node{rank}")
        return threads_each(workers)

    assert together(2, elsewhere) == [4, 4]


@pytest.mark.parametrize(
    ("word", "local", "device"),
    [
        ("cuda", 0, "cuda:0"),
        ("cuda", 1, "cuda:1"),
        ("auto", 3, "cuda:1"),
        ("cuda:1", 0, "cuda:1"),
        ("cpu", 1, "cpu"),
    ],
)
def test_each_worker_takes_a_gpu_of_its_machine(
    monkeypatch: pytest.MonkeyPatch, word: str, local: int, device: str
) -> None:
    monkeypatch.setattr(environment, "trial", lambda provider: Trial(True, "works"))
    monkeypatch.setattr(environment, "read_driver", lambda: Driver((12, 4), ("H200", "H200")))
    assert device_of(word, Worker(local, 4, local, "here")) == device


def test_without_a_gpu_auto_stays_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "trial", lambda provider: Trial(False, "no driver"))
    monkeypatch.setattr(environment, "read_driver", lambda: None)
    assert device_of("auto", Worker(1, 4, 1, "here")) == "auto"
    assert device_of("cuda", Worker(1, 4, 1, "here")) == "cuda"
