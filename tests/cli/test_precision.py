"""``--precision``, of `train` and `compile --training`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy
import onnx
import pytest
from click.testing import CliRunner, Result

from cnndsl.cli import main

SPEC = """input 1x4x4
c: conv 2@3 -> relu -> flatten -> d: dense 2 -> softmax
train {
  optimizer sgd lr 1e-4
  batch 8
  epochs 3
}
"""


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("tiny.cnn").write_text(SPEC)
    x = numpy.random.default_rng(1).normal(size=(40, 1, 4, 4)).astype(numpy.float32)
    numpy.savez("data.npz", x=x, y=(x.sum(axis=(1, 2, 3)) > 0).astype(numpy.int64))
    return tmp_path


def test_steps_that_were_skipped_are_told_at_the_end() -> None:
    words = ("train", "tiny.cnn", "--data", "data.npz", "--device", "cpu")
    heavy = ("--precision", "float16", "--set", "train.loss=crossentropy weight 20")
    result = run(*words, *heavy)
    assert result.exit_code == 0, result.output
    said = "changed nothing: the gradients overflowed float16, and the scale was halved"
    assert re.search(rf"^[2-9] steps {said}$", result.stdout, re.M)
    assert "the CPU does not compute in float16" in result.stderr
    assert "precision float16" in Path("runs/tiny/spec.cnn").read_text()


def test_in_mixed_precision_it_is_for_a_gpu_unless_an_emulation_is_asked_for() -> None:
    for words, has_low in (((), True), (("--target", "cpu"), False), (("--target", "cuda"), True)):
        result = run("compile", "tiny.cnn", "--training", "--precision", "float16", *words)
        assert result.exit_code == 0, result.output
        model = onnx.load("tiny.step.onnx")
        low = onnx.TensorProto.FLOAT16
        types = {value.name: value.type.tensor_type.elem_type for value in model.graph.value_info}
        products = [node for node in model.graph.node if node.op_type == "Conv"]
        assert all((types[node.output[0]] == low) == has_low for node in products)
        described = next(p.value for p in model.metadata_props if p.key == "cnndsl.training")
        assert json.loads(described)["starts"] == {"loss_scale": 65536.0}


def test_precision_is_for_training_steps() -> None:
    result = run("compile", "tiny.cnn", "--precision", "float16")
    assert result.exit_code == 2
    assert "--precision is for training steps: leave it out, or add --training" in result.output
    shown = run(
        "compile", "tiny.cnn", "--emit", "step", "--precision", "float16", "--target", "cuda"
    )
    assert "float16[" in shown.output


def test_what_other_tools_call_mixed_precision_is_known() -> None:
    result = run("compile", "tiny.cnn", "--training", "--fp16")
    assert "No such option '--fp16'. Here it is '--precision float16'." in result.output
