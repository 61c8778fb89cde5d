"""Small training runs: networks and data that train in milliseconds, and whoever watches them."""

from __future__ import annotations

import csv
import hashlib
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
from numpy.typing import NDArray
from typing_extensions import override

from cnndsl.data.samples import Broken, Dataset, Indices
from cnndsl.data.sources import ModelInput
from cnndsl.diagnostics.model import UserError
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.pipeline import check_text, train, typed
from cnndsl.runtime.checkpoint import list_checkpoints, read_checkpoint
from cnndsl.runtime.events import EpochRecord, Listener, Outcome, Progress, Start
from cnndsl.runtime.plan import TrainingRequest

__all__ = [
    "BODY",
    "SGD",
    "Array",
    "ArrayData",
    "Recorder",
    "digest",
    "interrupted_at",
    "network",
    "refused",
    "request",
    "results",
    "stripes",
]

Array = NDArray[Any]

SGD = "optimizer sgd lr 0.1 momentum 0.9; batch 8; epochs 3"

BODY = """
input 1x6x6
C1: conv 3@3x3 -> batchnorm -> relu
flatten -> dropout 0.2
F2: dense 3 -> softmax
"""
"""A network with all that makes exact resumption hard: statistics, chance, and state."""


def network(train: str = "", body: str = BODY, name: str = "tiny") -> TypedNetwork:
    """A network of this body and these settings, a line each or divided by `;`."""
    settings = "".join(f"  {line.strip()}\n" for line in train.split(";"))
    return typed(check_text(f"network {name}\n{body}\ntrain {{\n{settings}}}\n"))


class ArrayData(Dataset):
    """Samples that are there already."""

    def __init__(
        self,
        inputs: dict[str, Array],
        *,
        labels: Array | None = None,
        targets: Array | None = None,
        classes: tuple[str, ...] = (),
        name: str = "arrays",
    ) -> None:
        self.arrays = inputs
        self.before_reading: Callable[[Indices], object] = lambda indices: None
        described: list[ModelInput] = []
        super().__init__(name, described, labels=labels, targets=targets, classes=classes)

    @override
    def name_of(self, index: int) -> str:
        return f"{self.name}[{index}]"

    @override
    def load(self, indices: Indices) -> dict[str, Array]:
        self.before_reading(indices)
        return {name: array[indices] for name, array in self.arrays.items()}

    @override
    def faults(self, indices: Indices) -> list[Broken]:
        return []

    @property
    @override
    def fingerprint(self) -> str:
        total = sum(float(array.sum()) for array in self.arrays.values())
        answers = self.targets if self.labels is None else self.labels
        assert answers is not None
        return f"{total:.6f} {float(answers.sum())} {len(self)}"


def stripes(count: int, seed: int = 0, **options: Any) -> ArrayData:
    """Pictures of one bright row each among noise; the class is the row's third."""
    random = numpy.random.default_rng(seed)
    rows = random.permutation(numpy.arange(count) % 6)
    pictures = random.normal(0, 0.3, (count, 1, 6, 6)).astype(numpy.float32)
    pictures[numpy.arange(count), 0, rows] += 1
    return ArrayData({"input": pictures}, labels=rows // 2, **options)


class Recorder(Listener):
    """A listener that keeps what it hears; ``on_progress`` is called after every step."""

    def __init__(self, on_progress: Callable[[Progress], object] = lambda progress: None) -> None:
        self.starts: list[Start] = []
        self.steps: list[Progress] = []
        self.records: list[EpochRecord] = []
        self.notes: list[str] = []
        self.outcomes: list[Outcome] = []
        self._on_progress = on_progress

    @override
    def start(self, start: Start) -> None:
        self.starts.append(start)

    @override
    def progress(self, progress: Progress) -> None:
        self.steps.append(progress)
        self._on_progress(progress)

    @override
    def epoch(self, record: EpochRecord) -> None:
        self.records.append(record)

    @override
    def note(self, text: str) -> None:
        self.notes.append(text)

    @override
    def end(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)


def interrupted_at(number: int, sent: signal.Signals = signal.SIGINT) -> Recorder:
    """A listener that presses Ctrl-C after so many steps, or sends another signal."""
    seen: list[Progress] = []

    def press(progress: Progress) -> None:
        seen.append(progress)
        if len(seen) == number:
            os.kill(os.getpid(), sent)

    return Recorder(press)


def request(folder: Path, **changes: Any) -> TrainingRequest:
    """A run of the tiny network on stripes, on one thread of the CPU."""
    values: dict[str, Any] = {
        "network": network(SGD),
        "data": stripes(30),
        "folder": folder,
        "device": "cpu",
        "threads": 1,
        "examine": False,
    }
    return TrainingRequest(**{**values, **changes})


def refused(wanted: TrainingRequest, code: str) -> UserError:
    """The error that a run is refused with, which has this code."""
    with pytest.raises(UserError) as caught:
        train(wanted, Recorder())
    assert caught.value.code == code
    return caught.value


def results(folder: Path) -> dict[str, object]:
    """What must be the same in two runs: all but what tells the time."""
    names = ("best.safetensors", "last.safetensors", "model.onnx", "confusion.csv", "spec.cnn")
    found: dict[str, object] = {
        name: (folder / name).read_bytes() for name in names if (folder / name).exists()
    }
    with open(folder / "metrics.csv", encoding="utf-8", newline="") as file:
        rows = [dict(row) for row in csv.DictReader(file)]
    for row in rows:
        del row["seconds"], row["rate"]
    found["metrics"] = rows
    return found


def digest(folder: Path) -> str:
    """All that a run has computed: its results, and the last checkpoint's weights and state."""
    total = hashlib.sha256(repr(results(folder)).encode())
    last = read_checkpoint(list_checkpoints(folder / "checkpoints")[-1])
    for some in (last.weights, last.state):
        for name in sorted(some):
            total.update(some[name].tobytes())
    return total.hexdigest()
