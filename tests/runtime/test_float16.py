"""Models in float16: what they take and give, how far they are from float32, and who reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import onnx
import pytest
from click.testing import CliRunner, Result
from onnx.reference import ReferenceEvaluator
from oracle import draw, relative_error
from safetensors.numpy import save_file

import cnndsl
from cnndsl.cli import main
from cnndsl.runtime.model import Model

FLOAT, HALF = onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16

SMALL = """\
network small
input 3x8x8 { scale 1/255  mean 0.5 }
classes "a", "b", "c"
conv 8@3 bias no -> batchnorm -> relu -> maps: maxpool 2
flatten -> scores: dense 3 -> softmax
"""

BODIES = {
    "lrn": "conv 8@3 -> lrn 5 alpha 0.01 -> relu",
    "lrn within": "conv 8@3 -> lrn 3 region within alpha 5e-5",
    "layernorm": "conv 4@3 -> layernorm -> gelu",
    "rmsnorm": "rmsnorm over all -> conv 4@3",
    "groupnorm": "conv 4@3 -> groupnorm 2",
    "instancenorm": "conv 4@3 -> instancenorm",
    "l2norm": "conv 4@3 -> l2norm",
    "lppool": "lppool 2 -> conv 4@3",
    "globallppool": "globallppool -> dense 4",
    "stochasticpool": "relu -> stochasticpool 2",
    "squeeze": "s = conv 4@3\ns -> globalavgpool -> dense 4 -> gate: sigmoid\nmultiply(s, gate)",
    "upsample": "upsample 2 mode bilinear -> conv 4@3",
    "pad": "pad 1 value -1 -> maxpool 2",
    "logsoftmax": "flatten -> dense 4 -> logsoftmax",
    "several": "c: conv 4@3 -> relu\noutput c",
    "input": "c: conv 3@3 padding same\nadd(c, input)",
}


def pair(text: str, folder: Path, **options: object) -> tuple[Model, Model]:
    network = cnndsl.parse(text)
    save_file(draw(network.weights), folder / "weights.safetensors")
    how: dict[str, object] = {"weights": folder / "weights.safetensors", "device": "cpu", **options}
    return network.compile(**how), network.compile(float16=True, **how)  # type: ignore[arg-type]


@pytest.mark.parametrize("scale", [1, 300])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_answers_are_those_of_float32_but_for_rounding(
    body: str, scale: int, tmp_path: Path
) -> None:
    plain, half = pair(f"input 3x8x8\n{body}\n", tmp_path)
    x = numpy.random.default_rng(0).standard_normal((2, 3, 8, 8), numpy.float32) * scale
    assert relative_error(half.run(x), plain.run(x)) < 5e-3


# The reference's own logarithm of a softmax is not finite for such numbers in float32 either.
@pytest.mark.parametrize("body", sorted(BODIES.keys() - {"logsoftmax"}))
def test_large_numbers_stay_in_range_where_float16_is_meant(body: str, tmp_path: Path) -> None:
    """ONNX Runtime's CPU provider computes such graphs in float32; the reference does not."""
    plain, half = pair(f"input 3x8x8\n{BODIES[body]}\n", tmp_path)
    x = numpy.random.default_rng(0).standard_normal((2, 3, 8, 8), numpy.float32) * 300
    reference: Any = ReferenceEvaluator(half.source.to_proto())  # type: ignore[union-attr]
    with numpy.errstate(all="ignore"):
        found = reference.run(None, {"input": x})[0]
    assert relative_error(found, plain.run(x)) < 0.02


@pytest.mark.parametrize("name", ["lenet5", "resnet20", "lenet5-1998"])
def test_shipped_networks_answer_alike_from_half_the_file(name: str, tmp_path: Path) -> None:
    network = cnndsl.load(name)
    arrays = draw(network.weights, scales=(0.3, 1.0))
    save_file(arrays, tmp_path / "weights.safetensors")
    how: dict[str, object] = {"weights": tmp_path / "weights.safetensors", "device": "cpu"}
    plain, half = network.compile(**how), network.compile(float16=True, **how)  # type: ignore[arg-type]
    [dims] = network.inputs.values()
    x = numpy.random.default_rng(0).standard_normal((2, *dims), numpy.float32)
    assert numpy.abs(half.run(x) - plain.run(x)).max() < 2e-3
    sizes = [len(one.source.to_bytes()) for one in (half, plain)]  # type: ignore[union-attr]
    assert sizes[0] < 0.56 * sizes[1]


