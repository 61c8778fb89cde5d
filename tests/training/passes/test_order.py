"""Nodes stand so that ONNX Runtime holds little at once, and computes what it did."""

from __future__ import annotations

import json
from pathlib import Path

import numpy
import onnx_ir
import onnx_ir.passes
import onnxruntime
import pytest

from cnndsl import pipeline
from cnndsl.graph.initializers import initialise
from cnndsl.layers.base import Init
from cnndsl.training.passes.order import OrderForMemory
from cnndsl.training.step import Step, build_step

TEXT = """
input 1x12x12
C1: conv 4@3 -> relu
C2: conv 4@3 -> batchnorm -> relu -> dropout 0.5 -> flatten
F1: dense 300 -> relu
F2: dense 5 -> softmax
train {
  optimizer sgd lr 0.1 momentum 0.9
  weight_decay 0.001
  batch 4
}
"""


def built() -> Step:
    return build_step(pipeline.typed(pipeline.check_text(TEXT)))


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The names of nodes in the order in which ONNX Runtime runs them."""
    options = onnxruntime.SessionOptions()
    options.enable_profiling = True
    options.profile_file_prefix = str(tmp_path_factory.mktemp("profile") / "step")
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    step = built()
    options.intra_op_num_threads = 1
    _, profile = _run(step, options)
    events = json.loads(Path(profile).read_text())
    ends = "_kernel_time"
    return [one["name"].removesuffix(ends) for one in events if one["name"].endswith(ends)]


def _run(step: Step, options: onnxruntime.SessionOptions) -> tuple[dict[str, bytes], str]:
    """The outputs' bits, and the profile's path, where there is one."""
    session = onnxruntime.InferenceSession(
        step.to_proto().SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    random = numpy.random.default_rng(0)
    network = pipeline.typed(pipeline.check_text(TEXT))
    samples = {"input": random.standard_normal((4, 1, 12, 12), numpy.float32)}
    feeds = step.signature.feeds(samples, numpy.arange(4), lr=0.1, step=3, seed=5)
    state = {name: zeros.copy() for name, zeros in step.signature.initial_state().items()}
    given = {**initialise(network, 0, Init("he")), **state, **feeds}
    names = [one.name for one in session.get_inputs()]
    found = session.run(None, {name: given[name] for name in names})
    outputs = [one.name for one in session.get_outputs()]
    bits = {name: array.tobytes() for name, array in zip(outputs, found, strict=True)}
    return bits, session.end_profiling() if options.enable_profiling else ""


def position(executed: list[str], part: str) -> int:
    (found,) = [at for at, name in enumerate(executed) if name == part]
    return found


def test_a_velocity_fades_when_its_gradient_is_there(executed: list[str]) -> None:
    gradients = [at for at, name in enumerate(executed) if name.startswith("C1/Conv/gradient")]
    updates = [at for at, name in enumerate(executed) if name.startswith("C1.weight/update/Mul")]
    assert gradients
    assert updates
    assert max(gradients) < min(updates)


def test_a_mask_is_drawn_when_the_map_is_there(executed: list[str]) -> None:
    drawn = [at for at, name in enumerate(executed) if name.startswith("dropout1/")]
    assert min(drawn) > position(executed, "C2/Conv")


def test_a_dense_layer_is_updated_when_all_maps_have_gone(executed: list[str]) -> None:
    first = min(at for at, name in enumerate(executed) if name.startswith("F1.weight/update"))
    for name in executed[first:]:
        assert not name.startswith(("C1", "C2", "relu", "dropout")), name


def test_the_last_layers_are_updated_first(executed: list[str]) -> None:
    last, middle, first = (
        max(at for at, name in enumerate(executed) if name.startswith(f"{layer}/update"))
        for layer in ("F2.weight", "C2.weight", "C1.weight")
    )
    assert last < middle < first


def test_the_numbers_are_those_of_any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    ordered = built()
    found, _ = _run(ordered, options)
    monkeypatch.setattr(
        OrderForMemory, "call", lambda self, model: onnx_ir.passes.PassResult(model, False)
    )
    emitted = built()
    assert [node.name for node in emitted.model.graph] != [n.name for n in ordered.model.graph]
    assert _run(emitted, options)[0] == found


def test_a_second_time_nothing_moves() -> None:
    step = built()
    weights = step.signature.weights
    owners = {
        output: name if name in weights else name.rpartition(".")[0]
        for name, output in step.signature.next_names.items()
    }
    names = {*step.signature.samples, "labels"}
    samples = [value for value in step.model.graph.inputs if value.name in names]
    assert not OrderForMemory(samples, owners)(step.model).modified
