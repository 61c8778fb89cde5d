"""``cnndsl compile --training``: two files, and what is said of them."""

from __future__ import annotations

from pathlib import Path

import numpy
import onnx
import onnxruntime
import pytest
from click.testing import CliRunner, Result

from cnndsl import pipeline
from cnndsl.cli import main
from cnndsl.graph.initializers import initialise
from cnndsl.layers.base import Init

SPEC = """input 1x4x4
c: conv 2@3 -> relu -> flatten -> d: dense 3 -> softmax
train {
  optimizer adam
  batch 8
}
"""


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["compile", *arguments])


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("tiny.cnn").write_text(SPEC)
    return tmp_path


def test_it_writes_the_step_and_what_it_begins_with() -> None:
    result = run("tiny.cnn", "--training", "--seed", "4")
    size, initial = (Path(f"tiny.step{end}").stat().st_size for end in (".onnx", ".init.onnx"))
    assert result.output == (
        f"tiny.step.onnx: {size / 1000:.1f} kB, a training step for batches of 8\n"
        f"tiny.step.init.onnx: {initial / 1000:.1f} kB, 4 weights to begin with\n"
    )
    session = onnxruntime.InferenceSession("tiny.step.init.onnx")
    names = [output.name for output in session.get_outputs()]
    values = dict(zip(names, session.run(names, {}), strict=True))
    drawn = initialise(pipeline.load("tiny.cnn"), 4, Init("he"))
    assert names[:4] == ["c.weight", "c.bias", "d.weight", "d.bias"]
    for name, array in drawn.items():
        assert (values[name] == array).all()
    assert set(names[4:]) == {f"{name}.moment{n}" for name in drawn for n in (1, 2)}
    assert not any(values[name].any() for name in names[4:])


def test_both_models_pass_the_full_check_and_fit_each_other() -> None:
    run("tiny.cnn", "--training", "-o", "a.onnx", "--batch", "3")
    step, initial = onnx.load("a.onnx"), onnx.load("a.init.onnx")
    for model in (step, initial):
        onnx.checker.check_model(model, full_check=True)
    inputs = {value.name: value.type for value in step.graph.input}
    assert all(inputs[value.name] == value.type for value in initial.graph.output)
    assert inputs["labels"].tensor_type.shape.dim[0].dim_value == 3


def test_the_step_carries_the_spec() -> None:
    run("tiny.cnn", "--training")
    result = CliRunner().invoke(main, ["show", "tiny.step.onnx"])
    assert "c: conv 2@3" in result.output


def test_the_weights_of_a_file_are_what_training_begins_with() -> None:
    weights = initialise(pipeline.load("tiny.cnn"), 9, Init("he"))
    numpy.savez("w.npz", **weights)  # type: ignore[arg-type]  # names are names
    run("tiny.cnn", "--training", "--weights", "w.npz")
    session = onnxruntime.InferenceSession("tiny.step.init.onnx")
    assert (session.run(["d.weight"], {})[0] == weights["d.weight"]).all()


def test_the_same_spec_gives_the_same_bytes() -> None:
    for name in ("a.onnx", "b.onnx"):
        run("tiny.cnn", "--training", "-o", name)
    assert Path("a.onnx").read_bytes() == Path("b.onnx").read_bytes()
    assert Path("a.init.onnx").read_bytes() == Path("b.init.onnx").read_bytes()


def test_a_target_without_training_is_a_usage_error() -> None:
    result = run("tiny.cnn", "--target", "cuda")
    assert result.exit_code == 2
    assert "--target is for training steps: leave it out, or add --training" in result.output


def test_a_network_that_cannot_learn_leaves_no_file() -> None:
    Path("pool.cnn").write_text("input 1x4x4\nmaxpool 2 -> flatten\n")
    result = run("pool.cnn", "--training")
    assert result.exit_code == 1
    assert "error[CNN808]: nothing in `pool` learns: it has no weights" in result.output
    assert not [*Path().glob("*.onnx")]
