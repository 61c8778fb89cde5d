"""A run shows itself in one display, now and then, whatever it measures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pytest

import cnndsl
from cnndsl.notebook.live import LiveCurves
from cnndsl.plots.curves import draw_curves
from cnndsl.runtime.default_listener import default_listener, watch_by_default
from cnndsl.runtime.events import EpochRecord, Outcome, Progress, Start
from cnndsl.runtime.training import NOBODY


class Clock:
    """A clock that a test sets; each look at it takes ``cost`` seconds."""

    def __init__(self, cost: float = 0.0) -> None:
        self.now = 0.0
        self.cost = cost

    def __call__(self) -> float:
        self.now += self.cost
        return self.now


def start(**more: Any) -> Start:
    return Start("net", "cpu", 100, 20, epochs=3, steps=10, batch=10, **more)


def progress(step: int, epoch: int = 1) -> Progress:
    return Progress(epoch, 3, step, 10, 0.5, 0.9, 1000.0, 83.0)


def record(epoch: int, **more: Any) -> EpochRecord:
    numbers = {"accuracy": 0.9, "valid_loss": 0.6, "valid_accuracy": 0.8, **more}
    return EpochRecord(epoch, 10 * epoch, 0.5, lr=0.1, seconds=1.0, rate=9.0, best=True, **numbers)


def test_looks_are_apart() -> None:
    shown: list[str] = []
    clock = Clock()
    live = LiveCurves(shown.append, clock)
    live.start(start())
    for step in range(1, 11):
        clock.now = step / 10
        live.progress(progress(step))
    assert len(shown) == 3  # at 0, 0.5 and 1.0 seconds
    assert "epoch 1/3 · loss 0.5 · accuracy 90.0% · 1,000 samples/s · 1 min 23 s left" in shown[1]


def test_slow_looks_are_further_apart() -> None:
    shown: list[str] = []
    clock = Clock(cost=1.0)
    live = LiveCurves(shown.append, clock)
    live.start(start())
    for step in range(1, 11):
        live.progress(progress(step))
    assert len(shown) == 1


def test_curves_are_drawn_once_for_each_new_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []

    def counting(records: Any, title: str) -> Any:
        drawn.append(len(records))
        return draw_curves(records, title)

    monkeypatch.setattr("cnndsl.notebook.live.draw_curves", counting)
    shown: list[str] = []
    clock = Clock()
    live = LiveCurves(shown.append, clock)
    live.start(start())
    for at, epoch in enumerate((1, 2)):
        live.epoch(record(epoch))
        for step in range(3):
            clock.now = 10.0 * at + step + 1
            live.progress(progress(step + 1, epoch + 1))
    live.end(Outcome("finished", (record(1), record(2)), record(2), 20.0))
    assert drawn == [1, 2]
    assert "<img" not in shown[0]
    assert "<img" in shown[-1]
    assert "finished after 2 epochs, 20 s; the best is epoch 2" in shown[-1]


def test_what_is_said_is_text() -> None:
    shown: list[str] = []
    live = LiveCurves(shown.append, Clock())
    live.start(start())
    for number in range(20):
        live.note(f"<b>{number}</b>")
    live.end(Outcome("interrupted", (), None, 0.2))
    assert "<b>19" not in shown[-1]
    assert "&lt;b&gt;19&lt;/b&gt;" in shown[-1]
    assert "&lt;b&gt;9&lt;/b&gt;" not in shown[-1]


def test_a_real_run_is_shown(tmp_path: Path) -> None:
    shown: list[str] = []
    network = cnndsl.parse("input 4\ndense 2 -> softmax\n", "net.cnn")
    random = numpy.random.default_rng(1)
    x = random.normal(size=(60, 4)).astype(numpy.float32)
    data = (x, (x[:, 0] > 0).astype(numpy.int64))
    network.train(data, LiveCurves(shown.append), epochs=3, out=tmp_path / "a", device="cpu")
    assert "Training net" in shown[0]
    assert "finished after 3 epochs" in shown[-1]
    values = network.train(
        (x, x[:, :2]),
        LiveCurves(shown.append),
        epochs=2,
        device="cpu",
        out=tmp_path / "b",
        settings=["train.loss=mse"],
    )
    assert "<img" in values._repr_html_()


def test_without_a_notebook_nobody_watches() -> None:
    assert default_listener() is NOBODY
    shown: list[str] = []
    watch_by_default(lambda: LiveCurves(shown.append))
    try:
        assert isinstance(default_listener(), LiveCurves)
        assert default_listener() is not default_listener()
    finally:
        watch_by_default(None)
    assert default_listener() is NOBODY
