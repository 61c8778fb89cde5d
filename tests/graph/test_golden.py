"""Forward graphs of shipped networks as ONNX text: a refactor shows what it changed.

``CNNDSL_REWRITE=1 pytest tests/graph/test_golden.py`` writes the files in ``tests/golden/`` anew.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cnndsl import pipeline
from cnndsl.graph.export import graph_text
from cnndsl.graph.lower import lower

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.mark.parametrize("name", ["lenet5", "alexnet", "googlenet", "resnet18"])
def test_the_forward_graph_is_the_recorded_one(name: str) -> None:
    text = graph_text(lower(pipeline.load(name)))
    recorded = GOLDEN / f"{name}.onnxtxt"
    if os.environ.get("CNNDSL_REWRITE"):
        recorded.write_text(text, encoding="utf-8")
    assert text == recorded.read_text(encoding="utf-8")
