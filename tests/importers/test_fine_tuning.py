"""An imported classifier learns new classes from where it stood."""

from __future__ import annotations

from pathlib import Path

import numpy
import onnx
import PIL.Image
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file

import cnndsl
from cnndsl.cli import main


def classifier(folder: Path) -> Path:
    """A small model of another tool: convolution, pooling, seven classes as scores."""
    random = numpy.random.default_rng(0)
    arrays = {
        "features.0.weight": random.standard_normal((8, 1, 3, 3)) * 0.3,
        "features.0.bias": numpy.zeros(8),
        "fc.weight": random.standard_normal((7, 8)) * 0.3,
        "fc.bias": numpy.zeros(7),
    }
    nodes = [
        helper.make_node(
            "Conv", ["x", "features.0.weight", "features.0.bias"], ["a"], pads=[1] * 4
        ),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("GlobalAveragePool", ["b"], ["c"]),
        helper.make_node("Flatten", ["c"], ["d"]),
        helper.make_node("Gemm", ["d", "fc.weight", "fc.bias"], ["scores"], transB=1),
    ]
    ports = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1, 8, 8]),
        helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 7]),
    ]
    weights = [numpy_helper.from_array(a.astype(numpy.float32), n) for n, a in arrays.items()]
    graph = helper.make_graph(nodes, "classifier", ports[:1], ports[1:], weights)
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]),
        folder / "classifier.onnx",
    )
    return folder / "classifier.onnx"


def test_the_commands_of_the_page_train_on_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(classifier(tmp_path).parent)
    random = numpy.random.default_rng(2)
    for name in range(3):
        folder = tmp_path / "pictures" / f"kind{name}"
        folder.mkdir(parents=True)
        for at in range(12):
            pixels = random.integers(80 * name, 80 * name + 80, (8, 8)).astype(numpy.uint8)
            PIL.Image.fromarray(pixels).save(folder / f"{at}.png")
    found = CliRunner().invoke(main, ["import", "classifier.onnx", "-o", "classifier.cnn"])
    assert found.exit_code == 0
    spec = tmp_path / "classifier.cnn"
    text = spec.read_text(encoding="utf-8")
    assert "input 1x8x8\n" in text
    spec.write_text(
        text.replace("input 1x8x8\n", "input 1x8x8 { scale 1/255 }\n"), encoding="utf-8"
    )
    words = "-D classes=3 --weights classifier.safetensors --data pictures/ --valid 0.25 --epochs 2"
    result = CliRunner().invoke(main, ["train", "classifier.cnn", *words.split()])
    assert result.exit_code == 0, result.output
    assert "2 of 4 weights are taken from `classifier.safetensors`" in result.output
    assert (tmp_path / "runs" / "classifier" / "model.onnx").exists()


def test_a_new_head_begins_anew_and_the_rest_where_it_was(tmp_path: Path) -> None:
    spec, weights = cnndsl.import_network(classifier(tmp_path)).save(tmp_path / "c.cnn")
    assert weights is not None
    network = cnndsl.load(spec, classes=3)
    random = numpy.random.default_rng(1)
    x = random.standard_normal((64, 1, 8, 8)).astype(numpy.float32)
    y = numpy.repeat([0, 1, 2], [22, 21, 21])
    x += y[:, None, None, None]
    run = network.train((x, y), out=tmp_path / "run", weights=weights, epochs=1)
    old, new = load_file(weights), load_file(tmp_path / "run" / "best.safetensors")
    assert old.keys() == new.keys()
    assert [new[name].shape for name in ("fc.weight", "fc.bias")] == [(3, 8), (3,)]
    moved = numpy.abs(new["features_0.weight"] - old["features_0.weight"]).max()
    assert 0 < moved < 0.2
    assert run.folder == tmp_path / "run"
