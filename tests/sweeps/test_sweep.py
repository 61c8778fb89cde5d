"""Sweeps: each run is the one that training makes, and the table has its numbers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy
import pytest
from sweep_runs import SPEC, Heard, stripes, swept, write_files
from training_data import complaint
from training_runs import results

import cnndsl
from cnndsl.sweeps.runs import RunResult, Task

# --- runs ---------------------------------------------------------------------------------------


def test_a_run_is_the_one_that_training_makes(whole: cnndsl.Sweep, tmp_path: Path) -> None:
    network = cnndsl.parse(SPEC, width=4)
    options: dict[str, Any] = {"settings": ["train.optimizer.lr=0.01"], "seed": 1, "valid": 0.3}
    network.train(stripes(), out=tmp_path / "one", device="cpu", threads=1, **options)
    [mine] = [
        task.folder for task in whole.plan.tasks if task.folder.match("width=4,*=0.01/seed-1")
    ]
    assert results(mine) == results(tmp_path / "one")


def test_each_point_has_a_run_with_each_seed(whole: cnndsl.Sweep) -> None:
    folders = [task.folder.relative_to(whole.folder).as_posix() for task in whole.plan.tasks]
    assert folders == [
        f"width={width},optimizer.lr={rate}/seed-{seed}"
        for width in (2, 4)
        for rate in ("0.1", "0.01")
        for seed in (0, 1)
    ]
    assert all((whole.folder / one / "model.onnx").exists() for one in folders)
    assert repr(whole) == "<Sweep of tiny: 4 points, 8 runs, 0 failed>"


def test_the_command_of_a_run_makes_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from click.testing import CliRunner

    from cnndsl.cli import main

    monkeypatch.chdir(tmp_path)
    write_files(tmp_path)
    found = swept(
        Path("here"), spec="tiny.cnn", data="data.npz", params={"width": "2"}, seeds=1, epochs=1
    )
    task = found.plan.tasks[1]
    first = results(task.folder)
    words = (task.folder / "command.txt").read_text().split()
    shutil.rmtree(task.folder)
    assert CliRunner().invoke(main, words[1:]).exit_code == 0
    assert results(task.folder) == first


def test_seeds_begin_where_they_are_asked_to(tmp_path: Path) -> None:
    spec = SPEC.replace("epochs 2", "epochs 1\n  seed 7")
    few: dict[str, Any] = {"params": {}, "settings": {}, "spec": spec}
    found = swept(tmp_path / "own", **few)
    assert [task.seed for task in found.plan.tasks] == [7, 8]
    assert [task.folder for task in found.plan.tasks] == [
        tmp_path / "own" / "seed-7",
        tmp_path / "own" / "seed-8",
    ]
    asked = swept(tmp_path / "asked", seed=3, **few)
    assert [task.seed for task in asked.plan.tasks] == [3, 4]


# --- the table ----------------------------------------------------------------------------------


def test_the_table_has_mean_and_deviation_of_what_was_measured(whole: cnndsl.Sweep) -> None:
    assert [row.rank for row in whole.rows] == [1, 2, 3, 4]
    means = [row.spreads["accuracy"].mean for row in whole.rows]
    assert means == sorted(means, reverse=True)
    for row in whole.rows:
        for name in ("accuracy", "loss"):
            numbers = []
            for task in row.tasks:
                lines = (task.folder / "metrics.jsonl").read_text().splitlines()
                epochs = [json.loads(line) for line in lines]
                # As it is told of training: the highest accuracy, then the lowest loss.
                best = max(epochs, key=lambda one: (one["valid_accuracy"], -one["valid_loss"]))
                numbers.append(best[f"valid_{name}"])
            spread = row.spreads[name]
            assert spread.mean == pytest.approx(numpy.mean(numbers), rel=1e-12)
            assert spread.deviation == pytest.approx(numpy.std(numbers, ddof=1), rel=1e-9)
            assert spread.count == 2


def test_the_files_have_the_numbers_of_the_table(whole: cnndsl.Sweep) -> None:
    import csv

    with open(whole.folder / "results.csv", encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    data = json.loads((whole.folder / "results.json").read_text("utf-8"))
    assert data == json.loads(json.dumps(whole.to_json()))
    assert len(lines) == len(data["runs"]) == 8
    for line, run in zip(lines, data["runs"], strict=True):
        assert float(line["accuracy"]) == run["accuracy"]
        assert float(line["train.optimizer.lr"]) == run["values"]["train.optimizer.lr"]
        assert (int(line["seed"]), line["folder"]) == (run["seed"], run["folder"])
    assert data["measured"] == "validation"
    assert [one["rank"] for one in data["points"]] == [1, 2, 3, 4]


def test_the_figure_is_in_the_folder(whole: cnndsl.Sweep, tmp_path: Path) -> None:
    whole.draw(tmp_path / "again.png")
    assert (tmp_path / "again.png").read_bytes() == (whole.folder / "sweep.png").read_bytes()
    assert (swept(tmp_path / "svg", params={}, figures="svg").folder / "sweep.svg").exists()


def test_the_table_is_sorted_by_what_is_asked_for(tmp_path: Path) -> None:
    spec = "input 1x6x6\nflatten -> dense 2\ntrain { loss mse\n batch 8\n epochs 1 }\n"
    x, _ = stripes()
    y = numpy.random.default_rng(1).normal(size=(60, 2)).astype(numpy.float32)
    asked: dict[str, Any] = {"spec": spec, "data": (x, y), "params": {}}
    found = swept(tmp_path / "loss", **asked)
    assert found.measure == "loss"
    means = [row.spreads["loss"].mean for row in found.rows]
    assert means == sorted(means)
    assert set(found.rows[0].spreads) == {"loss", "mae", "rmse"}
    found = swept(tmp_path / "mae", measure="mae", **asked)
    means = [row.spreads["mae"].mean for row in found.rows]
    assert means == sorted(means)
    weights = {"train.loss": "mse,mse weight 0.5"}
    assert swept(tmp_path / "weights", settings=weights, **asked).measure == "mae"
    losses = {"train.loss": "mse,mae"}
    assert swept(tmp_path / "two", settings=losses, **asked).measure == "mae"
    message = "the points cannot be sorted by `accuracy`, which is not measured"
    with complaint("CNN880", message, "sort by `loss` or `mae` or `rmse`"):
        swept(tmp_path / "no", measure="accuracy", **asked)


def test_without_validation_the_training_numbers_count(tmp_path: Path) -> None:
    found = swept(tmp_path, valid=None, seeds=1)
    assert found.to_json()["measured"] == "training"
    [row] = [row for row in found.rows if row.rank == 1]
    assert row.spreads["accuracy"].deviation is None
    assert found.results[0].best is not None
    assert found.results[0].best.valid_loss is None


# --- trouble ------------------------------------------------------------------------------------


def test_a_run_that_fails_does_not_end_the_others(tmp_path: Path) -> None:
    heard = Heard()
    rates = {"train.optimizer.lr": "1e30,0.1"}
    found = swept(tmp_path / "s", heard, settings=rates, params={"width": "2"}, seeds=2)
    assert [one.how for one in found.results] == ["failed", "failed", "finished", "finished"]
    assert heard.done == [1, 2, 3, 4]
    first = found.results[0]
    assert first.message.startswith("error[CNN805]: training diverged in epoch 1")
    assert "= help: use a smaller `lr`" in first.error
    assert [row.rank for row in found.rows] == [1, None]
    assert not found.is_interrupted
    data = json.loads((tmp_path / "s" / "results.json").read_text("utf-8"))
    assert data["runs"][0]["error"] == first.error
    assert data["runs"][0]["model"] is None


def test_a_point_with_a_run_that_failed_stands_behind_whole_ones() -> None:
    from cnndsl.runtime.events import EpochRecord
    from cnndsl.sweeps.axes import axes_of
    from cnndsl.sweeps.points import points_of
    from cnndsl.sweeps.table import rows_of

    def result(number: int, accuracy: float | None) -> RunResult:
        if accuracy is None:
            return RunResult(number, "failed")
        best = EpochRecord(1, 1, 1.0, accuracy, None, None, 0.1, 1.0, 1.0, best=True)
        return RunResult(number, "finished", best, 1)

    points = points_of(axes_of({"a": "1..4"}, "param"))
    network = cnndsl.parse(SPEC).typed
    tasks = [Task(n, n // 2, n % 2, Path(), network, "", {}) for n in range(8)]
    numbers = [0.5, 0.5, 1.0, None, None, None, 0.4, 0.8]
    found = [result(n, one) for n, one in enumerate(numbers)]
    rows = rows_of(points, tasks, found, "accuracy", valid=False)
    assert [(row.rank, row.point.text) for row in rows] == [
        (1, "a=4"),
        (2, "a=1"),
        (3, "a=2"),
        (None, "a=3"),
    ]