def test_only_what_needs_the_range_is_float32_inside(tmp_path: Path) -> None:
    _, half = pair(
        "input 3x8x8\nconv 8@3 -> relu -> lrn 5 -> flatten -> dense 3 -> softmax\n", tmp_path
    )
    proto = onnx.shape_inference.infer_shapes(half.source.to_proto())  # type: ignore[union-attr]
    kinds = {one.name: one.type.tensor_type.elem_type for one in proto.graph.value_info}
    kinds |= {
        one.name: one.type.tensor_type.elem_type
        for one in (*proto.graph.input, *proto.graph.output)
    }
    made = {node.name: kinds[node.output[0]] for node in proto.graph.node}
    assert made["conv1/Conv"] == made["relu1/Relu"] == made["dense1/Gemm"] == HALF
    assert made["lrn1/Mul"] == made["lrn1/Conv"] == made["lrn1/Div"] == FLOAT
    assert made["softmax1/Softmax"] == kinds["input"] == kinds["output"] == FLOAT
    weights = {one.name: one.data_type for one in proto.graph.initializer}
    assert set(weights.values()) == {HALF}


# --- who reads it -----------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("small.cnn").write_text(SMALL, encoding="utf-8")
    generator = numpy.random.default_rng(0)
    numpy.savez(
        "data.npz", x=generator.integers(0, 256, (40, 3, 8, 8), numpy.uint8), y=numpy.arange(40) % 3
    )
    numpy.save("maps.npy", generator.integers(0, 256, (3, 8, 8), numpy.uint8))
    run("compile", "small.cnn", "--seed", "1", "--batch", "16")
    return tmp_path


def run(*words: str, fails: bool = False) -> str:
    done: Result = CliRunner().invoke(main, list(words))
    assert (done.exit_code != 0) == fails, done.output
    return done.output


@pytest.mark.parametrize("options", [(), ("--batch", "16"), ("--raw",)], ids=str)
def test_eval_measures_the_model_itself(folder: Path, options: tuple[str, ...]) -> None:
    run("compile", "small.cnn", "--seed", "1", "--float16", *options, "-o", "half.onnx")
    plain, half = (cnndsl.evaluate([f"{name}.onnx"], "data.npz") for name in ("small", "half"))
    assert half.loss == pytest.approx(plain.loss, rel=2e-3)
    assert half.loss != plain.loss
    assert half.top1 == plain.top1


def test_run_answers_and_gives_layers_in_float32(folder: Path) -> None:
    run("compile", "small.cnn", "--seed", "1", "--float16", "-o", "half.onnx")
    words = ("maps.npy", "--device", "cpu", "--layers", "maps", "-o")
    run("run", "half.onnx", *words, "half.npz")
    run("run", "small.onnx", *words, "plain.npz")
    with numpy.load("half.npz") as half, numpy.load("plain.npz") as plain:
        assert "maps" in plain.files
        for name in plain.files:
            if plain[name].dtype.kind == "f":
                assert half[name].dtype == numpy.float32
                assert relative_error(half[name], plain[name]) < 5e-3


@pytest.mark.parametrize(
    "words",
    [
        ("compile", "small.cnn", "--weights", "half.onnx"),
        ("eval", "small.cnn", "--weights", "half.onnx", "--data", "data.npz"),
        ("show", "half.onnx", "--filters", "conv1", "-o", "filters.png"),
        ("run", "half.onnx", "maps.npy", "--explain", "gradient", "-o", "heat.png"),
    ],
    ids=lambda words: words[0],
)
def test_its_weights_are_no_source_of_others(folder: Path, words: tuple[str, ...]) -> None:
    run("compile", "small.cnn", "--float16", "-o", "half.onnx")
    assert "CNN611" in run(*words, fails=True)


def test_explaining_without_slopes_needs_no_weights(folder: Path) -> None:
    run("compile", "small.cnn", "--float16", "-o", "half.onnx")
    run("run", "half.onnx", "maps.npy", "--explain", "occlusion", "-o", "heat.png")


@pytest.mark.parametrize("other", ["--training", "--salience"])
def test_other_models_are_not_made_in_float16(folder: Path, other: str) -> None:
    words = [other, "a"] if other == "--salience" else [other]
    said = run("compile", "small.cnn", "--float16", *words, fails=True)
    assert f"--float16 is for models that answer: leave it out, or {other}" in said


def test_a_salience_map_in_float16_is_refused_in_python() -> None:
    with pytest.raises(ValueError, match="salience"):
        cnndsl.parse(SMALL).compile(float16=True, salience=cnndsl.Salience("a"))


def test_weights_beyond_float16_are_named(folder: Path) -> None:
    arrays = draw(cnndsl.parse(SMALL).weights)
    arrays["scores.weight"][1, 2] = -70_000
    arrays["scores.bias"][0] = 1e6
    save_file(arrays, "large.safetensors")
    said = run("compile", "small.cnn", "--weights", "large.safetensors", "--float16", fails=True)
    assert "`scores.weight` holds 70000, and float16 ends at 65504" in said
    assert "so do `scores.bias`" in said
    run("compile", "small.cnn", "--weights", "large.safetensors")  # as the help says
