"""Small compiled models, made by hand: what `compile` would write, without the road to it."""

from collections.abc import Callable

import numpy
import onnx
import pytest
from onnx import TensorProto, helper

from cnndsl.graph.artifact import Artifact
from cnndsl.graph.manifest import Manifest, sha256
from cnndsl.recipe.preparation import Preparation
from cnndsl.typecheck.answers import Answers

MakeModel = Callable[..., Artifact]


def _artifact(
    *,
    dims: tuple[int, ...] = (1, 4, 4),
    classes: tuple[str, ...] = ("dark", "light"),
    preparation: Preparation | None = None,
    batch: int | str = "N",
    softmax: bool = True,
    seed: int | None = 7,
    answers: Answers | None = None,
) -> Artifact:
    """The mean of a sample, `m`, decides between dark (-m) and light (m)."""
    last = "output" if softmax else "mean"
    axes = helper.make_tensor("axes", TensorProto.INT64, [len(dims)], range(1, len(dims) + 1))
    nodes = [
        helper.make_node("Constant", [], ["pool/Constant"], name="pool/Constant", value=axes),
        helper.make_node("ReduceMean", ["input", "pool/Constant"], ["pool/mean"], keepdims=0),
        helper.make_node("Constant", [], ["pool/one"], value_ints=[-1, 1]),
        helper.make_node("Reshape", ["pool/mean", "pool/one"], ["pool"], name="pool"),
        helper.make_node("MatMul", ["pool", "C1.weight"], ["C1" if softmax else "output"]),
    ]
    if softmax:
        nodes.append(helper.make_node("Softmax", ["C1"], [last], axis=1, name="answer"))
    graph = helper.make_graph(
        nodes,
        "toy",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [batch, *dims])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [batch, 2])],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    manifest = Manifest(
        version="1",
        network="toy",
        spec="network toy\n",
        spec_sha256=sha256("network toy\n"),
        preparation={"input": preparation or Preparation(scale=1 / 255)},
        classes=classes,
        learnable=2,
        seed=seed,
        layers={"answer" if softmax else "C1": "output"},
        answers={"output": answers or Answers("probability" if softmax else "score", ranked=True)},
    )
    for key, value in manifest.properties().items():
        proto.metadata_props.add(key=key, value=value)
    return Artifact(manifest, proto, {"C1.weight": numpy.array([[-1, 1]], numpy.float32)})


@pytest.fixture
def make_model() -> MakeModel:
    """Makes a model that tells dark inputs from light ones."""
    return _artifact


@pytest.fixture
def two_inputs() -> Artifact:
    """A model of two inputs, `left` and `right`, that gives their sum."""
    graph = helper.make_graph(
        [helper.make_node("Add", ["left", "right"], ["output"], name="sum")],
        "two",
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 3])
            for name in ("left", "right")
        ],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["N", 3])],
    )
    proto: onnx.ModelProto = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8
    )
    manifest = Manifest("1", "two", "network two\n", sha256("network two\n"))
    for key, value in manifest.properties().items():
        proto.metadata_props.add(key=key, value=value)
    return Artifact(manifest, proto, {})
