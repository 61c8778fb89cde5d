"""``cnndsl train`` as several processes: any number gives the same bits, and no end loses any."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy
import pytest
from launched import Started, need_mpi
from training_data import write_picture
from training_runs import results

from cnndsl.runtime.checkpoint import list_checkpoints, read_checkpoint
from cnndsl.runtime.workers.job import local_command

DEADLINE = 120

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


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "net.cnn").write_text(CHANCE)
    picker = numpy.random.default_rng(0)
    numpy.savez(
        tmp_path / "data.npz",
        x=picker.normal(0, 1, (90, 1, 8, 8)).astype(numpy.float32),
        y=numpy.arange(90) % 3,
    )
    return tmp_path


def words(out: str, workers: int, *more: str) -> list[str]:
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


def digest(folder: Path) -> str:
    """All that a run has computed: results, and the last checkpoint's state."""
    total = hashlib.sha256(repr(results(folder)).encode())
    last = read_checkpoint(list_checkpoints(folder / "checkpoints")[-1])
    for some in (last.weights, last.state):
        for name in sorted(some):
            total.update(some[name].tobytes())
    return total.hexdigest()


def running(place: Path, arguments: list[str]) -> Started:
    return Started([sys.executable, "-m", "cnndsl", *arguments], folder=place, seconds=DEADLINE)


def until_steps(folder: Path, count: int) -> None:
    """Wait until a run has come to its epoch's end so many times."""
    end = time.monotonic() + DEADLINE
    metrics = folder / "metrics.csv"
    while time.monotonic() < end:
        if metrics.exists() and len(metrics.read_text().splitlines()) > count:
            return
        time.sleep(0.01)
    raise TimeoutError


def test_any_number_of_processes_gives_the_same_bits(place: Path) -> None:
    for count in (1, 2, 5):
        status, out, err = ran(place, words(f"r{count}", count))
        assert status == 0, err
        assert out.count("epoch 2/2") == 1
    assert len({digest(place / f"r{count}") for count in (1, 2, 5)}) == 1


@pytest.mark.parametrize("kind", ["folder", "csv"])
def test_pictures_are_divided_too(place: Path, kind: str) -> None:
    rows = []
    for number in range(36):
        name = Path("pictures") / "abc"[number % 3] / f"{number}.png"
        write_picture(place / name, numpy.random.default_rng(number).integers(0, 256, (8, 8)))
        rows.append(f"{name},{'abc'[number % 3]}\n")
    (place / "table.csv").write_text("".join(rows))
    data = "pictures" if kind == "folder" else "table.csv"
    for count in (1, 3):
        arguments = words(f"p{count}", count)
        arguments[arguments.index("data.npz")] = data
        status, _, err = ran(place, arguments)
        assert status == 0, err
    assert digest(place / "p1") == digest(place / "p3")


def test_shards_become_as_many_as_workers_and_stay(place: Path) -> None:
    text = CHANCE.replace("  shards 6\n", "")
    (place / "net.cnn").write_text(text)
    status, _, err = ran(place, words("r", 2, "--epochs", "1"))
    assert status == 0
    assert "there are 2, one for each worker, and `shards 2` is in the run's spec" in err
    assert "  shards 2\n" in (place / "r" / "spec.cnn").read_text()
    assert ran(place, words("whole", 2, "--epochs", "3"))[0] == 0
    assert ran(place, words("r", 1, "--epochs", "3", "--resume"))[0] == 0
    lines = [(place / name / "metrics.csv").read_text().splitlines()[1] for name in ("r", "whole")]
    assert lines[0].split(",")[:2] == lines[1].split(",")[:2]
    spec = (place / "r" / "spec.cnn").read_text()
    assert "  shards 2\n" in spec


