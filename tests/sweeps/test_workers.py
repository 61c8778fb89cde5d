"""Several runs at once by MPI: the same bits, whoever trained what and whatever was killed."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sweep_runs import WORDS, Heard, all_results, swept, trained, write_files
from training_data import complaint
from training_runs import results

from cnndsl.cli import main
from cnndsl.runtime.workers.job import local_command, local_environment
from cnndsl.sweeps.supervisor import can_start
from cnndsl.sweeps.sweep import SweepListener

pytestmark = pytest.mark.skipif(
    not can_start() or sys.platform == "win32", reason="no workers to test: there is no MPI"
)


def test_two_workers_give_the_bits_of_one(tmp_path: Path) -> None:
    heard = Heard()
    rates = {"train.optimizer.lr": "0.1,1e30"}
    found = swept(tmp_path / "two", heard, workers=2, settings=rates)
    alone = swept(tmp_path / "one", settings=rates)
    assert sorted(heard.done) == list(range(1, 9))
    assert [one.how for one in found.results] == [one.how for one in alone.results]
    good = [task.number for task in alone.plan.tasks if alone.results[task.number].is_done]
    assert len(good) == 4
    for number in good:
        folders = (found.plan.tasks[number].folder, alone.plan.tasks[number].folder)
        assert results(folders[0]) == results(folders[1])
    assert [(row.point.text, dict(row.spreads)) for row in found.rows] == [
        (row.point.text, dict(row.spreads)) for row in alone.rows
    ]
    assert found.results[-1].error == alone.results[-1].error


def test_threads_are_shared_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few: dict[str, Any] = {"params": {}, "threads": None, "seeds": 1}
    monkeypatch.setattr("cnndsl.sweeps.pool.processors", lambda: 5)
    found = swept(tmp_path / "s", workers=2, **few)
    assert found.to_json()["threads"] == 2
    assert [task.options.get("threads") for task in found.plan.tasks] == [2, 2]
    again = swept(tmp_path / "s", resume=True, **few)
    assert again.to_json()["threads"] == 2
    assert swept(tmp_path / "one", **few).to_json()["threads"] is None
    assert swept(tmp_path / "one", resume=True, workers=2, **few).to_json()["threads"] is None


# --- commands that are ended ----------------------------------------------------------------------

LONG = ("-D", "width=2,4", "--seeds", "2", "--epochs", "40")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_files(tmp_path)
    return tmp_path


@contextmanager
def started(*words: str) -> Iterator[subprocess.Popen[str]]:
    """A sweep with two workers, of which one trains by now at least."""
    command = [sys.executable, "-m", "cnndsl", "sweep", *WORDS, *LONG, "--workers", "2", *words]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process:
        until(trainers)
        yield process


def until(holds: Any, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.02)


def trainers() -> list[int]:
    """The processes that train a run in this folder which is not over."""
    found = []
    for lock in Path("sweeps").rglob("seed-*/.lock"):
        text = lock.read_text().strip()
        begun = list(lock.parent.glob("checkpoints/*.ckpt"))
        if text and begun and not (lock.parent / "result.json").exists() and is_there(int(text)):
            found.append(int(text))
    return found


def is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
        # One that has ended and waits for its parent is gone.
        return ") Z " not in Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What an untouched sweep comes to, trained by one process."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_files(folder)
        assert CliRunner().invoke(main, ["sweep", *WORDS, *LONG]).exit_code == 0
        return trained("sweeps/tiny")


def test_a_worker_that_is_killed_ends_no_sweep(place: Path, whole: dict[str, object]) -> None:
    with started() as process:
        killed = trainers()[0]
        os.kill(killed, signal.SIGKILL)
        output, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors
    assert trained("sweeps/tiny") == whole
    assert "4/4" in output


def test_a_run_that_kills_its_process_is_the_only_one_that_fails(place: Path) -> None:
    with started() as process:
        victim = next(Path("sweeps").rglob("width=2/seed-0/.lock"))

        def killed() -> bool:
            if process.poll() is None and victim.read_text().strip().isdecimal():
                number = int(victim.read_text())
                if number in trainers():
                    os.kill(number, signal.SIGKILL)
            return process.poll() is not None

        until(killed, 200.0)
        output, errors = process.communicate(timeout=10)
    assert process.returncode == 1, errors
    assert "error[CNN884]: the process that trained was ended from outside" in errors
    assert "  = note: at `width=2 seed=0`" in errors
    assert errors.splitlines()[-1] == "1 of 4 runs failed"
    assert output.count("accuracy ") >= 3


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_sweep_that_is_stopped_goes_on_with_another_number(
    place: Path, whole: dict[str, object], sent: signal.Signals
) -> None:
    with started() as process:
        process.send_signal(sent)
        _, errors = process.communicate(timeout=100)
    assert process.returncode == 130, errors
    assert errors.splitlines()[-1].endswith("--workers 2 --resume")
    done = CliRunner().invoke(main, ["sweep", *WORDS, *LONG, "--resume"])
    assert done.exit_code == 0
    assert done.stdout.startswith("sweep of tiny: 2 points, 2 seeds each, 4 runs into")
    assert trained("sweeps/tiny") == whole


@pytest.mark.skipif(sys.platform != "linux", reason="it asks /proc")
def test_nothing_is_left_where_the_sweep_itself_is_killed(place: Path) -> None:
    with started() as process:
        left = trainers()
        process.kill()
        process.communicate()
        until(lambda: not any(map(is_there, left)), 20.0)


@pytest.mark.skipif(sys.platform != "linux", reason="it asks /proc")
def test_nothing_is_left_where_the_launcher_is_killed(place: Path) -> None:
    with started() as process:
        left = trainers()
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGKILL)
        until(lambda: not any(map(is_there, left)), 20.0)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=100)


# --- no MPI, and more of it -----------------------------------------------------------------------


def test_without_mpi_runs_go_one_after_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cnndsl.sweeps.sweep.can_start", lambda: False)
    heard = Heard()
    found = swept(tmp_path / "s", heard, workers=2, seeds=1)
    assert all(one.is_done for one in found.results)
    assert heard.notes[0] == (
        'without MPI, runs go one after another: install it by `pip install "cnndsl[mpi]"`'
    )


def test_processes_that_cannot_be_started_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "mpiexec"
    broken.write_text("#!/bin/sh\necho no slots left >&2\nexit 3\n")
    broken.chmod(broken.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr("cnndsl.runtime.workers.job.find_mpiexec", lambda: str(broken))
    message = f"`{broken}` could not start the workers"
    help = "run `cnndsl doctor`, which tries to start two"
    with complaint("CNN871", message, help, "no slots left"):
        swept(tmp_path / "s", SweepListener(), workers=2)


def test_ranks_that_are_there_are_used(place: Path) -> None:
    command = local_command([sys.executable, "-m", "cnndsl", "sweep", *WORDS], 3)
    words = [*command, "-D", "width=2,4", "--seeds", "2", "--epochs", "2"]
    surroundings = local_environment(3, os.environ)
    run: dict[str, Any] = {"capture_output": True, "text": True, "env": surroundings}
    done = subprocess.run([*words, "--workers", "7"], check=True, timeout=200, **run)
    assert "note: `--workers` does not apply: the 2 that MPI has started train" in done.stderr
    assert done.stdout.count("best first by accuracy") == 1
    ranks = trained("sweeps/tiny")
    shutil.rmtree("sweeps")
    alone = CliRunner().invoke(main, ["sweep", *words[len(command) - len(WORDS) :]])
    assert alone.exit_code == 0
    assert ranks == trained("sweeps/tiny")
    again = subprocess.run(words, check=False, timeout=100, **run)
    assert again.returncode != 0
    assert again.stderr.count("error[CNN882]") == 1


def test_all_is_the_same_by_python(tmp_path: Path) -> None:
    found = swept(tmp_path / "two", workers=2)
    assert all_results(found) == all_results(swept(tmp_path / "one"))
