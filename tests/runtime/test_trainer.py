"""A run trains, keeps the books and fills its folder; what goes wrong costs nothing learnt."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path

import numpy
import onnx
import pytest
from safetensors.numpy import load_file
from training_runs import (
    SGD,
    ArrayData,
    Recorder,
    network,
    refused,
    request,
    results,
    stripes,
)

from cnndsl.diagnostics.model import UserError
from cnndsl.graph.artifact import read_artifact
from cnndsl.pipeline import check_text, evaluate, train
from cnndsl.runtime.checkpoint import list_checkpoints
from cnndsl.runtime.epoch_sums import EpochSums, Measures
from cnndsl.runtime.evaluation import Evaluation
from cnndsl.runtime.evaluator import Evaluator
from cnndsl.runtime.events import Progress

# --- what a run gives -------------------------------------------------------------------------


def test_a_run_learns_and_fills_its_folder(tmp_path: Path) -> None:
    settings = "optimizer sgd lr 0.05 momentum 0.9; batch 8; epochs 8"
    listener = Recorder()
    valid = stripes(30, seed=1, classes=("top", "middle", "bottom"))
    wanted = request(
        tmp_path,
        network=network(settings),
        data=stripes(60, classes=valid.classes),
        valid=valid,
        command=("cnndsl", "train"),
    )
    outcome = train(wanted, listener)
    assert outcome.how == "finished"
    assert outcome.records[-1].loss < 0.5 * outcome.records[0].loss
    assert outcome.best is not None
    assert outcome.best.valid_accuracy is not None
    assert outcome.best.valid_accuracy > 0.8
    assert listener.records == list(outcome.records)
    assert listener.outcomes == [outcome]
    assert {path.name for path in tmp_path.iterdir()} == {
        ".lock",
        "best.safetensors",
        "checkpoints",
        "command.txt",
        "confusion.csv",
        "confusion.png",
        "curves.png",
        "last.safetensors",
        "metrics.csv",
        "metrics.jsonl",
        "model.onnx",
        "spec.cnn",
    }
    assert len(list_checkpoints(tmp_path / "checkpoints")) == 3


def test_the_model_has_the_best_weights_and_the_spec_of_the_run(tmp_path: Path) -> None:
    wanted = request(tmp_path, valid=stripes(30, seed=1))
    outcome = train(wanted, Recorder())
    best = load_file(tmp_path / "best.safetensors")
    model = onnx.load(tmp_path / "model.onnx")
    stored = {one.name: onnx.numpy_helper.to_array(one) for one in model.graph.initializer}
    assert set(stored) == set(best)
    assert all(stored[name].tobytes() == array.tobytes() for name, array in best.items())
    assert wanted.valid is not None
    assert outcome.best is not None
    found = evaluate(wanted.network, best, wanted.valid, device="cpu", threads=1)
    assert (found.loss, found.top1) == (outcome.best.valid_loss, outcome.best.valid_accuracy)
    spec = (tmp_path / "spec.cnn").read_text()
    assert read_artifact(tmp_path / "model.onnx").spec == spec
    assert not check_text(spec).diagnostics


def test_progress_counts_every_step_and_ends_at_no_time_left(tmp_path: Path) -> None:
    listener = Recorder()
    train(request(tmp_path), listener)
    (start,) = listener.starts
    assert (start.samples, start.valid_samples, start.steps, start.batch) == (30, 0, 3, 8)
    assert (start.epoch, start.step, start.epochs, start.device) == (1, 0, 3, "cpu")
    places = [(one.epoch, one.step) for one in listener.steps]
    assert places == [(epoch, step) for epoch in (1, 2, 3) for step in (1, 2, 3)]
    assert listener.steps[-1].seconds_left == 0
    for one in listener.records:
        last = next(p for p in reversed(listener.steps) if p.epoch == one.epoch)
        assert (one.loss, one.accuracy) == (last.loss, last.accuracy)
        assert one.accuracy is not None
        assert 0 <= one.accuracy <= 1


def test_without_validation_the_lowest_training_loss_is_best(tmp_path: Path) -> None:
    outcome = train(request(tmp_path), Recorder())
    assert outcome.best == min(outcome.records, key=lambda one: one.loss)
    assert not (tmp_path / "confusion.csv").exists()
    running = [one.best for one in outcome.records]
    losses = [one.loss for one in outcome.records]
    assert running == [loss == min(losses[: at + 1]) for at, loss in enumerate(losses)]


def test_accuracy_decides_the_best_epoch_and_loss_only_a_tie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([(0.5, 0.5), (0.9, 0.75), (0.8, 0.75), (0.1, 0.6)])

    def run(self: Evaluator, dataset: object, **options: object) -> Evaluation:
        loss, accuracy = next(scores)
        return Evaluation(loss, accuracy, None, 4)

    monkeypatch.setattr(Evaluator, "run", run)
    settings = "optimizer sgd lr 0.1; batch 8; epochs 4"
    wanted = request(tmp_path, network=network(settings), valid=stripes(6))
    outcome = train(wanted, Recorder())
    assert [one.best for one in outcome.records] == [True, True, True, False]
    assert outcome.best == outcome.records[2]


def test_where_numbers_are_to_be_met_the_loss_alone_decides_the_best_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([(0.9, 0.75), (0.5, 0.5), (0.7, 0.9)])

    def run(self: Evaluator, dataset: object, **options: object) -> Evaluation:
        loss, accuracy = next(scores)
        return Evaluation(loss, accuracy, None, 4, mae=0.25, rmse=0.5)

    record = EpochSums.measures

    def measures(self: EpochSums, evaluation: Evaluation | None) -> Measures:
        """With an accuracy, as in the records of an older version."""
        assert evaluation is not None
        return {**record(self, evaluation), "valid_accuracy": evaluation.top1}

    monkeypatch.setattr(EpochSums, "measures", measures)

    monkeypatch.setattr(Evaluator, "run", run)
    settings = "loss mse; optimizer sgd lr 0.01; batch 8; epochs 3"
    data = stripes(16)
    assert data.labels is not None
    data.targets = numpy.eye(3, dtype=numpy.float32)[data.labels]
    data.labels = None
    outcome = train(
        request(tmp_path, network=network(settings), data=data, valid=stripes(6)), Recorder()
    )
    assert [one.best for one in outcome.records] == [True, True, False]


def test_the_same_request_gives_the_same_run_and_another_seed_another(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        train(
            request(
                tmp_path / name,
                network=network(f"{SGD}; seed {seed}; augment noise 0.1"),
                valid=stripes(12, seed=1),
            ),
            Recorder(),
        )
    assert results(tmp_path / "a") == results(tmp_path / "b")
    assert results(tmp_path / "a")["metrics"] != results(tmp_path / "c")["metrics"]


def test_fewer_samples_than_a_batch_are_the_batch(tmp_path: Path) -> None:
    listener = Recorder()
    train(request(tmp_path, data=stripes(6)), listener)
    assert (listener.starts[0].batch, listener.starts[0].steps) == (6, 1)
    assert "the batch is 6, not 8" in listener.notes[0]


def test_one_sample_is_enough(tmp_path: Path) -> None:
    one = ArrayData({"input": numpy.ones((1, 1, 6, 6), numpy.float32)}, labels=numpy.array([1]))
    assert train(request(tmp_path, data=one), Recorder()).how == "finished"


def test_the_learning_rate_follows_the_schedule_in_every_step(tmp_path: Path) -> None:
    settings = "optimizer sgd lr 0.3; schedule polynomial; batch 8; epochs 2"
    outcome = train(request(tmp_path, network=network(settings)), Recorder())
    # The last step of an epoch of three begins when a sixth or four sixths of it all remain.
    assert [one.lr for one in outcome.records] == pytest.approx([0.3 * 4 / 6, 0.3 / 6])


def test_a_plateau_lowers_the_learning_rate(tmp_path: Path) -> None:
    settings = "optimizer sgd lr 1e-9; schedule plateau patience 1 factor 0.5; batch 8; epochs 4"
    body = "input 1x6x6\nflatten -> dense 3 -> softmax"
    same = stripes(8)
    outcome = train(
        request(tmp_path, network=network(settings, body), data=same, valid=same), Recorder()
    )
    losses = [one.valid_loss for one in outcome.records]
    lowered, expected = 0, []
    for at in range(4):
        expected.append(1e-9 * 0.5**lowered)
        lowered += at > 0 and losses[at] >= min(losses[:at])  # type: ignore[operator,type-var]
    assert [one.lr for one in outcome.records] == pytest.approx(expected)


def test_training_stops_early_when_the_validation_loss_stalls(tmp_path: Path) -> None:
    valid = stripes(12, seed=1)
    assert valid.labels is not None
    valid.labels = (valid.labels + 1) % 3  # The better it learns, the worse this gets.
    settings = "optimizer sgd lr 0.1; early_stop 2; batch 8; epochs 50"
    wanted = request(tmp_path, network=network(settings), valid=valid, data=stripes(60))
    outcome = train(wanted, Recorder())
    assert outcome.how == "stopped early"
    losses = [one.valid_loss for one in outcome.records]
    assert len(losses) < 50
    assert losses.index(min(losses)) == len(losses) - 3  # type: ignore[type-var]
    again = train(replace(wanted, resume="latest"), Recorder())
    assert (again.how, again.records) == ("stopped early", outcome.records)


def test_fine_tuning_begins_with_the_weights_that_fit(tmp_path: Path) -> None:
    train(request(tmp_path / "old"), Recorder())
    listener = Recorder()
    frozen = network("optimizer sgd lr 0.1; freeze C1 batchnorm1; batch 8; epochs 1")
    weights = tmp_path / "old" / "last.safetensors"
    train(request(tmp_path / "new", network=frozen, weights=weights), listener)
    assert any("weights are taken from" in note for note in listener.notes)
    old, new = load_file(weights), load_file(tmp_path / "new" / "last.safetensors")
    assert old["C1.weight"].tobytes() == new["C1.weight"].tobytes()
    assert old["F2.weight"].tobytes() != new["F2.weight"].tobytes()


def test_augmentation_is_another_one_in_every_epoch(tmp_path: Path) -> None:
    body = "input 1x6x6\nflatten -> dense 3 -> softmax"
    settings = "optimizer sgd lr 1e-30; batch 30; epochs 3"
    plain = train(request(tmp_path / "plain", network=network(settings, body)), Recorder())
    noisy = network(f"{settings}; augment noise 1", body)
    outcome = train(request(tmp_path / "noisy", network=noisy), Recorder())
    losses = [one.loss for one in plain.records]
    assert max(losses) - min(losses) < 1e-6
    assert len({round(one.loss, 4) for one in outcome.records}) == 3


# --- what goes wrong --------------------------------------------------------------------------


def test_a_second_run_does_not_go_into_the_folder_of_the_first(tmp_path: Path) -> None:
    train(request(tmp_path), Recorder())
    kept = results(tmp_path)
    refused(request(tmp_path, data=stripes(30, seed=1)), "CNN810")
    assert results(tmp_path) == kept


def test_divergence_stops_at_once_and_names_the_layer(tmp_path: Path) -> None:
    wild = "optimizer sgd lr 1e16; batch 8; epochs 3"
    body = "input 1x6x6\nC1: conv 3@3x3\nflatten\nF2: dense 9\nF3: dense 3"
    listener = Recorder()
    with pytest.raises(UserError) as caught:
        train(request(tmp_path, network=network(f"loss mse; {wild}", body), data=_maps()), listener)
    assert caught.value.code == "CNN805"
    assert caught.value.message.startswith("training diverged in epoch 1, step 2:")
    assert caught.value.notes[0] == "the first layer whose output is not finite is `F3`"
    assert "F3: dense 3" in caught.value.notes[1]
    assert len(listener.steps) < 4
    assert list_checkpoints(tmp_path / "checkpoints") == []


def _maps() -> ArrayData:
    data = stripes(30)
    assert data.labels is not None
    targets = numpy.eye(3, dtype=numpy.float32)[data.labels]
    return ArrayData(data.arrays, targets=targets)


def test_a_picture_that_is_no_number_is_named(tmp_path: Path) -> None:
    data = stripes(30)
    data.arrays["input"][17, 0, 2, 2] = numpy.nan
    error = refused(request(tmp_path, data=data), "CNN803")
    assert "`arrays[17]`" in error.message


def test_a_diverged_run_keeps_its_last_good_checkpoint(tmp_path: Path) -> None:
    data = stripes(30)

    def spoil(indices: object) -> None:
        if (tmp_path / "checkpoints" / "step-00000006.ckpt").exists():
            data.arrays["input"][:] = numpy.inf

    data.before_reading = spoil
    error = refused(request(tmp_path, data=data), "CNN803")
    kept = list_checkpoints(tmp_path / "checkpoints")
    assert [path.stem for path in kept][-1] == "step-00000006"
    assert f"`{kept[-1]}`" in error.notes[-1]
    assert all(numpy.isfinite(a).all() for a in load_file(tmp_path / "last.safetensors").values())


def test_data_that_breaks_during_training_costs_no_step(tmp_path: Path) -> None:
    data = stripes(30)
    reads: list[int] = []

    def gone(indices: object) -> None:
        reads.append(1)
        if len(reads) == 6:
            raise UserError("CNN804", "the data changed")

    data.before_reading = gone
    listener = Recorder()
    with pytest.raises(UserError, match="the data changed") as caught:
        train(request(tmp_path, data=data), listener)
    (*_, last) = list_checkpoints(tmp_path / "checkpoints")
    assert last.stem == f"step-{len(listener.steps):08}"
    assert len(listener.steps) == 5
    assert str(last) in caught.value.notes[-1]


def test_data_that_is_broken_from_the_first_batch_leaves_the_folder_free(tmp_path: Path) -> None:
    data = stripes(30)

    def broken(indices: object) -> None:
        raise UserError("CNN803", "all of it is broken")

    data.before_reading = broken
    error = refused(request(tmp_path, data=data), "CNN803")
    assert not error.notes
    assert list_checkpoints(tmp_path / "checkpoints") == []
    assert train(request(tmp_path), Recorder()).how == "finished"


def test_a_full_disk_loses_nothing_and_the_run_goes_on_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = request(tmp_path / "full", valid=stripes(12, seed=1), checkpoint_steps=2)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def fill(progress: Progress) -> None:
        if (progress.epoch, progress.step) == (2, 2):
            monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(UserError, match="no space left on device") as caught:
        train(wanted, Recorder(fill))
    monkeypatch.undo()
    assert caught.value.code == "CNN603"
    (*_, last) = list_checkpoints(tmp_path / "full" / "checkpoints")
    assert str(last) in caught.value.notes[-1]
    assert not [*(tmp_path / "full").rglob("*.tmp")]
    train(replace(wanted, resume="latest"), Recorder())
    train(replace(wanted, folder=tmp_path / "whole"), Recorder())
    assert results(tmp_path / "full") == results(tmp_path / "whole")


def test_nothing_is_trained_where_nothing_can_be_learnt(tmp_path: Path) -> None:
    frozen = network(f"{SGD}; freeze C1 batchnorm1 F2")
    refused(request(tmp_path / "a", network=frozen), "CNN808")
    two = stripes(30, classes=("top", "middle", "bottom"))
    assert two.labels is not None
    two.labels = two.labels % 2
    error = refused(request(tmp_path / "b", data=two), "CNN808")
    assert "`bottom`" in error.message


@pytest.mark.parametrize("which", ["data", "valid"])
def test_labels_out_of_range_are_found_before_training(tmp_path: Path, which: str) -> None:
    wrong = stripes(30)
    assert wrong.labels is not None
    wrong.labels[3] = 3
    listener = Recorder()
    with pytest.raises(UserError) as caught:
        train(request(tmp_path, **{which: wrong}), listener)
    assert caught.value.code == "CNN802"
    assert listener.starts == []


def test_uneven_classes_are_told(tmp_path: Path) -> None:
    data = stripes(60)
    assert data.labels is not None
    data.labels = numpy.where(numpy.arange(60) < 3, data.labels, 0)
    listener = Recorder()
    train(request(tmp_path, data=data), listener)
    assert any("uneven" in note for note in listener.notes)


def test_classes_without_any_sample_are_told(tmp_path: Path) -> None:
    data = stripes(30)
    assert data.labels is not None
    data.labels = data.labels % 2 + 1
    listener = Recorder()
    train(request(tmp_path, data=data), listener)
    assert "1 of the 3 classes that the network tells apart have no sample in `" in " ".join(
        listener.notes
    )
