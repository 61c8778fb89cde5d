"""The gradients of normalisations."""

from __future__ import annotations

import numpy
import onnx_ir
import pytest
from gradients import Array, check_gradients, constant_like, emitted
from pulling_back import pull_back

from cnndsl.autodiff.rules import dims_of
from cnndsl.graph.builder import GraphBuilder

SHAPES = [(5, 3), (2, 3, 4), (3, 4, 2, 2), (2, 3, 2, 2, 2), (1, 2, 3, 3), (4, 4, 1, 1)]


def numbers(*dims: int, seed: int = 0) -> Array:
    return numpy.random.default_rng(seed).normal(size=dims)


def positive(*dims: int, seed: int = 0) -> Array:
    return numpy.random.default_rng(seed).uniform(0.5, 2, dims)


# --- over the batch ---------------------------------------------------------------------------


def batch_norm(
    emit: GraphBuilder, x: onnx_ir.Value, scale: onnx_ir.Value, bias: onnx_ir.Value
) -> onnx_ir.Value:
    """As the layer is lowered for training; the running statistics are merely the batch's."""

    def body(
        x: onnx_ir.Value, scale: onnx_ir.Value, bias: onnx_ir.Value, *running: onnx_ir.Value
    ) -> list[onnx_ir.Value]:
        normal, mean, centred, variance = by_operators(emit, x, scale, bias)
        return [normal, mean, emit.op("Identity", variance), centred, variance]

    running = (constant_like(emit, numpy.ones(dims_of(scale)), x) for _ in range(2))
    normal, *_ = emit.composite("BatchNormalization", body, x, scale, bias, *running, epsilon=1e-3)
    return normal


def by_operators(
    emit: GraphBuilder, x: onnx_ir.Value, scale: onnx_ir.Value, bias: onnx_ir.Value
) -> list[onnx_ir.Value]:
    axes = emit.constant([0, *range(2, len(dims_of(x)))])
    mean = emit.op("ReduceMean", x, axes, keepdims=1)
    centred = emit.op("Sub", x, mean)
    variance = emit.op("ReduceMean", emit.op("Mul", centred, centred), axes, keepdims=0)
    flat = emit.op("Reshape", mean, emit.constant([dims_of(x)[1]]))
    normal = emit.op("BatchNormalization", x, scale, bias, flat, variance, epsilon=1e-3)
    return [normal, flat, centred, variance]


def given_batch(dims: tuple[int, ...]) -> list[Array]:
    channels = dims[1]
    return [
        numbers(*dims) + 0.5,
        positive(channels, seed=1),
        numbers(channels, seed=2),
        numbers(channels, seed=3),
        positive(channels, seed=4),
    ]


@pytest.mark.parametrize("dims", SHAPES)
def test_batch_norm_with_given_statistics(dims: tuple[int, ...]) -> None:
    check_gradients(
        lambda emit, *values: emit.op("BatchNormalization", *values, epsilon=1e-3),
        *given_batch(dims),
    )


@pytest.mark.parametrize("dims", SHAPES)
def test_batch_norm_with_the_batchs_own_statistics(dims: tuple[int, ...]) -> None:
    check_gradients(batch_norm, *given_batch(dims)[:3])


@pytest.mark.parametrize("dims", SHAPES)
def test_the_composites_gradient_is_that_of_its_operators(dims: tuple[int, ...]) -> None:
    arrays = given_batch(dims)[:3]
    gradient = numbers(*dims, seed=9)
    whole = pull_back(batch_norm, gradient, *arrays)
    parts = pull_back(lambda *given: by_operators(*given)[0], gradient, *arrays)
    for one, other in zip(whole, parts, strict=True):
        numpy.testing.assert_allclose(one, other, rtol=1e-7, atol=1e-7)


def test_the_batchs_own_statistics_have_a_closed_form_that_few_nodes_touch_memory_in() -> None:
    arrays = given_batch((3, 4, 2, 2))[:3]
    graph = emitted(batch_norm, arrays, [0, 1, 2])
    large = [node.op_type for node in graph.nodes if dims_of(node.outputs[0]) == (3, 4, 2, 2)]
    # After what the weighted sum takes: g d, the normalisation b d + c, g + that, and times a.
    assert large[-4:] == ["Mul", "BatchNormalization", "Add", "Mul"]
    assert "Sub" not in graph.op_types
    assert "Expand" not in graph.op_types


def other_axes(emit: GraphBuilder, x: onnx_ir.Value) -> onnx_ir.Value:
    """The mean over the channels and not over the batch: as many numbers, by chance."""
    axes = emit.constant([1, 2, 3])
    return emit.op("ReduceMean", x, axes, keepdims=0)


def half(emit: GraphBuilder, x: onnx_ir.Value) -> onnx_ir.Value:
    return emit.op("Mul", x, emit.scalar(0.5, x))


