"""What a run shows beside its losses follows from the loss: errors where numbers are to be met."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pytest
from training_runs import ArrayData, Recorder, network, request, results

from cnndsl.elaborate.network import TypedNetwork
from cnndsl.pipeline import train
from cnndsl.runtime.checkpoint import (
    Position,
    list_checkpoints,
    read_checkpoint,
    write_checkpoint,
)
from cnndsl.runtime.events import EpochRecord, Progress


class EnoughError(Exception):
    """A run is to end here, as if it had been killed."""


BODY = "input 3\ndense 4 -> tanh\ndense 2"


def regression(epochs: int = 3) -> TypedNetwork:
    return network(f"loss mse; optimizer sgd lr 0.05; batch 5; epochs {epochs}", BODY)


def numbers(count: int, seed: int = 0) -> ArrayData:
    x = numpy.random.default_rng(seed).normal(size=(count, 3)).astype(numpy.float32)
    return ArrayData({"input": x}, targets=x[:, :2] * 3 + 40)


def options(**more: Any) -> dict[str, Any]:
    return {"network": regression(), "data": numbers(20), "valid": numbers(7, seed=1), **more}


def test_where_numbers_are_to_be_met_there_are_errors_and_no_accuracy(tmp_path: Path) -> None:
    listener = Recorder()
    outcome = train(request(tmp_path, **options()), listener)
    for one in outcome.records:
        assert (one.accuracy, one.valid_accuracy) == (None, None)
        assert one.rmse == math.sqrt(one.loss)
        assert one.valid_loss is not None
        assert one.valid_rmse == pytest.approx(math.sqrt(one.valid_loss))
        assert one.mae is not None
        assert 0 < one.mae < one.rmse
        assert one.valid_mae is not None
        assert one.valid_rmse is not None
        assert 0 < one.valid_mae < one.valid_rmse
    last = listener.steps[-1]
    assert (last.accuracy, last.mae) == (None, outcome.records[-1].mae)
    with open(tmp_path / "metrics.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        *("epoch", "step", "loss", "mae", "rmse", "valid_loss", "valid_mae", "valid_rmse"),
        *("lr", "seconds", "rate", "best"),
    ]
    assert float(rows[-1]["valid_mae"]) == outcome.records[-1].valid_mae
    assert not (tmp_path / "confusion.csv").exists()


def test_a_mean_absolute_error_is_that_of_its_epochs_steps(tmp_path: Path) -> None:
    typed = network("loss mse; optimizer sgd lr 1e-30; batch 5; epochs 1", BODY)
    data = numbers(20)
    outcome = train(request(tmp_path, network=typed, data=data, valid=data), Recorder())
    (record,) = outcome.records
    # The weights did not move, so training and validation measure the same.
    assert record.mae == pytest.approx(record.valid_mae, rel=1e-6)


@pytest.mark.parametrize("stop_after", [1, 6])
def test_errors_go_on_within_an_epoch_bit_for_bit(tmp_path: Path, stop_after: int) -> None:
    train(request(tmp_path / "whole", **options()), Recorder())

    def stop(progress: Progress) -> None:
        if (progress.epoch - 1) * 4 + progress.step > stop_after:
            raise EnoughError

    half = options(checkpoint_steps=1)
    with pytest.raises(EnoughError):
        train(request(tmp_path / "halves", **half), Recorder(stop))
    train(request(tmp_path / "halves", **half, resume="latest"), Recorder())
    assert results(tmp_path / "halves") == results(tmp_path / "whole")


def test_labels_that_may_hold_together_are_answers_one_by_one(tmp_path: Path) -> None:
    typed = network("loss binarycrossentropy; optimizer sgd lr 0.05; batch 5; epochs 2", BODY)
    data = numbers(20)
    assert data.targets is not None
    data.targets = (data.arrays["input"][:, :2] > 0).astype(numpy.float32)
    outcome = train(request(tmp_path, network=typed, data=data, valid=data), Recorder())
    for one in outcome.records:
        # Forty answers, not twenty samples.
        assert one.valid_accuracy is not None
        assert one.valid_accuracy * 40 == pytest.approx(round(one.valid_accuracy * 40))
    with open(tmp_path / "confusion.csv", encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["label", "true +", "false +", "false -", "true -"]
    assert [name for name, *_ in rows] == ["0", "1"]
    assert [sum(map(int, counts)) for _, *counts in rows] == [20, 20]


def test_a_position_of_an_older_version_is_read_without_what_it_counted() -> None:
    position = Position(epoch=1, step=2, number=9, loss=0.5, metrics={"correct": 4})
    assert Position.from_json(json.loads(json.dumps(position.to_json()))) == position
    record: dict[str, object] = {"epoch": 1, "step": 7, "loss": 0.25, "accuracy": 0.5}
    record |= {"valid_loss": None, "valid_accuracy": None}
    record |= {"lr": 0.1, "seconds": 1.0, "rate": 2.0, "best": True}
    old = position.to_json() | {"correct": 4, "records": [record]}
    del old["metrics"]
    found = Position.from_json(old)
    assert found.metrics == {}
    assert found.records == (EpochRecord(1, 7, 0.25, 0.5, None, None, 0.1, 1.0, 2.0, best=True),)


def test_what_an_older_version_counted_within_an_epoch_is_unknown_there(tmp_path: Path) -> None:
    def stop(progress: Progress) -> None:
        if progress.step == 3:
            raise EnoughError

    half = options(checkpoint_steps=1)
    with pytest.raises(EnoughError):
        train(request(tmp_path, **half), Recorder(stop))
    checkpoints = tmp_path / "checkpoints"
    found = read_checkpoint(list_checkpoints(checkpoints)[-1])
    write_checkpoint(checkpoints, replace(found, position=replace(found.position, metrics={})))
    outcome = train(request(tmp_path, **half, resume="latest"), Recorder())
    first, *others = outcome.records
    assert first.mae is not None
    assert math.isnan(first.mae)
    assert all(one.mae is not None and math.isfinite(one.mae) for one in others)
