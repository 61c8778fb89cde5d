"""Sweeps: each run is the one that training makes, the table its numbers, and none is lost."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy
import pytest
from training_data import complaint
from training_runs import results
from typing_extensions import override

import cnndsl
from cnndsl.diagnostics.model import CnndslError, UserError
from cnndsl.runtime.events import Listener, Progress
from cnndsl.sweeps.plan import Plan
from cnndsl.sweeps.runs import RunResult, Task
from cnndsl.sweeps.sweep import SweepListener

SPEC = """\
network tiny
param width = 3
input 1x6x6
C1: conv width@3x3 -> batchnorm -> relu
flatten -> dropout 0.2
F2: dense 3 -> softmax
train {
  optimizer sgd lr 0.1 momentum 0.9
  batch 8
  epochs 2
}
"""

Array = numpy.typing.NDArray[Any]


def stripes(count: int = 60) -> tuple[Array, Array]:
    random = numpy.random.default_rng(0)
    rows = random.permutation(numpy.arange(count) % 6)
    pictures = random.normal(0, 0.3, (count, 1, 6, 6)).astype(numpy.float32)
    pictures[numpy.arange(count), 0, rows] += 1
    return pictures, rows // 2


def swept(folder: Path, listener: SweepListener | None = None, **changes: Any) -> cnndsl.Sweep:
    """Two widths by two rates with two seeds, on one thread of the CPU."""
    asked: dict[str, Any] = {
        "spec": SPEC,
        "data": stripes(),
        "params": {"width": "2,4"},
        "settings": {"train.optimizer.lr": "0.1,0.01"},
        "seeds": 2,
        "valid": 0.3,
        "out": folder,
        "device": "cpu",
        "threads": 1,
    }
    return cnndsl.sweep(listener=listener, **{**asked, **changes})


class Heard(SweepListener):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.plans: list[Plan] = []
        self.done: list[int] = []
        self.results: list[RunResult] = []
        self.notes: list[str] = []

    @override
    def start(self, plan: Plan) -> None:
        self.plans.append(plan)

    @override
    def ended(self, task: Task, result: RunResult, done: int) -> None:
        self.done.append(done)
        self.results.append(result)

    @override
    def note(self, text: str, task: Task | None = None) -> None:
        self.notes.append(text)


class Pressing(Listener):
    """Presses Ctrl-C after so many steps of all runs together."""

    def __init__(self, after: int) -> None:
        self.left = after

    @override
    def progress(self, progress: Progress) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGINT)


def pressed(after: int) -> SweepListener:
    listener = Heard()
    listener.run = Pressing(after)
    return listener


def all_results(found: cnndsl.Sweep) -> dict[str, object]:
    """What must be the same in two sweeps: all but what tells the time."""
    kept: dict[str, object] = {}
    for task in found.plan.tasks:
        kept[str(task.folder.relative_to(found.folder))] = results(task.folder)
    data = json.loads((found.folder / "results.json").read_text("utf-8"))
    del data["folder"]
    for run in data["runs"]:
        del run["seconds"]
    return {**kept, "results.json": data}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> cnndsl.Sweep:
    """A sweep without any trouble, not to be changed."""
    return swept(tmp_path_factory.mktemp("whole") / "sweep")


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
    Path("tiny.cnn").write_text(SPEC)
    x, y = stripes()
    numpy.savez("data.npz", x=x, y=y)
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


@pytest.mark.parametrize("steps", [1, 4, 5, 6, 13, 22, 39])
def test_what_was_interrupted_goes_on_to_the_same_bits(
    whole: cnndsl.Sweep, tmp_path: Path, steps: int
) -> None:
    found = swept(tmp_path, pressed(steps))
    assert found.is_interrupted
    assert not found.failed
    heard = Heard()
    again = swept(tmp_path, heard, resume=True)
    assert not again.is_interrupted
    kept = sum(one.kept for one in again.results)
    assert kept == sum(one.is_done for one in found.results)
    assert all_results(again) == all_results(whole)


def test_ctrl_c_between_two_runs_stops_as_well(whole: cnndsl.Sweep, tmp_path: Path) -> None:
    class Between(SweepListener):
        @override
        def began(self, task: Task) -> None:
            if task.number == 3:
                raise KeyboardInterrupt

    found = swept(tmp_path, Between())
    assert [one.how for one in found.results] == ["finished"] * 3 + ["not begun"] * 5
    assert all_results(swept(tmp_path, resume=True)) == all_results(whole)


def test_more_points_and_seeds_are_added_to_what_is_there(
    whole: cnndsl.Sweep, tmp_path: Path
) -> None:
    swept(tmp_path, params={"width": ["2"]}, seeds=1)
    swept(tmp_path, params={"width": ["2", "4"]}, seeds=1, resume=True)
    again = swept(tmp_path, resume=True)
    # With one width, the width is no part of a folder's name.
    assert sum(one.kept for one in again.results) == 4
    assert all_results(again) == all_results(whole)


def test_another_recipe_is_not_taken_for_what_was_trained(tmp_path: Path) -> None:
    few: dict[str, Any] = {"params": {}, "seeds": 1}
    swept(tmp_path, **few)
    longer = swept(tmp_path, epochs=3, resume=True, **few)
    assert [(one.how, one.epochs, one.kept) for one in longer.results] == [
        ("finished", 3, False)
    ] * 2
    other = swept(tmp_path, epochs=3, batch=4, resume=True, **few)
    assert [one.how for one in other.results] == ["failed"] * 2
    assert other.results[0].message.startswith("error[CNN807]")


def test_a_run_that_somebody_went_on_with_is_looked_at_again(tmp_path: Path) -> None:
    found = swept(tmp_path, params={}, settings={}, seeds=1)
    folder = found.plan.tasks[0].folder
    network = cnndsl.parse(SPEC, "tiny.cnn")
    options: dict[str, Any] = {"epochs": 4, "valid": 0.3, "device": "cpu", "threads": 1}
    network.train(stripes(), out=folder, resume=True, **options)
    again = swept(tmp_path, params={}, settings={}, seeds=1, resume=True)
    assert not again.results[0].kept


@pytest.mark.parametrize("content", ["", "{", "[]", '{"run": 1}', "null"])
def test_a_damaged_mark_is_no_mark(tmp_path: Path, content: str) -> None:
    found = swept(tmp_path, params={}, settings={}, seeds=1)
    (found.plan.tasks[0].folder / "result.json").write_text(content)
    again = swept(tmp_path, params={}, settings={}, seeds=1, resume=True)
    assert (again.results[0].how, again.results[0].kept) == ("finished", False)


def test_other_weights_to_begin_with_are_another_run(tmp_path: Path) -> None:
    few: dict[str, Any] = {"params": {}, "settings": {}, "seeds": 1}
    first = swept(tmp_path / "first", **few)
    weights = first.plan.tasks[0].folder / "last.safetensors"
    swept(tmp_path / "second", weights=weights, **few)
    assert swept(tmp_path / "second", weights=weights, resume=True, **few).results[0].kept
    assert not swept(tmp_path / "second", resume=True, **few).results[0].kept


# --- in front -----------------------------------------------------------------------------------


def nothing_trained(folder: Path, **changes: Any) -> CnndslError:
    with pytest.raises(CnndslError) as caught:
        swept(folder, **changes)
    assert not folder.exists()
    return caught.value


def test_a_wrong_point_is_refused_before_anything_trains(tmp_path: Path) -> None:
    text = str(nothing_trained(tmp_path / "s", params={"width": "2,4,0"}))
    assert "error[CNN205]: the filters of `conv` must be at least 1, not 0" in text
    assert "this is so at `width=0 optimizer.lr=0.1`, `width=0 optimizer.lr=0.01`" in text
    error = nothing_trained(tmp_path / "s", settings={"train.optimizer.lr": "0.1,-1"})
    assert isinstance(error, UserError)
    assert error.message == "`train.optimizer.lr=-1`: `lr` must be greater than 0, not -1"
    [note] = error.notes
    assert note == "this is so at `width=2 optimizer.lr=-1`, `width=4 optimizer.lr=-1`"
    error = nothing_trained(tmp_path / "s", params={"widht": "2,4"})
    assert isinstance(error, UserError)
    assert (error.code, error.help) == ("CNN114", "did you mean `-D width=2`?")


def test_wrong_points_of_several_kinds_are_counted(tmp_path: Path) -> None:
    wrong = {"train.optimizer.lr": "0.1,-1"}
    text = str(nothing_trained(tmp_path / "s", params={"width": "0,2"}, settings=wrong))
    assert "this is so at `width=0 optimizer.lr=0.1`, `width=0 optimizer.lr=-1`" in text
    assert "1 other point is wrong too" in text


def test_data_that_does_not_fit_is_refused_before_anything_trains(tmp_path: Path) -> None:
    spec = SPEC.replace("dense 3", "dense classes").replace(
        "param width", "param classes = 3\nparam width"
    )
    error = nothing_trained(tmp_path / "s", spec=spec, params={"classes": "2,3"})
    assert isinstance(error, UserError)
    assert error.code == "CNN802"
    assert "at `classes=2" in error.notes[-1]
    missing = nothing_trained(tmp_path / "s", data="missing.npz")
    assert "missing.npz" in str(missing)


def test_points_that_are_one_are_refused(tmp_path: Path) -> None:
    error = nothing_trained(
        tmp_path / "s", params={}, settings={"train.optimizer": "adam,adam lr 0.001"}
    )
    assert isinstance(error, UserError)
    assert error.code == "CNN883"
    assert "`optimizer=adam` and `optimizer=adam lr 0.001`" in error.message


@pytest.mark.parametrize(
    ("changes", "message", "help"),
    [
        (
            {"settings": {"train.seed": "1,2"}},
            "`train.seed=1,2`: each point is trained with all seeds",
            "give `--seeds 5` for five seeds, and `--seed 7` for the first of them",
        ),
        (
            {"settings": {"train.epochs": "1,2"}, "epochs": 3},
            "`train.epochs=1,2`: `--epochs` is given too",
            "leave out `--epochs`",
        ),
    ],
)
def test_what_has_an_option_of_its_own_is_no_axis(
    tmp_path: Path, changes: dict[str, Any], message: str, help: str
) -> None:
    with complaint("CNN880", message, help):
        swept(tmp_path, **changes)


def test_a_folder_is_not_written_over(tmp_path: Path) -> None:
    swept(tmp_path / "s", params={}, settings={}, seeds=1)
    message = f"the folder `{tmp_path / 's'}` is taken by another sweep"
    help = "go on with it with `--resume`, or choose another folder with `--out`"
    with complaint("CNN882", message, help, "there is `results.json` in it"):
        swept(tmp_path / "s", params={}, settings={}, seeds=1)
    for file in (tmp_path / "s").glob("results.*"):
        file.unlink()
    with complaint("CNN882", message, help, "there is `seed-0` in it"):
        swept(tmp_path / "s", params={}, settings={}, seeds=1)


def test_two_sweeps_do_not_share_a_folder(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")

    class Second(SweepListener):
        @override
        def began(self, task: Task) -> None:
            with complaint(
                "CNN882",
                f"another process has a sweep in `{tmp_path}` under way",
                "wait until it ends, or choose another folder with `--out`",
            ):
                swept(tmp_path, params={}, settings={}, seeds=1, resume=True)

    swept(tmp_path, Second(), params={}, settings={}, seeds=1)


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match="cannot write") as caught:
        swept(tmp_path / "file", params={}, settings={}, seeds=1)
    assert caught.value.code == "CNN603"


def test_options_that_there_are_not_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="a sweep has no option `epoch`"):
        swept(tmp_path, epoch=3)
    with pytest.raises(ValueError, match="`seeds` must be 1 or more, not 0"):
        swept(tmp_path, seeds=0)


def test_a_note_is_told_once(tmp_path: Path) -> None:
    heard = Heard()
    swept(tmp_path, heard, data=stripes(8), valid=None, params={}, epochs=1)
    assert len(heard.results) == 4
    assert len(set(heard.notes)) == len(heard.notes)
