"""A train step does what plain runs of its graph do, and leaves its caller's arrays alone."""

from __future__ import annotations

import numpy
import onnxruntime
import pytest
from training_runs import Array, network, stripes

from cnndsl.graph.initializers import initialise
from cnndsl.layers.base import Init
from cnndsl.runtime import train_step as train_step_module
from cnndsl.runtime.slots import aligned
from cnndsl.runtime.train_step import TrainStep
from cnndsl.training.step import Step, build_step

TRAIN = "optimizer sgd lr 0.1 momentum 0.9; batch 8"


@pytest.fixture(scope="module")
def step() -> Step:
    return build_step(network(TRAIN))


@pytest.fixture(scope="module")
def weights() -> dict[str, Array]:
    return dict(initialise(network(TRAIN), 0, Init("he")))


def batch(number: int) -> tuple[dict[str, Array], Array]:
    data = stripes(24)
    indices = numpy.arange(8) + 8 * (number % 3)
    assert data.labels is not None
    return data.load(indices), data.labels[indices]


def stepper_of(step: Step, weights: dict[str, Array], **options: object) -> TrainStep:
    return TrainStep(step, weights, device="cpu", threads=1, **options)  # type: ignore[arg-type]


def test_steps_are_bit_equal_to_plain_runs_without_shared_buffers(
    step: Step, weights: dict[str, Array]
) -> None:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    plain = onnxruntime.InferenceSession(
        step.to_proto().SerializeToString(),
        options,
        providers=["CPUExecutionProvider"],
        disabled_optimizers=["NchwcTransformer"],
    )
    names = [one.name for one in plain.get_outputs()]
    signature = step.signature
    values = {name: weights[name] for name in signature.weights} | signature.initial_state()
    train_step = stepper_of(step, weights)
    for number in range(7):
        inputs, labels = batch(number)
        lr = 0.1 / (number + 1)
        feeds = signature.feeds(inputs, labels, lr=lr, step=number, seed=5)
        found = plain.run(None, {**feeds, **values})
        outputs = dict(zip(names, found, strict=True))
        result = train_step.run(inputs, labels, lr, number, 5)
        assert result.loss == outputs["loss"].item()
        assert result.metrics == {"correct": outputs["correct"].item()}
        values |= signature.next_values(outputs)
        now = {**train_step.weights(), **train_step.state()}
        assert set(now) == set(values)
        for name, array in values.items():
            assert now[name].tobytes() == array.tobytes(), (number, name)


def test_no_buffer_of_a_weight_is_read_and_written_by_one_step(
    step: Step, weights: dict[str, Array]
) -> None:
    train_step = stepper_of(step, weights)
    signature = step.signature
    old = {name: slot.value.data_ptr() for name, slot in train_step._kept.now.items()}
    new = {name: slot.value.data_ptr() for name, slot in train_step._kept.next.items()}
    shared = {name for name, place in old.items() if place in new.values()}
    assert shared == set(signature.state)
    assert len(set(old.values())) == len(signature.next_names)


def test_arrays_that_are_given_or_got_are_nobodys_buffers(
    step: Step, weights: dict[str, Array]
) -> None:
    given = {name: array.copy() for name, array in weights.items()}
    train_step = stepper_of(step, given)
    first = train_step.weights()
    kept = {name: array.copy() for name, array in first.items()}
    inputs, labels = batch(0)
    before = inputs["input"].copy()
    for number in range(2):
        train_step.run(inputs, labels, 0.1, number, 0)
    assert all(given[name].tobytes() == weights[name].tobytes() for name in given)
    assert all(first[name].tobytes() == kept[name].tobytes() for name in first)
    assert inputs["input"].tobytes() == before.tobytes()
    after = train_step.weights()
    for array in given.values():
        array[...] = 7
    assert train_step.weights()["F2.weight"].tobytes() == after["F2.weight"].tobytes()
    assert after["F2.weight"].tobytes() != first["F2.weight"].tobytes()


def test_a_stepper_goes_on_where_another_stopped(step: Step, weights: dict[str, Array]) -> None:
    straight = stepper_of(step, weights)
    for number in range(6):
        if number == 3:
            other = stepper_of(step, straight.weights(), state=straight.state())
        straight.run(*batch(number), 0.1, number, 0)
    for number in range(3, 6):
        other.run(*batch(number), 0.1, number, 0)
    for name, array in straight.weights().items():
        assert other.weights()[name].tobytes() == array.tobytes(), name


