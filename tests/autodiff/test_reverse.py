"""The walk backwards: what it emits, what it leaves out, and what it refuses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy
import onnx_ir
import pytest
from gradients import Array, check_gradients, emitted

from cnndsl.autodiff.reverse import differentiate
from cnndsl.autodiff.rules import NOT_DIFFERENTIABLE, RULES, dims_of, vjp
from cnndsl.graph.builder import GraphBuilder, LoweringError


def numbers(*dims: int, seed: int = 0) -> Array:
    return numpy.random.default_rng(seed).normal(size=dims)


def placeholders(*dims: tuple[int, ...]) -> tuple[GraphBuilder, list[onnx_ir.Value]]:
    emit = GraphBuilder()
    values = [
        emit.placeholder(f"v{at}", one, onnx_ir.DataType.FLOAT) for at, one in enumerate(dims)
    ]
    emit.enter("place", "spec.cnn:7: the line")
    return emit, values


def added(emit: GraphBuilder, before: int) -> list[str]:
    return [node.op_type for node in emit.nodes[before:] if node.op_type != "Constant"]


# --- what is left out -------------------------------------------------------------------------


def test_nothing_is_computed_for_what_is_not_wanted() -> None:
    """A layer's input picture: only the weight's gradient is there, and one node makes it."""
    arrays = [numbers(3, 4), numbers(5, 4)]
    graph = emitted(lambda emit, x, w: emit.op("Gemm", x, w, transB=1), arrays, [1])
    assert graph.op_types == ("Gemm",)


def test_nothing_is_summed_back_for_what_is_not_wanted() -> None:
    """The rule of Max has the second input's gradient at hand, in the stretched shape."""
    arrays = [numbers(2, 3), numbers(3, seed=1)]
    graph = emitted(lambda emit, x, y: emit.op("Max", x, y), arrays, [0])
    assert "ReduceSum" not in graph.op_types


def test_nodes_in_front_of_the_first_wanted_value_are_not_visited() -> None:
    def build(
        emit: GraphBuilder, x: onnx_ir.Value, first: onnx_ir.Value, second: onnx_ir.Value
    ) -> onnx_ir.Value:
        hidden = emit.op("Tanh", emit.op("MatMul", emit.op("Exp", x), first))
        return emit.op("MatMul", hidden, second)

    arrays = [numbers(2, 3), numbers(3, 4), numbers(4, 5)]
    assert emitted(build, arrays, [2]).op_types == ("Gemm",)
    assert "Exp" not in emitted(build, arrays, [1, 2]).op_types


def test_nothing_wanted_means_no_nodes() -> None:
    emit, (x,) = placeholders((2, 3))
    result = emit.op("ReduceSum", emit.op("Exp", x), keepdims=0)
    before = len(emit.nodes)
    assert differentiate(emit, result, []) == {}
    assert len(emit.nodes) == before


def test_a_value_that_the_result_does_not_depend_on_has_no_entry() -> None:
    emit, (x, unused, aside) = placeholders((2, 3), (4,), (2, 3))
    emit.op("Mul", aside, x)
    result = emit.op("ReduceSum", emit.op("Exp", x), keepdims=0)
    before = len(emit.nodes)
    found = differentiate(emit, result, [x, unused, aside])
    assert list(found) == [x]
    assert added(emit, before) == ["Expand", "Mul"]


def test_what_comes_to_the_result_only_through_steps_has_no_entry_and_no_nodes() -> None:
    emit, (x, y) = placeholders((2, 3), (2, 3))
    stepped = emit.op("Floor", emit.op("Exp", x))
    result = emit.op("ReduceSum", emit.op("Mul", stepped, y), keepdims=0)
    before = len(emit.nodes)
    assert list(differentiate(emit, result, [x, y])) == [y]
    assert added(emit, before) == ["Expand", "Mul"]


def test_whole_numbers_and_truths_on_the_way_stop_the_gradient() -> None:
    emit, (x,) = placeholders((2, 3))
    count = emit.op("Cast", emit.op("Mul", x, x), to=onnx_ir.DataType.INT64.value)
    total = emit.op("Add", count, count)  # An operator with a rule, but on whole numbers.
    back = emit.op("Cast", total, to=onnx_ir.DataType.FLOAT.value)
    assert differentiate(emit, emit.op("ReduceSum", back, keepdims=0), [x]) == {}


# --- several uses -----------------------------------------------------------------------------


def test_a_value_that_is_used_several_times_gets_the_sum() -> None:
    def build(emit: GraphBuilder, x: onnx_ir.Value) -> onnx_ir.Value:
        one, other = emit.op("Tanh", x), emit.op("Exp", x)
        return emit.op("Add", emit.op("Mul", one, other), emit.op("Mul", x, other))

    check_gradients(build, numbers(2, 3))


