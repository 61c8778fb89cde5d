"""Weights of every format come over whole: what is written is what the file held, in our order."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy
import onnx
import pytest
from click.testing import CliRunner, Result
from foreign_situations import lenet_arrays
from foreign_weights import Array, caffe_model, darknet_weights, drawn
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file, save_file

import cnndsl
from cnndsl.cli import main
from cnndsl.diagnostics.model import UserError

SMALL = """\
input 3x8x8
c: conv 4@3 bias no -> n: batchnorm -> relu -> flatten -> dropout 0.5 -> f: dense 5
"""


def run(*words: object) -> Result:
    return CliRunner().invoke(main, ["weights", *map(str, words)])


def small(folder: Path) -> Path:
    path = folder / "small.cnn"
    path.write_text(SMALL, encoding="utf-8")
    return path


def arrays_of_small() -> dict[str, Array]:
    return {
        "c.weight": drawn(4, 3, 3, 3),
        "n.scale": drawn(4, seed=1),
        "n.bias": drawn(4, seed=2),
        "n.mean": drawn(4, seed=3),
        "n.var": numpy.abs(drawn(4, seed=4)) + numpy.float32(0.5),
        "f.weight": drawn(5, 144),
        "f.bias": drawn(5),
    }


def assert_brought(path: Path, expected: dict[str, Array]) -> None:
    found = load_file(path)
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        numpy.testing.assert_allclose(found[name], array, rtol=1e-6, err_msg=name)


def test_names_of_the_spec_count_first(tmp_path: Path) -> None:
    expected = arrays_of_small()
    words = {"n.scale": "n.weight", "n.mean": "n.running_mean", "n.var": "n.running_var"}
    theirs: dict[str, Any] = {words.get(name, name): one for name, one in expected.items()}
    save_file({**theirs, "n.num_batches_tracked": numpy.array([7])}, tmp_path / "t.safetensors")
    target = tmp_path / "w.safetensors"
    result = run(small(tmp_path), tmp_path / "t.safetensors", "-o", target)
    assert result.exit_code == 0, result.output
    assert "paired by: names\n" in result.stdout
    assert "left out: 1 tensor, a counter of training steps\n" in result.stdout
    assert_brought(target, expected)
    cnndsl.load(small(tmp_path)).compile(weights=target, device="cpu")


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    save_file(lenet_arrays(), tmp_path / "t.safetensors")
    before = sorted(tmp_path.iterdir())
    result = run(
        "lenet5", tmp_path / "t.safetensors", "-o", tmp_path / "w.safetensors", "--dry-run"
    )
    assert result.exit_code == 0
    assert sorted(tmp_path.iterdir()) == before
    assert max(map(len, result.stdout.splitlines())) <= 80 + len(str(tmp_path))


# --- Keras ------------------------------------------------------------------------------------


def keras_arrays() -> dict[str, Array]:
    """What Keras calls those of the small network, in its layouts."""
    ours = arrays_of_small()
    dense = ours["f.weight"].reshape(5, 4, 6, 6).transpose(2, 3, 1, 0).reshape(144, 5)
    return {
        "conv2d/kernel": ours["c.weight"].transpose(2, 3, 1, 0),
        "batch_normalization/gamma": ours["n.scale"],
        "batch_normalization/beta": ours["n.bias"],
        "batch_normalization/moving_mean": ours["n.mean"],
        "batch_normalization/moving_variance": ours["n.var"],
        "dense/kernel": dense,
        "dense/bias": ours["f.bias"],
    }


@pytest.mark.parametrize("layout", [(), ("--layout", "channels-last")])
def test_arrays_of_keras_are_told_by_their_shapes(layout: tuple[str, ...], tmp_path: Path) -> None:
    numpy.savez(tmp_path / "k.npz", **keras_arrays())  # type: ignore[arg-type]
    target = tmp_path / "w.safetensors"
    result = run(small(tmp_path), tmp_path / "k.npz", "-o", target, *layout)
    assert result.exit_code == 0, result.output
    assert ("by the shapes of its kernels, channels stand last" in result.stdout) == (not layout)
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["conv2d/kernel", "3x3x3x4", "HWIO>OIHW", "c.weight"] in lines
    assert ["dense/kernel", "144x5", "IO>OI,", "HWC>CHW", "f.weight"] in lines
    assert_brought(target, arrays_of_small())


def test_arrays_that_may_be_either_need_a_word(tmp_path: Path) -> None:
    (tmp_path / "s.cnn").write_text("input 3x8x8\nconv 3@3 bias no -> globalavgpool\n", "utf-8")
    numpy.savez(tmp_path / "k.npz", **{"conv.kernel": drawn(3, 3, 3, 3)})  # type: ignore[arg-type]
    result = run(tmp_path / "s.cnn", tmp_path / "k.npz")
    assert "error[CNN653]" in result.stderr
    assert "--layout channels-last" in result.stderr


def test_a_folder_of_arrays_is_read(tmp_path: Path) -> None:
    for name, array in keras_arrays().items():
        path = tmp_path / "arrays" / f"{name}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        numpy.save(path, numpy.asfortranarray(array))
    target = tmp_path / "w.safetensors"
    result = run(small(tmp_path), tmp_path / "arrays", "-o", target)
    assert result.exit_code == 0, result.output
    assert_brought(target, arrays_of_small())


def test_a_model_of_keras_answers_alike(tmp_path: Path) -> None:
    os.environ.setdefault("KERAS_BACKEND", "torch")
    pytest.importorskip("h5py")
    keras: Any = pytest.importorskip("keras")
    layers = keras.layers
    entry = keras.Input((16, 16, 3))
    x = layers.Conv2D(4, 3, padding="same", use_bias=False, name="b")(entry)
    x = layers.BatchNormalization(epsilon=1e-3, name="a")(x)
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, name="z")(layers.ReLU()(x))
    x = layers.SeparableConv2D(6, 3, name="s")(x)
    x = layers.Conv2DTranspose(5, 2, strides=2, name="t")(x)
    x = layers.PReLU(shared_axes=[1, 2], name="p")(x)
    x = layers.Conv2D(4, 3, groups=1, strides=2, name="e")(x)
    x = layers.Flatten()(x)
    x = layers.BatchNormalization(epsilon=1e-3, scale=False, name="flat")(x)
    x = layers.Dense(9, activation="relu", name="d1")(x)
    x = layers.Dense(5, activation="softmax", name="d2")(x)
    model = keras.Model(entry, x)
    for at, one in enumerate(model.weights):
        value = drawn(*one.shape, seed=at)
        one.assign(numpy.abs(value) + 0.5 if "variance" in one.path else value)
    spec = tmp_path / "k.cnn"
    spec.write_text(
        "rounding floor\ninput 3x16x16\n"
        "conv 4@3 padding same bias no -> batchnorm eps 1e-3 -> relu -> depthwise 3 multiplier 2\n"
        "depthwise 3 bias no -> conv 6@1 -> upconv 5@2 stride 2 -> prelu -> conv 4@3 stride 2\n"
        "flatten -> batchnorm eps 1e-3 -> dense 9 -> relu -> dense 5 -> softmax\n",
        encoding="utf-8",
    )
    x = numpy.random.default_rng(1).standard_normal((3, 16, 16, 3)).astype(numpy.float32)
    expected = numpy.asarray(keras.ops.convert_to_numpy(model(x)))
    model.compile()
    model.save(tmp_path / "k.keras")
    model.save(tmp_path / "k.h5")
    network = cnndsl.load(spec)
    for name in ("k.keras", "k.h5"):
        target = tmp_path / "w.safetensors"
        result = run(spec, tmp_path / name, "-o", target)
        assert result.exit_code == 0, result.output
        found = network.compile(weights=target, device="cpu").run(x.transpose(0, 3, 1, 2))
        numpy.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)


# --- Caffe and Darknet ------------------------------------------------------------------------


@pytest.mark.parametrize("form", [0, 1, 2])
def test_caffes_lenet_is_brought_by_its_names(form: int, tmp_path: Path) -> None:
    shapes = cnndsl.load("lenet-caffe").weights
    expected = {name: drawn(*shape) for name, shape in shapes.items()}
    layers = [
        (one, kind, [expected[f"{one}.weight"], expected[f"{one}.bias"]])
        for one, kind in (
            ("conv1", "Convolution"),
            ("conv2", "Convolution"),
            ("ip1", "InnerProduct"),
            ("ip2", "InnerProduct"),
        )
    ]
    path = caffe_model(tmp_path / "lenet.caffemodel", layers, form=form)
    result = run("lenet-caffe", path, "-o", tmp_path / "w.safetensors")
    assert result.exit_code == 0, result.output
    assert "paired by: names\n" in result.stdout
    assert_brought(tmp_path / "w.safetensors", expected)


def test_caffes_normalisations_and_scales_are_one_layer(tmp_path: Path) -> None:
    ours = arrays_of_small()
    factor = numpy.array([4.0], numpy.float32)
    layers = [
        ("conv", "Convolution", [ours["c.weight"]]),
        ("bn", "BatchNorm", [ours["n.mean"] * 4, ours["n.var"] * 4, factor]),
        ("sc", "Scale", [ours["n.scale"], ours["n.bias"]]),
        ("ip", "InnerProduct", [ours["f.weight"], ours["f.bias"]]),
    ]
    path = caffe_model(tmp_path / "a.caffemodel", layers)
    result = run(small(tmp_path), path, "-o", tmp_path / "w.safetensors")
    assert result.exit_code == 0, result.output
    assert_brought(tmp_path / "w.safetensors", ours)
    without = caffe_model(tmp_path / "b.caffemodel", [layers[0], layers[1], layers[3]])
    result = run(small(tmp_path), without, "-o", tmp_path / "w.safetensors")
    assert "(all 1)" in result.stdout
    found = load_file(tmp_path / "w.safetensors")
    assert found["n.scale"].tolist() == [1] * 4
    assert found["n.bias"].tolist() == [0] * 4


@pytest.mark.parametrize("version", [(0, 1, 0), (0, 2, 5), (0, 1001, 0)])
def test_darknets_numbers_are_taken_in_the_order_of_the_spec(
    version: tuple[int, int, int], tmp_path: Path
) -> None:
    ours = arrays_of_small()
    dense = ours["f.weight"].T if version[1] > 1000 else ours["f.weight"]
    order = ("n.bias", "n.scale", "n.mean", "n.var", "c.weight", "f.bias")
    numbers = [*(ours[name] for name in order), numpy.ascontiguousarray(dense)]
    path = darknet_weights(tmp_path / "a.weights", numbers, version=version)
    result = run(small(tmp_path), path, "-o", tmp_path / "w.safetensors")
    assert result.exit_code == 0, result.output
    assert_brought(tmp_path / "w.safetensors", ours)


def test_a_spec_that_darknet_cannot_have_is_refused(tmp_path: Path) -> None:
    path = darknet_weights(tmp_path / "a.weights", [drawn(100)])
    result = run("convnext-tiny", path)
    assert "error[CNN652]" in result.stderr
    assert "(layernorm) is no layer of Darknet's" in result.stderr
    assert "holds 100 numbers" in run(small(tmp_path), path).stderr


# --- ONNX -------------------------------------------------------------------------------------


def onnx_model(path: Path, *, external: bool = False, slip: bool = False) -> dict[str, Array]:
    """The small network as another exporter might write it; gives its weights as ours."""
    ours = arrays_of_small()
    stored = {
        "onnx::Conv_1": ours["c.weight"],
        **{f"bn.{one}": ours[f"n.{one}"] for one in ("scale", "bias", "mean", "var")},
        "MatMul_7": ours["f.weight"].T.copy(),
        "add": ours["f.bias"] + slip,
    }
    nodes = [
        helper.make_node("Conv", ["x", "onnx::Conv_1"], ["a"], name="/c/Conv"),
        helper.make_node(
            "BatchNormalization", ["a", "bn.scale", "bn.bias", "bn.mean", "bn.var"], ["b"]
        ),
        helper.make_node("Relu", ["b"], ["r"]),
        helper.make_node("Flatten", ["r"], ["f"]),
        helper.make_node("MatMul", ["f", "MatMul_7"], ["m"]),
        helper.make_node("Add", ["m", "add"], ["y"]),
    ]
    if slip:
        nodes.insert(3, helper.make_node("Tanh", ["r"], ["t"]))
        nodes[4].input[0] = "t"
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 5])],
        [numpy_helper.from_array(array, name) for name, array in stored.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(
        model,
        path,
        save_as_external_data=external,
        location="numbers.bin",
        size_threshold=0,
    )
    return ours


@pytest.mark.parametrize("external", [False, True])
def test_an_onnx_model_is_paired_by_its_nodes_and_proved(external: bool, tmp_path: Path) -> None:
    expected = onnx_model(tmp_path / "a.onnx", external=external)
    target = tmp_path / "w.safetensors"
    result = run(small(tmp_path), tmp_path / "a.onnx", "-o", target)
    assert result.exit_code == 0, result.output
    assert "proved: both answer alike, the largest difference is" in result.stdout
    assert_brought(target, expected)


def test_weights_that_make_another_answer_are_refused(tmp_path: Path) -> None:
    onnx_model(tmp_path / "a.onnx", slip=True)
    target = tmp_path / "w.safetensors"
    result = run(small(tmp_path), tmp_path / "a.onnx", "-o", target)
    assert result.exit_code == 1
    assert "error[CNN657]" in result.stderr
    assert not target.exists()
    assert run(small(tmp_path), tmp_path / "a.onnx", "-o", target, "--no-prove").exit_code == 0


def test_numbers_of_a_model_that_stand_elsewhere_are_not_read(tmp_path: Path) -> None:
    onnx_model(tmp_path / "a.onnx", external=True)
    model = onnx.load(tmp_path / "a.onnx", load_external_data=False)
    for place in ("../numbers.bin", "/etc/hosts", "C:\\x", ""):
        for tensor in model.graph.initializer:
            next(one for one in tensor.external_data if one.key == "location").value = place
        (tmp_path / "b.onnx").write_bytes(model.SerializeToString())
        result = run(small(tmp_path), tmp_path / "b.onnx")
        assert "which is not beside the model" in result.stderr
    (tmp_path / "numbers.bin").write_bytes(b"short")
    assert "reaches beyond its end" in run(small(tmp_path), tmp_path / "a.onnx").stderr


# --- Python -----------------------------------------------------------------------------------


def test_a_module_at_hand_is_brought_and_proved(tmp_path: Path) -> None:
    torch: Any = pytest.importorskip("torch")
    nn = torch.nn
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(144, 5),
    )
    nn.init.normal_(module[1].running_mean)
    brought = cnndsl.import_weights(small(tmp_path), module)
    assert brought.difference is not None
    assert brought.difference < 1e-5
    assert module.training
    brought.write(tmp_path / "w.safetensors")
    cnndsl.load(small(tmp_path)).compile(weights=tmp_path / "w.safetensors", device="cpu")
    swapped = nn.Sequential(*module[:3], nn.Sigmoid(), *module[3:])
    with pytest.raises(UserError, match="answers otherwise than `Sequential`"):
        cnndsl.import_weights(small(tmp_path), swapped)
    assert cnndsl.import_weights(small(tmp_path), swapped, prove=False).difference is None


def test_a_map_may_be_a_dictionary(tmp_path: Path) -> None:
    save_file(lenet_arrays(), tmp_path / "t.safetensors")
    names = {r"features.(\d+)": r"C{\1+1}"}
    with pytest.raises(UserError, match="`C4`"):
        cnndsl.import_weights("lenet5", tmp_path / "t.safetensors", map=names)
    names = {"features.0": "C1", "features.3": "C3"}
    brought = cnndsl.import_weights("lenet5", tmp_path / "t.safetensors", map=names)
    assert brought.pairing.by == "the map, then by order and shape"
    assert brought.pairing.by_source()["classifier.4.bias"] == "OUTPUT.bias"
    with pytest.raises(UserError, match="no weights can be read from a `int`"):
        cnndsl.import_weights("lenet5", 3)


def test_numbers_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    arrays = lenet_arrays()
    arrays["features.0.bias"][0] = numpy.nan
    save_file(arrays, tmp_path / "t.safetensors")
    target = tmp_path / "w.safetensors"
    result = run("lenet5", tmp_path / "t.safetensors", "-o", target)
    assert "error[CNN601]: the weight `C1.bias`" in result.stderr
    assert not target.exists()
