"""Networks learn what they should: whole runs of the command, from a spec and data to accuracy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy
import pytest
from click.testing import CliRunner

from cnndsl.cli import main

RESIDUAL = """network colours
import "std/residual"
input 3x32x32 { scale 1/255  mean 0.5  std 0.25 }

conv 8@3 padding 1 bias no -> batchnorm -> relu      => 8x32x32
basic(8)
basic(16, stride = 2, project = yes)            => 16x16x16
globalavgpool -> dense 4 -> softmax

train {
  optimizer sgd lr 0.05 momentum 0.9
  weight_decay 1e-4
  batch 20
  epochs 4
  augment crop padding 4 -> flip
}
"""

COLOURS = numpy.array([[220, 40, 40], [40, 200, 40], [50, 60, 220], [200, 200, 40]])


def run(*arguments: str) -> str:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def scores(*arguments: str) -> dict[str, float]:
    found: dict[str, float] = json.loads(run("eval", *arguments, "--format", "json"))
    return found


def coloured(count: int, seed: int) -> dict[str, Any]:
    """Pictures of noise with a patch of one of four colours at a random place."""
    random = numpy.random.default_rng(seed)
    pictures = random.integers(0, 256, (count, 3, 32, 32)).astype(numpy.uint8)
    labels = random.integers(4, size=count)
    for picture, label in zip(pictures, labels, strict=True):
        top, left = random.integers(0, 16, size=2)
        picture[:, top : top + 16, left : left + 16] = COLOURS[label][:, None, None]
    return {"x": pictures, "y": labels}


def test_a_residual_network_learns_colours_completely(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("colours.cnn").write_text(RESIDUAL)
    numpy.savez("train.npz", **coloured(400, 0))
    numpy.savez("test.npz", **coloured(200, 1))
    run("train", "colours.cnn", "--data", "train.npz", "--valid", "0.2", "--out", "out")
    found = scores("out/model.onnx", "--data", "test.npz")
    assert (found["top1"], found["count"]) == (1.0, 200)


def test_lenet5_learns_the_handwritten_digits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run("train", "lenet5", "--data", "digits", "--valid", "0.2", "--out", "out")
    records = [json.loads(line) for line in Path("out/metrics.jsonl").read_text().splitlines()]
    assert max(record["valid_accuracy"] for record in records) >= 0.98
    found = scores("out/model.onnx", "--data", "digits", "--valid", "0.2")
    assert found["top1"] >= 0.98
    assert found["count"] == 359
