"""Pooling that draws: stochastic pooling by counting, fractional pooling by PyTorch's own."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from typing import Any

import numpy
import pytest
from layer_gradients import Array, run_layer
from layer_oracle import compare_with_torch

from cnndsl.layers import find
from cnndsl.layers.base import Layer
from cnndsl.layers.lowering import LoweringContext
from cnndsl.pipeline import check_text
from cnndsl.types import TensorType

torch: Any = pytest.importorskip("torch")
F: Any = torch.nn.functional


def make(keyword: str, **parameters: Any) -> Layer:
    found = find(keyword)
    assert found is not None
    return found(**parameters)


# --- stochastic pooling -----------------------------------------------------------------------


def windows_of(layer: Any, source: Array) -> dict[tuple[int, ...], Array]:
    """The cells of each window of the first map, by where its result is."""
    windows = layer.windows(TensorType(source.shape[1:]))
    found = {}
    for at in itertools.product(*(range(window.output) for window in windows)):
        cells = [
            [cell for cell in window.cells(place) if 0 <= cell < window.size]
            for window, place in zip(windows, at, strict=True)
        ]
        found[at] = source[0, 0][numpy.ix_(*cells)].ravel()
    return found


CASES = [
    ({"kernel": 2}, (6, 6)),
    ({"kernel": 3, "stride": 2, "rounding": "ceil"}, (6, 8)),
    ({"kernel": 3, "stride": 1, "padding": 1}, (5, 4)),
    ({"kernel": (3, 2), "stride": (1, 2), "rounding": "floor"}, (5, 5)),
    ({"kernel": 3, "stride": 2, "rounding": "floor"}, (20,)),
    ({"kernel": 2, "stride": 1}, (3, 3, 3)),
]


def activations(dims: tuple[int, ...]) -> Array:
    """What a relu leaves: about a third are zeros, and a window of nothing else."""
    source = numpy.random.default_rng(3).normal(0.5, 1, (1, 1, *dims)).clip(0)
    source[0, 0][tuple(slice(2) for _ in dims)] = 0
    return source.astype(numpy.float32)


@pytest.mark.parametrize(("parameters", "dims"), CASES)
def test_inference_is_the_mean_of_the_cells_by_their_own_weights(
    parameters: dict[str, Any], dims: tuple[int, ...]
) -> None:
    layer, source = make("stochasticpool", **parameters), activations(dims)
    found = run_layer(layer, [source], training=False)
    for at, cells in windows_of(layer, source).items():
        total = cells.sum()
        expected = (cells**2).sum() / total if total else 0.0
        assert found.output[(0, 0, *at)] == pytest.approx(expected, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize(("parameters", "dims"), CASES)
def test_training_draws_a_cell_of_the_window_that_is_not_zero(
    parameters: dict[str, Any], dims: tuple[int, ...]
) -> None:
    layer, source = make("stochasticpool", **parameters), activations(dims)
    found = run_layer(layer, [source], seed=5)
    again = run_layer(layer, [source], seed=5)
    other = run_layer(layer, [source], seed=5, step=1)
    numpy.testing.assert_array_equal(found.output, again.output)
    assert (found.output != other.output).any()
    expected = numpy.zeros_like(source)
    for at, cells in windows_of(layer, source).items():
        drawn = found.output[(0, 0, *at)]
        assert drawn in cells or (drawn == 0 and not cells.any())
        assert drawn > 0 or not cells.any()
        expected[source == drawn] += found.given[(0, 0, *at)] if drawn else 0
    numpy.testing.assert_allclose(found.inputs[0], expected, rtol=1e-5, atol=1e-5)


def test_cells_are_drawn_as_often_as_their_share_says() -> None:
    """20,000 windows of the same four cells: the frequencies are within four deviations."""
    cells = numpy.array([[0.0, 1.0], [2.0, 5.0]], numpy.float32)
    source = numpy.tile(cells, (100, 200))[None, None]
    drawn = run_layer(make("stochasticpool", kernel=2), [source], seed=2).output
    count = drawn.size
    for cell in cells.ravel():
        share = cell / cells.sum()
        deviation = (share * (1 - share) / count) ** 0.5
        assert abs((drawn == cell).mean() - share) <= 4 * deviation
    inference = run_layer(make("stochasticpool", kernel=2), [source], training=False).output
    assert drawn.mean() == pytest.approx(inference.mean(), rel=0.02)


def test_numbers_below_zero_count_as_zero() -> None:
    source = numpy.array([[[[-3.0, 2.0], [-1.0, -5.0]]]], numpy.float32)
    for training in (True, False):
        found = run_layer(make("stochasticpool", kernel=2), [source], training=training)
        assert found.output.item() == 2.0


@pytest.mark.parametrize(
    ("before", "warned"),
    [
        ("conv 4@3", True),
        ("conv 4@3 -> relu", False),
        ("conv 4@3 -> sigmoid -> maxpool 2", False),
        ("conv 4@3 -> relu -> dropout", False),
        ("conv 4@3 -> tanh", True),
        ("conv 4@3 -> relu -> lppool 2", False),
        ("identity", True),
    ],
)
def test_an_input_that_may_be_negative_is_warned_of(before: str, warned: bool) -> None:
    found = check_text(f"input 1x10x10\n{before} -> stochasticpool 2\n").diagnostics
    assert [item.code for item in found] == ["CNN325"] * warned
    if warned:
        mended = check_text(f"input 1x10x10\n{before} -> relu -> stochasticpool 2\n")
        assert mended.diagnostics == ()


def test_a_window_too_large_to_draw_from_is_refused() -> None:
    (fault,) = make("stochasticpool", kernel=33).faults(TensorType((1, 33, 33)))
    assert fault.message == "a window of 1,089 cells is too large to draw from: at most 1,024"
    assert [*make("stochasticpool", kernel=32).faults(TensorType((1, 32, 32)))] == []


# --- fractional pooling -----------------------------------------------------------------------


class Fixed:
    """A builder whose numbers are not drawn but given."""

    def __init__(self, graph: Any, numbers: list[float]) -> None:
        self.graph = graph
        self.numbers = numbers

    def __getattr__(self, name: str) -> Any:
        return getattr(self.graph, name)

    def uniform(self, like: Any, *, by_sample: bool = True) -> Any:
        return self.graph.constant(self.numbers)


SIZES: list[Any] = [
    ((25,), (18,), 2),
    ((36, 25), (25, 18), 2),
    ((28, 28), (20, 20), 3),
    ((9, 7), (1, 5), 2),
]
SIZES += [((32, 10), (22, 7), (2, 3)), ((10, 9, 8), (7, 6, 5), 2), ((5, 5), (5, 5), 1)]


@pytest.mark.parametrize(("dims", "size", "kernel"), SIZES)
@pytest.mark.parametrize("seed", range(5))
def test_fractional_pooling_is_that_of_pytorch_bit_for_bit(
    dims: Any, size: Any, kernel: Any, seed: int, graph: Callable[[], Any]
) -> None:
    """PyTorch's first number drives the width in two dimensions, and the depth in three."""
    generator = numpy.random.default_rng(seed)
    source = generator.normal(size=(2, 3, *dims)).astype(numpy.float32)
    numbers = generator.random(len(dims), numpy.float32)
    layer = make("fractionalmaxpool", size=size, kernel=kernel)
    kind = TensorType(source.shape[1:])
    assert [*layer.faults(kind)] == []
    doors = graph()
    emit: Any = Fixed(doors, [float(one) for one in numbers])
    context = LoweringContext((doors.feed(source),), (kind,), layer.output(kind))
    doors.give(layer.lower_training(emit, context))
    (found,) = doors.run()
    numpy.testing.assert_array_equal(found, theirs(torch.tensor(source), layer, numbers))