@pytest.mark.parametrize("which", ["mean", "variance", "subtrahend", "minuend", "factor", "source"])
def test_statistics_that_are_only_similar_are_not_mistaken_for_the_batchs_own(which: str) -> None:
    def build(emit: GraphBuilder, x: onnx_ir.Value, scale: onnx_ir.Value) -> onnx_ir.Value:
        axes = emit.constant([0, 2, 3])
        other = half(emit, x)
        mean = emit.op("ReduceMean", other if which == "subtrahend" else x, axes, keepdims=1)
        centred = emit.op("Sub", other if which == "minuend" else x, mean)
        square = emit.op("Mul", centred, other if which == "factor" else centred)
        variance = emit.op("ReduceMean", square, axes, keepdims=0)
        if which == "variance":
            variance = other_axes(emit, square)
        mean = emit.op("ReduceMean", x, axes, keepdims=0)
        if which == "mean":
            mean = other_axes(emit, x)
        source = other if which == "source" else x
        return emit.op("BatchNormalization", source, scale, scale, mean, variance)

    check_gradients(build, numbers(4, 4, 2, 2), positive(4, seed=1))


@pytest.mark.parametrize("wanted", [[0], [1], [2], [0, 2], [1, 2]])
def test_batch_norm_where_only_some_gradients_are_wanted(wanted: list[int]) -> None:
    check_gradients(batch_norm, *given_batch((3, 2, 2, 2))[:3], wanted=wanted)


@pytest.mark.parametrize("at", [0, 1, 2, 3, 4])
def test_given_statistics_where_one_gradient_is_wanted(at: int) -> None:
    check_gradients(
        lambda emit, *values: emit.op("BatchNormalization", *values),
        *given_batch((3, 2, 2, 2)),
        wanted=[at],
    )


def test_batch_norm_equals_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    x, scale, bias = given_batch((4, 3, 5, 5))[:3]
    gradient = numbers(4, 3, 5, 5, seed=9)
    tensors = [torch.tensor(array, requires_grad=True) for array in (x, scale, bias)]
    result = torch.nn.functional.batch_norm(
        tensors[0], None, None, tensors[1], tensors[2], training=True, eps=1e-3
    )
    result.backward(torch.tensor(gradient))
    found = pull_back(batch_norm, gradient, x, scale, bias)
    for tensor, ours in zip(tensors, found, strict=True):
        numpy.testing.assert_allclose(ours, tensor.grad.numpy(), rtol=1e-9, atol=1e-9)


# --- over a layer or an instance --------------------------------------------------------------


@pytest.mark.parametrize(
    ("dims", "axis"), [((3, 5), -1), ((2, 3, 4), 1), ((2, 3, 4), -1), ((2, 3, 2, 2), 2)]
)
@pytest.mark.parametrize("has_bias", [True, False])
def test_layer_norm(dims: tuple[int, ...], axis: int, has_bias: bool) -> None:
    inner = dims[axis:]
    arrays = [numbers(*dims), positive(*inner, seed=1), numbers(*inner, seed=2)]
    check_gradients(
        lambda emit, *values: emit.op("LayerNormalization", *values, axis=axis, epsilon=1e-3),
        *arrays[: 3 if has_bias else 2],
    )


@pytest.mark.parametrize("dims", [(2, 3, 5), (2, 3, 2, 4), (1, 2, 2, 2, 3)])
def test_instance_norm(dims: tuple[int, ...]) -> None:
    check_gradients(
        lambda emit, *values: emit.op("InstanceNormalization", *values, epsilon=1e-3),
        numbers(*dims),
        positive(dims[1], seed=1),
        numbers(dims[1], seed=2),
    )


# --- over neighbouring channels ---------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 3, 5])
@pytest.mark.parametrize("dims", [(2, 6, 2, 2), (1, 2, 3, 1)])
def test_local_response_norm(size: int, dims: tuple[int, ...]) -> None:
    check_gradients(
        lambda emit, x: emit.op("LRN", x, size=size, alpha=0.9, beta=0.6, bias=1.5), numbers(*dims)
    )


def test_local_response_norm_over_an_even_window_and_with_defaults() -> None:
    check_gradients(
        lambda emit, x: emit.op("LRN", x, size=4, alpha=2.0),
        numbers(2, 6, 2),
        runtime=False,  # ONNX Runtime has odd windows and two dimensions only.
    )
    check_gradients(lambda emit, x: emit.op("LRN", x, size=3), 9 * numbers(2, 6, 2, 2))


def test_local_response_norm_equals_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    x, gradient = 3 * numbers(2, 7, 3, 3), numbers(2, 7, 3, 3, seed=1)
    source = torch.tensor(x, requires_grad=True)
    result = torch.nn.functional.local_response_norm(source, 5, alpha=0.5, beta=0.75, k=2.0)
    result.backward(torch.tensor(gradient))
    (found,) = pull_back(
        lambda emit, x: emit.op("LRN", x, size=5, alpha=0.5, beta=0.75, bias=2.0), gradient, x
    )
    numpy.testing.assert_allclose(found, source.grad.numpy(), rtol=1e-6, atol=1e-6)
