"""One suite for every device that ONNX Runtime offers, against the reference in `onnx`."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy
import onnx
import pytest
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator

import cnndsl
from cnndsl import pipeline
from cnndsl.runtime.device import trial
from cnndsl.runtime.model import Model
from cnndsl.runtime.start import CUDA, TRIAL, start

DEVICES = ("cpu", "cuda")

SKIPPED: Mapping[tuple[str, str], str] = MappingProxyType(
    {("cpu", "lrn"): "the reference is wrong; tests/layers has another one"}
)
"""Networks that cannot be compared on a device, and why."""

WRONG_REFERENCE = frozenset({"lrn"})
"""`onnx.reference` leaves out the last channel of LRN's window: here the CPU is the measure."""

NETWORKS = MappingProxyType(
    {
        "conv1d": "input 3x20\nconv 4@5 stride 2 padding 1 rounding floor -> relu",
        "conv2d": "input 3x9x8\nconv 6@3x2 padding 1 groups 3 rounding floor -> tanh",
        "conv3d": "input 2x5x6x7\nconv 4@3 padding same",
        "dilated": "input 2x12x12\nconv 4@3 dilation 2 padding [1, 2, 3, 0] bias no",
        "depthwise": "input 4x8x8\ndepthwise 3 padding same -> leakyrelu",
        "maxpool": "input 2x9x9\nmaxpool 3 stride 2 padding 1",
        "ceil": "input 2x8x8\nmaxpool 3 stride 2 rounding ceil",
        "avgpool": "input 2x8x8\navgpool 3 stride 2 padding 1 rounding floor",
        "sumpool": "input 2x8x8\nsumpool 2 stride 2",
        "global": "input 3x5x6\nconcat(globalavgpool, globalmaxpool)",
        "dense": "input 3x4x4\nflatten -> dense 7 -> sigmoid -> dense 5 -> softmax",
        "batchnorm": "input 4x6x6\nconv 4@3 -> batchnorm -> scaledtanh",
        "lrn": "input 8x5x5\nlrn",
        "joins": "input 3x5x5\na = conv 3@1\nb = conv 3@3 padding 1\n"
        "add(a, b, identity) -> multiply(identity, a) -> maximum(identity, b) -> relu",
        "dropout": "input 6\ndropout 0.5 -> dense 3",
    }
)


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> str:
    name = str(request.param)
    if name == "cuda" and not (result := trial(CUDA)).works:
        pytest.skip(result.reason)
    return name


def compiled(network: str, device: str, batch: int | None = None) -> tuple[Model, onnx.ModelProto]:
    typed = pipeline.typed(pipeline.check_text(NETWORKS[network]))
    artifact = pipeline.compile(typed, seed=3, batch=batch)
    return Model(artifact, device=device), artifact.to_proto()


def sample(network: str, batch: int) -> NDArray[numpy.float32]:
    (dims,) = cnndsl.parse(NETWORKS[network]).inputs.values()
    return numpy.random.default_rng(5).normal(size=(batch, *dims)).astype(numpy.float32)


@pytest.mark.parametrize("network", NETWORKS)
def test_a_device_computes_what_the_reference_does(device: str, network: str) -> None:
    if (device, network) in SKIPPED:
        pytest.skip(SKIPPED[device, network])
    model, proto = compiled(network, device)
    values = sample(network, 3)
    if network in WRONG_REFERENCE:
        expected = compiled(network, "cpu")[0].run(values)
    else:
        outputs: Any = ReferenceEvaluator(proto).run(["output"], {"input": values})
        expected = outputs[0]
    numpy.testing.assert_allclose(model.run(values), expected, rtol=1e-4, atol=1e-5)


RAW = (
    "input 3x9x8 {\n scale 1/255\n mean [0.5, 0.4, 0.3]\n std 0.25\n layout bgr\n invert yes\n}\n"
    "conv 4@3 -> relu -> globalavgpool"
)


def test_a_device_prepares_raw_pictures_as_the_reference_does(device: str) -> None:
    artifact = pipeline.compile(pipeline.typed(pipeline.check_text(RAW)), seed=3, raw=True)
    x = numpy.random.default_rng(5).integers(0, 256, (3, 9, 8, 3), numpy.uint8)
    outputs: Any = ReferenceEvaluator(artifact.to_proto()).run(["output"], {"input": x})
    found = Model(artifact, device=device).run(x)
    numpy.testing.assert_allclose(found, outputs[0], rtol=1e-4, atol=1e-5)


def test_the_device_is_the_one_asked_for(device: str) -> None:
    model, _ = compiled("dense", device)
    assert model.device.name.partition(":")[0] == device


def test_batches_do_not_change_the_answers(device: str) -> None:
    model, _ = compiled("conv2d", device)
    values = sample("conv2d", 4)
    alone = numpy.stack([model.run(one) for one in values])
    numpy.testing.assert_allclose(model.run(values), alone, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("network", NETWORKS)
def test_on_cuda_no_node_is_left_to_the_cpu(network: str) -> None:
    if not (result := trial(CUDA)).works:
        pytest.skip(result.reason)
    demand_all_on_cuda(compiled(network, "cuda", batch=2)[1])


def test_on_cuda_no_node_of_a_preparation_is_left_to_the_cpu() -> None:
    if not (result := trial(CUDA)).works:
        pytest.skip(result.reason)
    typed = pipeline.typed(pipeline.check_text(RAW))
    demand_all_on_cuda(pipeline.compile(typed, seed=3, batch=2, raw=True).to_proto())


def demand_all_on_cuda(proto: onnx.ModelProto) -> None:
    assert start(proto.SerializeToString(), CUDA, TRIAL).get_providers()[0] == CUDA