def theirs(x: Any, layer: Any, numbers: Any) -> Any:
    rank = x.ndim - 2
    kernel = layer.kernel * rank if len(layer.kernel) == 1 else layer.kernel
    size, order = layer.size, [*numbers]
    if rank == 1:
        x, kernel, size, order = x[:, :, None], (1, *kernel), (1, *size), [0.5, *order]
    if x.ndim == 4:
        order = order[::-1]
    samples = torch.tensor(numpy.array(order)).to(x.dtype).expand(len(x), x.shape[1], -1)
    pool = getattr(F, f"fractional_max_pool{x.ndim - 2}d")
    y = pool(x, kernel, output_size=size, _random_samples=samples.contiguous())
    return y[:, :, 0] if rank == 1 else y


@pytest.mark.parametrize(("dims", "size", "kernel"), SIZES)
def test_inference_takes_the_middle_of_the_sequence(dims: Any, size: Any, kernel: Any) -> None:
    layer = make("fractionalmaxpool", size=size, kernel=kernel)
    numbers = numpy.full(len(dims), 0.5, numpy.float32)
    compare_with_torch(
        layer,
        [TensorType((2, *dims))],
        lambda inputs, weights: theirs(inputs[0], layer, numbers),
        lower=layer.lower,
    )


@pytest.mark.parametrize("seed", range(4))
def test_the_drawn_windows_pass_the_gradient_to_their_largest_cell(seed: int) -> None:
    rng = random.Random(seed)
    generator = numpy.random.default_rng(seed)
    source = generator.permutation(2 * 2 * 11 * 9).reshape(2, 2, 11, 9).astype(numpy.float32)
    size = (rng.randint(1, 9), rng.randint(1, 7))
    found = run_layer(make("fractionalmaxpool", size=size, kernel=3), [source], seed=seed)
    expected = numpy.zeros_like(source)
    for at in numpy.ndindex(*found.output.shape):
        expected[source == found.output[at]] += found.given[at]
    numpy.testing.assert_allclose(found.inputs[0], expected, rtol=1e-4, atol=1e-4)


def test_every_step_draws_other_windows() -> None:
    source = numpy.random.default_rng(1).normal(size=(1, 1, 25, 25)).astype(numpy.float32)
    layer = make("fractionalmaxpool", size=18)
    outputs = [run_layer(layer, [source], seed=1, step=step).output for step in (0, 0, 1, 2, 3)]
    numpy.testing.assert_array_equal(outputs[0], outputs[1])
    assert sum((outputs[0] != other).any() for other in outputs[2:]) >= 2


@pytest.mark.parametrize(
    ("parameters", "message", "help"),
    [
        (
            {"size": 12},
            "12 windows of 2 need 12 + 2 - 1 = 13 cells, and the input's height has 12",
            "write a size of at most 11",
        ),
        (
            {"size": (5, 2), "kernel": (2, 10)},
            "2 windows of 10 need 2 + 10 - 1 = 11 cells, and the input's width has 9",
            "write a kernel of at most 9",
        ),
    ],
)
def test_more_windows_than_there_is_room_for(
    parameters: dict[str, Any], message: str, help: str
) -> None:
    (fault,) = make("fractionalmaxpool", **parameters).faults(TensorType((3, 12, 9)))
    assert (fault.code, fault.message, fault.help) == ("CNN326", message, help)
