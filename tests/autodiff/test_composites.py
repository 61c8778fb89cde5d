"""Composites: one node for differentiation, its operators for everything after."""

from __future__ import annotations

import onnx_ir
import pytest
from onnx_ir.passes import common
from small_graphs import checked, graph_of

from cnndsl.autodiff.reverse import differentiate
from cnndsl.autodiff.rules import COMPOSITE_RULES, RULES, VjpContext, vjp_of_composite
from cnndsl.graph.builder import COMPOSITES, GraphBuilder, LoweringError

FLOAT = onnx_ir.DataType.FLOAT

Value = onnx_ir.Value


def swished(emit: GraphBuilder, x: Value, name: str = "Swish") -> tuple[Value, Value]:
    """x times its sigmoid, and the sigmoid."""

    def body(x: Value) -> list[Value]:
        share = emit.op("Sigmoid", x)
        return [emit.op("Mul", x, share), share]

    result, share = emit.composite(name, body, x, beta=1.0)
    return result, share


def begun() -> tuple[GraphBuilder, Value]:
    emit = GraphBuilder()
    emit.enter("place", "test.cnn:1: here")
    return emit, emit.placeholder("x", (2, 3), FLOAT)


def test_a_composite_is_one_node_with_the_types_of_what_it_makes() -> None:
    emit, x = begun()
    result, share = swished(emit, x)
    (node,) = emit.nodes
    assert (node.domain, node.op_type, node.name) == (COMPOSITES, "Swish", "place/Swish")
    assert node.doc_string == "test.cnn:1: here"
    assert node.attributes["beta"].as_float() == 1
    assert [*node.outputs] == [result, share]
    for value in (result, share):
        assert (value.dtype, value.shape) == (FLOAT, onnx_ir.Shape((2, 3)))
    assert dict.fromkeys(one.op_type for one in emit.functions[0]) == {"Sigmoid": None, "Mul": None}


def test_what_follows_a_composite_is_typed_as_ever() -> None:
    emit, x = begun()
    total = emit.op("ReduceSum", swished(emit, x)[0], keepdims=0)
    assert total.shape == onnx_ir.Shape(())


def test_each_composite_is_taken_apart_into_operators_of_its_own() -> None:
    emit, x = begun()
    first, _ = swished(emit, x)
    second, share = swished(emit, first)
    model = graph_of(emit, [x], {"second": second, "share": share})
    common.InlinePass()(model)
    proto = checked(model)
    assert not proto.functions
    assert [node.op_type for node in proto.graph.node] == ["Sigmoid", "Mul"] * 2
    assert {node.doc_string for node in proto.graph.node} == {"test.cnn:1: here"}
    names = [node.name for node in proto.graph.node]
    assert names == ["place/Sigmoid", "place/Mul", "place/Sigmoid_2", "place/Mul_2"]


def test_a_rule_has_inputs_outputs_and_attributes(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[VjpContext] = []

    def rule(context: VjpContext) -> list[Value]:
        seen.append(context)
        return [context.op("Mul", context.gradient, context.node.outputs[1])]

    monkeypatch.setitem(COMPOSITE_RULES, "Swish", rule)
    emit, x = begun()
    result, share = swished(emit, x)
    found = differentiate(emit, result, [x])
    assert seen[0].inputs == (x,)
    assert [*seen[0].node.outputs] == [result, share]
    assert seen[0].number("beta", 0.0) == 1
    assert [*found] == [x]


def test_a_composite_called_as_an_operator_has_its_own_rule(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(COMPOSITE_RULES, "Relu", lambda context: [context.gradient])
    emit, x = begun()
    result, _ = swished(emit, x, "Relu")
    found = differentiate(emit, result, [x])
    producer = found[x].producer()
    assert producer is not None
    assert producer.op_type == "Constant"
    assert "Relu" in RULES


def test_a_composite_without_a_rule_has_no_gradient() -> None:
    emit, x = begun()
    result, _ = swished(emit, x)
    with pytest.raises(LoweringError, match="here: `Swish` has no gradient"):
        differentiate(emit, result, [x])


def test_further_outputs_have_no_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COMPOSITE_RULES, "Swish", lambda context: [context.gradient])
    emit, x = begun()
    _, share = swished(emit, x)
    with pytest.raises(LoweringError, match="only the first output of `Swish` has a gradient"):
        differentiate(emit, emit.op("Tanh", share), [x])


def test_a_composite_cannot_have_two_rules() -> None:
    with pytest.raises(AssertionError, match="two rules for the composite BatchNormalization"):
        vjp_of_composite("BatchNormalization")(COMPOSITE_RULES["BatchNormalization"])
