"""A sweep that was interrupted goes on: what is over is kept, the rest ends with the same bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sweep_runs import SPEC, Heard, all_results, pressed, stripes, swept
from typing_extensions import override

import cnndsl
from cnndsl.runtime.logs.figures import FiguresLog
from cnndsl.sweeps.runs import Task
from cnndsl.sweeps.sweep import SweepListener


@pytest.fixture(autouse=True)
def _no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each run: they take half of its time, and nobody looks at them here."""
    monkeypatch.setattr(FiguresLog, "_draw", lambda self: None)


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
