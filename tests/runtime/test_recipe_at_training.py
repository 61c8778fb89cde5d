"""What the checker says of a recipe, training says of the one that it was given."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
from training_runs import ArrayData, Recorder, network, refused, request, stripes

from cnndsl.diagnostics.model import UserError
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.elaborate.overrides import override
from cnndsl.pipeline import check_text, compile_training, train, typed
from cnndsl.runtime.plan import TrainingRequest

HEADS = """
input 1x6x6
conv 3@3x3 -> relu
features: flatten
side: dense 4
features -> dense 3 -> softmax
output side
"""
VECTOR = "input 6\ndense 5 -> n: batchnorm -> relu -> dense 3 -> softmax"


def asked(
    folder: Path, wanted: TypedNetwork, data: ArrayData, valid: ArrayData | None = None
) -> TrainingRequest:
    return request(folder, network=wanted, data=data, valid=valid)


def vectors(count: int) -> ArrayData:
    random = numpy.random.default_rng(0)
    samples = random.normal(0, 1, (count, 6)).astype(numpy.float32)
    return ArrayData({"input": samples}, labels=numpy.arange(count) % 3)


def notes(folder: Path, settings: str, body: str, *changes: str) -> list[str]:
    listener = Recorder()
    changed = override(network(settings, body), changes)
    train(asked(folder, changed, stripes(24)), listener)
    return [note for note in listener.notes if not note.startswith("the first loss")]


def test_an_output_that_is_not_trained_is_told_with_its_layers(tmp_path: Path) -> None:
    [note] = notes(tmp_path, "batch 8; epochs 1", HEADS)
    assert note == (
        "the output `side` is not trained: the loss is that of the main output alone;"
        " layers that stay as they begin: `side`"
    )
    assert notes(tmp_path / "frozen", "batch 8; epochs 1; freeze side", HEADS) == []


def test_a_spec_without_a_recipe_is_told_of_when_it_is_trained(tmp_path: Path) -> None:
    body = HEADS.replace("softmax", "sigmoid").replace("output side\n", "").replace("side:", "")
    body = body.replace("dense 4\n", "")
    plain = override(typed(check_text(body)), ["train.batch=8", "train.epochs=1"])
    listener = Recorder()
    train(asked(tmp_path, plain, stripes(24)), listener)
    assert any("`loss crossentropy` behind `sigmoid`" in note for note in listener.notes)


def test_what_an_override_makes_pointless_is_told(tmp_path: Path) -> None:
    body = HEADS.replace("output side\n", "").replace("side: dense 4\n", "")
    settings = "batch 8; epochs 9; schedule multistep at [3, 5]"
    assert notes(tmp_path / "all", settings, body, "train.epochs=5") == []
    [note] = notes(tmp_path / "short", settings, body, "train.epochs=2")
    assert note == "no drop at the epochs 3 and 5: training has 2 epochs"


# --- normalisation ----------------------------------------------------------------------------


def test_a_batch_of_one_value_is_refused_before_training(tmp_path: Path) -> None:
    one = override(network("epochs 1", VECTOR), ["train.batch=1"])
    error = refused(asked(tmp_path, one, vectors(6)), "CNN313")
    assert (error.code, error.help) == (
        "CNN313",
        "take batches of 2 or more, or `freeze` the layer",
    )


def test_data_of_one_sample_is_refused_with_the_reason(tmp_path: Path) -> None:
    error = refused(asked(tmp_path, network("batch 8; epochs 1", VECTOR), vectors(1)), "CNN313")
    assert error.code == "CNN313"
    assert error.notes == ("the recipe's batch is 8, but `arrays` gives only 1",)
    assert error.help == "give 2 samples or more"


def test_a_frozen_normalisation_takes_a_batch_of_one(tmp_path: Path) -> None:
    listener = Recorder()
    frozen = network("batch 1; epochs 1; freeze n", VECTOR)
    train(asked(tmp_path, frozen, vectors(3)), listener)
    assert listener.outcomes[0].how == "finished"


def test_a_training_step_for_one_value_is_not_compiled() -> None:
    with pytest.raises(UserError) as caught:
        compile_training(network("epochs 1", VECTOR), batch=1)
    assert caught.value.code == "CNN313"


# --- epochs -----------------------------------------------------------------------------------


def rates(folder: Path, settings: str, count: int = 8) -> dict[int, float]:
    """The learning rate that is shown for each epoch."""
    listener = Recorder()
    body = HEADS.replace("output side\n", "").replace("side: dense 4\n", "")
    train(asked(folder, network(f"batch 8; {settings}", body), stripes(count)), listener)
    return {record.epoch: record.lr for record in listener.records}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("epochs 4; schedule multistep at [2, 3] gamma 0.5", [1, 0.5, 0.25, 0.25]),
        ("epochs 5; schedule step every 2 gamma 0.5", [1, 1, 0.5, 0.5, 0.25]),
        ("epochs 4; schedule constant warmup 1", [0.5, 1, 1, 1]),
        ("epochs 4; schedule constant warmup 2 warmup_lr 0.002", [0.2, 0.6, 1, 1]),
        ("epochs 3; schedule exponential gamma 0.5", [1, 0.5, 0.25]),
    ],
)
def test_the_rate_that_is_shown_for_an_epoch_is_what_the_recipe_says(
    tmp_path: Path, settings: str, expected: list[float]
) -> None:
    found = rates(tmp_path, settings)
    assert found == pytest.approx({at: 0.01 * rate for at, rate in enumerate(expected, 1)})


def test_early_stop_ends_so_many_epochs_after_the_best(tmp_path: Path) -> None:
    """With a rate so small that nothing changes in float32, epoch 1 stays the best."""
    listener = Recorder()
    still = network("batch 8; epochs 9; early_stop 3; optimizer sgd lr 1e-30", HEADS)
    train(asked(tmp_path, still, stripes(24), stripes(12, 1)), listener)
    assert listener.outcomes[0].how == "stopped early"
    assert [record.epoch for record in listener.records] == [1, 2, 3, 4]


def test_a_plateau_drops_in_the_epoch_after_its_patience(tmp_path: Path) -> None:
    listener = Recorder()
    settings = "batch 8; epochs 6; schedule plateau patience 2 factor 0.5; optimizer sgd lr 1e-30"
    still = network(settings, HEADS)
    train(asked(tmp_path, still, stripes(24), stripes(12, 1)), listener)
    shown = [record.lr for record in listener.records]
    assert shown == pytest.approx([1e-30, 1e-30, 1e-30, 5e-31, 5e-31, 2.5e-31], rel=1e-6)
