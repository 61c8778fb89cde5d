"""`cnndsl sweep`: what it prints, word for word but for the seconds, and how it ends."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sweep_runs import WORDS, trained, write_files

from cnndsl.cli import main


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_files(tmp_path)
    return tmp_path


def sweep(*words: str) -> Result:
    return CliRunner().invoke(main, ["sweep", *WORDS, *words])


def timeless(text: str) -> str:
    return re.sub(r"\d+\.\d s\b", "0.0 s", text)


def test_a_table_follows_a_line_for_each_run() -> None:
    result = sweep("-D", "width=2,4", "--set", "train.optimizer.lr=0.1,1e30", "--seeds", "2")
    lines = timeless(result.stdout).splitlines()
    assert lines[0] == "sweep of tiny: 4 points, 2 seeds each, 8 runs into sweeps/tiny"
    assert len([line for line in lines if re.match(r"\d/8  width=\d optimizer.lr=", line)]) == 8
    assert re.fullmatch(
        r"1/8  width=2 optimizer.lr=0.1 seed=0: accuracy [ \d.]+%  loss [\d.]+  0.0 s", lines[1]
    )
    failed = "3/8  width=2 optimizer.lr=1e30 seed=0: failed: training diverged in epoch 1"
    assert lines[3].startswith(failed)
    assert lines[9:13] == [
        "",
        "best first by accuracy, on validation data",
        "",
        "   width  optimizer.lr  accuracy  ±     loss    ±       runs".rstrip(),
    ] or re.fullmatch(r" +width  optimizer.lr  accuracy  ± +loss  ± +runs", lines[12])
    assert [line.split()[:3] for line in lines[13:15]] == [["1", "4", "0.1"], ["2", "2", "0.1"]]
    assert [line.split()[0] for line in lines[15:17]] == ["-", "-"]
    assert all(len(line) <= 80 for line in lines)
    assert result.exit_code == 1
    assert "error[CNN805]" in result.stderr
    assert result.stderr.splitlines()[-1] == "4 of 8 runs failed"


def test_all_well_is_zero_and_a_sweep_goes_on() -> None:
    assert sweep("-D", "width=2,4").exit_code == 0
    result = sweep("-D", "width=2,4,6", "--resume")
    assert result.exit_code == 0
    assert [line[-4:] == "kept" for line in result.stdout.splitlines()[1:4]] == [True, True, False]
    taken = sweep("-D", "width=2,4")
    assert taken.exit_code == 1
    assert "error[CNN882]" in taken.stderr


def test_json_is_all_of_stdout() -> None:
    result = sweep("-D", "width=2,4", "--format", "json")
    data = json.loads(result.stdout)
    assert data == json.loads(Path("sweeps/tiny/results.json").read_text())
    assert [run["how"] for run in data["runs"]] == ["finished", "finished"]
    assert result.stderr.startswith("sweep of tiny: 2 points, 1 seed each, 2 runs")


def test_a_dry_run_trains_nothing() -> None:
    result = sweep("-D", "width=2,4", "--dry-run")
    assert result.stdout == (
        "sweep of tiny: 2 points, 1 seed each, 2 runs\n\nwidth  params\n    2     123\n"
        "    4     243\n"
    )
    data = json.loads(sweep("-D", "width=2,4", "--dry-run", "--format", "json").stdout)
    assert [run["how"] for run in data["runs"]] == ["not begun", "not begun"]
    assert not Path("sweeps").exists()


def test_what_is_given_twice_is_said() -> None:
    result = sweep("-D", "width=2", "-D", "width=4")
    assert result.stderr.splitlines() == [
        "error[CNN880]: `width` is given twice: `width=2` and `width=4`",
        "  = help: list all of its values together: `width=2,4`",
    ]
    result = sweep("-D", "width")
    assert result.exit_code == 2
    assert "'width' is not NAME=VALUE,…, as in -D width=8,16" in result.stderr


def test_wide_tables_stay_within_eighty_columns() -> None:
    result = sweep(
        *("--set", "train.optimizer=sgd lr 0.1 momentum 0.9,adam lr 0.001 beta1 0.8"),
        *("--set", "train.schedule=cosine warmup 1 warmup_lr 0.0001,step every 1 gamma 0.5"),
        *("--set", "train.loss.smoothing=0,0.1", "--epochs", "2", "--seeds", "2", "--sample", "3"),
    )
    assert result.exit_code in (0, 1), result.output
    assert max(map(len, result.stdout.splitlines())) <= 80


def started(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "cnndsl", "sweep", *WORDS, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


LONG = ("--epochs", "60", "-D", "width=2,4", "--seeds", "2")


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such signals")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGKILL])
def test_a_sweep_that_is_ended_goes_on_to_the_same_bits(sent: signal.Signals) -> None:
    with started(*LONG) as process:
        assert process.stdout is not None
        for _ in range(2):  # the line at the start, and the first run's
            process.stdout.readline()
        time.sleep(0.1)
        process.send_signal(sent)
        _, errors = process.communicate(timeout=120)
    if sent is not signal.SIGKILL:
        assert process.returncode == 130
        last = errors.splitlines()[-1]
        assert shlex.split(last) == ["cnndsl", "sweep", *WORDS, *LONG, "--resume"]
    again = sweep(*LONG, "--resume")
    assert again.exit_code == 0, again.output
    assert "kept" in again.stdout
    assert sweep(*LONG, "--out", "whole").exit_code == 0
    assert trained("sweeps/tiny") == trained("whole")
    assert len(trained("whole")) == 4
