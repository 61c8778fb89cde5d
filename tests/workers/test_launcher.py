"""Commands that run as several workers: what they print and where, and how they end."""

from __future__ import annotations

import os
import pty
import shutil
import signal
import socket
import sys
import sysconfig
from pathlib import Path

import pytest
from launched import Launched, need_mpi

from cnndsl.diagnostics.model import UserError
from cnndsl.runtime.device import Driver, Trial
from cnndsl.runtime.workers import launcher
from cnndsl.runtime.workers.control import Attached
from cnndsl.runtime.workers.job import End, find_mpiexec
from cnndsl.runtime.workers.launcher import count_of, is_lost, launch

HOST = socket.gethostname()


@pytest.fixture(autouse=True)
def _mpi(request: pytest.FixtureRequest) -> None:
    if "monkeypatch" not in request.fixturenames:
        need_mpi()


def test_workers_are_as_many_as_were_asked_for() -> None:
    with Launched(3, "names") as job:
        status, out, err = job.end()
    assert (status, err) == (0, "")
    assert out.splitlines()[1] == f"names|worker 0 on {HOST}|worker 1 on {HOST}|worker 2 on {HOST}"


def test_they_print_into_the_file_that_the_launcher_has(tmp_path: Path) -> None:
    with open(tmp_path / "out", "w+b") as file:
        file.write(b"before\n")
        file.flush()
        with Launched(2, "streams", stdout=file) as job:
            status, _, err = job.end()
    first, pids, terminals = (tmp_path / "out").read_text().splitlines()
    assert (status, err) == (0, "to the other\n")
    assert (first, terminals) == ("before", "False False False")
    assert pids.startswith("pids ")


def test_they_print_on_the_terminal_that_the_launcher_has() -> None:
    ours, theirs = pty.openpty()
    with open(theirs, "wb") as terminal, Launched(2, "streams", stdout=terminal) as job:
        status, _, _ = job.end()
    said = os.read(ours, 65536).decode()
    os.close(ours)
    assert status == 0
    assert "False True False" in said


def test_closed_output_is_no_output() -> None:
    # The number of what is closed is the next file's that the launcher opens.
    with Launched(2, "streams", closed=True) as job:
        status, out, err = job.end()
    assert (status, out, err) == (0, "", "to the other\n")


def test_the_user_s_own_error_is_told_once_and_nothing_is_started_again() -> None:
    with Launched(2, "fail", restarts=3) as job:
        status, _, err = job.end()
    assert status == 1
    assert err == "error[CNN000]: the user's own\n"


def test_a_killed_worker_ends_all_and_is_named() -> None:
    with Launched(3, "killed") as job:
        status, _, err = job.end()
    assert status == 75
    assert err == (
        f"error[CNN872]: worker 1 on {HOST} was ended by signal 9 (SIGKILL)\n"
        "  = note: a system that runs out of memory ends processes like that\n"
        "  = help: go on with `--resume`, with any number of workers\n"
    )


def test_a_job_with_restarts_goes_on_by_itself() -> None:
    with Launched(2, "killed", "more", restarts=2) as job:
        status, out, err = job.end()
    assert status == 0
    assert out.splitlines()[-1] == "resumed with more --resume"
    assert err.count("error[CNN872]") == 1
    assert "goes on with `--resume`, restart 1 of 2" in err


def test_one_that_is_killed_before_it_has_joined_the_others_is_lost_too() -> None:
    with Launched(2, "killed_early") as job:
        status, _, err = job.end()
    assert status == 75
    assert err == (
        "error[CNN872]: worker 1 was ended by signal 9 (SIGKILL)\n"
        "  = note: a system that runs out of memory ends processes like that\n"
        "  = help: go on with `--resume`, with any number of workers\n"
    )


def test_restarts_help_there_too() -> None:
    with Launched(2, "killed_early", restarts=2) as job:
        status, out, err = job.end()
    assert status == 0
    assert out.splitlines()[-1] == "resumed with --resume"
    assert err.count("error[CNN872]") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_lets_the_workers_stop_when_they_can(number: int) -> None:
    with Launched(2, "wait", restarts=1) as job:
        job.wait_for("ready", 2)
        job.process.send_signal(number)
        status, out, err = job.end()
    assert (status, err) == (130, "")
    assert out.splitlines()[-1] == "stopped"


