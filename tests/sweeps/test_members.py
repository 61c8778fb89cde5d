"""The models of a sweep answer together: those of the best point, or the best of all runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy
import pytest
from click.testing import CliRunner, Result
from sweep_runs import stripes
from training_data import complaint

import cnndsl
from cnndsl.cli import main
from cnndsl.sweeps.members import members_in


def run(*words: str) -> Result:
    return CliRunner().invoke(main, words)


def test_the_best_point_and_the_best_runs_are_chosen(whole: cnndsl.Sweep) -> None:
    best = whole.rows[0]
    assert set(whole.members()) == {task.folder / "model.onnx" for task in best.tasks}
    runs = whole.to_json()["runs"]
    order = sorted(runs, key=lambda one: (-(one["accuracy"] or 0), one["loss"]))
    for count in range(1, 9):
        wanted = [whole.folder / str(one["model"]) for one in order[:count]]
        assert whole.members(count) == members_in(whole.folder, count) == wanted
    assert members_in(whole.folder) == whole.members()


def test_their_answers_mean_is_that_of_numpy(whole: cnndsl.Sweep) -> None:
    x, _ = stripes(12)
    together = whole.ensemble(3, device="cpu").run(x)
    alone = [cnndsl.Model(path, device="cpu").run(x) for path in whole.members(3)]
    assert together == pytest.approx(numpy.mean(alone, axis=0), abs=1e-6)


def test_eval_and_run_take_the_folder(whole: cnndsl.Sweep, tmp_path: Path) -> None:
    x, y = stripes()
    numpy.savez(tmp_path / "data.npz", x=x, y=y)
    numpy.save(tmp_path / "x.npy", x[:2])
    words = ("--data", str(tmp_path / "data.npz"), "--device", "cpu", "--format", "json")
    folder = run("eval", str(whole.folder), "--best", "2", *words)
    assert folder.exit_code == 0, folder.output
    named = run("eval", *map(str, whole.members(2)), *words)
    assert json.loads(folder.stdout) == json.loads(named.stdout)
    assert folder.stderr.splitlines()[:2] == [
        f"{whole.folder}: 2 models of its best",
        f"  {whole.members(2)[0]}",
    ]
    table = run("eval", str(whole.folder), *words[:4]).stdout
    assert "\nseed-0      1" in table
    answers = run("run", str(whole.folder), str(tmp_path / "x.npy"), "--device", "cpu")
    assert answers.exit_code == 0, answers.output
    assert "answers are the mean of 2 models" in answers.stderr


def test_a_folder_may_be_moved(whole: cnndsl.Sweep, tmp_path: Path) -> None:
    shutil.copytree(whole.folder, tmp_path / "moved")
    assert [path.is_file() for path in members_in(tmp_path / "moved", 3)] == [True] * 3


def changed(folder: Path, **changes: Any) -> Path:
    """A folder of results alone; the runs are changed so."""
    data = json.loads((folder / "results.json").read_text("utf-8"))
    for one in data["runs"]:
        one.update(changes)
    return data  # type: ignore[no-any-return]


def test_what_is_not_there_is_said(whole: cnndsl.Sweep, tmp_path: Path) -> None:
    with complaint(
        "CNN885", f"only 8 runs of the sweep in `{whole.folder}` are over", "take `--best 8`"
    ):
        members_in(whole.folder, 9)
    data = changed(whole.folder, model=None, how="failed")
    (tmp_path / "results.json").write_text(json.dumps(data))
    with complaint(
        "CNN885",
        f"no run of the sweep in `{tmp_path}` is over",
        "go on with it: `cnndsl sweep … --resume`",
    ):
        members_in(tmp_path)
    for name in ("../model.onnx", "/etc/passwd", "seed-0/model.onnx"):
        data = changed(whole.folder, model=name)
        (tmp_path / "results.json").write_text(json.dumps(data))
        with complaint(
            "CNN885",
            f"the sweep in `{tmp_path}` has lost the model `{name}`",
            "train it again: `cnndsl sweep … --resume`",
        ):
            members_in(tmp_path)
    with pytest.raises(ValueError, match="`best` must be 1 or more, not 0"):
        members_in(whole.folder, 0)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"runs": 1}', "[" * 100_000])
def test_results_that_cannot_be_read_are_said(tmp_path: Path, text: str) -> None:
    (tmp_path / "results.json").write_text(text)
    with complaint(
        "CNN885",
        f"`{tmp_path}` is no folder of a sweep: its `results.json` cannot be read",
        "let `cnndsl sweep … --resume` write it anew, or name the models themselves",
    ):
        members_in(tmp_path)


def test_words_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    result = run("eval", "model.onnx", "--best", "2", "--data", "x")
    assert "--best is for the folder of a sweep, which is not given" in result.stderr
    result = run("run", str(tmp_path), "x.npy")
    assert f"'{tmp_path}' is a folder, and not that of a sweep" in result.stderr
