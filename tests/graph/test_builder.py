"""The builder types, names and documents every node."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import onnx_ir
import pytest
from typing_extensions import override

from cnndsl.elaborate.network import TypedNetwork
from cnndsl.graph.builder import GraphBuilder, LoweringError
from cnndsl.graph.lower import lower
from cnndsl.layers.base import Layer
from cnndsl.layers.lowering import Builder, LoweringContext
from cnndsl.types import DType, TensorType

V = TypeVar("V")


class Halving(Layer):
    """Says that it keeps its input's type, and halves the height instead."""

    keyword = "halving"

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        return emit.op("MaxPool", context.inputs[0], kernel_shape=[2, 1], strides=[2, 1])


class Unheard(Layer):
    """Uses an operator that there is not."""

    keyword = "unheard"

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        return emit.op("Relux", context.inputs[0])


class Misfit(Layer):
    """Uses an operator wrongly."""

    keyword = "misfit"

    @override
    def lower(self, emit: Builder[V], context: LoweringContext[V]) -> V:
        return emit.op("Concat", context.inputs[0], emit.constant([1, 2]), axis=1)


def shape(value: onnx_ir.Value) -> list[object]:
    assert value.shape is not None
    return [dim if isinstance(dim, int) else dim.value for dim in value.shape]


def test_values_are_typed_as_they_are_emitted() -> None:
    emit = GraphBuilder()
    source = emit.input("input", TensorType((3, 8, 8)))
    emit.enter("C1", "a.cnn:2: C1: conv 6@3")
    result = emit.op("Conv", source, emit.weight("C1.weight", (6, 3, 3, 3)))
    assert shape(source) == ["N", 3, 8, 8]
    assert shape(result) == ["N", 6, 6, 6]
    assert result.dtype == onnx_ir.DataType.FLOAT


def test_the_batch_may_be_fixed() -> None:
    emit = GraphBuilder(batch=4)
    source = emit.input("input", TensorType((3,)))
    emit.enter("relu1")
    assert shape(emit.op("Relu", source)) == [4, 3]


def test_token_inputs_are_whole_numbers() -> None:
    source = GraphBuilder().input("tokens", TensorType((56,), DType.INT64))
    assert source.dtype == onnx_ir.DataType.INT64


def test_nodes_are_named_after_their_place_and_say_where_it_is() -> None:
    emit = GraphBuilder()
    source = emit.input("input", TensorType((3,)))
    emit.enter("x", "a.cnn:2: x: twice")
    emit.op("Relu", emit.op("Relu", source))
    emit.enter("y", "a.cnn:3: y: once")
    emit.op("Relu", source)
    assert [node.name for node in emit.nodes] == ["x/Relu", "x/Relu_2", "y/Relu"]
    assert [node.doc_string for node in emit.nodes] == [
        "a.cnn:2: x: twice",
        "a.cnn:2: x: twice",
        "a.cnn:3: y: once",
    ]


@pytest.mark.parametrize(
    ("value", "dims", "dtype"),
    [
        (0.5, [], onnx_ir.DataType.FLOAT),
        (2, [], onnx_ir.DataType.INT64),
        ((0, -1), [2], onnx_ir.DataType.INT64),
        ([1.0, 2.0, 3.0], [3], onnx_ir.DataType.FLOAT),
    ],
)
def test_constants_have_the_type_of_their_numbers(
    value: float | tuple[int, ...], dims: list[int], dtype: onnx_ir.DataType
) -> None:
    emit = GraphBuilder()
    emit.enter("x")
    constant = emit.constant(value)
    assert shape(constant) == dims
    assert constant.dtype == dtype


def test_attributes_have_the_type_of_their_numbers() -> None:
    emit = GraphBuilder()
    source = emit.input("input", TensorType((3, 8, 8)))
    emit.enter("x")
    emit.op("MaxPool", source, kernel_shape=(2, 2), auto_pad="VALID", ceil_mode=0)
    emit.op("LeakyRelu", source, alpha=0.5)
    emit.op("Resize", source, None, emit.constant([1.0, 1.0, 2.0, 2.0]), axes=[])
    found = {
        name: attribute.type for node in emit.nodes for name, attribute in node.attributes.items()
    }
    kinds = onnx_ir.AttributeType
    assert found == {
        "kernel_shape": kinds.INTS,
        "auto_pad": kinds.STRING,
        "ceil_mode": kinds.INT,
        "alpha": kinds.FLOAT,
        "value": kinds.TENSOR,
        "axes": kinds.INTS,
    }


def test_types_follow_from_the_values_of_constants() -> None:
    emit = GraphBuilder()
    source = emit.input("input", TensorType((3, 8, 8)))
    emit.enter("x")
    assert shape(emit.op("Reshape", source, emit.constant([0, -1]))) == ["N", 192]


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (
            Halving(),
            "net.cnn:2: wrong: halving x: the checker says float Nx1x32x32,"
            " the operators say float Nx1x16x32",
        ),
        (Unheard(), "net.cnn:2: wrong: unheard x: No schema registered for 'Relux'"),
        (Misfit(), "net.cnn:2: wrong: misfit x: "),
    ],
)
def test_a_wrong_lowering_is_met_where_it_stands(
    build: Callable[..., TypedNetwork], layer: Layer, said: str
) -> None:
    with pytest.raises(LoweringError) as caught:
        lower(build(("wrong", layer)))
    assert str(caught.value).startswith(said)
