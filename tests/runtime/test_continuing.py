"""A run that is to go on for longer, or with mended data, goes on; one that is over says so."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pytest
from training_runs import ArrayData, Recorder, network, refused, request, results, stripes
from typing_extensions import override

from cnndsl.data.samples import Broken, BrokenSampleError, Indices, Subset
from cnndsl.diagnostics.model import UserError
from cnndsl.pipeline import train
from cnndsl.runtime.checkpoint import list_checkpoints, read_checkpoint
from cnndsl.runtime.plan import TrainingRequest

SLOW = "optimizer sgd lr 1e-9; batch 8"
"""The validation loss has a new best in the first epoch, and then hardly one."""


def wanted(folder: Path, settings: str, **more: Any) -> TrainingRequest:
    values = {"valid": stripes(12, seed=1), **more}
    return request(folder, network=network(settings), **values)


def epochs(settings: TrainingRequest) -> int:
    return len(train(settings, Recorder()).records)


# --- epochs and patience ----------------------------------------------------------------------


def stopped_early(folder: Path) -> int:
    """A run that had no new best for 2 epochs; gives the epochs it took."""
    outcome = train(wanted(folder, f"{STALLS}; epochs 30; early_stop 2"), Recorder())
    assert outcome.how == "stopped early"
    return len(outcome.records)


STALLS = "optimizer sgd lr 3; batch 8"
"""So fast that the validation loss goes up and down."""


def test_a_run_that_stopped_early_goes_on_for_more_epochs(tmp_path: Path) -> None:
    done = stopped_early(tmp_path)
    again = wanted(tmp_path, f"{STALLS}; epochs 40; early_stop 2", resume="latest")
    listener = Recorder()
    outcome = train(again, listener)
    # Its patience is anew: it takes at least as many epochs as that.
    assert len(outcome.records) >= done + 2
    assert any("train.epochs was 30 before, and is 40 now" in note for note in listener.notes)
    kept = results(tmp_path)
    listener = Recorder()
    assert train(again, listener).records == outcome.records
    assert not listener.steps
    assert results(tmp_path) == kept


@pytest.mark.parametrize("patience", [3, 5, 100])
def test_a_larger_patience_is_as_if_it_had_been_that_from_the_start(
    tmp_path: Path, patience: int
) -> None:
    stopped_early(tmp_path / "halves")
    settings = f"{STALLS}; epochs 12; early_stop {patience}"
    train(wanted(tmp_path / "halves", settings, resume="latest"), Recorder())
    train(wanted(tmp_path / "whole", settings), Recorder())
    assert results(tmp_path / "halves") == results(tmp_path / "whole")


def test_without_early_stop_a_run_that_stopped_goes_on_to_the_end(tmp_path: Path) -> None:
    stopped_early(tmp_path / "halves")
    settings = f"{STALLS}; epochs 12"
    outcome = train(wanted(tmp_path / "halves", settings, resume="latest"), Recorder())
    assert outcome.how == "finished"
    train(wanted(tmp_path / "whole", settings), Recorder())
    assert results(tmp_path / "halves") == results(tmp_path / "whole")


def test_a_patience_that_comes_later_counts_what_has_passed(tmp_path: Path) -> None:
    done = stopped_early(tmp_path / "model")
    settings = f"{STALLS}; epochs {done}"
    train(wanted(tmp_path, settings), Recorder())
    listener = Recorder()
    longer = f"{STALLS}; epochs 30; early_stop 2"
    outcome = train(wanted(tmp_path, longer, resume="latest"), listener)
    assert (outcome.how, len(outcome.records)) == ("stopped early", done)
    assert "a larger `train.early_stop` or more `--epochs`" in listener.notes[-1]


def test_a_stop_in_the_last_epoch_does_not_end_the_next_ones(tmp_path: Path) -> None:
    done = stopped_early(tmp_path / "model")
    settings = f"{STALLS}; early_stop 2; epochs "
    outcome = train(wanted(tmp_path, f"{settings}{done}"), Recorder())
    assert outcome.how == "finished"
    again = train(wanted(tmp_path, f"{settings}{done + 9}", resume="latest"), Recorder())
    assert len(again.records) >= done + 2


@pytest.mark.parametrize("schedule", ["cosine", "polynomial", "cosine warmup 1"])
def test_schedules_that_look_ahead_go_on_and_say_that_the_rate_is_another(
    tmp_path: Path, schedule: str
) -> None:
    settings = f"optimizer sgd lr 0.1; batch 8; schedule {schedule}; epochs "
    train(wanted(tmp_path, f"{settings}3"), Recorder())
    listener = Recorder()
    outcome = train(wanted(tmp_path, f"{settings}5", resume="latest"), listener)
    assert len(outcome.records) == 5
    word = schedule.split()[0]
    assert any(f"`schedule {word}` goes to the last epoch" in note for note in listener.notes)
    straight = train(wanted(tmp_path / "whole", f"{settings}5"), Recorder())
    assert outcome.records[-1].lr == straight.records[-1].lr


def test_the_patience_of_a_plateau_may_change(tmp_path: Path) -> None:
    settings = f"{STALLS}; epochs {{}}; schedule plateau patience {{}} factor 0.5"
    train(wanted(tmp_path, settings.format(3, 2)), Recorder())
    outcome = train(wanted(tmp_path, settings.format(6, 1), resume="latest"), Recorder())
    assert len(outcome.records) == 6


def test_another_schedule_or_factor_is_another_run(tmp_path: Path) -> None:
    train(wanted(tmp_path, f"{STALLS}; epochs 2; schedule plateau"), Recorder())
    for other in ("schedule plateau factor 0.5", "schedule constant"):
        refused(wanted(tmp_path, f"{STALLS}; epochs 2; {other}", resume="latest"), "CNN807")


def test_fewer_epochs_than_are_done_change_nothing(tmp_path: Path) -> None:
    train(wanted(tmp_path, f"{STALLS}; epochs 4"), Recorder())
    listener = Recorder()
    outcome = train(wanted(tmp_path, f"{STALLS}; epochs 2", resume="latest"), listener)
    assert len(outcome.records) == 4
    assert not listener.steps


def test_what_is_kept_and_the_number_of_threads_may_change(tmp_path: Path) -> None:
    settings = "optimizer sgd lr 0.1; batch 8; epochs {}"
    train(wanted(tmp_path, settings.format(2), keep=3, threads=1), Recorder())
    again = wanted(tmp_path, settings.format(5), resume="latest", keep=1, threads=2)
    assert epochs(again) == 5
    assert len(list_checkpoints(tmp_path / "checkpoints")) == 1


def test_a_run_that_is_over_says_how_it_goes_on(tmp_path: Path) -> None:
    train(wanted(tmp_path / "a", f"{SLOW}; epochs 2"), Recorder())
    listener = Recorder()
    train(wanted(tmp_path / "a", f"{SLOW}; epochs 2", resume="latest"), listener)
    assert listener.notes == ["all 2 epochs are done: more `--epochs` let it go on"]
    done = stopped_early(tmp_path / "b")
    listener = Recorder()
    settings = f"{STALLS}; epochs 30; early_stop 2"
    train(wanted(tmp_path / "b", settings, resume="latest"), listener)
    assert listener.notes == [
        f"the run has stopped early, after epoch {done}: a larger `train.early_stop` or more"
        " `--epochs` let it go on"
    ]


# --- data that could not be read --------------------------------------------------------------


class Breaking(ArrayData):
    """Samples of which one cannot be read from some moment on."""

    broken: Sequence[int] = ()

    @override
    def load(self, indices: Indices) -> dict[str, Any]:
        for at in indices.tolist():
            if at in self.broken:
                raise BrokenSampleError(Broken(at, self.name_of(at), "it is broken"))
        return super().load(indices)

    @override
    def faults(self, indices: Indices) -> list[Broken]:
        return [
            Broken(at, self.name_of(at), "it is broken")
            for at in indices.tolist()
            if at in self.broken
        ]


def breaking(count: int, seed: int = 0) -> Breaking:
    data = stripes(count, seed)
    return Breaking(data.arrays, labels=data.labels)


def breaks_off(folder: Path, **more: Any) -> tuple[TrainingRequest, Breaking]:
    """A request whose run is stopped by its data after the first epoch, and that data."""
    data = breaking(30)

    def look(indices: Indices) -> None:
        seen.append(len(indices))
        if len(seen) > 4:
            data.broken = [7]

    seen: list[int] = []
    data.before_reading = look
    settings = "optimizer sgd lr 0.1 momentum 0.9; batch 8; epochs 4"
    asked = wanted(folder, settings, data=data, **more)
    error = refused(asked, "CNN803")
    assert "--skip-broken" in error.help
    assert "add `--resume` to go on from here" in error.help
    data.before_reading = lambda indices: None
    return asked, data


def test_without_the_broken_sample_the_run_goes_on(tmp_path: Path) -> None:
    asked, data = breaks_off(tmp_path)
    left = Subset(data, numpy.delete(numpy.arange(30), 7))
    listener = Recorder()
    outcome = train(replace(asked, data=left, resume="latest"), listener)
    assert [record.epoch for record in outcome.records] == [1, 2, 3, 4]
    assert any(re.search(r"epoch [23] begins anew with it", note) for note in listener.notes)
    # From then on it is a run as others.
    refused(replace(asked, resume="latest"), "CNN807")


def test_with_the_sample_as_it_was_the_run_is_the_one_that_never_stopped(tmp_path: Path) -> None:
    asked, data = breaks_off(tmp_path / "halves")
    data.broken = ()
    train(replace(asked, resume="latest"), Recorder())
    train(replace(asked, folder=tmp_path / "whole"), Recorder())
    assert results(tmp_path / "halves") == results(tmp_path / "whole")


def test_with_a_repaired_sample_the_run_goes_on(tmp_path: Path) -> None:
    asked, data = breaks_off(tmp_path)
    repaired = {"input": data.arrays["input"].copy()}
    repaired["input"][7] = 0
    mended = ArrayData(repaired, labels=data.labels)
    assert mended.fingerprint != data.fingerprint
    assert epochs(replace(asked, data=mended, resume="latest")) == 4


def test_fewer_samples_than_a_batch_may_be_left(tmp_path: Path) -> None:
    data = breaking(6)
    calls: list[int] = []

    def look(indices: Indices) -> None:
        calls.append(1)
        if len(calls) > 1:
            data.broken = [2]

    data.before_reading = look
    asked = wanted(tmp_path, "optimizer sgd lr 0.1; batch 8; epochs 3", data=data)
    refused(asked, "CNN803")
    left = Subset(data, numpy.delete(numpy.arange(6), 2))
    assert epochs(replace(asked, data=left, resume="latest")) == 3


def test_a_broken_sample_to_validate_with_loses_no_epoch(tmp_path: Path) -> None:
    valid = breaking(12, seed=1)
    valid.broken = [3]
    settings = "optimizer sgd lr 0.1; batch 8; epochs 3"
    asked = wanted(tmp_path / "halves", settings, valid=valid)
    refused(asked, "CNN803")
    [path] = list_checkpoints(tmp_path / "halves" / "checkpoints")
    assert read_checkpoint(path).position.step == 3
    valid.broken = ()
    listener = Recorder()
    train(replace(asked, resume="latest"), listener)
    assert len(listener.steps) == 6
    train(replace(asked, folder=tmp_path / "whole"), Recorder())
    assert results(tmp_path / "halves") == results(tmp_path / "whole")


def test_other_data_is_another_run_where_nothing_was_broken(tmp_path: Path) -> None:
    asked = wanted(tmp_path, "optimizer sgd lr 0.1; batch 8; epochs 2")
    train(asked, Recorder())
    refused(replace(asked, data=stripes(30, seed=5), resume="latest"), "CNN807")


def test_a_file_that_changed_in_a_run_may_be_gone_on_with(tmp_path: Path) -> None:
    data = stripes(30)

    def look(indices: Indices) -> None:
        seen.append(1)
        if len(seen) > 4:
            raise UserError("CNN804", "`a.png` changed after the data was opened", help="look")

    seen: list[int] = []
    data.before_reading = look
    asked = wanted(tmp_path, "optimizer sgd lr 0.1; batch 8; epochs 3", data=data)
    assert refused(asked, "CNN804").help == "look; add `--resume` to go on from here"
    assert epochs(replace(asked, data=stripes(30, seed=3), resume="latest")) == 3
