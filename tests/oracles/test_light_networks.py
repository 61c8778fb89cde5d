"""The networks in the onnx wheel against ONNX Runtime running those very files.

The wheel has them as graphs whose large weights are the constant 0.02, each with the output that
belongs to it. That output is compared; then both graphs get the same random weights.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper
from oracle import TOLERANCE, Array, compiled, draw, relative_error

import cnndsl
from cnndsl.api import Network

HERE = Path(__file__).parent / "light"
STORED = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"

FLOATS = {
    "bvlc_alexnet": 60_965_224,
    "densenet121": 8_146_152,
    "inception_v1": 6_998_552,
    "inception_v2": 11_234_792,
    "resnet50": 25_610_153,
    "shufflenet": 1_420_152,
    "squeezenet": 1_235_496,
    "vgg19": 143_667_240,
    "zfnet512": 87_250_537,
}
"""How many numbers each file stores."""

SLOW = {"bvlc_alexnet", "vgg19", "zfnet512"}

UNUSED = {"resnet50": 1, "zfnet512": 1}
"""Numbers that a file stores and does not use."""

CLASSIFIER = {"resnet50": 1e-3, "inception_v2": 0.1}
"""Factors for the last weights, where random ones would leave the softmax a single answer."""


@dataclass(frozen=True)
class Role:
    """What a stored tensor is for: one weight, or a part of one."""

    tensor: str
    kind: str


class LightNetwork:
    """A stored graph, with inputs in place of its constants."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.model = onnx.load(STORED / f"light_{name}.onnx")
        stored = {one.name: numpy_helper.to_array(one) for one in self.model.graph.initializer}
        self.arrays = {key: one for key, one in stored.items() if one.dtype == numpy.float32}
        for node in self.nodes("ConstantOfShape"):
            (value,) = numpy_helper.to_array(node.attribute[0].t)
            self.arrays[node.output[0]] = numpy.full(stored[node.input[0]], value)

    def nodes(self, *kinds: str) -> list[Any]:
        return [node for node in self.model.graph.node if node.op_type in kinds]

    @property
    def expected(self) -> Array:
        """The stored output, for the input of :meth:`ramp`."""
        tensor = onnx.TensorProto()
        tensor.ParseFromString((STORED / f"light_{self.name}_output_0.pb").read_bytes())
        return numpy_helper.to_array(tensor)

    @cached_property
    def layers(self) -> list[list[Role]]:
        """The tensors of each layer that has weights, in the order of the graph."""
        readers = {name: node for node in self.model.graph.node for name in node.input}
        makers = {name: node for node in self.model.graph.node for name in node.output}
        found: list[list[Role]] = []
        for node in self.nodes("Conv", "Gemm", "BatchNormalization"):
            if node.op_type == "BatchNormalization":
                names = list(node.input[1:])
                kinds = ["scale", "bias", "mean", "var"]
                if (multiply := readers[node.output[0]]).op_type == "Mul":
                    # Caffe's Scale layer: a product and a sum, each with a column of numbers.
                    add = readers[multiply.output[0]]
                    names += [makers[one.input[1]].input[0] for one in (multiply, add)]
                    kinds += ["scale", "bias"]
            else:
                names, kinds = list(node.input[1:]), ["weight", "bias"]
            # The classifier of inception_v1 is reshaped first.
            tensors = [one if one in self.arrays else makers[one].input[0] for one in names]
            found.append([Role(*pair) for pair in zip(tensors, kinds, strict=False)])
        return found

    def randomized(self) -> dict[str, Array]:
        """Random numbers for all tensors."""
        roles = {role.tensor: role.kind for layer in self.layers for role in layer}
        drawn = draw({f"{name}.{kind}": self.arrays[name].shape for name, kind in roles.items()})
        arrays = {name: drawn[f"{name}.{kind}"] for name, kind in roles.items()}
        for role in self.layers[-1]:
            arrays[role.tensor] *= numpy.float32(CLASSIFIER.get(self.name, 1))
        return arrays

    def run(self, arrays: dict[str, Array], x: Array) -> Array:
        """What ONNX Runtime makes of the graph with these numbers in it."""
        graph = self.model.graph
        nodes = [node for node in graph.node if node.op_type != "ConstantOfShape"]
        read = {name for node in nodes for name in node.input} - arrays.keys()
        kept = [one for one in graph.initializer if one.name in read]
        (data,) = (one for one in graph.input if "data" in one.name)
        inputs = [
            helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, array.shape)
            for name, array in {data.name: x, **arrays}.items()
        ]
        light = helper.make_model(
            helper.make_graph(nodes, self.name, inputs, list(graph.output), kept),
            opset_imports=self.model.opset_import,
            ir_version=4,  # from which on initializers need not be inputs too
        )
        session = onnxruntime.InferenceSession(
            light.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        (output,) = session.run(None, {data.name: x, **arrays})
        return numpy.asarray(output)


def weights_for(
    network: Network, light: LightNetwork, arrays: dict[str, Array]
) -> dict[str, Array]:
    """A stored graph's numbers by the names of our weights: both list layers in one order."""
    ours = iter(network.weights.items())
    weights: dict[str, Array] = {}
    for layer in light.layers:
        for array in merged([arrays[role.tensor] for role in layer]):
            name, shape = next(ours)
            assert [n for n in array.shape if n > 1] == [n for n in shape if n > 1], name
            weights[name] = array.reshape(shape)
    assert next(ours, None) is None
    return weights


def merged(arrays: list[Array]) -> Iterator[Array]:
    """The arrays of a layer; those of a Scale layer are made part of the normalisation's."""
    if len(arrays) == 6:
        scale, bias, mean, var, factor, shift = arrays
        arrays = [scale * factor, bias * factor + shift, mean, var]
    yield from arrays


def spec(name: str) -> Network:
    path = HERE / f"{name}.cnn"
    return cnndsl.load(path if path.exists() else name)


def ramp(network: Network) -> Array:
    """The input that the stored outputs belong to."""
    (dims,) = network.inputs.values()
    count = math.prod(dims)
    return (numpy.arange(count).reshape(1, *dims) / count).astype(numpy.float32)


def logs(array: Array) -> Array:
    """The logarithms where these are probabilities, so that small ones count too."""
    return numpy.log(array) if array.min() > 0 and abs(array.sum() - 1) < 1e-3 else array


PARAMETERS = [pytest.param(one, marks=[pytest.mark.slow] * (one in SLOW)) for one in FLOATS]


def test_all_stored_networks_are_compared() -> None:
    stored = {path.stem.removeprefix("light_") for path in STORED.glob("*.onnx")}
    assert stored == FLOATS.keys()
    assert {path.stem for path in HERE.glob("*.cnn")} <= FLOATS.keys()


@pytest.mark.parametrize("name", FLOATS)
def test_a_spec_has_all_numbers_that_are_stored(name: str) -> None:
    light = LightNetwork(name)
    counts = spec(name).summary()
    assert sum(array.size for array in light.arrays.values()) == FLOATS[name]
    scales = sum(light.arrays[layer[4].tensor].size for layer in light.layers if len(layer) == 6)
    assert counts.params + counts.buffers + 2 * scales + UNUSED.get(name, 0) == FLOATS[name]


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_spec_gives_the_stored_output(name: str, tmp_path: Path) -> None:
    light, network = LightNetwork(name), spec(name)
    weights = weights_for(network, light, light.arrays)
    found = compiled(network, weights, tmp_path).run(ramp(network))
    assert relative_error(found, light.expected.reshape(found.shape)) < TOLERANCE


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_spec_agrees_for_random_weights(name: str, tmp_path: Path) -> None:
    light, network = LightNetwork(name), spec(name)
    arrays = light.randomized()
    x = numpy.random.default_rng(2).standard_normal(ramp(network).shape, numpy.float32)
    expected = light.run(arrays, x)
    weights = weights_for(network, light, arrays)
    found = compiled(network, weights, tmp_path).run(x)
    expected = expected.reshape(found.shape)
    assert numpy.ptp(expected) > 1e-3
    assert relative_error(found, expected) < TOLERANCE
    assert relative_error(logs(found), logs(expected)) < TOLERANCE
