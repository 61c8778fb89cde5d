"""``cnndsl train`` as several processes: any number gives the same bits, and no end loses any."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
from click.testing import CliRunner
from launched import Started, need_mpi
from training_data import write_picture
from training_runs import digest

from cnndsl.cli import main
from cnndsl.runtime.workers.job import local_command

DEADLINE = 120
LONG = ("--epochs", "20")

CHANCE = """network chance
input 1x8x8
C1: conv 4@3x3 padding 1 -> batchnorm -> relu -> noise 0.1
flatten -> dropout 0.2
F2: dense 3 -> softmax
train {
  optimizer adam lr 0.01
  schedule cosine
  augment noise 0.1
  batch 12
  shards 6
  epochs 2
}
"""


@pytest.fixture(autouse=True)
def _mpi() -> None:
    need_mpi()


def prepared(folder: Path) -> Path:
    """A folder with the network and what it learns from."""
    (folder / "net.cnn").write_text(CHANCE)
    picker = numpy.random.default_rng(0)
    numpy.savez(
        folder / "data.npz",
        x=picker.normal(0, 1, (90, 1, 8, 8)).astype(numpy.float32),
        y=numpy.arange(90) % 3,
    )
    return folder


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return prepared(tmp_path)


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What one process computes in two epochs."""
    place = prepared(tmp_path_factory.mktemp("short"))
    return alone(place, words("run"))


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What one process computes in so many epochs that there is time to end some before."""
    place = prepared(tmp_path_factory.mktemp("long"))
    return alone(place, words("run", 1, *LONG))


def words(out: str, workers: int = 1, *more: str) -> list[str]:
    return [
        *("train", "net.cnn", "--data", "data.npz", "--valid", "0.2", "--device", "cpu"),
        *("--out", out, "--workers", str(workers), *more),
    ]


def ran(place: Path, arguments: list[str]) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "cnndsl", *arguments],
        cwd=place,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def alone(place: Path, arguments: list[str]) -> str:
    """What a run has computed that is one process: this one, which need not be started."""
    with contextlib.chdir(place):
        done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    return digest(place / arguments[arguments.index("--out") + 1])


def running(place: Path, arguments: list[str]) -> Started:
    return Started([sys.executable, "-m", "cnndsl", *arguments], folder=place, seconds=DEADLINE)


def lines(folder: Path) -> int:
    """Those that a run has written of its epochs."""
    metrics = folder / "metrics.csv"
    return len(metrics.read_text().splitlines()) if metrics.exists() else 0


def until(is_so: Callable[[], object]) -> None:
    end = time.monotonic() + DEADLINE
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.01)


def until_epoch(folder: Path, count: int) -> None:
    until(lambda: lines(folder) > count)


def test_four_processes_give_the_bits_of_one(place: Path, short: str) -> None:
    status, out, err = ran(place, words("run", 4))
    assert status == 0, err
    assert out.count("epoch 2/2") == 1
    assert digest(place / "run") == short


def test_three_divide_pictures_too(place: Path) -> None:
    for number in range(36):
        name = Path("pictures") / "abc"[number % 3] / f"{number}.png"
        write_picture(place / name, numpy.random.default_rng(number).integers(0, 256, (8, 8)))
    one, three = words("p1"), words("p3", 3)
    for some in (one, three):
        some[some.index("data.npz")] = "pictures"
    status, _, err = ran(place, three)
    assert status == 0, err
    assert digest(place / "p3") == alone(place, one)


def test_shards_become_as_many_as_workers_and_stay(place: Path) -> None:
    text = CHANCE.replace("  shards 6\n", "").replace("  schedule cosine\n", "")
    (place / "net.cnn").write_text(text)
    status, _, err = ran(place, words("r", 2, "--epochs", "1"))
    assert status == 0, err
    assert "there are 2, one for each worker, and `shards 2` is in the run's spec" in err
    assert "  shards 2\n" in (place / "r" / "spec.cnn").read_text()
    resumed = alone(place, words("r", 1, "--epochs", "3", "--resume"))
    assert resumed == alone(place, words("all", 1, "--epochs", "3", "--set", "train.shards=2"))
    assert "  shards 2\n" in (place / "r" / "spec.cnn").read_text()


def test_more_workers_than_shards_are_told_what_to_do(place: Path) -> None:
    status, out, err = ran(place, words("r", 3, "--set", "train.shards=2"))
    assert (status, out) == (1, "")
    assert err.startswith("error[CNN879]: 3 workers cannot share 2 shards\n")
    assert "help: take 2 workers or fewer, or begin another run with `--set train.shards=3`" in err
    assert err.count("error[") == 1
    assert not (place / "r").exists()


def test_a_job_that_mpi_has_started_is_recognised(place: Path, short: str) -> None:
    plain = words("r2", 2)
    del plain[plain.index("--workers") : plain.index("--workers") + 2]
    command = local_command([sys.executable, "-m", "cnndsl", *plain], 2)
    with Started(command, is_ours=False, folder=place, seconds=DEADLINE) as job:
        status, _, err = job.end()
    assert status == 0, err
    assert digest(place / "r2") == short


@pytest.mark.parametrize(("sent", "workers"), [(signal.SIGINT, 3), (signal.SIGTERM, 2)])
def test_the_launcher_stops_all_cleanly(
    place: Path, long: str, sent: signal.Signals, workers: int
) -> None:
    with running(place, words("cut", workers, *LONG)) as job:
        until_epoch(place / "cut", 2)
        job.process.send_signal(sent)
        status, out, err = job.end()
    assert status == 130, err
    assert "interrupted; everything up to here is saved in cut" in out
    assert f"--workers {workers}" in out
    assert alone(place, words("cut", 1, *LONG, "--resume")) == long


def test_a_killed_worker_is_named_and_any_number_goes_on(place: Path, long: str) -> None:
    with running(place, words("cut", 3, *LONG)) as job:
        until_epoch(place / "cut", 3)
        found = job.workers()
        assert len(found) == 3
        os.kill(found[1], signal.SIGKILL)
        status, _, err = job.end()
    assert status == 75, err
    assert "error[CNN872]: worker " in err
    assert "was ended by signal 9 (SIGKILL)" in err
    assert not job.workers()
    assert alone(place, words("cut", 1, *LONG, "--resume")) == long


def test_restarts_go_on_by_themselves(place: Path, long: str) -> None:
    with running(place, words("cut", 2, *LONG, "--restarts", "2")) as job:
        until_epoch(place / "cut", 3)
        os.kill(job.workers()[0], signal.SIGKILL)
        status, _, err = job.end()
    assert status == 0, err
    assert digest(place / "cut") == long


@pytest.mark.slow
def test_random_kills_change_no_bit(place: Path, long: str) -> None:
    """Of any worker, at any moment, and on with another number, until nobody kills any more.

    ``CNNDSL_KILLS=20 pytest -n 0 tests/workers -k random_kills`` kills 20 times, here it is 4.
    """
    picker, kills, before = random.Random(1), 0, 0
    wanted = int(os.environ.get("CNNDSL_KILLS", "4"))
    while kills < wanted:
        count = picker.choice([number for number in (2, 3, 4) if number != before])
        before = count
        with running(place, words("cut", count, *LONG, "--resume")) as job:
            wait_for_a_moment(job, place / "cut", picker, is_early=kills % 4 == 0)
            with contextlib.suppress(ProcessLookupError, IndexError):
                os.kill(picker.choice(job.workers()), signal.SIGKILL)
                kills += 1
            status, _, err = job.end()
        assert status in (0, 75), err
        if status == 0:  # it was over: begin anew
            assert digest(place / "cut") == long
            shutil.rmtree(place / "cut")
    assert alone(place, words("cut", 1, *LONG, "--resume")) == long


def wait_for_a_moment(job: Started, folder: Path, picker: random.Random, *, is_early: bool) -> None:
    """While processes are starting, while they train, or when they are about to end."""
    until(lambda: job.workers() or job.process.poll() is not None)
    if is_early:
        time.sleep(picker.uniform(0, 1.5))
        return
    goal = lines(folder) + picker.randint(1, 8)
    until(lambda: lines(folder) >= goal or job.process.poll() is not None)
    time.sleep(picker.uniform(0, 0.1))
