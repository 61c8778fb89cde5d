"""The training step as a model: its names, what is in it, and that it trains."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from cnndsl import pipeline
from cnndsl.diagnostics.model import UserError
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.graph.initializers import initialise
from cnndsl.layers.base import Init
from cnndsl.resources import docs
from cnndsl.training.step import Step, build_step

Arrays = Mapping[str, NDArray[Any]]


def spec(text: str) -> TypedNetwork:
    return pipeline.typed(pipeline.check_text(text))


SMALL = """input 2x8x8
c: conv 4@3 padding 1 -> batchnorm -> relu -> dropout 0.25 -> maxpool 2
flatten -> d: dense 3 -> softmax
train {
  optimizer sgd lr 0.1 momentum 0.9
  batch 6
}
"""


def feeds(step: Step, typed: TypedNetwork, number: int = 0, seed: int = 7) -> dict[str, Any]:
    random = numpy.random.default_rng(5)
    values: dict[str, Any] = dict(initialise(typed, 1, Init("he")))
    signature = step.signature
    (labels,) = signature.labels.values()
    samples = {
        name: random.normal(size=dims).astype(numpy.float32)
        for name, dims in signature.samples.items()
    }
    answers = random.integers(3, size=labels.dims).astype(labels.dtype)
    values |= signature.feeds(samples, answers, lr=0.1, step=number, seed=seed)
    return {**values, **signature.initial_state()}


def run(step: Step, values: Arrays, wanted: list[str] | None = None) -> dict[str, Any]:
    session = onnxruntime.InferenceSession(step.to_proto().SerializeToString())
    names = [output.name for output in session.get_outputs()] if wanted is None else wanted
    return dict(zip(names, session.run(names, dict(values)), strict=True))


def test_inputs_and_outputs_have_the_documented_names() -> None:
    step = build_step(spec(SMALL))
    graph = step.to_proto().graph
    weights = ["c.weight", "c.bias", *(f"batchnorm1.{n}" for n in ("scale", "bias", "mean", "var"))]
    weights += ["d.weight", "d.bias"]
    state = [f"{name}.velocity" for name in weights if name[-5:] not in (".mean", "1.var")]
    assert [value.name for value in graph.input] == [
        "input", "labels", *weights, *state, "lr", "step", "seed"
    ]  # fmt: skip
    new = [f"{name}.next" for name in (*weights, *state)]
    assert [value.name for value in graph.output] == ["loss", "correct", *new]
    assert not graph.initializer
    assert step.signature.batch == 6
    assert step.signature.labels["output"].dims == (6,)


def test_the_model_describes_itself() -> None:
    step = build_step(spec(SMALL), batch=4)
    properties = {entry.key: entry.value for entry in step.to_proto().metadata_props}
    described = json.loads(properties["cnndsl.training"])
    assert described["batch"] == 4
    assert described["labels"] == ["labels", "int64", [4]]
    assert described["state"]["d.bias.velocity"] == [3]
    assert described["updated"] == list(step.signature.updated)


def test_only_standard_operators_are_used() -> None:
    proto = build_step(spec(SMALL)).to_proto()
    assert {node.domain for node in proto.graph.node} == {""}
    assert not proto.functions
    assert [(entry.domain, entry.version) for entry in proto.opset_import] == [("", 18)]


def test_nothing_is_computed_that_no_output_needs() -> None:
    proto = build_step(spec(SMALL)).to_proto()
    needed = {value.name for value in proto.graph.output}
    for node in reversed(proto.graph.node):
        assert needed & set(node.output), f"{node.name} is dead"
        needed |= set(node.input)


def test_no_gradient_is_computed_for_the_input_picture() -> None:
    proto = build_step(spec(SMALL)).to_proto()
    origin = next(node.doc_string for node in proto.graph.node if node.name == "c/Conv")
    backward = [n for n in proto.graph.node if "c/Conv/gradient" in n.name]
    assert backward
    assert origin.startswith("spec.cnn:2: c: conv 4@3")
    assert all(node.doc_string == origin for node in backward)
    outputs = {value.name: value for value in proto.graph.value_info}
    shapes = [[d.dim_value for d in outputs[n.output[0]].type.tensor_type.shape.dim]
              for n in backward if n.output[0] in outputs]  # fmt: skip
    assert [6, 2, 8, 8] not in shapes


def test_the_same_step_has_the_same_bytes() -> None:
    first, second = (build_step(spec(SMALL)).to_proto().SerializeToString() for _ in range(2))
    assert first == second


def test_frozen_layers_keep_their_weights_and_statistics() -> None:
    text = SMALL.replace("batch 6", "batch 6\n  freeze c batchnorm1")
    step = build_step(spec(text))
    assert step.signature.updated == ("d.weight", "d.bias")
    assert set(step.signature.state) == {"d.weight.velocity", "d.bias.velocity"}
    convolutions = [n for n in step.to_proto().graph.node if n.op_type.startswith("Conv")]
    assert len(convolutions) == 1


def test_running_statistics_follow_the_batch() -> None:
    typed = spec(SMALL)
    step = build_step(typed)
    values = feeds(step, typed)
    results = run(step, values)
    x = values["input"].astype(numpy.float64)
    padded = numpy.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    kernel = values["c.weight"].astype(numpy.float64)
    maps = numpy.zeros((6, 4, 8, 8))
    for row in range(3):
        for column in range(3):
            piece = padded[:, :, row : row + 8, column : column + 8]
            maps += numpy.einsum("ncij,mc->nmij", piece, kernel[:, :, row, column])
    mean, variance = maps.mean((0, 2, 3)), maps.var((0, 2, 3), ddof=1)
    numpy.testing.assert_allclose(results["batchnorm1.mean.next"], 0.1 * mean, rtol=1e-4)
    numpy.testing.assert_allclose(results["batchnorm1.var.next"], 0.9 + 0.1 * variance, rtol=1e-5)


def test_masks_depend_on_seed_and_step_alone() -> None:
    typed = spec(SMALL)
    step = build_step(typed)
    one, again = (run(step, feeds(step, typed))["d.weight.next"] for _ in range(2))
    later = run(step, feeds(step, typed, number=1))["d.weight.next"]
    other = run(step, feeds(step, typed, seed=8))["d.weight.next"]
    assert (one == again).all()
    assert (one != later).any()
    assert (one != other).any()


@pytest.mark.parametrize("opset", [18, 19, 20, 21])
def test_every_supported_opset_gives_the_same_step(opset: int) -> None:
    typed = spec(SMALL)
    step = build_step(typed, opset=opset)
    expected = run(build_step(typed), feeds(step, typed))
    found = run(step, feeds(step, typed))
    for name, value in expected.items():
        numpy.testing.assert_allclose(found[name], value, rtol=1e-5, atol=1e-6)


def test_an_unsupported_opset_is_refused() -> None:
    with pytest.raises(UserError) as caught:
        build_step(spec(SMALL), opset=22)
    assert caught.value.code == "CNN605"


@pytest.mark.parametrize(
    ("text", "message", "help"),
    [
        (
            "input 1x4x4\nmaxpool 2 -> flatten\n",
            "nothing in `spec` learns: it has no weights",
            "add a layer with weights, such as `dense 10`",
        ),
        (
            "input 4\na: dense 2\ntrain { freeze a }\n",
            "nothing in `spec` learns: all its layers with weights are frozen",
            "take a label out of `freeze`",
        ),
    ],
)
def test_a_network_that_cannot_learn_is_refused(text: str, message: str, help: str) -> None:
    with pytest.raises(UserError) as caught:
        build_step(spec(text))
    assert (caught.value.code, caught.value.message, caught.value.help) == ("CNN808", message, help)


def test_an_input_must_not_have_a_name_of_the_steps_own() -> None:
    with pytest.raises(UserError) as caught:
        build_step(spec("input labels 4\ndense 2\n"))
    assert caught.value.code == "CNN007"
    assert caught.value.message == (
        "the input `labels` has the name of one of a training step's own"
    )


def test_a_layer_may_have_a_name_of_the_steps_own() -> None:
    step = build_step(spec("input 4\nloss: dense 3\nstep: dense 2 -> softmax\n"))
    onnx.checker.check_model(step.to_proto(), full_check=True)
    assert "loss.weight" in step.signature.weights


def test_branches_that_do_not_reach_the_main_output_are_left_out() -> None:
    text = "input 4\na: dense 3\nside = a -> b: dense 2\noutput side\na -> dense 2\n"
    step = build_step(spec(text))
    assert "b.weight" not in step.signature.weights
    assert "a.weight" in step.signature.updated


def test_the_loop_of_the_documentation_learns(tmp_path: Path) -> None:
    page, _, _ = (docs() / "training-step.md").read_text().partition("## Two graphs")
    shell = page.split("```sh\n")[1].split("```")[0].split()
    program = page.split("```python\n")[1].split("```")[0]
    assert len(program.strip().splitlines()) <= 25
    assert {line for line in program.splitlines() if line.startswith(("import", "from"))} == {
        "import numpy",
        "import onnxruntime",
    }
    subprocess.run([sys.executable, "-m", *shell], cwd=tmp_path, check=True, capture_output=True)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    last = done.stdout.splitlines()[-1]
    assert last.startswith("step 200: loss 0.0"), done.stdout
    assert last.endswith("64 of 64 right")
    command = ["compile", "lenet5", "--weights", "lenet5.npz"]
    subprocess.run(
        [sys.executable, "-m", "cnndsl", *command], cwd=tmp_path, check=True, capture_output=True
    )
