"""The gradients of operators that only move numbers."""

from __future__ import annotations

import numpy
import onnx_ir
import pytest
from gradients import Array, check_gradients, constant_like, emitted

from cnndsl.autodiff import movement
from cnndsl.autodiff.reverse import differentiate
from cnndsl.autodiff.rules import constant_of
from cnndsl.graph.builder import GraphBuilder, LoweringError

END = 2**31 - 1


def numbers(*dims: int, seed: int = 0) -> Array:
    return numpy.random.default_rng(seed).normal(size=dims)


def test_flatten_and_reshape_and_squeeze_and_unsqueeze() -> None:
    check_gradients(lambda emit, x: emit.op("Flatten", x, axis=1), numbers(2, 3, 2, 2))
    check_gradients(lambda emit, x: emit.op("Flatten", x, axis=0), numbers(2, 3))
    check_gradients(lambda emit, x: emit.op("Reshape", x, emit.constant([0, -1])), numbers(2, 3, 4))
    check_gradients(
        lambda emit, x: emit.op("Squeeze", x, emit.constant([0, -1])), numbers(1, 3, 4, 1)
    )
    check_gradients(lambda emit, x: emit.op("Squeeze", x), numbers(1, 3, 1))
    check_gradients(lambda emit, x: emit.op("Unsqueeze", x, emit.constant([0, 3])), numbers(3, 4))


@pytest.mark.parametrize("perm", [[0, 1, 2], [1, 0, 2], [2, 0, 1], [1, 2, 0], None])
def test_transpose_by_any_permutation(perm: list[int] | None) -> None:
    attributes = {} if perm is None else {"perm": perm}
    check_gradients(lambda emit, x: emit.op("Transpose", x, **attributes), numbers(2, 3, 4))


@pytest.mark.parametrize(
    ("dims", "target"),
    [((3, 1), (3, 4)), ((4,), (2, 3, 4)), ((1, 3, 1), (2, 1, 4)), ((), (2, 3)), ((3, 4), (1,))],
)
def test_expand(dims: tuple[int, ...], target: tuple[int, ...]) -> None:
    check_gradients(lambda emit, x: emit.op("Expand", x, emit.constant(target)), numbers(*dims))


# --- parts and joins --------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_concat_along_any_axis(axis: int) -> None:
    arrays = []
    for seed, size in enumerate((2, 1, 3)):
        dims = [2, 3, 4]
        dims[axis] = size
        arrays.append(numbers(*dims, seed=seed))
    check_gradients(lambda emit, *values: emit.op("Concat", *values, axis=axis), *arrays)
    check_gradients(
        lambda emit, *values: emit.op("Concat", *values, axis=axis), *arrays, wanted=[2]
    )


def test_concat_of_a_value_with_itself() -> None:
    check_gradients(lambda emit, a: emit.op("Concat", a, a, axis=1), numbers(2, 3))


@pytest.mark.parametrize(
    ("starts", "ends", "axes", "steps"),
    [
        ([1], [3], [0], None),
        ([0, 1], [5, 4], None, None),
        ([-3], [-1], [-1], None),
        ([0], [END], [1], None),
        ([0], [END], [0], [2]),
        ([1], [END], [1], [3]),
        ([1, 0], [END, 6], [0, 1], [2, 3]),
        ([1], [5], [1], [4]),
        ([-1], [-END], [0], [-1]),
        ([-1], [-END], [1], [-2]),
        ([3], [0], [1], [-1]),
        ([4, 0], [0, END], [1, 0], [-3, 2]),
    ],
)
def test_slices_forwards_backwards_and_with_steps(
    starts: list[int], ends: list[int], axes: list[int] | None, steps: list[int] | None
) -> None:
    def build(emit: GraphBuilder, x: onnx_ir.Value) -> onnx_ir.Value:
        given = [starts, ends, axes, steps]
        return emit.op("Slice", x, *[emit.constant(one) for one in given if one is not None])

    check_gradients(build, numbers(5, 6))


@pytest.mark.parametrize(
    ("dims", "axes"), [((2, 3, 5, 4), [2, 3]), ((2, 2, 3, 4, 5), [2, 3, 4]), ((3, 5, 2, 4), [1, 3])]
)
def test_slices_with_steps_along_several_axes(dims: tuple[int, ...], axes: list[int]) -> None:
    def build(emit: GraphBuilder, x: onnx_ir.Value) -> onnx_ir.Value:
        given = ([0] * len(axes), [END] * len(axes), axes, [2, 3, 2][: len(axes)])
        return emit.op("Slice", x, *map(emit.constant, given))

    check_gradients(build, numbers(*dims))
    emit = GraphBuilder()
    x = emit.placeholder("x", dims, onnx_ir.DataType.FLOAT)
    total = emit.op("ReduceSum", build(emit, x), keepdims=0)
    differentiate(emit, total, [x])
    # More amounts ONNX Runtime 1.23 keeps outside the graph, where it cannot infer a Pad's sizes.
    pads = [constant_of(node.inputs[1]) for node in emit.nodes if node.op_type == "Pad"]
    assert pads
    assert all(amounts is not None and amounts.nbytes < 128 for amounts in pads)


