"""A model of raw pictures: bytes in, and the spec's preparation as its first nodes."""

from __future__ import annotations

from typing import Any

import numpy
import onnx
import pytest
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator

import cnndsl
from cnndsl import pipeline
from cnndsl.data.normalize import prepare_values
from cnndsl.diagnostics.model import UserError
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.graph.artifact import Artifact
from cnndsl.graph.manifest import Manifest

FULL = """\
network full
input 3x5x4 {
  scale 1/255
  mean [0.485, 0.456, 0.406]
  std [0.229, 0.224, 0.225]
  layout bgr
  invert yes
}
identity
"""

PAIR = """\
input left 3x5x4 { scale 1/255 }
input right 6
pooled = left -> globalavgpool
concat(pooled, right)
"""


def typed(text: str) -> TypedNetwork:
    return pipeline.typed(pipeline.check_text(text))


def raw_model(text: str, **options: Any) -> Artifact:
    return pipeline.compile(typed(text), raw=True, **options)


def nodes_of(artifact: Artifact) -> list[str]:
    graph = artifact.to_proto().graph
    return [node.op_type for node in graph.node if node.op_type != "Constant"]


def pictures(count: int, *dims: int) -> NDArray[numpy.uint8]:
    return numpy.random.default_rng(2).integers(0, 256, (count, *dims), numpy.uint8)


def test_the_input_is_bytes_with_their_channels_last() -> None:
    [port] = raw_model(FULL).graph_only.graph.input
    dims = [dim.dim_param or dim.dim_value for dim in port.type.tensor_type.shape.dim]
    assert (port.name, dims) == ("input", ["N", 5, 4, 3])
    assert port.type.tensor_type.elem_type == onnx.TensorProto.UINT8


def test_the_first_nodes_are_the_preparation_in_the_order_of_the_host() -> None:
    assert nodes_of(raw_model(FULL))[:7] == [
        *("Cast", "Transpose", "Gather"),
        *("Sub", "Mul", "Sub", "Div"),
    ]


def test_what_changes_nothing_has_no_node() -> None:
    assert nodes_of(raw_model("input 1x5x4\nrelu\n")) == ["Cast", "Transpose", "Relu"]


def test_every_node_of_the_preparation_says_its_line() -> None:
    graph = raw_model(FULL).to_proto().graph
    first = [node for node in graph.node if node.name.startswith("input/")]
    assert len(first) == 12
    assert {node.doc_string for node in first} == {"spec.cnn:2: input: input 3x5x4 { …"}


@pytest.mark.parametrize("opset", [18, 19, 20, 21])
@pytest.mark.parametrize("batch", [None, 3])
def test_the_prepared_numbers_are_the_hosts_to_the_bit(opset: int, batch: int | None) -> None:
    proto = raw_model(FULL, opset=opset, batch=batch).to_proto()
    assert proto.opset_import[0].version == opset
    x = pictures(3, 5, 4, 3)
    [found] = ReferenceEvaluator(proto).run(None, {"input": x})
    preparation = typed(FULL).network.inputs[0].preparation
    expected = prepare_values(x[..., ::-1].transpose(0, 3, 1, 2), preparation, 1)
    numpy.testing.assert_array_equal(found, expected)


def test_of_several_inputs_those_for_pictures_are_raw() -> None:
    artifact = raw_model(PAIR)
    assert artifact.manifest.raw == ("left",)
    types = [port.type.tensor_type.elem_type for port in artifact.graph_only.graph.input]
    assert types == [onnx.TensorProto.UINT8, onnx.TensorProto.FLOAT]


def test_the_manifest_says_which_inputs_are_raw_and_comes_back() -> None:
    manifest = raw_model(FULL).manifest
    properties = manifest.properties()
    assert properties["cnndsl.raw"] == '["input"]'
    assert Manifest.from_properties(properties) == manifest


def test_other_models_do_not_speak_of_it() -> None:
    plain = pipeline.compile(typed(FULL))
    assert plain.manifest.raw == ()
    assert "cnndsl.raw" not in plain.manifest.properties()


def test_a_raw_model_has_the_weights_of_the_other_one() -> None:
    lenet = cnndsl.load("lenet5")._typed
    plain, raw = pipeline.compile(lenet, seed=4), pipeline.compile(lenet, seed=4, raw=True)
    assert plain.weights.keys() == raw.weights.keys()
    assert all((plain.weights[name] == raw.weights[name]).all() for name in plain.weights)
    assert len(raw.to_proto().graph.initializer) == len(plain.to_proto().graph.initializer)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("input 4\ndense 3\n", "has no input for pictures, only `4`"),
        ("input 2x8x8\nrelu\n", "has no input for pictures, only `2x8x8`"),
        ("input 3x8x8x8\nrelu\n", "has no input for pictures, only `3x8x8x8`"),
        ("input a 4\ninput b 5\nconcat(a, b)\n", "has no input for pictures, only `4` and `5`"),
        ("input 3x8x8\nrelu\noutput input\n", "`input` is both an input and an output"),
        ("input 3x8x8 { scale 1e38 }\nrelu\n", "that float32 cannot hold"),
        ("input 3x8x8 { std 1e-37 }\nrelu\n", "that float32 cannot hold"),
        ("input 3x8x8 { mean [0, 0, 3e38] std 0.1 }\nrelu\n", "that float32 cannot hold"),
    ],
)
def test_what_cannot_be_raw_is_refused(text: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        raw_model(text)
    assert caught.value.code == "CNN608"
    assert message in caught.value.message
