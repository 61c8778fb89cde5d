"""A run that was interrupted goes on exactly where it stopped, or is refused by what differs."""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from training_runs import SGD, Recorder, interrupted_at, network, refused, request, results, stripes

from cnndsl.pipeline import train
from cnndsl.runtime import host
from cnndsl.runtime.checkpoint import list_checkpoints
from cnndsl.runtime.events import Progress
from cnndsl.training.host import Host


def test_a_scheduler_s_request_to_end_is_taken_as_ctrl_c_is(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    listener = interrupted_at(2, signal.SIGTERM)
    outcome = train(request(tmp_path / "run", network=network(SGD)), listener)
    assert outcome.how == "interrupted"
    assert len(listener.steps) == 2
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("steps", [1, 3, 4, 8, 9])
def test_ctrl_c_finishes_the_step_and_the_run_goes_on_as_if_nothing_had_been(
    tmp_path: Path, steps: int
) -> None:
    settings = f"{SGD}; augment noise 0.1; schedule cosine"
    wanted = request(tmp_path / "whole", network=network(settings), valid=stripes(12, seed=1))
    straight = train(wanted, Recorder())
    handler = signal.getsignal(signal.SIGINT)
    wanted = replace(wanted, folder=tmp_path / "halves")
    listener = interrupted_at(steps)
    outcome = train(wanted, listener)
    assert outcome.how == "interrupted"
    assert len(listener.steps) == steps
    assert signal.getsignal(signal.SIGINT) is handler
    assert (tmp_path / "halves" / "last.safetensors").exists()
    second = Recorder()
    resumed = train(replace(wanted, resume="latest"), second)
    assert resumed.how == "finished"
    assert len(second.steps) == 9 - steps
    assert results(tmp_path / "halves") == results(tmp_path / "whole")
    assert [one.loss for one in resumed.records] == [one.loss for one in straight.records]


def test_a_second_ctrl_c_ends_at_once_and_damages_nothing(tmp_path: Path) -> None:
    def press(progress: Progress) -> None:
        if (progress.epoch, progress.step) == (2, 2):
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    wanted = request(tmp_path / "halves")
    with pytest.raises(KeyboardInterrupt):
        train(wanted, Recorder(press))
    train(replace(wanted, resume="latest"), Recorder())
    train(replace(wanted, folder=tmp_path / "whole"), Recorder())
    assert results(tmp_path / "halves") == results(tmp_path / "whole")


def test_a_run_in_another_thread_leaves_signals_alone(tmp_path: Path) -> None:
    handlers: list[object] = []

    def look(progress: Progress) -> None:
        handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=train, args=(request(tmp_path), Recorder(look)))
    before = signal.getsignal(signal.SIGINT)
    thread.start()
    thread.join()
    assert len(handlers) == 9
    assert set(handlers) == {before}


def test_a_finished_run_goes_on_for_more_epochs(tmp_path: Path) -> None:
    wanted = request(tmp_path / "more", valid=stripes(12, seed=1))
    train(wanted, Recorder())
    longer = network("optimizer sgd lr 0.1 momentum 0.9; batch 8; epochs 5")
    train(replace(wanted, network=longer, resume="latest"), Recorder())
    train(replace(wanted, network=longer, folder=tmp_path / "whole"), Recorder())
    assert results(tmp_path / "more") == results(tmp_path / "whole")


def test_a_finished_run_restores_what_a_kill_left_undone(tmp_path: Path) -> None:
    wanted = request(tmp_path, valid=stripes(12, seed=1))
    outcome = train(wanted, Recorder())
    kept = results(tmp_path)
    for name in ("best.safetensors", "model.onnx", "metrics.csv", "confusion.csv"):
        (tmp_path / name).unlink()
    listener = Recorder()
    again = train(replace(wanted, resume="latest"), listener)
    assert (again.how, again.records, listener.steps) == ("finished", outcome.records, [])
    assert results(tmp_path) == kept


def test_resuming_what_never_began_begins(tmp_path: Path) -> None:
    listener = Recorder()
    outcome = train(request(tmp_path, resume="latest"), listener)
    assert outcome.how == "finished"
    assert "no checkpoint" in listener.notes[0]


