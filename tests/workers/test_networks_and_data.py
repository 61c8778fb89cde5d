"""Networks with all that depends on samples, fed from each kind of data: N changes no bit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy
import pytest
from training_data import write_picture
from training_runs import Recorder, digest

import cnndsl
from cnndsl.runtime.logs.figures import FiguresLog
from cnndsl.runtime.workers.communicator import Communicator
from cnndsl.runtime.workers.threads import together

LENET5 = "lenet5"
"""The spec itself, with its random shifts."""

CHANCE = """network chance
input 1x32x32 { scale 1/255 }
conv 4@6 stride 2 -> batchnorm -> relu -> noise 0.1 -> maxpool 2 -> flatten -> dropout 0.3
dense 10 -> softmax
train {
  optimizer adam lr 0.01
  schedule cosine
  augment flip -> noise 0.05
}
"""

RESIDUAL = """network residual
import "std/residual"
rounding floor
input 1x32x32 { scale 1/255  fit crop from 36 }
conv 4@3 stride 2 padding 1 bias no -> batchnorm -> relu
basics(4, 1)
basics(8, 1, stride = 2)
globalavgpool -> dense 10 -> softmax
train {
  optimizer sgd lr 0.1 momentum 0.9
  weight_decay 1e-4
  augment crop padding 2 -> flip
  init he
}
"""
"""As ResNet-18, but narrow."""

COUNTS = {4: (2, 3, 4), 6: (2, 3, 5)}
"""Numbers of workers for numbers of shards; batches have 13 samples, which neither divides."""


@pytest.fixture(autouse=True)
def _no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each run: nobody looks at them here."""
    monkeypatch.setattr(FiguresLog, "_draw", lambda self: None)


def data_of(kind: str, folder: Path) -> Any:
    """Forty pictures of ten classes."""
    pictures = numpy.random.default_rng(0).integers(0, 256, (40, 32, 32), numpy.uint8)
    labels = numpy.arange(40) % 10
    if kind == "arrays":
        return pictures[:, None].astype(numpy.float32), labels
    names = [Path(f"{label}/{number}.png") for number, label in enumerate(labels)]
    for name, picture in zip(names, pictures, strict=True):
        write_picture(folder / "pictures" / name, picture)
    if kind == "folder":
        return folder / "pictures"
    rows = (f"pictures/{name},{name.parent}\n" for name in names)
    (folder / "table.csv").write_text("".join(rows))
    return folder / "table.csv"


def trained(spec: str, shards: int, count: int, data: Any, folder: Path) -> str:
    """What some workers have of a run, of whom the first writes the folder."""

    def work(others: Communicator) -> list[float]:
        network = cnndsl.load(spec) if spec == LENET5 else cnndsl.parse(spec)
        training = network.train(
            data,
            Recorder(),
            valid=0.3,
            out=folder,
            epochs=2,
            batch=13,
            settings=[f"train.shards={shards}"],
            device="cpu",
            threads=1,
            workers=others,
        )
        return [one.loss for one in training.records]

    losses = together(count, work)
    assert all(one == losses[0] for one in losses)
    return digest(folder)


def assert_same_bits(
    spec: str, shards: int, counts: Sequence[int], data: Any, folder: Path
) -> None:
    alone = trained(spec, shards, 1, data, folder / "1")
    for count in counts:
        assert trained(spec, shards, count, data, folder / str(count)) == alone, count


# Each network with each number of shards, each kind of data with both.
@pytest.mark.parametrize(
    ("spec", "shards", "kind"),
    [
        (LENET5, 4, "arrays"),
        (LENET5, 6, "folder"),
        (CHANCE, 4, "folder"),
        (CHANCE, 6, "csv"),
        (RESIDUAL, 4, "csv"),
        (RESIDUAL, 6, "arrays"),
    ],
    ids=lambda value: value.split()[1] if "\n" in str(value) else str(value),
)
def test_any_number_of_workers_gives_the_same_bits(
    tmp_path: Path, spec: str, shards: int, kind: str
) -> None:
    assert_same_bits(spec, shards, COUNTS[shards], data_of(kind, tmp_path), tmp_path)
