"""Several runs at once by MPI: the same bits, whoever trained what and whatever was killed."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from launched import Patience, Started
from sweep_runs import WORDS, Heard, all_results, swept, trained, write_files
from training_data import complaint

from cnndsl.cli import main
from cnndsl.runtime.workers.job import local_command, local_environment
from cnndsl.sweeps.supervisor import can_start
from cnndsl.sweeps.sweep import SweepListener

pytestmark = pytest.mark.skipif(
    not can_start() or sys.platform == "win32", reason="no workers to test: there is no MPI"
)


def test_two_workers_give_the_bits_of_one(tmp_path: Path) -> None:
    heard = Heard()
    rates: dict[str, Any] = {"settings": {"train.optimizer.lr": "0.1,1e30"}, "seeds": 1}
    found = swept(tmp_path / "two", heard, workers=2, **rates)
    alone = swept(tmp_path / "one", **rates)
    assert sorted(heard.done) == [1, 2, 3, 4]
    assert [one.how for one in alone.results].count("finished") == 2
    assert [one.how for one in alone.results].count("failed") == 2
    assert all_results(found) == all_results(alone)
    assert [(row.point.text, dict(row.spreads)) for row in found.rows] == [
        (row.point.text, dict(row.spreads)) for row in alone.rows
    ]


def test_threads_are_shared_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few: dict[str, Any] = {"params": {}, "threads": None, "seeds": 1, "epochs": 1}
    monkeypatch.setattr("cnndsl.sweeps.pool.processors", lambda: 5)
    found = swept(tmp_path / "s", workers=2, **few)
    assert found.to_json()["threads"] == 2
    assert [task.options.get("threads") for task in found.plan.tasks] == [2, 2]
    again = swept(tmp_path / "s", resume=True, **few)
    assert again.to_json()["threads"] == 2
    assert swept(tmp_path / "one", **few).to_json()["threads"] is None
    assert swept(tmp_path / "one", resume=True, workers=2, **few).to_json()["threads"] is None


# --- commands that are ended ----------------------------------------------------------------------

LONG = ("-D", "width=2,4,6", "--epochs", "20")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_files(tmp_path)
    return tmp_path


@contextmanager
def started() -> Iterator[Started]:
    """A sweep with two workers, of which one trains by now; nothing of it is left in the end."""
    command = [sys.executable, "-m", "cnndsl", "sweep", *WORDS, *LONG, "--workers", "2"]
    with Started(command, seconds=200) as sweep:
        until(lambda: trainers() or sweep.process.poll() is not None)
        assert sweep.process.poll() is None, sweep.end()
        yield sweep


def until(holds: Callable[[], object], seconds: float = 60.0) -> None:
    patience = Patience(seconds)
    while not holds():
        assert patience.lasts(), "it took too long"
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


def goes_on_to(whole: dict[str, object]) -> None:
    """Go on with the sweep in this folder by one process, to the same bits."""
    done = CliRunner().invoke(main, ["sweep", *WORDS, *LONG, "--resume"])
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("sweep of tiny: 3 points, 1 seed each, 3 runs into")
    assert trained("sweeps/tiny") == whole


def test_a_worker_that_is_killed_ends_no_sweep(place: Path, whole: dict[str, object]) -> None:
    with started() as sweep:
        os.kill(trainers()[0], signal.SIGKILL)
        status, output, errors = sweep.end()
    assert (status, errors) == (0, "")
    assert trained("sweeps/tiny") == whole
    assert "3/3" in output


def test_a_run_that_kills_its_process_is_the_only_one_that_fails(place: Path) -> None:
    with started() as sweep:
        victim = Path("sweeps/tiny/width=2/seed-0/.lock")

        def killed() -> bool:
            text = victim.read_text().strip()
            if text.isdecimal() and int(text) in trainers():
                os.kill(int(text), signal.SIGKILL)
            return sweep.process.poll() is not None

        until(victim.exists)
        until(killed, 200.0)
        status, output, errors = sweep.end()
    assert status == 1, errors
    assert "error[CNN884]: the process that trained was ended from outside" in errors
    assert "  = note: at `width=2 seed=0`" in errors
    assert errors.splitlines()[-1] == "1 of 3 runs failed"
    assert output.count("accuracy ") >= 2


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_sweep_that_is_stopped_goes_on_with_another_number(
    place: Path, whole: dict[str, object], sent: signal.Signals
) -> None:
    with started() as sweep:
        sweep.process.send_signal(sent)
        status, _, errors = sweep.end()
    assert status == 130, errors
    assert errors.splitlines()[-1].endswith("--workers 2 --resume")
    goes_on_to(whole)


def test_a_second_signal_ends_all_at_once(place: Path) -> None:
    with started() as sweep:
        for one in trainers():
            os.kill(one, signal.SIGSTOP)
        for _ in range(3):
            sweep.process.send_signal(signal.SIGINT)
            time.sleep(0.3)
        assert sweep.end()[0] == 130


@pytest.mark.skipif(sys.platform != "linux", reason="it asks /proc")
def test_nothing_is_left_where_the_sweep_itself_is_killed(
    place: Path, whole: dict[str, object]
) -> None:
    with started() as sweep:
        sweep.process.kill()
        assert sweep.end()[0] == -signal.SIGKILL
    goes_on_to(whole)


@pytest.mark.skipif(sys.platform != "linux", reason="it asks /proc")
def test_nothing_is_left_where_the_launcher_is_killed(place: Path) -> None:
    with started() as sweep:
        left = trainers()
        known = Path(f"/proc/{sweep.process.pid}/task").glob("*/children")
        [launcher] = [int(one) for file in known for one in file.read_text().split()]
        os.kill(launcher, signal.SIGKILL)
        until(lambda: not any(map(is_there, left)), 20.0)
        sweep.process.send_signal(signal.SIGINT)
        assert sweep.end()[0] == 130


# --- no MPI, and more of it -----------------------------------------------------------------------


def test_without_mpi_runs_go_one_after_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cnndsl.sweeps.sweep.can_start", lambda: False)
    heard = Heard()
    found = swept(tmp_path / "s", heard, workers=2, seeds=1, params={})
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
    words = [*command, "-D", "width=2,4", "--epochs", "2"]
    # Of ranks that end by an error Open MPI leaves its files in memory, which are to be ours.
    surroundings = local_environment(3, os.environ)
    surroundings["OMPI_MCA_btl_sm_backing_directory"] = str(place)
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
