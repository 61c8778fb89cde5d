"""Layers beside each other that are alike: a file's order counts for them, or nothing does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pytest
from click.testing import CliRunner, Result
from foreign_weights import drawn

from cnndsl.cli import main


def run(*words: object) -> Result:
    return CliRunner().invoke(main, ["weights", *map(str, words)])


BRANCHES = "input 3x8x8\nadd(left: conv 4@3, right: conv 4@3) -> flatten -> dense 10\n"


def test_layers_beside_each_other_are_in_doubt_where_keras_has_ordered_them(
    tmp_path: Path,
) -> None:
    h5py: Any = pytest.importorskip("h5py")
    spec = tmp_path / "b.cnn"
    spec.write_text(BRANCHES, encoding="utf-8")
    layers = {
        "conv2d": [drawn(3, 3, 3, 4), drawn(4)],
        "conv2d_1": [drawn(3, 3, 3, 4), drawn(4)],
        "dense": [drawn(144, 10), drawn(10)],
    }
    with h5py.File(tmp_path / "k.weights.h5", "w") as file:
        for name, arrays in layers.items():
            for at, array in enumerate(arrays):
                file[f"layers/{name}/vars/{at}"] = array
    result = run(spec, tmp_path / "k.weights.h5")
    assert "error[CNN653]: `conv2d` and `conv2d_1` are alike" in result.stderr
    (tmp_path / "names.txt").write_text("conv2d right\nconv2d_1 left\n", "utf-8")
    result = run(spec, tmp_path / "k.weights.h5", "--map", tmp_path / "names.txt", "--dry-run")
    assert result.exit_code == 0, result.output


def test_the_order_of_a_file_counts_for_branches_and_that_is_said(tmp_path: Path) -> None:
    spec = tmp_path / "b.cnn"
    spec.write_text(BRANCHES, encoding="utf-8")
    arrays = {"a.weight": drawn(4, 3, 3, 3), "a.bias": drawn(4), "b.weight": drawn(4, 3, 3, 3)}
    arrays |= {"b.bias": drawn(4), "f.weight": drawn(10, 144), "f.bias": drawn(10)}
    numpy.savez(tmp_path / "t.npz", **arrays)  # type: ignore[arg-type]
    result = run(spec, tmp_path / "t.npz", "--layout", "channels-first", "--dry-run")
    assert result.exit_code == 0, result.output
    words = " ".join(result.stdout.split())
    assert "where the file's order counts: `a` and `b`" in words


def test_another_eps_is_told(tmp_path: Path) -> None:
    onnx: Any = pytest.importorskip("onnx")
    spec = tmp_path / "n.cnn"
    spec.write_text("input 3x8x8\nn: batchnorm eps 1e-3\n", encoding="utf-8")
    names = ["s", "b", "m", "v"]
    node = onnx.helper.make_node("BatchNormalization", ["x", *names], ["y"])
    sizes = ["N", 3, 8, 8]
    ports = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, sizes) for name in "xy"
    ]
    arrays = [onnx.numpy_helper.from_array(numpy.abs(drawn(3)) + 1, name) for name in names]
    graph = onnx.helper.make_graph([node], "g", ports[:1], ports[1:], arrays)
    onnx.save(onnx.helper.make_model(graph), tmp_path / "n.onnx")
    result = run(spec, tmp_path / "n.onnx", "--dry-run")
    words = " ".join(result.stdout.split())
    assert "`eps` is 1e-05 in the file, 0.001 in the spec, of `n`" in words