def test_checkpoints_come_by_steps_and_by_time(tmp_path: Path) -> None:
    train(request(tmp_path / "steps", checkpoint_steps=2, keep=99), Recorder())
    names = [path.stem for path in list_checkpoints(tmp_path / "steps" / "checkpoints")]
    assert names == [f"step-{number:08}" for number in (2, 3, 4, 6, 8, 9)]
    train(request(tmp_path / "time", checkpoint_seconds=0, keep=99), Recorder())
    assert len(list_checkpoints(tmp_path / "time" / "checkpoints")) == 9


def test_a_damaged_checkpoint_is_passed_over_only_when_asked(tmp_path: Path) -> None:
    wanted = request(tmp_path / "damaged", valid=stripes(12, seed=1))
    train(wanted, Recorder())
    last = list_checkpoints(tmp_path / "damaged" / "checkpoints")[-1]
    content = bytearray(last.read_bytes())
    content[-3] ^= 1
    last.write_bytes(content)
    error = refused(replace(wanted, resume="latest"), "CNN806")
    assert str(last) in error.message
    listener = Recorder()
    train(replace(wanted, resume="previous"), listener)
    assert (listener.starts[0].epoch, listener.starts[0].step) == (3, 0)
    train(replace(wanted, folder=tmp_path / "whole"), Recorder())
    assert results(tmp_path / "damaged") == results(tmp_path / "whole")


# Each names what differs, with both values.
OTHERS = {
    "batch": ({"train": SGD.replace("batch 8", "batch 10")}, "train.batch is `8`", "`10` now"),
    "rate": ({"train": SGD.replace("0.1", "0.2")}, "train.optimizer.lr is `0.1`", "`0.2` now"),
    "optimizer": ({"train": SGD.replace("sgd", "rmsprop")}, "`sgd`", "`rmsprop` now"),
    "seed": ({"train": f"{SGD}; seed 5"}, "train.seed is `0`", "`5` now"),
    "clip": ({"train": f"{SGD}; clip 1"}, "train.clip is not there", "`1.0` now"),
    "name": ({"train": SGD, "name": "other"}, "the network is `tiny`", "`other` now"),
    "layer": (
        {"train": SGD, "body": "input 1x6x6\nC1: conv 4@3x3 -> relu\nflatten -> dense 3"},
        "line 3 of the spec is",
        "conv 4@3x3",
    ),
}


@pytest.mark.parametrize("case", OTHERS)
def test_a_checkpoint_of_another_run_is_refused_by_what_differs(tmp_path: Path, case: str) -> None:
    changes, before, now = OTHERS[case]
    train(request(tmp_path), Recorder())
    kept = results(tmp_path)
    error = refused(request(tmp_path, network=network(**changes), resume="latest"), "CNN807")
    text = "\n".join([error.message, *error.notes])
    assert before in text
    assert now in text
    assert results(tmp_path) == kept


def test_data_that_changed_since_is_refused(tmp_path: Path) -> None:
    wanted = request(tmp_path, valid=stripes(12, seed=1))
    train(wanted, Recorder())
    for change, which in (
        ({"data": stripes(30, seed=9)}, "training data"),
        ({"valid": stripes(12, seed=9)}, "validation data"),
        ({"valid": None}, "validation data"),
    ):
        error = refused(replace(wanted, resume="latest", **change), "CNN807")
        assert f"the fingerprint of the {which} is" in error.message


def test_a_larger_batch_than_there_are_samples_is_no_other_run(tmp_path: Path) -> None:
    six = stripes(6)
    train(request(tmp_path, data=six), Recorder())
    ten = network(SGD.replace("batch 8", "batch 10"))
    assert train(request(tmp_path, data=six, network=ten, resume="latest"), Recorder()).records


def test_a_run_that_goes_on_with_other_convolutions_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "found_host", lambda: None)
    train(request(tmp_path), interrupted_at(2))
    again = Recorder()
    train(replace(request(tmp_path), resume="latest"), again)
    assert not any("convolutions" in note for note in again.notes)
    train(replace(request(tmp_path / "other"), resume=""), interrupted_at(2))
    monkeypatch.setattr(host, "found_host", lambda: Host(8))
    changed = Recorder()
    train(replace(request(tmp_path / "other"), resume="latest"), changed)
    assert (
        "the way of convolutions was standard before, and is in blocks of 8 channels now:"
        " last digits may differ" in changed.notes
    )