# --- padding ----------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["constant", "reflect", "edge", "wrap"])
@pytest.mark.parametrize(
    "amounts", [[0, 0, 1, 2, 0, 0, 2, 1], [0, 0, 0, 2, 0, 0, 0, 0], [0, 1, 0, 0, 0, 1, 0, 1]]
)
def test_padding_of_every_kind(mode: str, amounts: list[int]) -> None:
    opset = 19 if mode == "wrap" else 18
    check_gradients(
        lambda emit, x: emit.op("Pad", x, emit.constant(amounts), mode=mode),
        numbers(2, 3, 4, 5),
        opset=opset,
    )


@pytest.mark.parametrize("amounts", [[-1, 2, 1, -2], [-1, -1, -1, -2], [0, -1, 0, 0]])
def test_padding_that_cuts(amounts: list[int]) -> None:
    check_gradients(lambda emit, x: emit.op("Pad", x, emit.constant(amounts)), numbers(4, 5))


def test_padding_that_cuts_and_reflects_is_refused() -> None:
    with pytest.raises(LoweringError, match=r"test\.cnn:1: .*cuts .* mode reflect"):
        emitted(
            lambda emit, x: emit.op("Pad", x, emit.constant([-1, 1]), mode="reflect"),
            [numbers(4)],
            [0],
        )


def test_padding_of_some_axes_with_a_value() -> None:
    def build(emit: GraphBuilder, x: onnx_ir.Value) -> onnx_ir.Value:
        amounts, axes = emit.constant([1, 0, 2, 1]), emit.constant([-1, 0])
        return emit.op("Pad", x, amounts, constant_like(emit, 2.5, x), axes)

    check_gradients(build, numbers(3, 2, 4))


def test_the_value_that_pads_has_no_gradient() -> None:
    arrays = [numbers(3), numpy.array(1.0)]
    with pytest.raises(LoweringError, match=r"test\.cnn:1: .*value that `Pad` adds"):
        emitted(lambda emit, x, v: emit.op("Pad", x, emit.constant([1, 1]), v), arrays, [1])


# --- choices ----------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
@pytest.mark.parametrize("indices", [[0, 1], [1, 1, 0, -1], [[0, 1], [-1, 0]], 1])
def test_gather_with_indices_that_come_several_times(axis: int, indices: object) -> None:
    check_gradients(
        lambda emit, x: emit.op("Gather", x, emit.tensor(numpy.array(indices)), axis=axis),
        numbers(2, 3, 4),
    )


@pytest.mark.parametrize("batched", [0, 1, 2])
def test_gather_of_rows_by_computed_indices(batched: int) -> None:
    generator = numpy.random.default_rng(4)
    source = numbers(2, 3, 4, 2)
    size = source.shape[batched]
    places = generator.integers(-size, size, (*source.shape[:batched], 5, 2, 1))
    check_gradients(
        lambda emit, x, at: emit.op("GatherND", x, at, batch_dims=batched), source, places
    )


def test_gather_of_single_numbers_by_several_indices_is_refused() -> None:
    with pytest.raises(LoweringError, match=r"test\.cnn:1: .*`GatherND` along several axes"):
        emitted(
            lambda emit, x, at: emit.op("GatherND", x, at),
            [numbers(3, 2), numpy.array([[0, 1]])],
            [0],
        )


def test_gather_of_many_places_takes_no_matrix() -> None:
    places = numpy.arange(0, 3_000)[::-1] // 2
    graph = emitted(
        lambda emit, x: emit.op("Gather", x, emit.constant(places.tolist()), axis=1),
        [numbers(2, 1_500)],
        [0],
    )
    assert "ScatterElements" in graph.op_types
    check_gradients(
        lambda emit, x: emit.op("Gather", x, emit.constant(places.tolist()), axis=1),
        numbers(2, 1_500),
        samples=20,
    )


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
@pytest.mark.parametrize("indices", [[0, 1], [1, 1, 0, -1], [[0, 1], [-1, 0]], 1])
def test_gather_with_indices_that_only_a_run_knows(axis: int, indices: object) -> None:
    check_gradients(
        lambda emit, x, i: emit.op("Gather", x, i, axis=axis),
        numbers(2, 3, 4),
        numpy.array(indices),
    )


