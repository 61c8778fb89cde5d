"""`--weights` takes the same files in every command: safetensors of any type, and models."""

from pathlib import Path

import numpy
import pytest
from click.testing import CliRunner, Result
from safetensors.numpy import load_file, save_file

import cnndsl
from cnndsl.cli import main

SPEC = """\
network tiny
input 1x4x4
classes "dark", "light"
C1: conv 4@3 padding 1 -> relu
flatten
OUTPUT: dense 2 -> softmax
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tiny.cnn").write_text(SPEC)
    x = numpy.random.default_rng(1).normal(size=(40, 1, 4, 4)).astype(numpy.float32)
    numpy.savez("data.npz", x=x, y=(x.sum(axis=(1, 2, 3)) > 0).astype(numpy.int64))


def trained(*arguments: str) -> Result:
    words = ["train", "tiny.cnn", "--data", "data.npz", "--device", "cpu", *arguments]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    return result


def test_a_model_stands_for_its_weights_in_every_command() -> None:
    trained("--epochs", "1", "--out", "a", "--valid", "0.25")
    model = "a/model.onnx"
    assert "note: 4 of 4 weights are taken" in trained("--out", "b", "--weights", model).stderr
    commands = {
        "compile": ["-o", "again.onnx"],
        "run": ["data.npz", "--format", "json"],
        "eval": ["--data", "data.npz"],
    }
    numpy.save("x.npy", numpy.load("data.npz")["x"])
    commands["run"][0] = "x.npy"
    for verb, more in commands.items():
        said = []
        for weights in (model, "a/best.safetensors"):
            words = [verb, "a/spec.cnn", "--weights", weights, *more]
            if verb != "compile":
                words += ["--device", "cpu"]
            result = CliRunner().invoke(main, words)
            assert result.exit_code == 0, result.output
            said.append(result.stdout)
        assert said[0] == said[1]


def test_weights_of_other_types_are_converted_and_that_is_said() -> None:
    trained("--epochs", "1", "--out", "a")
    halves = {
        name: one.astype(numpy.float16) for name, one in load_file("a/best.safetensors").items()
    }
    save_file(halves, "half.safetensors")
    said = "`half.safetensors` holds weights in other types (4 as float16): they become float32"
    assert trained("--out", "b", "--weights", "half.safetensors").stderr.count(said) == 1
    numpy.save("x.npy", numpy.load("data.npz")["x"])
    for words in (
        ["compile", "a/spec.cnn", "-o", "half.onnx"],
        ["compile", "a/spec.cnn", "--training", "-o", "half.step.onnx"],
        ["run", "a/spec.cnn", "x.npy"],
        ["eval", "a/spec.cnn", "--data", "data.npz"],
    ):
        result = CliRunner().invoke(main, [*words, "--weights", "half.safetensors"])
        assert result.exit_code == 0, result.output
        assert result.stderr.count(said) == 1, words


@pytest.mark.parametrize("weights", ["a/model.onnx", "a/best.safetensors"])
def test_weights_name_the_classes_of_a_spec_that_names_none(weights: str) -> None:
    trained("--epochs", "1", "--out", "a")
    Path("bare.cnn").write_text(SPEC.replace('classes "dark", "light"\n', ""))
    numpy.save("x.npy", numpy.load("data.npz")["x"][:1])
    words = ["run", "bare.cnn", "x.npy", "--weights", weights, "--device", "cpu"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    assert "dark" in result.stdout
    model = cnndsl.load("bare.cnn").compile(weights, device="cpu")
    assert model.classes == ("dark", "light")
    assert 'classes "dark", "light"' in model.manifest.spec


@pytest.mark.parametrize("classes", ['["a"]', '["a", "b", "c"]', r'["a", "\u001b[2J"]', '["a", 1]'])
def test_names_that_cannot_be_those_of_the_outputs_are_left_in_the_file(classes: str) -> None:
    Path("bare.cnn").write_text(SPEC.replace('classes "dark", "light"\n', ""))
    network = cnndsl.load("bare.cnn")
    numbers = {name: numpy.zeros(shape, numpy.float32) for name, shape in network.weights.items()}
    save_file(numbers, "odd.safetensors", {"classes": classes})
    assert network.compile("odd.safetensors", device="cpu").classes == ()


def test_damaged_weights_are_refused_by_every_command_unless_it_is_told_otherwise() -> None:
    trained("--epochs", "1", "--out", "a")
    numpy.save("x.npy", numpy.load("data.npz")["x"])
    commands = {
        "compile": ["-o", "again.onnx"],
        "run": ["x.npy", "--device", "cpu"],
        "eval": ["--data", "data.npz", "--device", "cpu"],
        "train": ["--data", "data.npz", "--device", "cpu", "--out", "b", "--epochs", "1"],
    }
    bias = load_file("a/best.safetensors")["C1.bias"].tobytes()
    for weights in ("a/model.onnx", "a/best.safetensors"):
        content = bytearray(Path(weights).read_bytes())
        content[content.index(bias) + 1] ^= 1
        Path(weights).write_bytes(content)
        for verb, more in commands.items():
            words = [verb, "tiny.cnn", "--weights", weights, *more]
            refused = CliRunner().invoke(main, words)
            assert refused.exit_code == 1, refused.output
            assert "error[CNN607]" in refused.stderr
            assert "add `--no-verify`" in refused.stderr
            taken = CliRunner().invoke(main, [*words, "--no-verify"])
            assert taken.exit_code == 0, taken.output
        commands["train"][5] = "c"
