"""What is wrong with a sweep is said before its first run, and no folder is written over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sweep_runs import SPEC, Heard, stripes, swept
from training_data import complaint
from typing_extensions import override

from cnndsl.diagnostics.model import CnndslError, UserError
from cnndsl.sweeps.runs import Task
from cnndsl.sweeps.sweep import SweepListener

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


def test_a_parameter_that_nothing_reads_makes_no_points(tmp_path: Path) -> None:
    spec = SPEC.replace("param width", "param unread = 1\nparam width")
    error = nothing_trained(tmp_path / "s", spec=spec, params={"unread": "1,2"}, settings={})
    assert isinstance(error, UserError)
    assert error.code == "CNN883"
    assert error.message.startswith("`unread=1` and `unread=2` are one and the same")


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
