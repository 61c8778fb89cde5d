"""A typed network becomes a graph whose names are the spec's."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import onnx_ir
import pytest

from cnndsl.diagnostics.model import UserError
from cnndsl.diagnostics.source import Source, Span
from cnndsl.elaborate.network import LayerNode, TypedNetwork
from cnndsl.graph.lower import lower, network_weights, origin
from cnndsl.graph.manifest import LAYERS_KEY
from cnndsl.layers.activation import Relu, Tanh
from cnndsl.layers.dense import Dense
from cnndsl.layers.regularization import Dropout
from cnndsl.layers.shape import Identity

Build = Callable[..., TypedNetwork]


def input_names(model: onnx_ir.Model) -> list[str | None]:
    return [value.name for value in model.graph.inputs]


def output_names(model: onnx_ir.Model) -> list[str | None]:
    return [value.name for value in model.graph.outputs]


def nodes(model: onnx_ir.Model) -> list[str]:
    return [
        f"{node.name}({', '.join(str(given and given.name) for given in node.inputs)})"
        f" -> {node.outputs[0].name}"
        for node in model.graph
    ]


def layers(model: onnx_ir.Model) -> dict[str, str]:
    found: dict[str, str] = json.loads(model.metadata_props.get(LAYERS_KEY, "{}"))
    return found


def test_values_are_named_after_layers_weights_and_outputs(lenet: TypedNetwork) -> None:
    model = lower(lenet)
    assert input_names(model) == ["input"]
    assert output_names(model) == ["output"]
    assert nodes(model)[0] == "C1/Conv(input, C1.weight, C1.bias) -> C1"
    assert nodes(model)[-1] == "softmax1/Softmax(OUTPUT) -> output"
    assert layers(model) == {"softmax1": "output"}
    assert model.graph.name == "lenet5"


def test_initializers_are_exactly_the_weights(lenet: TypedNetwork, residual: TypedNetwork) -> None:
    for typed in (lenet, residual):
        model = lower(typed)
        shapes = {
            name: tuple(value.shape or ()) for name, value in model.graph.initializers.items()
        }
        assert shapes == {name: w.shape for name, w in network_weights(typed).items()}


@pytest.mark.parametrize("batch", [None, 4])
def test_every_value_has_a_type_and_all_its_sizes(
    residual: TypedNetwork, batch: int | None
) -> None:
    model = lower(residual, batch)
    values = [output for node in model.graph for output in node.outputs]
    for value in [*values, *model.graph.inputs, *model.graph.initializers.values()]:
        assert value.dtype is not None
        assert value.shape is not None
        sizes = {dim if isinstance(dim, int) else dim.value for dim in value.shape}
        assert None not in sizes
        assert not (batch and "N" in sizes)
    assert model.graph.inputs[0].shape is not None
    assert str(model.graph.inputs[0].shape[0]) == str(batch or "N")


def test_what_no_output_needs_is_left_out(residual: TypedNetwork) -> None:
    model = lower(residual)
    assert not any("unread" in str(node.name) for node in model.graph)
    assert "unread.weight" not in model.graph.initializers


def test_dropout_leaves_nothing_behind_and_is_found_where_its_input_is(build: Build) -> None:
    model = lower(build(("relu1", Relu()), ("dropout1", Dropout(rate=0.5)), ("tanh1", Tanh())))
    assert nodes(model) == ["relu1/Relu(input) -> relu1", "tanh1/Tanh(relu1) -> output"]
    assert layers(model) == {"dropout1": "relu1", "tanh1": "output"}


def test_an_output_that_is_the_input_is_a_copy(build: Build) -> None:
    model = lower(build(("identity1", Identity())))
    assert nodes(model) == ["output/Identity(input) -> output"]
    assert layers(model) == {"identity1": "input"}
    assert [node.doc_string for node in model.graph] == ["net.cnn:2: identity1: identity x"]


def test_an_input_may_be_an_output_under_its_own_name(build: Build) -> None:
    model = lower(build(("relu1", Relu()), outputs={"output": "relu1", "input": "input"}))
    assert output_names(model) == ["output", "input"]
    assert nodes(model) == ["relu1/Relu(input) -> output"]


def test_an_input_may_be_an_output_under_another_name(build: Build) -> None:
    model = lower(build(("relu1", Relu()), outputs={"output": "relu1", "raw": "input"}))
    assert nodes(model)[-1] == "raw/Identity(input) -> raw"
    assert [node.doc_string for node in model.graph][-1] == "net.cnn:1: input: input"


def test_a_value_with_two_names_is_copied_for_the_second(build: Build) -> None:
    model = lower(build(("relu1", Relu()), outputs={"output": "relu1", "relu1": "relu1"}))
    assert nodes(model) == ["relu1/Relu(input) -> output", "relu1/Identity(output) -> relu1"]


def test_a_layer_labelled_output_does_not_clash_with_the_output(build: Build) -> None:
    model = lower(build(("output", Dense(units=3)), ("relu1", Relu()), dims=(2,)))
    assert nodes(model) == [
        "output/Gemm(input, output.weight, output.bias) -> output/value",
        "relu1/Relu(output/value) -> output",
    ]
    assert layers(model) == {"output": "output/value", "relu1": "output"}


def test_labels_of_blocks_are_found_too(residual: TypedNetwork) -> None:
    scopes = {"block1": 5, "block2": 6, "unread_block": 10}
    typed = replace(residual, network=replace(residual.network, scopes=scopes))
    found = layers(lower(typed))
    assert found["block1"] == "add1"
    assert found["block2"] == "features"
    assert "unread_block" not in found


@pytest.mark.parametrize(("opset", "ir_version"), [(18, 8), (19, 9), (20, 9), (21, 10)])
def test_the_ir_version_is_the_opsets(lenet: TypedNetwork, opset: int, ir_version: int) -> None:
    model = lower(lenet, opset=opset)
    assert model.graph.opset_imports == {"": opset}
    assert model.ir_version == ir_version


@pytest.mark.parametrize(("opset", "why"), [(17, "operators of opset 18"), (22, "at opset 21")])
def test_other_opsets_are_refused_with_the_reason(
    lenet: TypedNetwork, opset: int, why: str
) -> None:
    with pytest.raises(UserError) as caught:
        lower(lenet, opset=opset)
    assert caught.value.code == "CNN605"
    assert caught.value.message.startswith(f"opset {opset} is not supported: ")
    assert caught.value.message.endswith(why)


def node_of(*texts: str, folder: str = "specs/") -> LayerNode:
    """A layer written as the first text, within calls written as the others, from the outside."""
    spans = []
    for number, text in enumerate(texts):
        source = Source(f"{folder}{number}.cnn", "#\n" * number + text)
        spans.append(Span(source, 2 * number, len(source.text)))
    return LayerNode("a.b", Relu(), (0,), spans[0], trace=tuple(spans[1:]))


def test_the_origin_is_the_line_and_the_calls_from_the_innermost() -> None:
    assert origin(node_of("relu")) == "0.cnn:1: a.b: relu"
    assert origin(node_of("relu", "outer(1)", "inner(2)")) == (
        "0.cnn:1: a.b: relu, called at 2.cnn:3: inner(2), called at 1.cnn:2: outer(1)"
    )


def test_the_origin_does_not_depend_on_the_folder() -> None:
    assert origin(node_of("relu", folder="/a/b/")) == origin(node_of("relu", folder=""))


def test_the_origin_is_one_short_line() -> None:
    assert origin(node_of("add(  # a join\n  a,\n b)")) == "0.cnn:1: a.b: add( …"
    long = origin(node_of("concat(" + "a, " * 100_000 + "b)"))
    assert long.endswith(", a, a …")
    assert len(long) < 110


def test_the_origin_counts_the_calls_beyond_eight() -> None:
    calls = [f"call{number}()" for number in range(20)]
    text = origin(node_of("relu", *calls))
    assert text.endswith("call12(), and 12 calls more")
    assert origin(node_of("relu", *calls[:8])).endswith("call0()")
