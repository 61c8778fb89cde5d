"""Whole runs by several workers, as threads of this process: the folder is one process's folder."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pytest
from training_runs import (
    BODY,
    SGD,
    Recorder,
    interrupted_at,
    network,
    refused,
    request,
    results,
    stripes,
)

from cnndsl import pipeline
from cnndsl.diagnostics.model import UserError
from cnndsl.runtime import host
from cnndsl.runtime.checkpoint import list_checkpoints, read_checkpoint, write_checkpoint
from cnndsl.runtime.events import Listener, Outcome
from cnndsl.runtime.plan import TrainingRequest
from cnndsl.runtime.tuned_step import step_on
from cnndsl.runtime.tuning import Tuning
from cnndsl.runtime.workers.communicator import Communicator
from cnndsl.runtime.workers.threads import together
from cnndsl.training.host import Host
from cnndsl.training.passes import blocking

CHANCE = f"{SGD}; augment noise 0.1; augment flip; schedule cosine"


def train_with(
    wanted: TrainingRequest, count: int, listeners: Sequence[Listener] = ()
) -> list[Outcome]:
    """What each of some workers gets of a run."""

    def work(others: Communicator) -> Outcome:
        rank = others.worker.rank
        listener = listeners[rank] if rank < len(listeners) else Recorder()
        return pipeline.train(replace(wanted, workers=others), listener)

    return together(count, work)


def facts(outcome: Outcome) -> list[Any]:
    return [
        (one.epoch, one.step, one.loss, one.valid_loss, one.accuracy, one.valid_accuracy)
        for one in outcome.records
    ]


@pytest.mark.parametrize("shards", [4, 5])
def test_the_folder_does_not_depend_on_the_number_of_workers(tmp_path: Path, shards: int) -> None:
    typed = network(f"{CHANCE}; shards {shards}")
    wanted = request(tmp_path / "alone", network=typed, valid=stripes(130, seed=1))
    alone = pipeline.train(wanted, Recorder())
    for count in (2, 3, shards):
        folder = tmp_path / f"{count}"
        found = train_with(replace(wanted, folder=folder), count)
        assert results(folder) == results(tmp_path / "alone")
        assert all(facts(one) == facts(alone) for one in found)


# --- faults -----------------------------------------------------------------------------------


class KilledError(Exception):
    """Ends a worker as a kill would: nothing is written after it."""


def killed_at(number: int) -> Recorder:
    seen: list[object] = []

    def press(progress: object) -> None:
        seen.append(progress)
        if len(seen) == number:
            raise KilledError

    return Recorder(press)


@pytest.mark.parametrize(
    ("number", "first", "second"), [(2, 2, 3), (5, 4, 1), (7, 1, 2), (8, 3, 4)]
)
def test_a_killed_run_goes_on_with_any_number_of_workers(
    tmp_path: Path, number: int, first: int, second: int
) -> None:
    typed = network(f"{CHANCE}; shards 4")
    wanted = request(tmp_path / "alone", network=typed, valid=stripes(70, seed=1))
    alone = pipeline.train(wanted, Recorder())
    cut = replace(wanted, folder=tmp_path / "cut", checkpoint_steps=2)
    with pytest.raises(KilledError):
        train_with(cut, first, [killed_at(number)])
    found = train_with(replace(cut, resume="latest"), second)
    assert results(tmp_path / "cut") == results(tmp_path / "alone")
    assert all(facts(one) == facts(alone) for one in found)
    (*_, one), (*_, other) = (
        list_checkpoints(tmp_path / name / "checkpoints") for name in ("cut", "alone")
    )
    states = [read_checkpoint(path).state for path in (one, other)]
    assert all((states[0][name] == states[1][name]).all() for name in states[1])


def errors_of(wanted: TrainingRequest, count: int, own: dict[int, Any]) -> list[UserError]:
    """The error that each worker ends with; ``own`` changes the request of some."""

    def work(others: Communicator) -> UserError:
        changed = replace(wanted, workers=others, **own.get(others.worker.rank, {}))
        with pytest.raises(UserError) as caught:
            pipeline.train(changed, Recorder())
        return caught.value

    return together(count, work)


def broken(count: int) -> Any:
    """Stripes of which one cannot be read when a batch wants it."""
    data = stripes(count)

    def read(indices: Any) -> None:
        if 7 in indices:
            raise UserError("CNN803", "`arrays[7]` cannot be read", help="mend it")

    data.before_reading = read
    return data


def test_data_that_one_worker_cannot_read_ends_all_and_loses_nothing(tmp_path: Path) -> None:
    typed = network(f"{CHANCE}; shards 4")
    wanted = request(tmp_path / "alone", network=typed)
    pipeline.train(wanted, Recorder())
    cut = replace(wanted, folder=tmp_path / "cut")
    found = errors_of(cut, 3, {rank: {"data": broken(30)} for rank in range(3)})
    assert {one.code for one in found} == {"CNN803"}
    assert {one.message for one in found} == {"`arrays[7]` cannot be read"}
    if list_checkpoints(tmp_path / "cut" / "checkpoints"):
        assert all("add `--resume`" in one.help for one in found)
        train_with(replace(cut, resume="latest"), 2)
    else:
        train_with(cut, 2)
    assert results(tmp_path / "cut") == results(tmp_path / "alone")


def test_an_error_of_one_worker_names_it(tmp_path: Path) -> None:
    wanted = request(tmp_path / "run", network=network(f"{SGD}; shards 4"))
    few = stripes(30, classes=("a", "b", "c", "d"))
    found = errors_of(wanted, 3, {1: {"data": few}})
    assert {one.code for one in found} == {found[0].code}
    assert "worker 1 on this process says so" in found[0].notes
    assert not (tmp_path / "run" / "model.onnx").exists()


def test_workers_with_other_data_are_refused(tmp_path: Path) -> None:
    wanted = request(tmp_path / "run", network=network(f"{SGD}; shards 4"))
    found = errors_of(wanted, 3, {2: {"data": stripes(30, seed=5)}})
    assert {one.code for one in found} == {"CNN878"}
    assert "worker 2 on this process has another run than worker 0" in found[0].message
    assert "the fingerprint of the training data" in found[0].message


def test_a_run_that_diverges_ends_all(tmp_path: Path) -> None:
    typed = network("optimizer sgd lr 1e30; batch 8; epochs 3; shards 4")
    found = errors_of(request(tmp_path / "run", network=typed), 2, {})
    assert {one.code for one in found} == {"CNN805"}


def test_a_full_disk_of_the_one_that_writes_ends_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = network(f"{CHANCE}; shards 4")
    wanted = request(tmp_path / "alone", network=typed)
    pipeline.train(wanted, Recorder())
    cut = replace(wanted, folder=tmp_path / "cut", checkpoint_steps=1)
    left = [4]

    def write(*arguments: Any) -> Path:
        left[0] -= 1
        if left[0] < 0:
            raise UserError("CNN603", "cannot write: no space left on device", help="make room")
        return written(*arguments)

    written = write_checkpoint
    monkeypatch.setattr("cnndsl.runtime.run_writer.write_checkpoint", write)
    found = errors_of(cut, 3, {})
    assert {one.code for one in found} == {"CNN603"}
    monkeypatch.undo()
    train_with(replace(cut, resume="latest"), 2)
    assert results(tmp_path / "cut") == results(tmp_path / "alone")


def test_validation_data_that_one_worker_cannot_take_ends_all(tmp_path: Path) -> None:
    valid = stripes(200, seed=1)
    valid.arrays["input"][100, 0, 0, 0] = numpy.nan  # in the second batch: another worker's
    typed = network(f"{SGD}; shards 4")
    found = errors_of(request(tmp_path / "run", network=typed, valid=valid), 3, {})
    assert {one.code for one in found} == {"CNN803"}
    assert all("arrays[100]" in one.message for one in found)


# --- one process ------------------------------------------------------------------------------


def test_ctrl_c_ends_a_run_in_shards_between_two_steps(tmp_path: Path) -> None:
    typed = network(f"{CHANCE}; shards 3")
    wanted = request(tmp_path / "whole", network=typed, valid=stripes(70, seed=1))
    pipeline.train(wanted, Recorder())
    halves = replace(wanted, folder=tmp_path / "halves")
    listener = interrupted_at(4)
    assert pipeline.train(halves, listener).how == "interrupted"
    assert len(listener.steps) == 4
    assert pipeline.train(replace(halves, resume="latest"), Recorder()).how == "finished"
    assert results(tmp_path / "halves") == results(tmp_path / "whole")


def test_a_checkpoint_of_another_number_of_shards_is_of_another_run(tmp_path: Path) -> None:
    wanted = request(tmp_path / "run", network=network(f"{SGD}; shards 2"))
    assert pipeline.train(wanted, interrupted_at(2)).how == "interrupted"
    other = replace(wanted, network=network(f"{SGD}; shards 3"), resume="latest")
    assert "train.shards is `2` in the checkpoint, `3` now" in refused(other, "CNN807").message
    one = replace(wanted, network=network(SGD), resume="latest")
    assert "train.shards is `2` in the checkpoint, `1` now" in refused(one, "CNN807").message


def test_more_shards_than_samples_are_refused(tmp_path: Path) -> None:
    wanted = request(tmp_path / "run", network=network(f"{SGD}; shards 6"), data=stripes(5))
    said = refused(wanted, "CNN507").message
    assert said == "a batch of 5 samples cannot be divided into 6 shards"


def test_a_run_in_shards_looks_into_the_network(tmp_path: Path) -> None:
    """What is noted is of the first shard, which the worker that leads has."""
    typed = network("optimizer sgd lr 1e-9; batch 8; epochs 1; shards 4")
    wanted = request(tmp_path / "a", network=typed, examine=True)
    alone = Recorder()
    pipeline.train(wanted, alone)
    leading = Recorder()
    train_with(replace(wanted, folder=tmp_path / "b"), 3, [leading])
    assert any("times its size" in note for note in alone.notes)
    assert alone.notes == leading.notes


def test_the_worker_that_leads_chooses_forms_for_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of them would time them otherwise; here everyone's clock says something else."""
    monkeypatch.setattr(blocking, "is_near", lambda g, block: True)
    monkeypatch.setattr(host, "found_host", lambda: Host(16))
    picker = random.Random(0)
    monkeypatch.setattr(Tuning, "_is_faster", lambda *_: picker.random() < 0.5)
    typed = network(f"{CHANCE}; shards 4", BODY.replace("conv 3@", "conv 32@"))
    built: list[str] = []

    def work(others: Communicator) -> None:
        wanted = request(tmp_path / "run", network=typed, tune=True, workers=others)
        built.append(str(step_on(wanted, "cpu").host))

    together(3, work)
    assert len(built) == 3
    assert len(set(built)) == 1
    assert "0 forms" not in built[0]