def test_the_gradient_of_gather_is_right_where_threads_meet() -> None:
    """ONNX Runtime's ScatterND loses what two threads add to one row."""
    ids = numpy.random.default_rng(0).integers(3, size=4000)
    graph = emitted(lambda emit, x, i: emit.op("Gather", x, i), [numbers(3, 64), ids], [0])
    assert "ScatterElements" in graph.op_types
    assert "ScatterND" not in graph.op_types


@pytest.mark.parametrize("indices", [[0, 1], [[0, 1], [-1, 0]], 1])
def test_many_zeros_to_add_to_are_no_constant(
    monkeypatch: pytest.MonkeyPatch, indices: object
) -> None:
    """ONNX Runtime would compute them once, hold them, and copy them in each step."""

    def gathered(emit: GraphBuilder, x: onnx_ir.Value, i: onnx_ir.Value) -> onnx_ir.Value:
        return emit.op("Gather", x, i)

    inputs = [numbers(3, 4), numpy.array(indices)]
    assert "Sub" not in emitted(gathered, inputs, [0]).op_types
    monkeypatch.setattr(movement, "_LARGE", 12)
    assert "Sub" in emitted(gathered, inputs, [0]).op_types
    check_gradients(gathered, *inputs)


@pytest.mark.parametrize("scales", [[1, 1, 2, 3], [1, 1, 1, 2], [2, 1, 4, 1]])
@pytest.mark.parametrize(
    "attributes",
    [{}, {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}],
)
def test_nearest_resize_by_whole_factors(scales: list[int], attributes: dict[str, str]) -> None:
    def build(emit: GraphBuilder, x: onnx_ir.Value) -> onnx_ir.Value:
        factors = emit.constant([float(scale) for scale in scales])
        return emit.op("Resize", x, None, factors, mode="nearest", **attributes)

    check_gradients(build, numbers(1, 2, 2, 3))


@pytest.mark.parametrize(
    ("scale", "attributes"),
    [
        (1.5, {"mode": "nearest"}),
        (0.5, {"mode": "nearest"}),
        (2.0, {"mode": "linear", "antialias": 1}),
        (2.0, {"mode": "linear", "coordinate_transformation_mode": "asymmetric"}),
        (2.0, {"mode": "cubic"}),
        (3.0, {"mode": "nearest", "coordinate_transformation_mode": "asymmetric"}),
        (2.0, {"mode": "nearest", "coordinate_transformation_mode": "align_corners"}),
    ],
)
def test_other_resizes_are_refused(scale: float, attributes: dict[str, str]) -> None:
    with pytest.raises(LoweringError, match=r"test\.cnn:1: .*has a gradient only for"):
        emitted(
            lambda emit, x: emit.op("Resize", x, None, emit.constant([1.0, scale]), **attributes),
            [numbers(2, 4)],
            [0],
        )


@pytest.mark.parametrize("coordinates", ["half_pixel", "align_corners"])
@pytest.mark.parametrize(
    ("dims", "sizes"),
    [((5,), (8,)), ((3, 4), (6, 8)), ((4, 5), (7, 3)), ((1, 3), (4, 1)), ((2, 3, 4), (3, 5, 8))],
)
def test_linear_resize_to_any_size(
    dims: tuple[int, ...], sizes: tuple[int, ...], coordinates: str
) -> None:
    attributes = {"mode": "linear", "coordinate_transformation_mode": coordinates}
    axes = [*range(2, 2 + len(dims))]

    def build(emit: GraphBuilder, x: onnx_ir.Value) -> onnx_ir.Value:
        made = emit.constant(sizes)
        return emit.op("Resize", x, None, None, made, axes=axes, **attributes)

    check_gradients(build, numbers(1, 2, *dims))


# --- economy ----------------------------------------------------------------------------------


def test_moving_takes_one_node_back() -> None:
    arrays = [numbers(4, 6)]
    one = {
        "Flatten": lambda emit, x: emit.op("Flatten", x, axis=0),
        "Transpose": lambda emit, x: emit.op("Transpose", x),
        "Pad": lambda emit, x: emit.op("Pad", x, emit.constant([1, 1, 0, 2])),
        "Slice": lambda emit, x: emit.op("Slice", x, emit.constant([1]), emit.constant([3])),
    }
    for op_type, build in one.items():
        assert len(emitted(build, arrays, [0]).op_types) == 1, op_type


def test_scatter_elements_that_adds() -> None:
    places = numpy.array([4, 0, 4])

    def build(emit: GraphBuilder, data: onnx_ir.Value, updates: onnx_ir.Value) -> onnx_ir.Value:
        at = emit.tensor(places)
        return emit.op("ScatterElements", data, at, updates, axis=0, reduction="add")

    check_gradients(build, numbers(5), numbers(3, seed=1))
    check_gradients(build, numbers(5), numbers(3, seed=1), wanted=[1])
