"""Settings that no weight shows are compared by asking what describes the file's network."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy
import pytest
from click.testing import CliRunner, Result
from foreign_weights import caffe_model, darknet_weights, drawn
from safetensors.numpy import save_file

import cnndsl
from cnndsl.cli import main

CAFFE = """\
name: "net"
input: "data" input_shape { dim: 1 dim: 3 dim: 9 dim: 9 }
layer { name: "c" type: "Convolution" bottom: "data" top: "c"
  convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "r" type: "ReLU" bottom: "c" top: "c" }
layer { name: "p" type: "Pooling" bottom: "c" top: "p"
  pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "f" type: "InnerProduct" bottom: "p" top: "f"
  inner_product_param { num_output: 5 } }
"""

SPEC = """\
rounding floor
input 3x9x9
c: conv 4@3 -> relu -> maxpool 2 stride 2 rounding ceil -> flatten -> f: dense 5
"""


def run(*words: object) -> Result:
    return CliRunner().invoke(main, ["weights", *map(str, words)])


def caffes(folder: Path) -> tuple[Path, Path]:
    (folder / "net.prototxt").write_text(CAFFE, encoding="utf-8")
    layers = [
        ("c", "Convolution", [drawn(4, 3, 3, 3), drawn(4)]),
        ("f", "InnerProduct", [drawn(5, 64), drawn(5)]),
    ]
    return caffe_model(folder / "net.caffemodel", layers), folder / "net.prototxt"


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("relu", "relu6"),
        ("relu", "leakyrelu 0.01"),
        ("maxpool 2", "avgpool 2"),
        ("relu ->", "relu -> lrn ->"),
    ],
)
def test_equal_shapes_that_compute_otherwise_are_refused(
    right: str, wrong: str, tmp_path: Path
) -> None:
    weights, network = caffes(tmp_path)
    target = tmp_path / "w.safetensors"
    spec = tmp_path / "net.cnn"
    spec.write_text(SPEC, encoding="utf-8")
    result = run(spec, weights, "--against", network, "-o", target)
    assert result.exit_code == 0, result.output
    assert "proved: both answer alike, the largest difference is " in result.stdout
    target.unlink()
    spec.write_text(SPEC.replace(right, wrong), encoding="utf-8")
    result = run(spec, weights, "--against", network, "-o", target)
    assert "error[CNN657]: with these weights" in result.stderr
    assert not target.exists()


def test_what_is_not_described_is_not_proved_and_that_is_said(tmp_path: Path) -> None:
    weights, _ = caffes(tmp_path)
    (tmp_path / "net.cnn").write_text(SPEC, encoding="utf-8")
    result = run(tmp_path / "net.cnn", weights, "-o", tmp_path / "w.safetensors")
    assert "it has weights alone, and `--against` takes its network" in " ".join(
        result.stdout.split()
    )
    network = tmp_path / "other.prototxt"
    network.write_text(CAFFE.replace('"ReLU"', '"Mystery"'), encoding="utf-8")
    result = run(
        *(tmp_path / "net.cnn", weights, "--against", network, "-o", tmp_path / "w.safetensors")
    )
    assert result.exit_code == 0
    assert "its network was not understood" in " ".join(result.stdout.split())


def test_a_cfg_describes_darknets_numbers(tmp_path: Path) -> None:
    (tmp_path / "net.cfg").write_text(
        "[net]\nheight=8\nwidth=8\nchannels=3\n\n[convolutional]\nbatch_normalize=1\nfilters=4\n"
        "size=3\nstride=1\npad=1\nactivation=leaky\n\n[convolutional]\nfilters=5\nsize=1\nstride=1\n"
        "activation=linear\n\n[avgpool]\n\n[softmax]\n",
        encoding="utf-8",
    )
    kernel, vectors = drawn(4, 3, 3, 3), [drawn(4, seed=at) for at in range(4)]
    vectors[3] = numpy.abs(vectors[3]) + numpy.float32(0.5)
    arrays = [*vectors, kernel, drawn(5), drawn(5, 4, 1, 1)]
    weights = darknet_weights(tmp_path / "net.weights", arrays)
    text = (
        "input 3x8x8\nconv 4@3 padding same bias no -> batchnorm eps EPS -> leakyrelu 0.1\n"
        "conv 5@1 -> globalavgpool -> softmax\n"
    )
    found = {}
    for slope in ("0.1", "0.2"):
        spec = tmp_path / "net.cnn"
        changed = text.replace("EPS", "1e-6").replace("leakyrelu 0.1", f"leakyrelu {slope}")
        spec.write_text(changed, encoding="utf-8")
        against = ("--against", tmp_path / "net.cfg")
        found[slope] = run(spec, weights, *against, "-o", tmp_path / "w.safetensors")
    assert "proved: both answer alike" in found["0.1"].stdout, found["0.1"].output
    assert "error[CNN657]" in found["0.2"].stderr


@pytest.mark.parametrize(
    ("setting", "spec"),
    [
        ({}, "maxpool 3 stride 2 padding same -> relu"),
        ({"pool": "average"}, "maxpool 3 stride 2 padding same -> relu"),
        ({"activation": "relu6"}, "maxpool 3 stride 2 padding same -> relu"),
        ({"pad": "left"}, "maxpool 3 stride 2 padding same -> relu"),
    ],
)
def test_a_keras_file_is_asked_itself(setting: dict[str, str], spec: str, tmp_path: Path) -> None:
    os.environ.setdefault("KERAS_BACKEND", "torch")
    pytest.importorskip("h5py")
    keras: Any = pytest.importorskip("keras")
    layers = keras.layers
    entry = keras.Input((12, 12, 3))
    x = layers.Conv2D(6, 3)(entry)
    if setting.get("pad"):
        x = layers.ZeroPadding2D(((1, 0), (1, 0)))(x)
    kind = layers.AveragePooling2D if setting.get("pool") else layers.MaxPooling2D
    x = kind(3, strides=2, padding="valid" if setting.get("pad") else "same")(x)
    x = layers.ReLU(max_value=2.0 if setting.get("activation") else None)(x)
    x = layers.Dense(4, activation="softmax")(layers.Flatten()(x))
    model = keras.Model(entry, x)
    for at, one in enumerate(model.weights):
        one.assign(drawn(*one.shape, seed=at))
    model.save(tmp_path / "net.keras")
    path = tmp_path / "net.cnn"
    path.write_text(
        f"input 3x12x12\nconv 6@3 -> {spec} -> flatten -> dense 4 -> softmax\n", "utf-8"
    )
    result = run(path, tmp_path / "net.keras", "-o", tmp_path / "w.safetensors")
    if setting:
        assert "error[CNN657]" in result.stderr, result.output
        assert not (tmp_path / "w.safetensors").exists()
    else:
        assert "proved: both answer alike" in result.stdout, result.output


@pytest.mark.parametrize(
    "rearranged",
    ["flatten", "transpose [1, 2, 0] -> relu -> flatten", "relu -> reshape [216]"],
)
def test_numbers_that_the_spec_has_put_in_order_itself_stay_there(
    rearranged: str, tmp_path: Path
) -> None:
    os.environ.setdefault("KERAS_BACKEND", "torch")
    pytest.importorskip("h5py")
    keras: Any = pytest.importorskip("keras")
    layers = keras.layers
    entry = keras.Input((8, 8, 3))
    x = layers.Flatten()(layers.Conv2D(6, 3, activation="relu")(entry))
    x = layers.Dense(4)(layers.BatchNormalization(epsilon=1e-3)(x))
    model = keras.Model(entry, x)
    for at, one in enumerate(model.weights):
        value = drawn(*one.shape, seed=at)
        one.assign(numpy.abs(value) + 0.5 if "variance" in one.path else value)
    model.save(tmp_path / "net.keras")
    path, target = tmp_path / "net.cnn", tmp_path / "w.safetensors"
    path.write_text(
        f"input 3x8x8\nconv 6@3 -> relu -> {rearranged} -> batchnorm eps 1e-3 -> dense 4\n", "utf-8"
    )
    result = run(path, tmp_path / "net.keras", "-o", target)
    assert result.exit_code == 0, result.output
    x = numpy.random.default_rng(1).standard_normal((3, 8, 8, 3)).astype(numpy.float32)
    expected = keras.ops.convert_to_numpy(model(x))
    found = cnndsl.load(path).compile(weights=target, device="cpu").run(x.transpose(0, 3, 1, 2))
    numpy.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


def test_one_that_answers_the_same_for_all_proves_nothing(tmp_path: Path) -> None:
    onnx: Any = pytest.importorskip("onnx")
    spec = tmp_path / "net.cnn"
    spec.write_text("input 3x6x6\nc: conv 4@3 -> relu -> globalavgpool\n", encoding="utf-8")
    arrays = {"c.weight": drawn(4, 3, 3, 3) * 0 + 1, "c.bias": drawn(4) * 0 - 10_000}
    save_file(arrays, tmp_path / "a.safetensors")
    cnndsl.load(spec).compile(weights=tmp_path / "a.safetensors").save(tmp_path / "a.onnx")
    assert onnx.load(tmp_path / "a.onnx").graph.node
    result = run(spec, tmp_path / "a.onnx", "-o", tmp_path / "b.safetensors")
    assert "hardly depend on what it is given" in " ".join(result.stdout.split()), result.output
