"""The gradients of sums, means, norms and extremes over some axes."""

from __future__ import annotations

import numpy
import pytest
from gradients import Array, check_gradients, emitted, gradients_of_sum

from cnndsl.graph.builder import LoweringError

OP_TYPES = ["ReduceL1", "ReduceL2", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin"]
OP_TYPES += ["ReduceSum", "ReduceSumSquare"]


def numbers(*dims: int) -> Array:
    """Numbers none of which are equal or near zero."""
    random = numpy.random.default_rng(len(dims))
    size = int(numpy.prod(dims))
    spaced = numpy.linspace(0.2, 2, size) * random.choice([-1.0, 1.0], size)
    return random.permutation(spaced).reshape(dims)


@pytest.mark.parametrize("op_type", OP_TYPES)
@pytest.mark.parametrize("keepdims", [0, 1])
@pytest.mark.parametrize(
    ("dims", "axes"),
    [
        ((4,), [0]),
        ((3, 4), [0]),
        ((3, 4), [-1]),
        ((2, 3, 4), [0, 2]),
        ((2, 3, 4), [2, 0]),
        ((2, 3, 2, 2), [0, -1, -2]),
        ((3, 4), [0, 1]),
        ((1, 4), [0]),
    ],
)
def test_over_axes_given_as_an_input(
    op_type: str, keepdims: int, dims: tuple[int, ...], axes: list[int]
) -> None:
    check_gradients(
        lambda emit, x: emit.op(op_type, x, emit.constant(axes), keepdims=keepdims), numbers(*dims)
    )


@pytest.mark.parametrize("op_type", OP_TYPES)
@pytest.mark.parametrize("keepdims", [0, 1])
def test_over_all_axes_where_none_are_given(op_type: str, keepdims: int) -> None:
    check_gradients(lambda emit, x: emit.op(op_type, x, keepdims=keepdims), numbers(3, 4))


def test_a_reduction_told_to_reduce_nothing_is_refused() -> None:
    with pytest.raises(LoweringError, match=r"test\.cnn:1: .*its axes must be constant"):
        emitted(lambda emit, x: emit.op("ReduceSum", x, noop_with_empty_axes=1), [numbers(3)], [0])


@pytest.mark.parametrize("op_type", ["ReduceMax", "ReduceMin"])
def test_equal_extremes_share_the_gradient(op_type: str) -> None:
    sign = 1.0 if op_type == "ReduceMax" else -1.0
    array = sign * numpy.array([[1.0, 3.0, 3.0, 0.0], [2.0, 2.0, 2.0, 2.0]])
    found = gradients_of_sum(
        lambda emit, x: emit.op(op_type, x, emit.constant([1]), keepdims=0), [array], [0]
    )
    expected = [[0, 0.5, 0.5, 0], [0.25, 0.25, 0.25, 0.25]]
    numpy.testing.assert_array_equal(found[0], expected)


def test_a_norm_of_zero_has_the_gradient_zero() -> None:
    found = gradients_of_sum(lambda emit, x: emit.op("ReduceL2", x), [numpy.zeros(3)], [0])
    numpy.testing.assert_array_equal(found[0], numpy.zeros(3))
