"""The generator: against a twin in NumPy, bit for bit, and against chance itself.

All seeds are fixed, so each statistic is the same number in every run; the bounds are those that
a fair generator keeps all but once in ten thousand times.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy
import onnx
import onnx_ir
import pytest
from gradients import CPU_ONLY
from small_graphs import Array, interpreted, model_of, ran

from cnndsl.graph.builder import GraphBuilder
from cnndsl.training.random import Draws

SHAPES = [(), (1,), (7,), (1, 5), (6, 1), (3, 50), (2, 3, 4), (2, 3, 5, 7), (1, 1, 8, 8)]
SEEDS = [0, 1, 7, 2**32 - 1, 2**63 - 1, -1, -(2**63)]


def feeds(seed: int, step: int) -> dict[str, Array]:
    return {"seed": numpy.array(seed, numpy.int64), "step": numpy.array(step, numpy.int64)}


def drawing(draw: Callable[[Draws], Sequence[onnx_ir.Value]]) -> onnx.ModelProto:
    """A model of some draws; its outputs are numbered from 0."""
    emit = GraphBuilder()
    inputs = [emit.placeholder(name, (), onnx_ir.DataType.INT64) for name in ("seed", "step")]
    values = draw(Draws(emit, inputs[0], inputs[1]))
    return model_of(emit, inputs, {str(number): value for number, value in enumerate(values)})


def uniform(seed: int, step: int, dims: tuple[int, ...], streams: int = 1) -> Array:
    """The last of some draws of the same shape."""
    proto = drawing(lambda draws: [draws.uniform(dims) for _ in range(streams)])
    return ran(proto, feeds(seed, step))[str(streams - 1)]


# --- the twin ---------------------------------------------------------------------------------


def word(number: int | Array) -> Array:
    return number if isinstance(number, numpy.ndarray) else numpy.array([number % 2**64], "u8")


def swapped(x: Array) -> Array:
    return (x >> numpy.uint64(32)) | (x << numpy.uint64(32))


def squares(counter: Array, key: Array) -> Array:
    """Widynski's ``squares32`` before its last shift."""
    x = counter * key
    y, z = x, x + key
    x = swapped(x * x + y)
    x = swapped(x * x + z)
    x = swapped(x * x + y)
    result: Array = x * x + z
    return result


def key_of(seed: int | Array, step: int | Array) -> Array:
    counter = word(seed) * word(0xD1342543DE82EF95) + word(step)
    fixed = word(0xC58EFD154CE32F6D)
    x = swapped(squares(counter, fixed))
    key: Array = word(2) * (x * x + counter * fixed) + word(1)
    return key


def twin(seed: int | Array, step: int | Array, size: int, stream: int | Array = 1) -> Array:
    """The numbers of a draw; of several seeds, steps or draws, only the first of each."""
    begin = word(stream) * word(0x9E3779B97F4A7C15) // word(4)
    counter = numpy.arange(size, dtype=numpy.uint64) + begin
    top = squares(counter, key_of(seed, step)) >> numpy.uint64(40)
    return top.astype(numpy.float32) * numpy.float32(2**-24)


@pytest.mark.parametrize("dims", SHAPES)
def test_every_shape_gets_the_numbers_of_the_twin(dims: tuple[int, ...]) -> None:
    found = uniform(3, 5, dims)
    assert found.dtype == numpy.float32
    assert found.shape == dims
    assert numpy.array_equal(found.ravel(), twin(3, 5, math.prod(dims)))


@pytest.mark.parametrize(("seed", "step"), [*pairwise(SEEDS), *pairwise(reversed(SEEDS))])
def test_any_seed_and_step_give_the_numbers_of_the_twin(seed: int, step: int) -> None:
    assert numpy.array_equal(uniform(seed, step, (4, 9)).ravel(), twin(seed, step, 36))


@pytest.mark.parametrize("stream", [2, 3, 20])
def test_each_draw_is_a_stream_of_its_own(stream: int) -> None:
    assert numpy.array_equal(uniform(3, 5, (40,), stream), twin(3, 5, 40, stream))


