"""The loss scale: against PyTorch's GradScaler, and what a skipped step leaves as it was."""

from __future__ import annotations

from typing import Any

import numpy
import onnx_ir
import onnxruntime
import pytest
from numpy.typing import NDArray

from cnndsl import pipeline
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.graph.builder import IR_VERSIONS
from cnndsl.graph.initializers import initialise
from cnndsl.layers.base import Init
from cnndsl.runtime.train_step import TrainStep
from cnndsl.training.graph import StepGraph
from cnndsl.training.loss_scale import BACKOFF, FIRST, GROWTH, INTERVAL, LossScale
from cnndsl.training.step import build_step

Array = NDArray[Any]

NETWORK = """input 1x6x6
C1: conv 3@3 -> batchnorm -> relu -> flatten -> F2: dense 3 -> softmax
train {
  batch 4
  optimizer adam lr 0.01
"""


def network(*settings: str) -> TypedNetwork:
    return pipeline.typed(pipeline.check_text(NETWORK + "\n".join(settings) + "\n}\n"))


def trainer(typed: TypedNetwork, **state: float) -> TrainStep:
    """A step with a state of its own: `scale`, `steps`, `skipped`."""
    step = build_step(typed)
    names = {"scale": "loss_scale", "steps": "loss_scale.steps", "skipped": "loss_scale.skipped"}
    given = {names[key]: numpy.array(one, numpy.float32) for key, one in state.items()}
    start = {**step.signature.initial_state(), **given}
    return TrainStep(step, initialise(typed, 0, Init("he")), start, device="cpu", threads=1)


def batch(size: float = 1.0) -> tuple[dict[str, Array], Array]:
    random = numpy.random.default_rng(2)
    pictures = random.normal(size=(4, 1, 6, 6)) * size
    return {"input": pictures.astype(numpy.float32)}, random.integers(3, size=4)


def run(step: TrainStep, number: int = 0, size: float = 1.0) -> Any:
    samples, labels = batch(size)
    return step.run(samples, labels, 0.01, number, 0)


# --- the scale itself -------------------------------------------------------------------------


def scale_session() -> onnxruntime.InferenceSession:
    """The graph of the scale alone: its state, and whether the gradients are numbers."""
    graph = StepGraph(1, precision="float16")
    scale = LossScale(graph)
    finite = graph.placeholder("finite", (), onnx_ir.DataType.BOOL)
    scale.judge(finite)
    old = [before for before, _ in scale.state.values()]
    new = [after for _, after in scale.state.values()]
    for before, after in zip(old, new, strict=True):
        after.name = f"{before.name}.next"
    opset = graph.opset
    whole = onnx_ir.Graph([*old, finite], new, nodes=graph.nodes, opset_imports={"": opset})
    model = onnx_ir.Model(whole, ir_version=IR_VERSIONS[opset])
    proto = onnx_ir.serde.serialize_model(model)
    return onnxruntime.InferenceSession(
        proto.SerializeToString(), providers=["CPUExecutionProvider"]
    )


def test_the_scale_is_that_of_pytorch_s_grad_scaler() -> None:
    torch: Any = pytest.importorskip("torch")
    scaler = torch.amp.GradScaler("cpu")
    assert (scaler.get_scale(), scaler.get_growth_factor()) == (FIRST, GROWTH)
    assert (scaler.get_backoff_factor(), scaler.get_growth_interval()) == (BACKOFF, INTERVAL)
    weight = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([weight], lr=1.0)
    session, steps = scale_session(), INTERVAL - 5
    scaler.load_state_dict({**scaler.state_dict(), "_growth_tracker": steps})
    state = {"loss_scale": FIRST, "loss_scale.steps": steps, "loss_scale.skipped": 0.0}
    values = {name: numpy.array(one, numpy.float32) for name, one in state.items()}
    overflows = [False] * 7 + [True, True, False, True, False]
    scales = []
    for number, overflow in enumerate(overflows):
        scaler.scale(weight.sum())
        weight.grad = torch.full((1,), float("inf") if overflow else 1.0)
        scaler.step(optimizer)
        scaler.update()
        found: Any = session.run(None, {**values, "finite": numpy.array(not overflow)})
        values = dict(zip([*values], found, strict=True))
        scales.append(float(values["loss_scale"]))
        assert scales[-1] == scaler.get_scale(), number
        assert values["loss_scale.steps"] == scaler.state_dict()["_growth_tracker"]
    assert (max(scales), min(scales)) == (2 * FIRST, FIRST / 4)
    assert values["loss_scale.skipped"] == 3