def test_uses_are_joined_by_add_and_more_than_two_by_one_sum_on_cuda() -> None:
    def build(emit: GraphBuilder, x: onnx_ir.Value) -> onnx_ir.Value:
        return emit.op("Sum", emit.op("Exp", x), emit.op("Tanh", x), x)

    arrays = [numbers(2, 3)]
    two = emitted(lambda emit, x: emit.op("Add", emit.op("Exp", x), x), arrays, [0])
    assert two.op_types.count("Add") == 1
    assert emitted(build, arrays, [0]).op_types.count("Add") == 2
    assert emitted(build, arrays, [0], "cuda").op_types.count("Sum") == 1


def test_an_inner_value_can_be_wanted_and_still_passes_its_gradient_on() -> None:
    emit, (x,) = placeholders((2, 3))
    hidden = emit.op("Exp", x)
    result = emit.op("ReduceSum", emit.op("Tanh", hidden), keepdims=0)
    found = differentiate(emit, result, [x, hidden])
    assert set(found) == {x, hidden}
    producer = found[x].producer()
    assert producer is not None
    assert found[hidden] in producer.inputs


def test_the_result_itself_can_be_wanted() -> None:
    emit, (x,) = placeholders((2, 3))
    result = emit.op("Exp", x)
    found = differentiate(emit, result, [result])
    producer = found[result].producer()
    assert producer is not None
    numpy.testing.assert_array_equal(
        producer.attributes["value"].as_tensor().numpy(), numpy.ones((2, 3))
    )


# --- shapes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dims", "stretched", "expected"),
    [
        ((4,), (2, 3, 4), ["ReduceSum"]),
        ((2, 1, 4), (2, 3, 4), ["ReduceSum"]),
        ((3, 1), (2, 3, 4), ["ReduceSum", "Reshape"]),
        ((4,), (1, 1, 4), ["Reshape"]),
        ((), (2, 3), ["ReduceSum"]),
        ((2, 3), (2, 3), []),
    ],
)
def test_what_was_stretched_is_summed_back_in_the_fewest_nodes(
    dims: tuple[int, ...], stretched: tuple[int, ...], expected: Sequence[str]
) -> None:
    arrays = [numbers(*dims), numbers(*stretched, seed=1)]
    graph = emitted(lambda emit, x, y: emit.op("Add", x, y), arrays, [0])
    assert list(graph.op_types) == list(expected)
    check_gradients(lambda emit, x, y: emit.op("Add", x, y), *arrays)


def test_a_result_of_any_shape_is_summed() -> None:
    emit, (x,) = placeholders((2, 3))
    result = emit.op("Exp", x)
    assert dims_of(differentiate(emit, result, [x])[x]) == (2, 3)


# --- what is refused --------------------------------------------------------------------------


def test_an_operator_without_a_rule_is_refused_with_its_line() -> None:
    emit, (x,) = placeholders((2, 3))
    result = emit.op("ReduceSum", emit.op("Sinh", x), keepdims=0)
    with pytest.raises(
        LoweringError,
        match=r"^spec\.cnn:7: the line: `Sinh` has no gradient, and no package adds one$",
    ):
        differentiate(emit, result, [x])


def test_an_operator_without_a_rule_does_no_harm_off_the_way() -> None:
    emit, (x, y) = placeholders((2, 3), (2, 3))
    emit.op("Sinh", x)
    result = emit.op("ReduceSum", emit.op("Mul", emit.op("Sinh", y), x), keepdims=0)
    assert list(differentiate(emit, result, [x])) == [x]


# --- names ------------------------------------------------------------------------------------


def test_gradients_stand_under_the_name_and_line_of_what_they_belong_to() -> None:
    emit, (x,) = placeholders((2, 3))
    result = emit.op("ReduceSum", emit.op("Tanh", x), keepdims=0)
    before = len(emit.nodes)
    differentiate(emit, result, [x])
    nodes = [node for node in emit.nodes[before:] if node.op_type in ("Mul", "Sub")]
    assert {str(node.name).rpartition("/")[0] for node in nodes} == {"place/Tanh/gradient"}
    assert {node.doc_string for node in nodes} == {"spec.cnn:7: the line"}


# --- the table --------------------------------------------------------------------------------


def test_an_operator_has_a_rule_or_a_reason_not_both() -> None:
    assert not RULES.keys() & NOT_DIFFERENTIABLE.keys()
    assert all(NOT_DIFFERENTIABLE.values())


def test_an_operator_cannot_have_two_rules() -> None:
    with pytest.raises(AssertionError, match="two rules for Relu"):
        vjp("Relu")(RULES["Relu"])