def test_the_step_and_the_seed_reach_the_dropout(step: Step, weights: dict[str, Array]) -> None:
    losses = set()
    for number, seed in ((0, 0), (1, 0), (0, 1)):
        losses.add(stepper_of(step, weights).run(*batch(0), 0.1, number, seed).loss)
    assert len(losses) == 3


def test_the_weights_that_the_last_step_began_with_can_be_looked_at(
    step: Step, weights: dict[str, Array]
) -> None:
    train_step = stepper_of(step, weights)
    train_step.run(*batch(0), 0.1, 0, 0)
    expected = train_step.weights()
    train_step.run(*batch(1), 0.1, 1, 0)
    found = train_step.before()
    assert set(found) == set(expected) | set(step.signature.state)
    assert all(found[name].tobytes() == array.tobytes() for name, array in expected.items())


def test_frozen_weights_stay(weights: dict[str, Array]) -> None:
    frozen = build_step(network(f"{TRAIN}; freeze C1"))
    train_step = stepper_of(frozen, weights)
    assert "C1.weight" not in frozen.signature.updated
    train_step.run(*batch(0), 0.1, 0, 0)
    after = train_step.weights()
    assert after["C1.weight"].tobytes() == weights["C1.weight"].tobytes()
    assert after["F2.weight"].tobytes() != weights["F2.weight"].tobytes()


def test_an_array_of_another_shape_is_refused_before_anything_runs(
    step: Step, weights: dict[str, Array]
) -> None:
    train_step = stepper_of(step, weights)
    inputs, labels = batch(0)
    for wrong, right in (
        ({"input": inputs["input"][:1]}, labels),
        (inputs, labels[:1]),
        ({"input": inputs["input"][0, 0]}, labels),
    ):
        with pytest.raises(ValueError, match="is not one of"):
            train_step.run(wrong, right, 0.1, 0, 0)
    assert train_step.weights()["F2.weight"].tobytes() == weights["F2.weight"].tobytes()
    with pytest.raises(ValueError, match=r"F2\.weight"):
        stepper_of(step, {**weights, "F2.weight": weights["F2.weight"][:2]})


def test_a_session_keeps_plain_layouts(monkeypatch: pytest.MonkeyPatch, step: Step) -> None:
    """ONNX Runtime's blocked layouts cost more than they give where weights are inputs."""
    seen: dict[str, object] = {}
    original = onnxruntime.InferenceSession

    def start(*args: object, **options: object) -> object:
        seen.update(options)
        return original(*args, **options)

    monkeypatch.setattr(onnxruntime, "InferenceSession", start)
    stepper_of(step, dict(initialise(network(TRAIN), 0, Init("he"))))
    disabled = seen["disabled_optimizers"]
    assert isinstance(disabled, list)
    assert "NchwcTransformer" in disabled
    assert seen["enable_fallback"] == 0


def test_large_steps_keep_no_memory_for_later_and_find_the_same_bits(
    monkeypatch: pytest.MonkeyPatch, step: Step, weights: dict[str, Array]
) -> None:
    kept: list[bool] = []
    original = onnxruntime.InferenceSession

    def start(model: bytes, options: onnxruntime.SessionOptions, **more: object) -> object:
        kept.append(options.enable_mem_reuse)
        return original(model, options, **more)

    monkeypatch.setattr(onnxruntime, "InferenceSession", start)
    small = stepper_of(step, weights)
    monkeypatch.setattr(train_step_module, "_LARGE", 0)
    large = stepper_of(step, weights)
    assert kept == [True, False]
    for number in range(4):
        inputs, labels = batch(number)
        assert small.run(inputs, labels, 0.1, number, 5) == large.run(
            inputs, labels, 0.1, number, 5
        )
    for name, array in small.weights().items():
        assert array.tobytes() == large.weights()[name].tobytes(), name


def test_buffers_begin_at_cache_lines() -> None:
    for count in range(1, 40):
        array = aligned((count, 3), numpy.dtype(numpy.float32))
        assert array.ctypes.data % 64 == 0
        assert array.shape == (count, 3)
    assert aligned((), numpy.dtype(numpy.int64)).shape == ()
