"""The gradients of activations and their neighbours, as the layers are lowered for training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy
import onnx_ir
import pytest
from activation_oracles import ORACLES, VARIANTS
from gradients import Array, check_gradients, constant_like, gradients_of_sum
from layer_gradients import run_layer

from cnndsl.autodiff.rules import dims_of
from cnndsl.graph.builder import GraphBuilder
from cnndsl.layers import find
from cnndsl.layers.base import Layer
from cnndsl.layers.lowering import Attribute, LoweringContext
from cnndsl.types import TensorType

torch = pytest.importorskip("torch")

CASES = [(keyword, *variant) for keyword, given in VARIANTS.items() for variant in given]
RANDOM = {"spatialdropout", "alphadropout", "droppath", "dropconnect"}
BATCH = 2


class Door:
    """A builder whose constants have the element type of a value, and whose chance is fixed."""

    def __init__(self, emit: GraphBuilder, like: onnx_ir.Value) -> None:
        self.emit = emit
        self.like = like
        self.batch = BATCH

    def op(self, op_type: str, *inputs: onnx_ir.Value | None, **given: Attribute) -> onnx_ir.Value:
        return self.emit.op(op_type, *inputs, **given)

    def constant(self, value: Any) -> onnx_ir.Value:
        if isinstance(value, float):
            return self.emit.scalar(value, self.like)
        return self.emit.constant(value)

    def composite(
        self, name: str, body: Callable[..., Any], *inputs: onnx_ir.Value, **given: Attribute
    ) -> Sequence[onnx_ir.Value]:
        return self.emit.composite(name, body, *inputs, **given)

    def uniform(
        self, like: onnx_ir.Value | tuple[int, ...], *, by_sample: bool = True
    ) -> onnx_ir.Value:
        dims = like if isinstance(like, tuple) else dims_of(like)
        drawn = numpy.random.default_rng(len(dims)).random(dims)
        return constant_like(self.emit, drawn, self.like)


def lowered(layer: Layer, types: tuple[TensorType, ...]) -> Callable[..., onnx_ir.Value]:
    """Emits a layer of inputs and then weights."""
    names = [weight.name for weight in layer.weights(*types)]

    def build(emit: GraphBuilder, *values: onnx_ir.Value) -> onnx_ir.Value:
        inputs, weights = values[: len(types)], values[len(types) :]
        context = LoweringContext(
            inputs, types, layer.output(*types), dict(zip(names, weights, strict=True))
        )
        door: Any = Door(emit, values[0])
        result: onnx_ir.Value = layer.lower_training(door, context)
        return result

    return build


def arrays_of(layer: Layer, types: tuple[TensorType, ...]) -> list[Array]:
    """Numbers that keep away from where a layer bends, and no two of which are equal."""
    rng = numpy.random.default_rng(3)
    arrays = []
    for kind in types:
        array = rng.uniform(-7.5, 7.5, (BATCH, *kind.dims))
        for bend in (-3.0, -1.0, 0.0, 1.0, 3.0, 6.0):
            array = numpy.where(abs(array - bend) < 0.05, array + 0.1, array)
        arrays.append(array)
    return arrays + [rng.uniform(0.2, 1.5, weight.shape) for weight in layer.weights(*types)]


def case(
    keyword: str, parameters: dict[str, Any], dims: tuple[int, ...]
) -> tuple[Layer, tuple[TensorType, ...]]:
    found = find(keyword)
    assert found is not None
    layer = found(**parameters)
    return layer, (TensorType(dims),) * (3 if layer.joins else 1)


@pytest.mark.parametrize(("keyword", "parameters", "dims"), CASES)
def test_gradients_are_those_of_differences(
    keyword: str, parameters: dict[str, Any], dims: tuple[int, ...]
) -> None:
    layer, types = case(keyword, parameters, dims)
    if parameters.get("rate") == 0 or parameters.get("pieces") == 1:
        pytest.skip("it gives back its input, or is a dense layer")
    check_gradients(lowered(layer, types), *arrays_of(layer, types), samples=20)


@pytest.mark.parametrize(("keyword", "parameters", "dims"), CASES)
def test_gradients_are_pytorchs(
    keyword: str, parameters: dict[str, Any], dims: tuple[int, ...]
) -> None:
    layer, types = case(keyword, parameters, dims)
    if keyword in RANDOM or parameters.get("pieces") == 1:
        pytest.skip("PyTorch draws otherwise, or nothing is computed")
    arrays = [array.astype(numpy.float32) for array in arrays_of(layer, types)]
    found = gradients_of_sum(lowered(layer, types), arrays, [*range(len(arrays))])
    tensors = [torch.from_numpy(array).requires_grad_() for array in arrays]
    names = [weight.name for weight in layer.weights(*types)]
    weights = dict(zip(names, tensors[len(types) :], strict=True))
    ORACLES[keyword](layer, tensors[: len(types)], weights).sum().backward()
    for at, tensor in enumerate(tensors):
        wanted = tensor.grad.numpy()
        scale = numpy.abs(wanted).max()
        numpy.testing.assert_allclose(found[at], wanted, rtol=1e-4, atol=1e-5 * scale)


@pytest.mark.parametrize("keyword", ["silu", "gelu", "mish", "softplus", "softsign", "hardswish"])
def test_gradients_of_numbers_far_from_zero_are_numbers(keyword: str) -> None:
    layer, types = case(keyword, {}, (8,))
    far = numpy.array([[-1e30, -3e4, -200.0, -60.0, 60.0, 200.0, 3e4, 1e30]] * 2)
    far = far.astype(numpy.float32)
    found = gradients_of_sum(lowered(layer, types), [far], [0])[0]
    slopes = [0.0] * 4 + [0.0 if keyword == "softsign" else 1.0] * 4
    numpy.testing.assert_allclose(found, [slopes] * 2, atol=1e-3)


KINKS: list[tuple[str, dict[str, Any], Callable[[Any], Any]]] = [
    ("relu", {}, torch.relu),
    ("leakyrelu", {"slope": 0.2}, lambda x: torch.nn.functional.leaky_relu(x, 0.2)),
    ("relu6", {}, torch.nn.functional.relu6),
    ("hardtanh", {}, torch.nn.functional.hardtanh),
    ("hardsigmoid", {}, torch.nn.functional.hardsigmoid),
    ("hardswish", {}, torch.nn.functional.hardswish),
    ("elu", {}, torch.nn.functional.elu),
    ("clip", {"least": -1.0, "most": 6.0}, lambda x: torch.clamp(x, -1, 6)),
]


@pytest.mark.parametrize(("keyword", "parameters", "oracle"), KINKS)
def test_on_a_kink_the_slope_is_pytorchs(
    keyword: str, parameters: dict[str, Any], oracle: Callable[[Any], Any]
) -> None:
    """They are met: a black picture under biases of 0 gives zeros and nothing else."""
    source = numpy.array([[-6, -3, -1, -0.0, 0, 1, 3, 6]], numpy.float32)
    found = run_layer(find(keyword)(**parameters), [source])  # type: ignore[misc]
    x = torch.tensor(source, requires_grad=True)
    oracle(x).backward(torch.tensor(found.given))
    numpy.testing.assert_allclose(found.inputs[0], x.grad.numpy(), atol=1e-6)
