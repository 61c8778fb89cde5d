"""A run in mixed precision: what it skips, what it says, and how it goes on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from training_runs import SGD, Recorder, network, refused, request, results, stripes

from cnndsl.pipeline import selftest, train
from cnndsl.runtime.checkpoint import list_checkpoints, read_checkpoint
from cnndsl.runtime.fingerprint import OtherRunError, same_run

LOW = f"{SGD}; precision float16"
STILL = "batch 8; epochs 3; optimizer sgd lr"
HEAVY = f"{STILL} 1e-4; precision float16; loss crossentropy weight 20"
"""A loss of so many times its size overflows until the scale has fallen."""


def test_it_learns_and_says_that_a_cpu_only_emulates_it(tmp_path: Path) -> None:
    listener, plain = Recorder(), Recorder()
    light = f"{SGD}; loss crossentropy weight 0.1"  # so that no gradient overflows
    low = network(f"{light}; precision float16")
    outcome = train(request(tmp_path / "low", network=low), listener)
    exact = train(request(tmp_path / "plain", network=network(light)), plain)
    assert [note for note in listener.notes if note not in plain.notes] == [
        "the CPU does not compute in float16: results are rounded to it, to try it out, and that"
        " takes longer; `--precision float32` is faster here"
    ]
    assert outcome.skipped == 0
    for one, other in zip(outcome.records, exact.records, strict=True):
        assert one.loss == pytest.approx(other.loss, rel=0.01)
        assert one.loss != other.loss


def test_skipped_steps_are_counted_and_the_bits_are_the_same_when_resumed(tmp_path: Path) -> None:
    wanted = request(tmp_path / "whole", network=network(HEAVY), valid=stripes(12, seed=1))
    straight = train(wanted, Recorder())
    assert 2 < straight.skipped < 9
    wanted = replace(wanted, folder=tmp_path / "halves", checkpoint_steps=1)

    class KilledError(Exception):
        """Ends a run as a kill would."""

    def kill(progress: object) -> None:
        if len(list_checkpoints(tmp_path / "halves" / "checkpoints")) == 3:
            raise KilledError

    with pytest.raises(KilledError):
        train(wanted, Recorder(kill))
    found = read_checkpoint(list_checkpoints(tmp_path / "halves" / "checkpoints")[-1])
    assert found.state["loss_scale"] < 65536
    assert found.state["loss_scale.skipped"] > 0
    outcome = train(replace(wanted, resume="latest"), Recorder())
    assert outcome.skipped == straight.skipped
    assert results(tmp_path / "halves") == results(tmp_path / "whole")


def test_a_checkpoint_of_another_precision_says_so(tmp_path: Path) -> None:
    train(request(tmp_path, network=network(LOW)), Recorder())
    error = refused(request(tmp_path, resume="latest"), "CNN807")
    assert error.message.endswith("train.precision is `float16` in the checkpoint, `float32` now")


def test_a_checkpoint_from_before_there_was_precision_is_one_in_float32() -> None:
    same_run(Path("one.ckpt"), {}, {"train.precision": "float32"})
    with pytest.raises(OtherRunError, match="`float32` in the checkpoint, `float16` now"):
        same_run(Path("one.ckpt"), {}, {"train.precision": "float16"})


def test_gradients_that_no_scale_holds_end_the_run(tmp_path: Path) -> None:
    settings = f"{STILL} 1e-32; loss crossentropy weight 1e30".replace("epochs 3", "epochs 12")
    low = request(tmp_path / "low", network=network(f"{settings}; precision float16"))
    error = refused(low, "CNN805")
    assert error.message.startswith("training diverged in epoch 10, step 3: the gradients of 30")
    assert error.help.startswith("train with `--precision float32`, and another `--out`")
    plain = request(tmp_path / "plain", network=network(settings))
    assert train(plain, Recorder()).how == "finished"


def test_feature_maps_that_float16_does_not_hold_end_the_run(tmp_path: Path) -> None:
    body = "input 1x6x6\nC1: conv 3@3 -> scale start 1e5 -> C2: conv 3@1 -> batchnorm\n"
    body += "flatten -> dense 3"
    error = refused(request(tmp_path / "low", network=network(LOW, body)), "CNN805")
    assert error.notes[0] == "the first layer whose output is not finite is `C2`"
    assert "float16 holds no number beyond 65504" in error.notes[2]
    assert error.help.startswith("train with `--precision float32`, or use a smaller `lr`")
    assert train(request(tmp_path, network=network(SGD, body)), Recorder()).how == "finished"


def test_the_selftest_of_a_recipe_in_float16_passes() -> None:
    checks = {check.name: check for check in selftest(network(LOW), device="cpu", threads=1)}
    assert {check.verdict for check in checks.values()} == {"passed", "skipped"}
    assert "float16 against float32" in checks