def test_the_scale_grows_no_further_than_float32_holds() -> None:
    session = scale_session()
    values = {"loss_scale": 2.0**127, "loss_scale.steps": INTERVAL - 1.0, "loss_scale.skipped": 0.0}
    feeds = {name: numpy.array(one, numpy.float32) for name, one in values.items()}
    found: Any = session.run(None, {**feeds, "finite": numpy.array(True)})
    assert [float(one) for one in found] == [2.0**127, 0.0, 0.0]


# --- in a step --------------------------------------------------------------------------------


def test_a_step_that_overflows_changes_nothing_but_the_scale() -> None:
    step = trainer(network("precision float16"), scale=2.0**40, steps=7)
    before = {**step.weights(), **step.state()}
    result = run(step)
    after = {**step.weights(), **step.state()}
    assert result.skipped
    assert numpy.isfinite(result.loss)
    assert step.skipped == 1
    kept = {name: one.tobytes() for name, one in before.items() if name[:10] != "loss_scale"}
    assert len(kept) > 15
    assert {name: after[name].tobytes() for name in kept} == kept
    assert float(after["loss_scale"]) == 2.0**39
    assert float(after["loss_scale.steps"]) == 0


def test_a_loss_that_is_no_number_changes_nothing_either() -> None:
    step = trainer(network("precision float16"))
    before = {name: one.tobytes() for name, one in step.weights().items()}
    result = run(step, size=1e5)  # beyond float16: the first convolution's input is infinite
    assert not numpy.isfinite(result.loss)
    assert result.skipped
    assert {name: one.tobytes() for name, one in step.weights().items()} == before


def test_after_skipped_steps_all_is_as_if_they_had_not_been() -> None:
    """Adam's bias correction counts the steps that were taken."""
    typed = network("precision float16")
    late = trainer(typed, scale=2.0**20)
    results = [run(late, number) for number in range(12)]
    taken = [one.loss for one in results if not one.skipped]
    assert 0 < late.skipped == 12 - len(taken) < 12
    straight = trainer(typed, scale=2.0**20 * 0.5**late.skipped)
    assert [run(straight, number).loss for number in range(len(taken))] == taken
    for name, one in straight.weights().items():
        assert one.tobytes() == late.weights()[name].tobytes(), name


def test_small_gradients_vanish_without_a_scale_and_not_with_it() -> None:
    """A loss so light that its gradients lie below what float16 holds."""

    def gradient(precision: str, **state: float) -> Array:
        step = trainer(network(f"precision {precision}", "loss crossentropy weight 1e-8"), **state)
        run(step)
        return step.state()["C1.weight.moment1"]  # a tenth of it

    exact = gradient("float32")
    assert numpy.count_nonzero(exact) == exact.size
    assert numpy.count_nonzero(gradient("float16", scale=1)) < exact.size / 2
    numpy.testing.assert_allclose(gradient("float16"), exact, rtol=0.05, atol=1e-13)


def test_resumed_from_weights_and_state_the_bits_are_the_same() -> None:
    typed = network("precision float16", "clip 1")
    straight = trainer(typed, scale=2.0**20)
    for number in range(8):
        run(straight, number)
    first = trainer(typed, scale=2.0**20)
    for number in range(4):
        run(first, number)
    second = TrainStep(first.step, first.weights(), first.state(), device="cpu", threads=1)
    for number in range(4, 8):
        run(second, number)
    assert second.skipped == straight.skipped > 0
    for name, one in {**straight.weights(), **straight.state()}.items():
        assert one.tobytes() == {**second.weights(), **second.state()}[name].tobytes(), name
