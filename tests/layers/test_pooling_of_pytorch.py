"""Pooling that PyTorch has too: values and gradients are the same on random shapes."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy
import pytest
from layer_gradients import Array, run_layer

from cnndsl.layers import find
from cnndsl.layers.base import Layer
from cnndsl.types import TensorType

torch: Any = pytest.importorskip("torch")
F: Any = torch.nn.functional

Tensor: TypeAlias = Any


def make(keyword: str, **parameters: Any) -> Layer:
    found = find(keyword)
    assert found is not None
    return found(**parameters)


def by_rank(name: str, x: Tensor) -> Any:
    return getattr(F, f"{name}{x.ndim - 2}d")


def numbers(rng: random.Random, dims: tuple[int, ...], *, ties: bool = False) -> Array:
    generator = numpy.random.default_rng(rng.randrange(1 << 30))
    if ties:
        return generator.integers(-1, 2, (2, *dims)).astype(numpy.float32)
    return generator.normal(size=(2, *dims)).astype(numpy.float32)


def agree(layer: Layer, source: Array, theirs: Callable[[Tensor], Tensor]) -> None:
    """The layer's output and the gradient of its input are PyTorch's."""
    ours = run_layer(layer, [source])
    x = torch.tensor(source, requires_grad=True)
    y = theirs(x)
    y.backward(torch.tensor(ours.given))
    numpy.testing.assert_allclose(ours.output, y.detach().numpy(), rtol=1e-4, atol=1e-5)
    numpy.testing.assert_allclose(ours.inputs[0], x.grad.numpy(), rtol=1e-4, atol=1e-5)


def maps(rng: random.Random, least: int = 1, most: int = 11) -> tuple[int, ...]:
    rank = rng.choice((1, 2, 2, 3))
    return (rng.randint(1, 3), *(rng.randint(least, most) for _ in range(rank)))


# --- adaptive pools ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["avg", "max"])
@pytest.mark.parametrize("seed", range(25))
def test_adaptive_pooling(kind: str, seed: int) -> None:
    rng = random.Random(seed)
    dims = maps(rng)
    size = tuple(rng.randint(1, 8) for _ in dims[1:])
    pool = by_rank(f"adaptive_{kind}_pool", torch.zeros(1, *dims))
    agree(make(f"adaptive{kind}pool", size=size), numbers(rng, dims), lambda x: pool(x, size))


@pytest.mark.parametrize("seed", range(12))
def test_of_equal_cells_in_a_bin_the_one_of_pytorch_gets_the_gradient(seed: int) -> None:
    rng = random.Random(seed)
    dims, size = maps(rng, 3), rng.randint(1, 5)
    pool = by_rank("adaptive_max_pool", torch.zeros(1, *dims))
    source = numbers(rng, dims, ties=True)
    agree(make("adaptivemaxpool", size=size), source, lambda x: pool(x, size))


def test_bins_of_a_long_signal_take_no_matrix_of_all_pairs() -> None:
    """20,001 cells in 4,000 bins would be a matrix of 480 million numbers."""
    source = numbers(random.Random(1), (1, 20_001))
    agree(make("adaptivemaxpool", size=4_000), source, lambda x: F.adaptive_max_pool1d(x, 4_000))
    agree(make("adaptiveavgpool", size=4_000), source, lambda x: F.adaptive_avg_pool1d(x, 4_000))


# --- norms ------------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [1.0, 1.5, 2.0, 3.0])
@pytest.mark.parametrize("seed", range(6))
def test_pooling_by_norms(p: float, seed: int) -> None:
    """PyTorch takes powers of the numbers as they are, so they are positive here."""
    rng = random.Random(seed)
    dims = maps(rng, 4)
    kernel, stride = rng.randint(1, 4), rng.randint(1, 3)
    layer = make("lppool", kernel=kernel, stride=stride, p=p, rounding="floor")
    pool = by_rank("lp_pool", torch.zeros(1, *dims))
    agree(layer, numpy.abs(numbers(rng, dims)) + 0.1, lambda x: pool(x, p, kernel, stride))


@pytest.mark.parametrize("p", [1.0, 1.5, 2.0, 3.0])
@pytest.mark.parametrize("keep", [True, False])
def test_norms_of_whole_maps(p: float, keep: bool) -> None:
    layer = make("globallppool", p=p, keep=keep)
    source = numbers(random.Random(2), (3, 4, 5))

    def norm(x: Tensor) -> Tensor:
        y = torch.linalg.vector_norm(x, p, dim=(2, 3))
        return y[..., None, None] if keep else y

    agree(layer, source, norm)


@pytest.mark.parametrize("p", [1.0, 1.5, 2.0, 4.0])
@pytest.mark.parametrize("keyword", ["lppool", "globallppool"])
def test_a_window_of_zeros_has_the_norm_and_the_gradient_zero(keyword: str, p: float) -> None:
    layer = make(keyword, p=p, **({"kernel": 2} if keyword == "lppool" else {}))
    source = numpy.zeros((1, 2, 4, 4), numpy.float32)
    source[0, 0] = 1
    ours = run_layer(layer, [source])
    assert not ours.output[0, 1].any()
    assert not ours.inputs[0][0, 1].any()
    assert numpy.isfinite(ours.inputs[0]).all()
    assert ours.inputs[0][0, 0].all()


# --- extremes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_pooling_by_the_minimum(seed: int, ties: bool) -> None:
    rng = random.Random(seed)
    dims = maps(rng, 4)
    kernel, stride = rng.randint(2, 4), rng.randint(1, 3)
    margin = rng.randint(0, kernel // 2)
    layer = make("minpool", kernel=kernel, stride=stride, padding=margin, rounding="floor")
    pool = by_rank("max_pool", torch.zeros(1, *dims))
    agree(layer, numbers(rng, dims, ties=ties), lambda x: -pool(-x, kernel, stride, margin))


@pytest.mark.parametrize("dims", [(3, 7), (3, 7, 1), (3, 7, 4), (2, 5, 3, 2), (2, 5, 1, 1)])
@pytest.mark.parametrize("ties", [False, True])
def test_max_over_time(dims: tuple[int, ...], ties: bool) -> None:
    def largest(x: Tensor) -> Tensor:
        y = x.max(2).values
        return y if y[0, 0].numel() > 1 else y.flatten(1)

    agree(make("maxtime"), numbers(random.Random(3), dims, ties=ties), largest)
    kept = dims[:1] + dims[2:] if numpy.prod(dims[2:]) > 1 else dims[:1]
    assert make("maxtime").output(TensorType(dims)).dims == kept


@pytest.mark.parametrize("keyword", ["globalavgpool", "globalmaxpool"])
@pytest.mark.parametrize("dims", [(3, 5), (3, 4, 5), (2, 3, 4, 2)])
def test_global_pools_that_keep_sizes_of_one(keyword: str, dims: tuple[int, ...]) -> None:
    name = "adaptive_avg_pool" if keyword == "globalavgpool" else "adaptive_max_pool"
    source = numbers(random.Random(4), dims)
    agree(make(keyword, keep=True), source, lambda x: by_rank(name, x)(x, 1))


# --- trainable subsampling --------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
def test_subsampling_scales_and_shifts_the_sum_of_each_window(seed: int) -> None:
    rng = random.Random(seed)
    dims = maps(rng, 4)
    kernel, stride = rng.randint(1, 4), rng.randint(1, 3)
    layer = make("subsample", kernel=kernel, stride=stride, rounding="floor")
    source = numbers(rng, dims)
    generator = numpy.random.default_rng(seed)
    weights = {
        one.name: generator.normal(size=one.shape).astype(numpy.float32)
        for one in layer.weights(TensorType(dims))
    }
    ours = run_layer(layer, [source], weights)
    x, scale, bias = (
        torch.tensor(array, requires_grad=True)
        for array in (source, weights["scale"], weights["bias"])
    )
    rank = len(dims) - 1
    cells = torch.ones(dims[0], 1, *(kernel,) * rank)
    sums = getattr(F, f"conv{rank}d")(x, cells, stride=stride, groups=dims[0])
    column = (-1, *(1 for _ in range(rank)))
    y = sums * scale.reshape(column) + bias.reshape(column)
    y.backward(torch.tensor(ours.given))
    expected = [y.detach(), x.grad, scale.grad, bias.grad]
    found = [ours.output, ours.inputs[0], ours.weights["scale"], ours.weights["bias"]]
    for one, other in zip(found, expected, strict=True):
        numpy.testing.assert_allclose(one, other.numpy(), rtol=1e-4, atol=1e-4)


def test_subsampling_of_lenet_5_has_twelve_parameters_for_six_maps_and_begins_as_a_mean() -> None:
    scale, bias = make("subsample", kernel=2).weights(TensorType((6, 28, 28)))
    assert scale.elements + bias.elements == 12
    assert scale.init is not None
    assert bias.init is not None
    assert (scale.init.value, bias.init.value) == (0.25, 0.0)
