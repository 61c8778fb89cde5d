"""Logs: a run's own files, and those that are asked for, all told by one interface."""

from __future__ import annotations

import csv
import json
import math
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import import_module
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy
import pytest
from documents import fences
from PIL import Image
from training_runs import SGD, Recorder, interrupted_at, network, request, stripes
from typing_extensions import override

from cnndsl.diagnostics.model import UserError
from cnndsl.pipeline import train
from cnndsl.resources import docs
from cnndsl.runtime.evaluation import Evaluation
from cnndsl.runtime.events import EpochRecord, Outcome, Progress, RunFacts, Start
from cnndsl.runtime.logs import LOGS
from cnndsl.runtime.logs.base import Log
from cnndsl.runtime.logs.figures import FiguresLog
from cnndsl.runtime.logs.listeners import logs_named
from cnndsl.runtime.logs.metrics import MetricsLog
from cnndsl.runtime.logs.scalars import scalars
from cnndsl.runtime.logs.steps import StepsLog

RECORDS = (
    EpochRecord(1, 10, 0.1 + 0.2, 0.7, 1 / 3, 0.5, 0.01, 1.5, 99.0, True),
    EpochRecord(2, 20, 0.25, math.nan, None, None, 0.01, 1.5, 99.0, False),
)
EVALUATION = Evaluation(0.5, 0.75, None, 4, ("a", "b"), numpy.array([[2, 0], [1, 1]]))
OVER = Outcome("finished", RECORDS, RECORDS[0], 3.0)


def start(folder: Path, **changes: Any) -> Start:
    facts = RunFacts(folder, "network tiny\n", {"batch": "8"})
    return replace(Start("tiny", "cpu", 30, 0, 3, 4, 8, facts=facts), **changes)


# --- the files that every run has ---------------------------------------------------------------


