"""LeNet-5 as ONNX's own reference runs it: plain NumPy, and no code of ONNX Runtime's."""

from __future__ import annotations

from pathlib import Path

import numpy
import onnx
import pytest
from onnx.reference import ReferenceEvaluator
from oracle import TOLERANCE, compiled, draw, relative_error

import cnndsl


@pytest.mark.parametrize("batch", [1, 5])
def test_lenet5_computes_what_the_reference_does(batch: int, tmp_path: Path) -> None:
    network = cnndsl.load("lenet5")
    model = compiled(network, draw(network.weights), tmp_path)
    model.save(tmp_path / "lenet5.onnx")
    digits = numpy.random.default_rng(4).integers(0, 256, (batch, 1, 32, 32), numpy.uint8)
    # Whole numbers are raw data: the spec divides them by 255, outside of the graph.
    prepared = (digits / 255).astype(numpy.float32)
    reference = ReferenceEvaluator(onnx.load(tmp_path / "lenet5.onnx"))
    (expected,) = map(numpy.asarray, reference.run(None, {"input": prepared}))
    assert numpy.ptp(expected) > 0.01
    for x in (digits, prepared):
        assert relative_error(model.run(x), expected) < TOLERANCE