def test_a_second_signal_ends_workers_that_do_not_stop() -> None:
    with Launched(2, "deaf", restarts=1) as job:
        job.wait_for("ready", 2)
        job.process.send_signal(signal.SIGINT)
        job.wait_for("asked", 2)
        job.process.send_signal(signal.SIGINT)
        status, _, err = job.end()
    assert (status, err) == (130, "")


def test_a_launcher_that_is_killed_takes_its_workers_with_it() -> None:
    with Launched(2, "sleep") as job:
        job.wait_for("ready", 2)
        job.process.kill()
        status, _, _ = job.end()
    assert status == -signal.SIGKILL


def test_an_mpiexec_that_is_killed_ends_all() -> None:
    with Launched(2, "sleep") as job:
        job.wait_for("ready", 2)
        (worker, *_) = job.pids()
        os.kill(parent_of(worker), signal.SIGKILL)
        status, _, err = job.end()
    assert status == 75
    assert err == (
        "error[CNN872]: `mpiexec` was ended by signal 9 (SIGKILL), and all workers with it\n"
        "  = help: go on with `--resume`, with any number of workers\n"
    )


def parent_of(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def test_a_scheduler_s_machines_are_not_taken() -> None:
    allocation = {"SLURM_JOB_ID": "7", "SLURM_JOBID": "7", "SLURM_NNODES": "2"}
    allocation |= {"SLURM_JOB_NODELIST": "node[1-2]", "SLURM_NODELIST": "node[1-2]"}
    with Launched(2, "names", environment=allocation) as job:
        status, out, err = job.end()
    assert (status, err) == (0, "")
    assert f"|worker 1 on {HOST}" in out


def test_a_program_that_does_not_start_is_told_of(tmp_path: Path) -> None:
    with Launched(2, "names", program=tmp_path / "none.py", restarts=2) as job:
        status, _, err = job.end()
    assert status == 1
    assert err.startswith(f"error[CNN871]: `{find_mpiexec()}` could not start the workers\n")
    assert "can't open file" in err
    assert err.endswith("  = help: run `cnndsl doctor`, which tries to start two\n")


# --- without MPI --------------------------------------------------------------------------------


def test_without_mpiexec_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name, path=None: None)
    with pytest.raises(UserError, match="neither beside this Python nor on the path") as caught:
        find_mpiexec()
    assert caught.value.help.startswith('run `pip install "cnndsl[mpi]"`')


def test_the_mpiexec_beside_python_goes_before_that_on_the_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("beside", "path"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mpiexec").write_text("#!/bin/sh\n")
        (tmp_path / name / "mpiexec").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nothing" / "python"))
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path / "nothing"))
    assert find_mpiexec() == str(tmp_path / "path" / "mpiexec")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "beside" / "python"))
    assert find_mpiexec() == str(tmp_path / "beside" / "mpiexec")


def test_without_mpi4py_nothing_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launcher, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="mpi4py is not installed"):
        launch(["train"], 2)


def test_one_worker_for_each_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    assert count_of(3) == 3
    monkeypatch.setattr(launcher, "trial", lambda name: Trial(True, "works"))
    monkeypatch.setattr(launcher, "read_driver", lambda: Driver((12, 4), ("H200",) * 4))
    assert count_of("gpus") == 4
    monkeypatch.setattr(launcher, "trial", lambda name: Trial(False, "there is no driver"))
    with pytest.raises(UserError, match="`--workers gpus` finds no GPU: there is no driver"):
        count_of("gpus")


@pytest.mark.parametrize(
    ("status", "said", "who"),
    [
        (
            137,
            "prterun noticed that process rank 1 with PID 71 on node a exited on\nsignal 9.",
            "worker 1 on a",
        ),
        (9, "=   PID 71 RUNNING AT a\n=   EXIT CODE: 9\n", "worker 1 on a"),
        (9, "", "a worker"),
    ],
)
def test_it_understands_what_launchers_say(status: int, said: str, who: str) -> None:
    gone = [Attached(0, "a", 70), Attached(1, "a", 71)]
    error = launcher._lost(End(status, said, gone), 1, 0)
    assert error.message == f"{who} was ended by signal 9 (SIGKILL)"


def test_what_is_worth_another_try() -> None:
    assert [
        status for status in (0, 1, 2, 9, 11, 70, 75, 130, 134, 137, 139, -9) if is_lost(status)
    ] == [*(9, 11, 75, 134, 137, 139, -9)]
