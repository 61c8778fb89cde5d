"""``compile --raw``, and the verbs on what it writes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from cnndsl.cli import main

SPEC = """\
network small
input 3x8x6 {
  scale 1/255
  mean [0.5, 0.4, 0.3]
  layout bgr
  fit crop
}
classes "a", "b", "c"
conv 2@3 -> relu -> flatten -> dense 3 -> softmax
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A spec, its two models, and data for them."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.cnn").write_text(SPEC, encoding="utf-8")
    numbers = numpy.random.default_rng(0)
    x = numbers.integers(0, 256, (30, 9, 9, 3), numpy.uint8)
    numpy.savez("data.npz", x=x, y=numpy.arange(30) % 3)
    Path("pictures").mkdir()
    for at in range(3):
        Image.fromarray(x[at]).save(f"pictures/{at}.png")
    return tmp_path


def run(*arguments: str) -> Result:
    done = CliRunner().invoke(main, list(arguments))
    assert done.exit_code == 0, done.output
    return done


def compile_both() -> None:
    run("compile", "small.cnn", "--seed", "3")
    run("compile", "small.cnn", "--seed", "3", "--raw", "-o", "raw.onnx")


def test_compile_says_what_goes_in() -> None:
    done = run("compile", "small.cnn", "--raw", "--batch", "4", "-o", "raw.onnx")
    assert done.stdout.splitlines()[1:] == ["raw input `input`: uint8 4x8x6x3"]


def test_run_answers_the_same_for_pictures_and_archives() -> None:
    compile_both()
    words = ["pictures", "data.npz", "--device", "cpu", "--format", "json"]
    found, expected = (json.loads(run("run", model, *words).stdout) for model in MODELS)
    assert len(found) == 33
    assert found == expected


def test_eval_measures_the_same() -> None:
    compile_both()
    words = ["--data", "data.npz", "--device", "cpu", "--format", "json"]
    found, expected = (json.loads(run("eval", model, *words).stdout) for model in MODELS)
    assert {**found, "model": ""} == {**expected, "model": ""}
    weights = ["small.cnn", "--weights", "raw.onnx"]
    again = json.loads(run("eval", *weights, *words).stdout)
    assert {**again, "model": ""} == {**expected, "model": ""}


def test_show_prints_the_same_spec() -> None:
    compile_both()
    found, expected = (run("show", model).stdout for model in MODELS)
    assert found == expected


def test_the_weights_of_a_raw_model_are_those_of_any_other() -> None:
    compile_both()
    run("compile", "small.cnn", "--weights", "raw.onnx", "-o", "again.onnx")
    words = ["pictures", "--device", "cpu", "--format", "json"]
    found, expected = (
        json.loads(run("run", model, *words).stdout) for model in ("again.onnx", "small.onnx")
    )
    assert found == expected


def test_a_training_step_is_not_raw() -> None:
    done = CliRunner().invoke(main, ["compile", "small.cnn", "--raw", "--training"])
    assert done.exit_code == 2
    assert "--raw is for models that answer" in done.output


MODELS = ("raw.onnx", "small.onnx")
