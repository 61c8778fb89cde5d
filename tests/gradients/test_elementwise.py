"""The gradients of arithmetic, activations and choices."""

from __future__ import annotations

import numpy
import onnx_ir
import pytest
from gradients import Array, check_gradients, constant_like, emitted, gradients_of_sum

from cnndsl.graph.builder import GraphBuilder, LoweringError

SHAPES = [(7,), (3, 4), (2, 3, 2, 2)]


def numbers(*dims: int, seed: int = 0, low: float = -2.0, high: float = 2.0) -> Array:
    """Numbers that keep away from 0 and 1, where some functions have kinks."""
    random = numpy.random.default_rng(seed)
    array = random.uniform(low, high, dims)
    for kink in (-3.0, 0.0, 1.0, 3.0):
        array = numpy.where(abs(array - kink) < 0.05, array + 0.1, array)
    return array


@pytest.mark.parametrize("dims", SHAPES)
@pytest.mark.parametrize(
    "op_type",
    [
        *("Abs", "Elu", "Erf", "Exp", "HardSigmoid", "HardSwish", "Identity", "LeakyRelu", "Neg"),
        *("Relu", "Selu", "Sigmoid", "Softplus", "Tanh"),
    ],
)
def test_functions_of_one_number(op_type: str, dims: tuple[int, ...]) -> None:
    check_gradients(lambda emit, x: emit.op(op_type, x), numbers(*dims, low=-5, high=5) / 1.5)


@pytest.mark.parametrize("dims", SHAPES)
@pytest.mark.parametrize("op_type", ["Log", "Reciprocal", "Sqrt"])
def test_functions_of_positive_numbers(op_type: str, dims: tuple[int, ...]) -> None:
    check_gradients(lambda emit, x: emit.op(op_type, x), numbers(*dims, low=0.3))


@pytest.mark.parametrize("alpha", [0.0, 0.01, 0.3, 1.0, 1.7])
def test_leaky_relu_with_any_slope(alpha: float) -> None:
    check_gradients(lambda emit, x: emit.op("LeakyRelu", x, alpha=alpha), numbers(3, 5))


def test_elu_and_selu_and_hard_sigmoid_with_attributes_of_their_own() -> None:
    check_gradients(lambda emit, x: emit.op("Elu", x, alpha=0.4), numbers(3, 5))
    check_gradients(lambda emit, x: emit.op("Selu", x, alpha=1.2, gamma=0.7), numbers(3, 5))
    check_gradients(
        lambda emit, x: emit.op("HardSigmoid", x, alpha=0.3, beta=0.4), numbers(3, 5, high=4)
    )


@pytest.mark.parametrize("dims", [(4,), (4, 1, 1), (2, 4, 3, 3)])
def test_prelu_and_its_slopes(dims: tuple[int, ...]) -> None:
    check_gradients(
        lambda emit, x, slope: emit.op("PRelu", x, slope),
        numbers(2, 4, 3, 3) if len(dims) > 1 else numbers(2, 4),
        numbers(*dims),
    )


def test_at_their_kinks_relu_passes_nothing_on_and_leaky_relu_its_slope() -> None:
    zeros = numpy.zeros((2, 3))
    assert not numpy.any(gradient_at("Relu", zeros))
    numpy.testing.assert_allclose(gradient_at("LeakyRelu", zeros, alpha=0.25), 0.25)
    numpy.testing.assert_allclose(gradient_at("LeakyRelu", zeros, alpha=1.5), 1.5)


def test_relu_passes_the_gradient_of_the_smallest_numbers() -> None:
    tiny = numpy.array([1e-37, 1e-30, 1e-8, -1e-37, -1e-8])
    numpy.testing.assert_array_equal(gradient_at("Relu", tiny), [1, 1, 1, 0, 0])


def gradient_at(op_type: str, array: Array, **attributes: float) -> Array:
    def build(emit: GraphBuilder, x: onnx_ir.Value) -> onnx_ir.Value:
        return emit.op(op_type, x, **attributes)

    return gradients_of_sum(build, [array], [0])[0]


# --- arithmetic -------------------------------------------------------------------------------

PAIRS = [
    ((3, 4), (3, 4)),
    ((2, 3, 4), (4,)),
    ((4,), (2, 3, 4)),
    ((2, 3, 1), (1, 3, 4)),
    ((2, 3, 4, 4), (3, 1, 1)),
    ((), (2, 3)),
    ((2, 3), (1,)),
    ((1, 5), (5,)),
    ((5,), (1, 5)),
]


