"""Workers that are stopped, hang, fail or lose their launcher: all of them end, and it is said."""

from __future__ import annotations

import os
import re
import signal
import socket
import time

import pytest
from launched import Launched, need_mpi

HOST = socket.gethostname()
HELP = (
    "  = help: see what its machine does, then go on with `--resume`, with any number of workers;"
    " where a step takes that long, give a longer `--timeout`\n"
)


@pytest.fixture(autouse=True)
def _mpi() -> None:
    need_mpi()


def test_a_stopped_worker_is_named_and_all_end() -> None:
    with Launched(3, "stopped", "30", "2") as job:
        status, _, err = job.end()
    assert status == 75
    assert err == (f"error[CNN872]: worker 1 on {HOST} has not been heard of for 2 seconds\n{HELP}")


def test_a_worker_that_does_nothing_is_named_and_all_end() -> None:
    with Launched(2, "hangs", "2", "2") as job:
        status, _, err = job.end()
    assert status == 75
    assert err == f"error[CNN872]: worker 1 on {HOST} has made no progress for 2 seconds\n{HELP}"


def test_workers_that_all_wait_for_each_other_end() -> None:
    with Launched(3, "apart", "2", "10") as job:
        status, _, err = job.end()
    assert status == 75
    assert re.sub("for [0-9]+ seconds", "for 2 seconds", err) == (
        "error[CNN872]: all 3 workers have waited for each other for 2 seconds\n"
        + HELP.replace("what its machine does", "whether their machines reach each other")
    )


def test_a_reader_may_take_its_time() -> None:
    with Launched(2, "unread", "1", "1") as job:
        job.wait_for("ready", 1)
        time.sleep(4)
        status, out, err = job.end()
    assert (status, err) == (0, "")
    assert out.splitlines()[-1] == "done"


def test_who_waits_or_comes_forward_is_let_be() -> None:
    with Launched(2, "slow", "1", "1") as job:
        status, out, err = job.end()
    assert (status, err) == (0, "")
    assert out.splitlines()[-1] == "done"


def test_seconds_in_which_all_were_stopped_count_for_nothing() -> None:
    with Launched(2, "asleep", "1", "1") as job:
        job.wait_for("ready", 2)
        workers = job.pids()
        for worker in workers:
            os.kill(worker, signal.SIGSTOP)
        time.sleep(2)
        for worker in workers:
            os.kill(worker, signal.SIGCONT)
        time.sleep(1.5)
        assert set(workers) < set(job.left())


def test_workers_that_do_not_train_yet_end_when_they_are_asked_to() -> None:
    with Launched(2, "starting", "30", "30", restarts=1) as job:
        job.wait_for("ready", 2)
        job.process.send_signal(signal.SIGINT)
        status, _, err = job.end()
    assert (status, err) == (130, "interrupted\n")


def test_an_error_that_one_has_ends_all() -> None:
    with Launched(3, "own_error", "30", "30", restarts=1) as job:
        status, _, err = job.end()
    assert status == 1
    assert err == "error[CNN603]: the disk of one is full\n  = help: make room\n"


def test_a_mistake_of_one_ends_all() -> None:
    with Launched(2, "own_mistake", "30", "30", restarts=1) as job:
        status, _, err = job.end()
    assert status == 70
    assert err.startswith("internal error, please report it: ZeroDivisionError: of one\n")


def test_an_error_that_all_have_is_said_once() -> None:
    with Launched(3, "same_error", "30", "30", restarts=1) as job:
        status, _, err = job.end()
    assert status == 1
    assert err == "error[CNN603]: what worker 0 says\n  = help: make room\n"


def test_workers_that_share_an_error_wait_until_the_first_has_saved() -> None:
    with Launched(3, "saved_error", "30", "30") as job:
        status, out, err = job.end()
    assert (status, err) == (1, "error[CNN603]: what worker 0 says\n")
    assert out.endswith("saved\n")


def test_an_error_at_the_very_end_is_said() -> None:
    with Launched(3, "late_error", "30", "30") as job:
        status, _, err = job.end()
    assert status == 1
    assert err == "error[CNN603]: what worker 2 says\n  = help: make room\n"


# --- what a user's own mpiexec starts ---------------------------------------------------------


def test_workers_without_a_launcher_of_ours_end_with_mpiexec() -> None:
    with Launched(2, "asleep", "30", "30", bare=True) as job:
        job.wait_for("ready", 2)
        job.process.kill()
        status, _, _ = job.end()
    assert status == -signal.SIGKILL


def test_nor_do_those_that_a_script_started_outlive_it() -> None:
    with Launched(2, "asleep", "30", "30", bare=True, script=True) as job:
        job.wait_for("ready", 2)
        job.process.kill()
        status, _, _ = job.end()
    assert status == -signal.SIGKILL


def test_a_stopped_worker_ends_them_too() -> None:
    with Launched(2, "stopped", "30", "2", bare=True) as job:
        status, _, err = job.end()
    assert status == 75
    assert f"error[CNN872]: worker 1 on {HOST} has not been heard of for 2 seconds\n" in err


def test_what_a_scheduler_sends_reaches_them_through_mpiexec() -> None:
    with Launched(2, "wait", bare=True) as job:
        job.wait_for("ready", 2)
        job.process.send_signal(signal.SIGUSR1)
        status, out, _ = job.end()
    assert status == 130
    assert "stopped" in out
