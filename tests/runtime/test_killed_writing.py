"""A run can go on wherever it was killed: each thing that it does to its files is a place."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from sweep_runs import Heard, swept
from training_runs import Recorder, refused, request, results, stripes

from cnndsl.pipeline import train

PROGRAM = Path(__file__).resolve().parents[1] / "support" / "killed_writes.py"


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
@pytest.mark.parametrize("kind", ["train", "sweep"])
def test_a_kill_before_any_write_leaves_a_run_that_goes_on_to_the_same_bits(
    tmp_path: Path, kind: str
) -> None:
    words = [sys.executable, str(PROGRAM), kind, str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["wrong"] == []
    # The folder itself, the lock, the checkpoints, and every file twice: opened and renamed.
    assert told["places"] > 30
    assert 5 < told["anew"] < told["places"] / 2


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_what_a_kill_behind_a_checkpoint_left_undone_is_made_of_it(
    tmp_path: Path, epochs: int
) -> None:
    wanted = request(tmp_path, valid=stripes(12, seed=1))
    train(wanted, Recorder())
    whole = results(tmp_path)
    later = [*(tmp_path / "checkpoints").iterdir()]
    for name in ("best.safetensors", "last.safetensors", "model.onnx", "confusion.csv"):
        (tmp_path / name).unlink()
    for one in sorted(later)[epochs:]:
        one.unlink()
    train(replace(wanted, resume="latest"), Recorder())
    assert results(tmp_path) == whole


def test_a_trained_network_without_its_checkpoints_is_not_replaced(tmp_path: Path) -> None:
    wanted = request(tmp_path / "run")
    train(wanted, Recorder())
    whole = results(tmp_path / "run")
    (tmp_path / "run" / "checkpoints").rename(tmp_path / "moved")
    error = refused(replace(wanted, resume="latest"), "CNN810")
    assert error.message == (
        f"a run has trained in `{tmp_path / 'run'}`, but there is no checkpoint to go on from"
    )
    assert error.notes == ("training anew would replace its `best.safetensors`",)
    assert error.help == "put its checkpoints back, or move the folder away to train anew"
    assert results(tmp_path / "run") == whole
    (tmp_path / "run" / "checkpoints").rmdir()
    # By its path, it can be gone on with.
    elsewhere = str(max((tmp_path / "moved").iterdir()))
    train(replace(wanted, resume=elsewhere), Recorder())
    assert results(tmp_path / "run") == whole


def test_a_sweep_does_not_replace_one_either(tmp_path: Path) -> None:
    found = swept(tmp_path, params={}, settings={}, seeds=1)
    run = found.plan.tasks[0].folder
    whole = results(run)
    shutil.rmtree(run / "checkpoints")
    listener = Heard()
    again = swept(tmp_path, listener, params={}, settings={}, seeds=1, resume=True)
    assert again.results[0].message.startswith("error[CNN810]: a run has trained in")
    assert results(run) == whole
