"""Training steps on every device that ONNX Runtime offers, against the reference in `onnx`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy
import pytest
from gradients import OPERATORS
from onnx.reference import ReferenceEvaluator

from cnndsl import pipeline
from cnndsl.autodiff.rules import Target
from cnndsl.graph.initializers import initialise
from cnndsl.layers.base import Init
from cnndsl.runtime.device import trial
from cnndsl.runtime.start import CUDA
from cnndsl.runtime.train_step import TrainStep
from cnndsl.training.step import Step, build_step

DEVICES = ("cpu", "cuda")
STEPS = 3
BATCH = 4

NETWORKS = MappingProxyType(
    {
        "lenet": "input 1x12x12\nconv 3@5 -> tanh -> avgpool 2 -> flatten -> dense 4 -> tanh",
        "resnet": "input 2x9x9\nconv 4@3 stride 2 padding 1 bias no -> batchnorm -> relu\n"
        "add(conv 4@3 padding 1 bias no -> batchnorm, identity) -> relu -> globalavgpool",
        "alexnet": "input 4x11x11\nconv 6@3 groups 2 -> relu -> lrn 3\n"
        "maxpool 3 stride 2 -> flatten -> dense 6 -> relu",
        "densenet": "input 3x6x6\nconcat(identity, conv 2@3 padding 1 -> sigmoid)\n"
        "depthwise 3 padding 1 -> multiply(identity, globalavgpool -> dense 5 -> sigmoid)"
        " -> globalmaxpool",
    }
)


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> str:
    name = str(request.param)
    if name == "cuda" and not (result := trial(CUDA)).works:
        pytest.skip(result.reason)
    return name


def reference_steps(
    step: Step, weights: Mapping[str, Any], samples: Mapping[str, Any], labels: Any
) -> tuple[list[float], dict[str, Any]]:
    signature = step.signature
    reference = ReferenceEvaluator(step.to_proto(), new_ops=[*OPERATORS])
    losses, values = [], {**weights, **signature.initial_state()}
    for number in range(STEPS):
        values |= signature.feeds(samples, labels, lr=0.01, step=number)
        with numpy.errstate(
            over="ignore", invalid="ignore"
        ):  # A ReLU's slope is a HardSigmoid of any steepness.
            answers = reference.run(None, values)
        results = dict(zip(reference.output_names, answers, strict=True))
        losses.append(float(results[signature.loss]))
        values |= signature.next_values(results)
    return losses, {name: values[name] for name in signature.weights}


@pytest.mark.parametrize("network", NETWORKS)
def test_a_device_trains_in_float16_as_the_reference_does(network: str, device: str) -> None:
    """The reference computes what a GPU does, a CPU the emulation of that."""
    text = f"{NETWORKS[network]}\ndense 3 -> softmax\ntrain {{\n  precision float16\n}}\n"
    typed = pipeline.typed(pipeline.check_text(text))
    target: Target = "cpu" if device == "cpu" else "cuda"
    step, exact = (build_step(typed, batch=BATCH, target=one) for one in (target, "cuda"))
    random, first = numpy.random.default_rng(3), initialise(typed, 0, Init("he"))
    samples = {"input": random.normal(size=step.signature.samples["input"]).astype(numpy.float32)}
    labels = random.integers(3, size=BATCH)
    train_step = TrainStep(step, first, device=device)
    found = [train_step.run(samples, labels, 0.01, n, 0) for n in range(STEPS)]
    losses, weights = reference_steps(exact, first, samples, labels)
    numpy.testing.assert_allclose([one.loss for one in found], losses, rtol=1e-2)
    for name, value in train_step.weights().items():
        numpy.testing.assert_allclose(value, weights[name], rtol=2e-2, atol=2e-3)


@pytest.mark.parametrize("optimizer", ["sgd lr 0.05 momentum 0.9", "adam lr 0.01"])
@pytest.mark.parametrize("network", NETWORKS)
def test_a_device_trains_as_the_reference_does(network: str, optimizer: str, device: str) -> None:
    text = f"{NETWORKS[network]}\ndense 3 -> softmax\ntrain {{ optimizer {optimizer} }}\n"
    typed = pipeline.typed(pipeline.check_text(text))
    target: Target = "cpu" if device == "cpu" else "cuda"
    step = build_step(typed, batch=BATCH, target=target)
    random = numpy.random.default_rng(3)
    first = initialise(typed, 0, Init("he"))
    dims = step.signature.samples["input"]
    samples = {"input": random.normal(size=dims).astype(numpy.float32)}
    labels = random.integers(3, size=BATCH)
    train_step = TrainStep(step, first, device=device)
    found = [train_step.run(samples, labels, 0.01, n, 0).loss for n in range(STEPS)]
    losses, weights = reference_steps(step, first, samples, labels)
    numpy.testing.assert_allclose(found, losses, rtol=1e-3 if device == "cuda" else 1e-5)
    for name, value in train_step.weights().items():
        numpy.testing.assert_allclose(value, weights[name], rtol=1e-2, atol=1e-3)