def test_another_runtime_draws_the_same_numbers() -> None:
    proto = drawing(lambda draws: [draws.uniform((3, 50)), draws.uniform((2, 3, 5, 7))])
    theirs, ours = (run(proto, feeds(-5, 2**40)) for run in (interpreted, ran))
    for name, array in ours.items():
        assert numpy.array_equal(theirs[name], array)


# --- the graph --------------------------------------------------------------------------------


def test_the_model_stays_small_and_knows_its_shape_however_much_it_draws() -> None:
    emit = GraphBuilder()
    inputs = [emit.placeholder(name, (), onnx_ir.DataType.INT64) for name in ("seed", "step")]
    value = Draws(emit, *inputs).uniform((64, 64, 112, 112))
    assert value.shape == onnx_ir.Shape((64, 64, 112, 112))
    assert len(model_of(emit, inputs, {"0": value}).SerializeToString()) < 8000


def test_the_key_is_made_once_for_all_draws() -> None:
    def size(draws: int) -> int:
        return len(drawing(lambda one: [one.uniform((8,)) for _ in range(draws)]).graph.node)

    second = size(2) - size(1)
    assert second == size(5) - size(4)
    assert size(1) - second > 20


def test_every_operator_has_a_kernel_on_cuda() -> None:
    proto = drawing(lambda draws: [draws.uniform((3, 4)), draws.normal((3, 5))])
    assert not {node.op_type for node in proto.graph.node} & CPU_ONLY


# --- chance -----------------------------------------------------------------------------------

SIZE = 200_000
MANY = numpy.arange(1, SIZE, dtype=numpy.uint64)


def chi_square(cells: Array, count: int) -> float:
    """How many standard deviations the statistic of evenly filled cells is too large."""
    found = numpy.bincount(cells.ravel(), minlength=count)
    assert len(found) == count
    expected = cells.size / count
    statistic = ((found - expected) ** 2 / expected).sum()
    return float((statistic - (count - 1)) / math.sqrt(2 * (count - 1)))


def assert_even(numbers: Array) -> None:
    """Whether numbers look drawn evenly from [0, 1), each for itself and next to each other."""
    size = numbers.size
    assert numbers.min() >= 0
    assert numbers.max() < 1
    assert abs(numbers.mean(dtype=float) - 0.5) < 4 * math.sqrt(1 / 12 / size)
    assert abs(numbers.var(dtype=float) - 1 / 12) < 4 * math.sqrt(1 / 180 / size)
    whole = (numbers.ravel().astype(float) * 2**24).astype(int)
    assert abs(chi_square(whole >> 16, 256)) < 4, "the highest 8 bits"
    assert abs(chi_square(whole & 255, 256)) < 4, "the lowest 8 bits"
    for distance in (1, 2, 3):
        assert_unrelated(numbers.ravel()[distance:], numbers.ravel()[:-distance])


def assert_unrelated(one: Array, other: Array) -> None:
    assert abs(correlation(one, other)) < 4 / math.sqrt(one.size)
    cells = (one.ravel() * 16).astype(int) * 16 + (other.ravel() * 16).astype(int)
    assert abs(chi_square(cells, 256)) < 4.5


def correlation(one: Array, other: Array) -> float:
    return float(numpy.corrcoef(one.ravel().astype(float), other.ravel().astype(float))[0, 1])


@pytest.mark.parametrize(("seed", "step"), [(0, 0), (1, 0), (0, 1), (2**32 - 1, 10**6)])
def test_the_numbers_of_a_step_are_even(seed: int, step: int) -> None:
    assert_even(uniform(seed, step, (400, 500)))


def test_the_first_number_is_even_from_step_to_step_and_from_seed_to_seed() -> None:
    assert_even(twin(0, MANY, 1))
    assert_even(twin(MANY, 0, 1))
    assert_even(twin(0, 0, 1, stream=MANY))


