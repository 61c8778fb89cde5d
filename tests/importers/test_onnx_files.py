"""Real ONNX models become specs of the same counts and the same answers."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from imported_models import assert_same, counts, import_model, with_random_weights

import cnndsl

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"

LINES = {
    "bvlc_alexnet": 18,
    "densenet121": 34,
    "inception_v1": 36,
    "inception_v2": 61,
    "resnet50": 34,
    "shufflenet": 34,
    "squeezenet": 26,
    "vgg19": 24,
    "zfnet512": 16,
}
"""The most lines that a spec of it has."""


@pytest.mark.parametrize("name", LINES)
def test_a_model_of_the_onnx_package_becomes_a_short_spec_of_its_counts(name: str) -> None:
    path = LIGHT / f"light_{name}.onnx"
    found = cnndsl.import_network(path)
    assert (found.params, found.macs) == counts(onnx.load(path))
    assert len(found.text.splitlines()) <= LINES[name]
    assert found.refused == ()


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["densenet121", "inception_v1", "inception_v2", "resnet50", "shufflenet", "squeezenet"]
)
def test_a_model_of_the_onnx_package_answers_as_its_spec_does(name: str, tmp_path: Path) -> None:
    model = with_random_weights(onnx.load(LIGHT / f"light_{name}.onnx"))
    assert_same(model, import_model(model, tmp_path), tmp_path)