@pytest.mark.parametrize(("left", "right"), PAIRS)
@pytest.mark.parametrize("op_type", ["Add", "Div", "Mul", "Sub", "Max", "Min", "Sum"])
def test_arithmetic_that_stretches_either_side(
    op_type: str, left: tuple[int, ...], right: tuple[int, ...]
) -> None:
    check_gradients(
        lambda emit, a, b: emit.op(op_type, a, b),
        numbers(*left, seed=1),
        numbers(*right, seed=2, low=0.5),
    )


@pytest.mark.parametrize("op_type", ["Add", "Div", "Mul", "Sub", "Max", "Sum"])
@pytest.mark.parametrize("wanted", [[0], [1]])
def test_the_gradient_of_one_side_alone(op_type: str, wanted: list[int]) -> None:
    check_gradients(
        lambda emit, a, b: emit.op(op_type, a, b),
        numbers(2, 3, seed=1),
        numbers(2, 3, seed=2, low=0.5),
        wanted=wanted,
    )


@pytest.mark.parametrize("op_type", ["Add", "Div", "Mul", "Max", "Sum"])
def test_a_value_on_both_sides(op_type: str) -> None:
    check_gradients(lambda emit, a: emit.op(op_type, a, a), numbers(2, 3, low=0.5))


@pytest.mark.parametrize("op_type", ["Max", "Min", "Sum"])
def test_more_than_two_inputs(op_type: str) -> None:
    check_gradients(
        lambda emit, *values: emit.op(op_type, *values),
        numbers(2, 3, 4, seed=1),
        numbers(4, seed=2),
        numbers(3, 1, seed=3),
        numbers(2, 1, 4, seed=4),
    )
    check_gradients(lambda emit, a: emit.op(op_type, a), numbers(2, 3))


@pytest.mark.parametrize("op_type", ["Max", "Min"])
@pytest.mark.parametrize("wanted", [[0, 1, 2], [0, 2], [1], [2]])
def test_of_equal_numbers_the_first_input_gets_the_gradient(
    op_type: str, wanted: list[int]
) -> None:
    extreme = 1.0 if op_type == "Max" else -1.0
    arrays = [
        extreme * numpy.array([1.0, 1.0, 0.0, 0.0, 1.0]),
        extreme * numpy.array([1.0, 0.0, 1.0, 0.0, 0.0]),
        extreme * numpy.array([1.0, 1.0, 1.0, 1.0, 0.0]),
    ]
    winners = numpy.array([0, 0, 1, 2, 0])
    found = gradients_of_sum(lambda emit, *v: emit.op(op_type, *v), arrays, wanted)
    for at in wanted:
        numpy.testing.assert_array_equal(found[at], winners == at)


@pytest.mark.parametrize("exponent", [-1.5, -1.0, 0.5, 1.0, 2.0, 3.0, [2.0, 0.5, -1.0]])
def test_powers_with_constant_exponents(exponent: object) -> None:
    check_gradients(
        lambda emit, x: emit.op("Pow", x, constant_like(emit, exponent, x)),
        numbers(2, 3, low=0.3),
    )


def test_powers_of_negative_numbers_and_of_zero() -> None:
    for exponent in (1.0, 2.0, 3.0):
        check_gradients(
            lambda emit, x, c=exponent: emit.op("Pow", x, constant_like(emit, c, x)),
            numpy.array([-1.5, 0.0, 0.7]),
        )


def test_exponents_have_no_gradient() -> None:
    arrays = [numbers(3, low=0.3), numbers(3)]
    with pytest.raises(LoweringError, match=r"test\.cnn:1: .*exponent of `Pow`"):
        emitted(lambda emit, x, c: emit.op("Pow", x, c), arrays, [0, 1])
    with pytest.raises(LoweringError, match=r"test\.cnn:1: .*input 1 of `Pow` must be a constant"):
        emitted(lambda emit, x, c: emit.op("Pow", x, c), arrays, [0])


# --- over an axis -----------------------------------------------------------------------------


@pytest.mark.parametrize("op_type", ["Softmax", "LogSoftmax"])
@pytest.mark.parametrize(
    ("dims", "axis"), [((3, 5), 1), ((3, 5), 0), ((2, 4, 3, 2), 1), ((2, 4, 3), -1), ((4,), 0)]
)
def test_softmax_over_any_axis(op_type: str, dims: tuple[int, ...], axis: int) -> None:
    check_gradients(lambda emit, x: emit.op(op_type, x, axis=axis), numbers(*dims))