@pytest.mark.parametrize(
    ("seed", "step", "stream"),
    [(1, 0, 1), (0, 1, 1), (0, 0, 2), (0, 1000, 1), (2**31, 0, 1), (-1, 0, 1), (0, -1, 1)],
)
def test_other_seeds_steps_and_draws_give_unrelated_numbers(
    seed: int, step: int, stream: int
) -> None:
    one, other = twin(0, 0, SIZE), twin(seed, step, SIZE, stream)
    assert_unrelated(one, other)
    assert_unrelated(one[1:], other[:-1])
    assert_unrelated(one[:-1], other[1:])


def test_a_step_of_one_seed_is_none_of_the_next_seed() -> None:
    ahead = {twin(0, step, 2).tobytes() for step in range(1000)}
    assert len(ahead) == 1000
    assert not ahead & {twin(1, step, 2).tobytes() for step in range(1000)}


def test_rows_and_columns_of_a_map_are_unrelated() -> None:
    numbers = uniform(11, 4, (400, 500))
    assert_unrelated(numbers[1:], numbers[:-1])
    assert_unrelated(numbers[:, 1:], numbers[:, :-1])


# --- the normal distribution ------------------------------------------------------------------


def normal(dims: tuple[int, ...], seed: int = 3, step: int = 5) -> Array:
    return ran(drawing(lambda draws: [draws.normal(dims)]), feeds(seed, step))["0"]


@pytest.mark.parametrize("dims", [(), (1,), (7,), (3, 50), (3, 5, 7), (2, 3, 4, 5)])
def test_normal_numbers_are_box_and_mullers(dims: tuple[int, ...]) -> None:
    half = (math.prod(dims) + 1) // 2
    one, other = twin(3, 5, 2 * half).astype(float).reshape(2, half)
    radius, angle = numpy.sqrt(-2 * numpy.log(1 - one)), 2 * numpy.pi * other
    expected = numpy.concatenate([radius * numpy.cos(angle), radius * numpy.sin(angle)])
    found = normal(dims)
    assert found.dtype == numpy.float32
    assert found.shape == dims
    assert numpy.allclose(found.ravel(), expected[: math.prod(dims)], atol=3e-6)


def test_normal_numbers_are_distributed_so() -> None:
    numbers = normal((400, 500)).ravel().astype(float)
    deviation = 1 / math.sqrt(numbers.size)
    assert abs(numbers.mean()) < 4 * deviation
    assert abs(numbers.var() - 1) < 4 * math.sqrt(2) * deviation
    assert abs((numbers**3).mean()) < 4 * math.sqrt(15) * deviation
    assert abs((numbers**4).mean() - 3) < 4 * math.sqrt(96) * deviation
    even = numpy.array([(1 + math.erf(x / math.sqrt(2))) / 2 for x in numbers])
    assert abs(chi_square((even * 256).astype(int), 256)) < 4
    half = numbers.size // 2
    assert abs(correlation(numbers[:half], numbers[half:])) < 4 / math.sqrt(half)
    assert abs(correlation(numbers[:half] ** 2, numbers[half:] ** 2)) < 4 / math.sqrt(half)


def test_the_smallest_and_largest_even_numbers_give_normal_ones() -> None:
    """The radius at 0 and at 1 - 2^-24, which no test of chance would meet."""
    for number, radius in ((0.0, 0.0), (1 - 2**-24, math.sqrt(48 * math.log(2)))):
        emit = GraphBuilder()
        draws = Draws(emit, *(emit.placeholder(n, (), onnx_ir.DataType.INT64) for n in "st"))
        given = emit.tensor(numpy.array([[number] * 4, [0.0, 0.25, 0.5, 0.75]], numpy.float32))
        draws.uniform = lambda dims, given=given: given  # type: ignore[method-assign,misc,assignment]
        found = ran(model_of(emit, [], {"0": draws.normal((8,))}), {})["0"]
        waves = numpy.array([1, 0, -1, 0, 0, 1, 0, -1])
        assert numpy.allclose(found, radius * waves, atol=1e-5)
