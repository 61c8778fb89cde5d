"""Forward graphs and training steps as ONNX text: a refactor shows what it changed.

``CNNDSL_REWRITE=1 pytest tests/graph/test_golden.py`` writes the files in ``tests/golden/`` anew.
"""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.version import Version

from cnndsl import pipeline
from cnndsl.graph.export import graph_text
from cnndsl.graph.lower import lower
from cnndsl.training.split import build_split
from cnndsl.training.step import build_step

pytestmark = pytest.mark.skipif(
    Version(version("onnx")) < Version("1.23"),
    reason="the printer of older versions of onnx writes numbers with fewer digits",
)

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.mark.parametrize("name", ["lenet5", "alexnet", "googlenet", "resnet18"])
def test_the_forward_graph_is_the_recorded_one(name: str) -> None:
    compare(f"{name}.onnxtxt", graph_text(lower(pipeline.load(name))))


def test_the_training_step_of_lenet5_is_the_recorded_one() -> None:
    step = build_step(pipeline.load("lenet5"), batch=2)
    compare("lenet5.step.onnxtxt", graph_text(step.model))


RESIDUAL = """network residual
import "std/residual"
input 3x8x8
conv 4@3 padding 1 bias no -> batchnorm -> relu
basic(4)
basic(8, stride = 2, project = yes)
globalavgpool -> dropout 0.2 -> dense 3 -> softmax
train {
  optimizer sgd lr 0.1 momentum 0.9
  weight_decay 1e-4
}
"""


def test_the_training_step_of_residual_blocks_is_the_recorded_one() -> None:
    step = build_step(pipeline.typed(pipeline.check_text(RESIDUAL, "residual.cnn")), batch=2)
    compare("residual.step.onnxtxt", graph_text(step.model))


def test_the_update_of_residual_blocks_is_the_recorded_one() -> None:
    typed = pipeline.typed(pipeline.check_text(RESIDUAL, "residual.cnn"))
    _, update = build_split(typed, batch=2)
    compare("residual.update.onnxtxt", graph_text(update.model))


def compare(name: str, text: str) -> None:
    recorded = GOLDEN / name
    if os.environ.get("CNNDSL_REWRITE"):
        recorded.write_text(text, encoding="utf-8")
    assert text == recorded.read_text(encoding="utf-8")
