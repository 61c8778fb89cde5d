"""Small sweeps, and whoever watches them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy
import training_runs
from training_runs import Array, interrupted_at, results
from typing_extensions import override

import cnndsl
from cnndsl.sweeps.plan import Plan
from cnndsl.sweeps.runs import RunResult, Task
from cnndsl.sweeps.sweep import SweepListener

__all__ = [
    "SPEC",
    "WORDS",
    "Heard",
    "a_sweep",
    "all_results",
    "pressed",
    "stripes",
    "swept",
    "trained",
    "write_files",
]

SPEC = """\
network tiny
param width = 3
input 1x6x6
C1: conv width@3x3 -> batchnorm -> relu
flatten -> dropout 0.2
F2: dense 3 -> softmax
train {
  optimizer sgd lr 0.1 momentum 0.9
  batch 8
  epochs 2
}
"""

WORDS = ("tiny.cnn", "--data", "data.npz", "--valid", "0.3", "--device", "cpu", "--threads", "1")
"""What a sweep by the command line begins with, of what :func:`write_files` writes."""


def stripes(count: int = 60) -> tuple[Array, Array]:
    """Those of single runs, as arrays."""
    data = training_runs.stripes(count)
    assert data.labels is not None
    return data.arrays["input"], data.labels


def write_files(folder: Path) -> None:
    """Write the spec and the data for the command line."""
    (folder / "tiny.cnn").write_text(SPEC)
    x, y = stripes()
    numpy.savez(folder / "data.npz", x=x, y=y)


def swept(folder: Path, listener: SweepListener | None = None, **changes: Any) -> cnndsl.Sweep:
    """Two widths by two rates with two seeds, on one thread of the CPU."""
    asked: dict[str, Any] = {
        "spec": SPEC,
        "data": stripes(),
        "params": {"width": "2,4"},
        "settings": {"train.optimizer.lr": "0.1,0.01"},
        "seeds": 2,
        "valid": 0.3,
        "out": folder,
        "device": "cpu",
        "threads": 1,
    }
    return cnndsl.sweep(listener=listener, **{**asked, **changes})


class Heard(SweepListener):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.plans: list[Plan] = []
        self.done: list[int] = []
        self.results: list[RunResult] = []
        self.notes: list[str] = []

    @override
    def start(self, plan: Plan) -> None:
        self.plans.append(plan)

    @override
    def ended(self, task: Task, result: RunResult, done: int) -> None:
        self.done.append(done)
        self.results.append(result)

    @override
    def note(self, text: str, task: Task | None = None) -> None:
        self.notes.append(text)


def pressed(after: int) -> SweepListener:
    """A listener that presses Ctrl-C after so many steps of all runs together."""
    listener = Heard()
    listener.run = interrupted_at(after)
    return listener


def all_results(found: cnndsl.Sweep) -> dict[str, object]:
    """What must be the same in two sweeps: all but what tells the time."""
    kept: dict[str, object] = {}
    for task in found.plan.tasks:
        kept[str(task.folder.relative_to(found.folder))] = results(task.folder)
    data = json.loads((found.folder / "results.json").read_text("utf-8"))
    del data["folder"]
    for run in data["runs"]:
        del run["seconds"]
    return {**kept, "results.json": data}


def trained(folder: str) -> dict[str, object]:
    """What came of the runs in a sweep's folder that have a model, by their folders."""
    models = Path(folder).rglob("model.onnx")
    return {str(at.parent.relative_to(folder)): results(at.parent) for at in models}


def a_sweep(folder: Path) -> None:
    """The folder of a sweep of LeNet-5 with one run that is over."""
    options: dict[str, Any] = {"epochs": 1, "device": "cpu", "out": folder / "sweeps" / "lenet5"}
    cnndsl.sweep("lenet5", "digits", **options)
