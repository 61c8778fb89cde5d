"""The weights in a compiled model come back as they went in."""

from pathlib import Path

import numpy
import pytest

from cnndsl import pipeline
from cnndsl.diagnostics.model import UserError
from cnndsl.graph.onnx_weights import weights_of_model


def test_a_models_weights_are_those_it_was_compiled_with(tmp_path: Path) -> None:
    network = pipeline.load("lenet5")
    artifact = pipeline.compile(network, seed=3)
    artifact.write(tmp_path / "model.onnx")
    found = weights_of_model(tmp_path / "model.onnx", network)
    assert list(found) == list(artifact.weights)
    for name, array in artifact.weights.items():
        assert found[name].dtype == numpy.float32
        assert (found[name] == array).all()


def test_a_model_of_another_network_is_refused(tmp_path: Path) -> None:
    pipeline.compile(pipeline.load("lenet5")).write(tmp_path / "model.onnx")
    other = pipeline.typed(pipeline.check_text("input 4\nC1: dense 3\n"))
    with pytest.raises(UserError, match=r"does not hold the weight `C1\.weight`") as caught:
        weights_of_model(tmp_path / "model.onnx", other)
    assert caught.value.code == "CNN604"


@pytest.mark.parametrize("content", [None, b"no model at all"])
def test_what_is_no_model_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "model.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        weights_of_model(path, pipeline.load("lenet5"))
    assert caught.value.code == "CNN604"
