"""The shipped networks against PyTorch: the same weights give the same answers.

PyTorch computes in float64: in float32 its own error in 152 layers is above the tolerance.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pytest
from oracle import TOLERANCE, Array, compiled, draw, relative_error
from torch_networks import NETWORKS, Weights, probabilities

import cnndsl
from cnndsl.api import Network
from cnndsl.elaborate.modules import shipped_specs

SLOW = {
    "alexnet",
    "alexnet-owt",
    "alexnet-ungrouped",
    "zfnet",
    "vgg16",
    "vgg19",
    "resnet50-v1",
    "resnet152",
    "resnext50",
    "se-resnet50",
    "xception",
}

PIXELS = {"alexnet": 60.0, "alexnet-ungrouped": 60.0, "googlenet": 60.0, "zfnet": 60.0}
"""The spread of inputs that are not scaled. In small numbers, an LRN would do nothing."""

IN_TRAINING_ONLY = {"googlenet": ("aux1.", "aux2.")}
"""Heads whose weights the compiled model does not have."""

OTHERS: dict[str, dict[str, Any]] = {
    "alexnet": {"alpha": 1e-4 / 5},  # as if LRN's alpha weighed the mean
    "googlenet": {"ceil": False},  # pooling that drops what Caffe keeps
    "resnet50": {"original": True},  # the stride on the first convolution
}
"""Networks that look alike and are not."""


def sample(name: str, network: Network) -> Array:
    (dims,) = network.inputs.values()
    x = numpy.random.default_rng(1).standard_normal((1, *dims), numpy.float32)
    return x * numpy.float32(PIXELS.get(name, 1.0))


def logits(answers: Array) -> Array:
    """The numbers before the softmax, but for their mean: small probabilities count too."""
    logs = numpy.log(numpy.asarray(answers, numpy.float64))
    return numpy.asarray(logs - logs.mean(axis=1, keepdims=True))


def slow(names: Any) -> list[Any]:
    return [pytest.param(one, marks=[pytest.mark.slow] * (one in SLOW)) for one in names]


def test_what_is_compared_is_shipped() -> None:
    assert set(NETWORKS) <= set(shipped_specs())


@pytest.mark.parametrize("name", slow(NETWORKS))
def test_a_shipped_network_computes_what_pytorch_does(name: str, tmp_path: Path) -> None:
    network = cnndsl.load(name)
    names = {
        weight: shape
        for weight, shape in network.weights.items()
        if not weight.startswith(IN_TRAINING_ONLY.get(name, ()))
    }
    arrays = draw(names, scales=(0.1, 0.3))
    x = sample(name, network)
    weights = Weights(arrays, calibrate=True)
    expected = probabilities(name, weights, x)
    assert weights.used == set(arrays)
    found = compiled(network, arrays, tmp_path).run(x)
    assert relative_error(found, expected) < TOLERANCE
    assert relative_error(logits(found), logits(expected)) < TOLERANCE


@pytest.mark.parametrize("name", slow(OTHERS))
def test_the_comparison_tells_apart_networks_that_look_alike(name: str) -> None:
    network = cnndsl.load(name)
    arrays = draw(network.weights, scales=(0.1, 0.3))
    x = sample(name, network)
    right = probabilities(name, Weights(arrays, calibrate=True), x)
    other = probabilities(name, Weights(arrays), x, **OTHERS[name])
    assert relative_error(logits(other), logits(right)) > 100 * TOLERANCE