def test_metrics_are_exact_and_written_anew(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("what a killed run had written\n" * 9)
    log = MetricsLog()
    log.start(start(tmp_path, records=RECORDS[:1]))
    log.epoch(RECORDS[1])
    with open(tmp_path / "metrics.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2
    assert float(rows[0]["loss"]) == 0.1 + 0.2
    assert (rows[1]["accuracy"], rows[1]["valid_loss"], rows[1]["best"]) == ("", "", "False")
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2]
    assert json.loads(lines[0])["valid_loss"] == 1 / 3
    # `NaN` is no JSON.
    assert json.loads(lines[1])["accuracy"] is None


def test_the_confusion_has_the_true_classes_down(tmp_path: Path) -> None:
    log = FiguresLog()
    log.start(start(tmp_path))
    log.best(RECORDS[0], EVALUATION)
    log.best(RECORDS[1], replace(EVALUATION, confusion=None))
    lines = (tmp_path / "confusion.csv").read_text().splitlines()
    assert lines == ["true class,a,b", "a,2,0", "b,1,1"]


def test_pictures_are_drawn_of_what_there_is(tmp_path: Path) -> None:
    log = FiguresLog()
    log.start(start(tmp_path))
    log.end(OVER)
    assert not [*tmp_path.glob("*.png")]
    log.best(RECORDS[0], EVALUATION)
    for record in RECORDS:
        log.epoch(record)
    assert not [*tmp_path.glob("*.png")]  # not so soon
    log.end(OVER)
    for name in ("curves", "confusion"):
        with Image.open(tmp_path / f"{name}.png") as picture:
            assert picture.size[0] > 100


# --- steps.csv ----------------------------------------------------------------------------------


def steps_of(folder: Path) -> list[dict[str, str]]:
    with open(folder / "steps.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_each_step_has_a_line(tmp_path: Path) -> None:
    recorder = Recorder()
    train(request(tmp_path, logs=logs_named(["csv"])), recorder)
    rows = steps_of(tmp_path)
    assert [int(row["step"]) for row in rows] == [one.number for one in recorder.steps]
    assert [int(row["step"]) for row in rows] == [*range(1, 10)]
    assert [float(row["loss"]) for row in rows] == pytest.approx(
        [one.step_loss for one in recorder.steps], rel=1e-6
    )
    assert {float(row["lr"]) for row in rows} == {0.1}
    assert rows[0]["mae"] == ""
    # The mean of an epoch's steps is what its line says.
    assert sum(float(row["loss"]) for row in rows[:3]) / 3 == pytest.approx(
        recorder.records[0].loss
    )


@pytest.mark.parametrize("after", [1, 4, 6])
def test_a_resumed_run_has_each_step_once(tmp_path: Path, after: int) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(request(whole, logs=logs_named(["csv"])), Recorder())
    train(request(parts, logs=logs_named(["csv"])), interrupted_at(after))
    # A killed run may have done more steps than its checkpoint has, and half a line.
    with open(parts / "steps.csv", "a", encoding="utf-8") as file:
        file.write(f"{after + 1},1,9,9,,,9,9\n{after + 2},1,0.")
    train(request(parts, resume="latest", logs=logs_named(["csv"])), Recorder())
    timeless = [[{**row, "rate": ""} for row in steps_of(folder)] for folder in (whole, parts)]
    assert timeless[0] == timeless[1]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_a_full_disk_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = StepsLog()
    log.start(start(tmp_path))
    log.close()
    log._file = open("/dev/full", "w", buffering=1)  # noqa: SIM115 - the log closes it
    with pytest.raises(UserError, match="no space left on device") as caught:
        log.progress(Progress(1, 1, 1, 1, 0.5, None, 1.0, 1.0, number=1))
    assert (caught.value.code, "steps.csv" in str(caught.value)) == ("CNN603", True)
    log.close()


# --- one interface ------------------------------------------------------------------------------


class Told(Log):
    """A log that keeps the names of the events."""

    keyword = "told"

    def __init__(self) -> None:
        self.events: list[str] = []

    @override
    def start(self, start: Start) -> None:
        self.events.append("start")

    @override
    def progress(self, progress: Progress) -> None:
        self.events.append("progress")

    @override
    def best(self, record: EpochRecord, evaluation: Evaluation | None) -> None:
        self.events.append(f"best {None if evaluation is None else evaluation.count}")

    @override
    def epoch(self, record: EpochRecord) -> None:
        self.events.append("epoch")

    @override
    def end(self, outcome: Outcome) -> None:
        self.events.append("end")

    @override
    def close(self) -> None:
        self.events.append("close")


def test_a_log_is_told_in_order(tmp_path: Path) -> None:
    log = Told()
    wanted = request(
        tmp_path, network=network(SGD.replace("3", "1")), valid=stripes(10, 1), logs=(log,)
    )
    train(wanted, Recorder())
    assert log.events == [
        *("start", "progress", "progress", "progress", "best 10", "epoch", "end", "close")
    ]


def test_a_log_knows_the_run(tmp_path: Path) -> None:
    recorder = Recorder()
    train(request(tmp_path, network=network("batch 8; epochs 1"), valid=stripes(10)), recorder)
    facts = recorder.starts[0].facts
    assert facts is not None
    assert facts.folder == tmp_path
    assert facts.spec == (tmp_path / "spec.cnn").read_text()
    assert facts.recipe["batch"] == "8"
    assert facts.recipe["loss"] == "crossentropy"  # which the spec does not say


def test_a_log_is_closed_however_the_run_ends(tmp_path: Path) -> None:
    log = Told()
    train(request(tmp_path / "a", logs=(log,)), interrupted_at(2))
    assert log.events[-2:] == ["end", "close"]
    other = Told()
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "model.onnx").write_text("mine")
    with pytest.raises(UserError):
        train(request(tmp_path / "b", logs=(other,)), Recorder())
    assert other.events == ["close"]


@pytest.mark.parametrize("event", ["start", "progress", "best", "epoch", "end", "close"])
def test_a_log_that_fails_does_not_end_the_run(tmp_path: Path, event: str) -> None:
    class Fails(Told):
        pass

    def fail(*given: object) -> None:
        raise ConnectionError("the server is\n gone")

    setattr(Fails, event, fail)
    recorder = Recorder()
    outcome = train(request(tmp_path, logs=(Fails(), other := Told())), recorder)
    assert outcome.how == "finished"
    said = [note for note in recorder.notes if "told" in note]
    if event != "close":
        assert said == ["the log `told` fails, and is left out: the server is gone"]
    assert other.events[-1] == "close"
    assert (tmp_path / "model.onnx").exists()


def test_a_run_is_the_same_with_logs(tmp_path: Path) -> None:
    train(request(tmp_path / "a"), Recorder())
    train(request(tmp_path / "b", logs=(Told(), *logs_named(["csv"]))), Recorder())
    for name in ("best.safetensors", "model.onnx"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


# --- keywords -----------------------------------------------------------------------------------


def test_a_keyword_that_is_none() -> None:
    with pytest.raises(UserError, match="there is no log `tensorbord`") as caught:
        logs_named(["tensorbord"])
    assert (caught.value.code, caught.value.help) == ("CNN862", "did you mean `tensorboard`?")


def test_each_keyword_once() -> None:
    assert len(logs_named(["csv", "csv"])) == 1


@pytest.mark.parametrize(("keyword", "package"), [("tensorboard", "tensorboardX"), ("mlflow",) * 2])
def test_a_package_that_is_missing(
    keyword: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match=f"the log `{keyword}` needs the package") as caught:
        logs_named([keyword])
    assert caught.value.code == "CNN863"
    assert caught.value.help == f'install it: `pip install "cnndsl[{keyword}]"`'


def test_a_log_of_another_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    point = EntryPoint("told", f"{__name__}:Told", "cnndsl.logs")
    monkeypatch.setattr(EntryPoint, "load", lambda self: Told)
    monkeypatch.setattr(LOGS, "_points", {"told": [point]})
    monkeypatch.setattr(LOGS, "_found", {})
    [log] = logs_named(["told"])
    train(request(tmp_path, logs=(log,)), Recorder())
    assert isinstance(log, Told)
    assert log.events[0] == "start"


def test_the_log_that_the_documentation_shows(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said: list[str] = []
    monkeypatch.setattr(pytest.importorskip("syslog"), "syslog", said.append)
    [text] = [
        one.text for one in fences(docs() / "plugins.md", "python") if "SystemLog" in one.text
    ]
    names: dict[str, Any] = {}
    exec(text, names)
    train(request(tmp_path, logs=(names["SystemLog"](),)), Recorder())
    assert said[0].startswith(f"tiny in {tmp_path}: epoch 1, loss ")
    assert said[-1].startswith(f"tiny in {tmp_path}: finished after ")


# --- scalars ------------------------------------------------------------------------------------


def test_what_is_not_known_is_no_scalar() -> None:
    assert dict(scalars(RECORDS[1])) == {
        "loss/train": 0.25,
        "lr": 0.01,
        "samples_per_second": 99.0,
    }
    assert dict(scalars(RECORDS[0]))["accuracy/valid"] == 0.5


def test_heads_have_scalars_of_their_own() -> None:
    outputs: dict[str, dict[str, float | None]] = {
        "output": {"loss": 1.0},
        "aux": {"loss": 2.0, "valid_loss": None},
    }
    found = dict(scalars(replace(RECORDS[0], outputs=outputs)))
    assert (found["loss/train"], found["loss/train/aux"]) == (0.1 + 0.2, 2.0)
    assert "loss/valid/aux" not in found


# --- other tools --------------------------------------------------------------------------------


def tensorboard_events(folder: Path) -> Iterator[Any]:
    """What is in event files, read by the format's own rules."""
    event: Any = import_module("tensorboardX.proto.event_pb2").Event
    for path in sorted((folder / "tensorboard").glob("events*")):
        content, at = path.read_bytes(), 0
        while at < len(content):
            length = int.from_bytes(content[at : at + 8], "little")
            yield event.FromString(content[at + 12 : at + 12 + length])
            at += 16 + length


def tensorboard_values(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """All scalars of event files; what is no scalar has none."""
    found: dict[str, list[tuple[int, float]]] = {}
    for read in tensorboard_events(folder):
        for value in read.summary.value:
            if value.HasField("simple_value"):
                found.setdefault(value.tag, []).append((read.step, value.simple_value))
            else:
                found.setdefault(value.tag, [])
    return found


def test_tensorboard(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    recorder = Recorder()
    wanted = request(tmp_path, valid=stripes(12, 1), logs=logs_named(["tensorboard"]))
    train(wanted, recorder)
    found = tensorboard_values(tmp_path)
    assert [step for step, _ in found["step/loss"]] == [*range(1, 10)]
    assert [step for step, _ in found["loss/valid"]] == [3, 6, 9]
    for name, measure in (("loss/train", "loss"), ("accuracy/valid", "valid_accuracy")):
        values = [getattr(record, measure) for record in recorder.records]
        assert [value for _, value in found[name]] == pytest.approx(values)
    assert {"confusion", "spec/text_summary", "recipe/text_summary"} <= set(found)


def test_tensorboard_forgets_what_is_done_again(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")

    def end(progress: Progress) -> None:
        if progress.number == 2:
            raise SystemExit

    wanted = request(tmp_path, resume="latest", logs=logs_named(["tensorboard"]))
    with pytest.raises(SystemExit):
        train(wanted, Recorder(end))
    train(replace(wanted, logs=logs_named(["tensorboard"])), interrupted_at(4))
    train(replace(wanted, logs=logs_named(["tensorboard"])), Recorder())
    events = [*tensorboard_events(tmp_path)]
    # A viewer forgets everything from the step of such an event on.
    assert [one.step for one in events if one.HasField("session_log")] == [1, 5]


@pytest.fixture
def tracked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """A store of MLflow's own, and its client."""
    mlflow = pytest.importorskip("mlflow")
    pytest.importorskip("sqlalchemy")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    return lambda: mlflow.MlflowClient()


def test_mlflow(tmp_path: Path, tracked: Callable[[], Any]) -> None:
    folder = tmp_path / "run"
    recorder = Recorder()
    train(request(folder, logs=logs_named(["mlflow"])), interrupted_at(4))
    number = (folder / "mlflow.txt").read_text().strip()
    assert tracked().get_run(number).info.status == "KILLED"
    train(request(folder, resume="latest", logs=logs_named(["mlflow"])), recorder)
    client = tracked()
    run = client.get_run(number)
    assert run.info.status == "FINISHED"
    assert run.data.params["optimizer"] == "sgd lr 0.1 momentum 0.9"
    history = client.get_metric_history(number, "loss/train")
    assert [one.step for one in history] == [3, 6, 9]
    assert run.data.metrics["loss/train"] == pytest.approx(recorder.records[-1].loss)
    assert "model.onnx" in {one.path for one in client.list_artifacts(number)}
    [experiment] = [one for one in client.search_experiments() if one.name == "tiny"]
    assert [one.info.run_id for one in client.search_runs([experiment.experiment_id])] == [number]