def test_more_workers_than_shards_are_told_what_to_do(place: Path) -> None:
    status, out, err = ran(place, words("r", 8))
    assert (status, out) == (1, "")
    assert err.startswith("error[CNN879]: 8 workers cannot share 6 shards\n")
    assert "help: take 6 workers or fewer, or begin another run with `--set train.shards=8`" in err
    assert err.count("error[") == 1
    assert not (place / "r").exists()


def test_a_job_that_mpi_has_started_is_recognised(place: Path) -> None:
    assert ran(place, words("r1", 1))[0] == 0
    plain = words("r2", 2)
    del plain[plain.index("--workers") : plain.index("--workers") + 2]
    command = local_command([sys.executable, "-m", "cnndsl", *plain], 2)
    with Started(command, is_ours=False, folder=place, seconds=DEADLINE) as job:
        status, _, err = job.end()
    assert status == 0, err
    assert digest(place / "r1") == digest(place / "r2")


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_the_launcher_stops_all_cleanly(place: Path, sent: signal.Signals) -> None:
    assert ran(place, words("whole", 1, "--epochs", "40"))[0] == 0
    with running(place, words("cut", 3, "--epochs", "40")) as job:
        until_steps(place / "cut", 2)
        job.process.send_signal(sent)
        status, out, err = job.end()
    assert status == 130, err
    assert "interrupted; everything up to here is saved in cut" in out
    assert "--workers 3" in out
    status, _, err = ran(place, words("cut", 2, "--epochs", "40", "--resume"))
    assert status == 0, err
    assert digest(place / "cut") == digest(place / "whole")


def test_a_killed_worker_is_named_and_any_number_goes_on(place: Path) -> None:
    assert ran(place, words("whole", 1, "--epochs", "20"))[0] == 0
    picker = random.Random(0)
    for epoch, count in ((3, 3), (9, 2)):
        with running(place, words("cut", count, "--epochs", "20", "--resume")) as job:
            until_steps(place / "cut", epoch)
            time.sleep(picker.random() / 10)
            found = job.workers()
            assert len(found) == count
            os.kill(picker.choice(found), signal.SIGKILL)
            status, _, err = job.end()
        assert status == 75, err
        assert "error[CNN872]: worker " in err
        assert "was ended by signal 9 (SIGKILL)" in err
        assert not job.workers()
    assert ran(place, words("cut", 1, "--epochs", "20", "--resume"))[0] == 0
    assert digest(place / "cut") == digest(place / "whole")


def test_restarts_go_on_by_themselves(place: Path) -> None:
    assert ran(place, words("whole", 1, "--epochs", "20"))[0] == 0
    with running(place, words("cut", 2, "--epochs", "20", "--restarts", "2")) as job:
        until_steps(place / "cut", 3)
        os.kill(job.workers()[0], signal.SIGKILL)
        status, _, err = job.end()
    assert status == 0, err
    assert digest(place / "cut") == digest(place / "whole")


@pytest.mark.slow
def test_twenty_kills_of_any_worker_change_no_bit(place: Path) -> None:
    """At any moment, from the start of the processes to their end, and on with another number."""
    epochs = ("--epochs", "60")
    assert ran(place, words("whole", 1, *epochs))[0] == 0
    picker, kills, before = random.Random(1), 0, 0
    while kills < 20:
        count = picker.choice([number for number in (2, 3, 4) if number != before])
        before = count
        with running(place, words("cut", count, *epochs, "--resume")) as job:
            time.sleep(picker.uniform(1, 5))
            if job.process.poll() is None and (found := job.workers()):
                os.kill(picker.choice(found), signal.SIGKILL)
                kills += 1
            status, _, err = job.end()
        assert status in (0, 75), err
        if status == 0 and kills < 20:  # it was over: begin anew
            assert digest(place / "cut") == digest(place / "whole")
            shutil.rmtree(place / "cut")
    status, _, err = ran(place, words("cut", 1, *epochs, "--resume"))
    assert status == 0, err
    assert digest(place / "cut") == digest(place / "whole")