def test_softmax_is_over_the_last_axis_by_default() -> None:
    check_gradients(lambda emit, x: emit.op("Softmax", x), numbers(2, 3, 4))
    check_gradients(lambda emit, x: emit.op("LogSoftmax", x), numbers(2, 3, 4))


# --- choices ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("left", "right"), PAIRS)
def test_where_divides_the_gradient(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    dims = numpy.broadcast_shapes(left, right)
    condition = numpy.random.default_rng(3).random(dims) < 0.5
    check_gradients(
        lambda emit, c, a, b: emit.op("Where", c, a, b), condition, numbers(*left), numbers(*right)
    )


def test_where_with_a_condition_that_depends_on_what_is_wanted() -> None:
    def build(emit: GraphBuilder, a: onnx_ir.Value, b: onnx_ir.Value) -> onnx_ir.Value:
        return emit.op("Where", emit.op("Greater", a, b), emit.op("Mul", a, a), b)

    check_gradients(build, numbers(3, 4, seed=1), numbers(3, 4, seed=2))


@pytest.mark.parametrize("bounds", [(-1.0, 1.2), (-1.0, None), (None, 1.2), (None, None)])
def test_clip_between_bounds(bounds: tuple[float | None, float | None]) -> None:
    def build(emit: GraphBuilder, x: onnx_ir.Value) -> onnx_ir.Value:
        given = [None if bound is None else constant_like(emit, bound, x) for bound in bounds]
        while given and given[-1] is None:
            given.pop()
        return emit.op("Clip", x, *given)

    check_gradients(build, numbers(4, 5))


def test_clip_passes_the_gradient_on_where_a_bound_is_just_reached() -> None:
    found = gradients_of_sum(
        lambda emit, x: emit.op("Clip", x, emit.scalar(-1, x), emit.scalar(1, x)),
        [numpy.array([-2.0, -1.0, 0.0, 1.0, 2.0])],
        [0],
    )
    numpy.testing.assert_array_equal(found[0], [0, 1, 1, 1, 0])


def test_bounds_of_clip_have_no_gradient() -> None:
    with pytest.raises(LoweringError, match="bounds of `Clip`"):
        emitted(lambda emit, x, low: emit.op("Clip", x, low), [numbers(3), numpy.array(0.5)], [1])


def test_cast_between_floats_passes_the_gradient_on_in_its_own_type() -> None:
    def build(emit: GraphBuilder, x: onnx_ir.Value) -> onnx_ir.Value:
        wide = emit.op("Cast", x, to=onnx_ir.DataType.DOUBLE.value)
        assert x.dtype is not None
        return emit.op("Cast", emit.op("Mul", wide, wide), to=x.dtype.value)

    check_gradients(build, numbers(3, 4))


def test_cast_to_whole_numbers_passes_nothing_on() -> None:
    def build(emit: GraphBuilder, x: onnx_ir.Value) -> onnx_ir.Value:
        whole = emit.op("Cast", x, to=onnx_ir.DataType.INT64.value)
        assert x.dtype is not None
        return emit.op("Mul", x, emit.op("Cast", whole, to=x.dtype.value))

    array = numbers(3, 4) + 0.5
    (gradient,) = gradients_of_sum(build, [array], [0]).values()
    numpy.testing.assert_array_equal(gradient, numpy.trunc(array))


@pytest.mark.parametrize("op_type", ["Floor", "Ceil", "Round", "Sign"])
def test_steps_pass_nothing_on(op_type: str) -> None:
    array = numbers(3, 4)
    found = check_gradients(lambda emit, x: emit.op("Mul", x, emit.op(op_type, x)), array)
    assert found[0] is not None
    (none,) = check_gradients(lambda emit, x: emit.op(op_type, x), array)
    assert none is None


# --- economy ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("op_type", "most"), [("Relu", 2), ("Tanh", 3), ("Sigmoid", 3), ("LeakyRelu", 3)]
)
def test_gradients_of_activations_take_few_nodes(op_type: str, most: int) -> None:
    graph = emitted(lambda emit, x: emit.op(op_type, x), [numbers(3, 4)], [0])
    assert len(graph.op_types) <= most, graph.op_types
