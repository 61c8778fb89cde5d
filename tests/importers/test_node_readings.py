"""Every attribute and every input of a node counts, or the node is refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy
import onnx
import pytest
from imported_models import assert_same, import_model
from onnx import TensorProto, helper, numpy_helper

from cnndsl.diagnostics.model import UserError


def model_of(
    nodes: Sequence[onnx.NodeProto],
    sizes: Sequence[int] = (4, 8, 8),
    constants: dict[str, Any] | None = None,
    opset: int = 17,
    batch: int | str = "N",
) -> onnx.ModelProto:
    ports = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, *sizes]),
        helper.make_tensor_value_info("y", TensorProto.FLOAT, None),
    ]
    weights = [
        numpy_helper.from_array(numpy.asarray(array), name)
        for name, array in (constants or {}).items()
    ]
    graph = helper.make_graph(list(nodes), "one", ports[:1], ports[1:], weights)
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def refusals(model: onnx.ModelProto, folder: Path) -> list[str]:
    with pytest.raises(UserError) as refused:
        import_model(model, folder)
    assert refused.value.code == "CNN669"
    return [*refused.value.notes]


ONES = numpy.ones((4, 4, 1, 1), numpy.float32)

NODES: dict[str, tuple[list[str], dict[str, Any], dict[str, Any]]] = {
    "Conv": (["x", "w"], {"w": ONES}, {}),
    "ConvTranspose": (["x", "w"], {"w": ONES}, {}),
    "MaxPool": (["x"], {}, {"kernel_shape": [2, 2]}),
    "AveragePool": (["x"], {}, {"kernel_shape": [2, 2]}),
    "LpPool": (["x"], {}, {"kernel_shape": [2, 2]}),
    "GlobalAveragePool": (["x"], {}, {}),
    "BatchNormalization": (
        ["x", *"smbv"], {name: numpy.ones(4, numpy.float32) for name in "smbv"}, {}
    ),
    "InstanceNormalization": (
        ["x", *"sb"], {name: numpy.ones(4, numpy.float32) for name in "sb"}, {}
    ),
    "LRN": (["x"], {}, {"size": 3}),
    "Relu": (["x"], {}, {}),
    "LeakyRelu": (["x"], {}, {}),
    "Clip": (["x", "a", "b"], {"a": numpy.float32(0), "b": numpy.float32(1)}, {}),
    "Softmax": (["x"], {}, {"axis": 1}),
    "Concat": (["x", "x"], {}, {"axis": 1}),
    "Transpose": (["x"], {}, {"perm": [0, 2, 1, 3]}),
    "Flatten": (["x"], {}, {}),
    "Reshape": (["x", "s"], {"s": numpy.array([0, 8, 32])}, {}),
    "Add": (["x", "x"], {}, {}),
    "Dropout": (["x"], {}, {}),
    "DepthToSpace": (["x"], {}, {"blocksize": 2}),
    "ReduceMean": (["x"], {}, {"axes": [2, 3]}),
    "Pad": (["x", "p"], {"p": numpy.array([0, 0, 1, 1, 0, 0, 1, 1])}, {}),
    "Resize": (["x", "", "f"], {"f": numpy.array([1, 1, 2, 2], numpy.float32)}, {}),
    "Resize by lines": (
        ["x", "", "f"], {"f": numpy.array([1, 1, 2, 2], numpy.float32)}, {"mode": "linear"}
    ),
    "Resize to its size": (["x", "", "f"], {"f": numpy.ones(4, numpy.float32)}, {}),
    "Gemm": (["vector", "w"], {"w": numpy.ones((4, 2), numpy.float32)}, {}),
    "MatMul": (["x", "w"], {"w": numpy.ones((8, 2), numpy.float32)}, {}),
    "Split": (["x"], {}, {"axis": 1}),
    "Slice": (["x", *"iji"], {"i": numpy.array([1]), "j": numpy.array([3])}, {}),
    "Gather": (["x", "i"], {"i": numpy.array([1, 2])}, {"axis": 1}),
    "Cast": (["x"], {}, {"to": TensorProto.FLOAT}),
    "LayerNormalization": (
        ["x", "s"], {"s": numpy.ones(8, numpy.float32)}, {"axis": -1}
    ),
    "Elu": (["x"], {}, {}),
    "HardSigmoid": (["x"], {}, {"alpha": 1 / 6}),
    "PRelu": (["x", "s"], {"s": numpy.ones((4, 1, 1), numpy.float32)}, {}),
    "LogSoftmax": (["x"], {}, {"axis": 1}),
    "ReduceSum": (["x", "axes"], {"axes": numpy.array([2, 3])}, {}),
    "ReduceMax": (["x"], {}, {"axes": [1]}),
    "SpaceToDepth": (["x"], {}, {"blocksize": 2}),
    "LpNormalization": (["x"], {}, {"axis": 1}),
    "Identity": (["x"], {}, {}),
}  # fmt: skip
"""By operator: what it reads, the constants among that, its attributes."""


def node_of(name: str, **more: Any) -> list[onnx.NodeProto]:
    """The node of a name, before it what it reads, behind it another."""
    inputs, _, attributes = NODES[name]
    op = name.partition(" ")[0]
    return [
        helper.make_node("GlobalAveragePool", ["x"], ["p"]),
        helper.make_node("Flatten", ["p"], ["vector"]),
        helper.make_node(op, inputs, ["z"], name="odd", **{**more, **attributes}),
        helper.make_node("Tanh", ["z"], ["y"]),
    ]


@pytest.mark.parametrize("op", NODES)
def test_an_attribute_that_is_not_known_is_told_of(op: str, tmp_path: Path) -> None:
    constants = NODES[op][1]
    assert import_model(model_of(node_of(op), constants=constants), tmp_path).refused == ()
    (note,) = refusals(model_of(node_of(op, twist=3), constants=constants), tmp_path)
    assert note.startswith(f"node `odd`, {op.partition(' ')[0]}(")
    assert note.endswith("its attribute `twist` is none that is known here")


@pytest.mark.parametrize("op", ["Conv", "BatchNormalization", "Relu", "LRN", "MaxPool"])
def test_an_input_too_many_is_told_of(op: str, tmp_path: Path) -> None:
    inputs, constants, attributes = NODES[op]
    inputs = [*inputs, *["x"] * (op == "Conv"), "more"]
    arrays = {**constants, "more": numpy.ones(4, numpy.float32)}
    if op == "Conv":
        inputs[2] = "more"
        inputs.append("more")
    node = helper.make_node(op, inputs, ["z"], **attributes)
    end = helper.make_node("Tanh", ["z"], ["y"])
    (note,) = refusals(model_of([node, end], constants=arrays), tmp_path)
    assert "its input `more`, number" in note


@pytest.mark.parametrize("kind", [TensorProto.INT32, TensorProto.INT64, TensorProto.BOOL])
def test_numbers_that_are_cut_are_no_identity(kind: int, tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Cast", ["x"], ["i"], to=kind),
        helper.make_node("Cast", ["i"], ["y"], to=TensorProto.FLOAT),
    ]
    note = refusals(model_of(nodes), tmp_path)[0]
    name = TensorProto.DataType.Name(kind).lower()
    assert note.endswith(f"it makes {name} of numbers, which no layer does")


def test_the_momentum_of_a_normalisation_is_kept(tmp_path: Path) -> None:
    constants = {name: numpy.ones(4, numpy.float32) for name in "smbv"}
    for momentum, said in ((0.9, "batchnorm "), (0.99, "batchnorm momentum 0.01 ")):
        node = helper.make_node("BatchNormalization", ["x", *"smbv"], ["y"], momentum=momentum)
        assert said in import_model(model_of([node], constants=constants), tmp_path).text


def test_reductions_of_any_dimensions_are_pools(tmp_path: Path) -> None:
    for axes in ([1], [2], [3], [1, 2], [2, 3], [1, 2, 3]):
        for op in ("ReduceMean", "ReduceMax", "ReduceL2", "ReduceL1"):
            node = helper.make_node(op, ["x"], ["y"], axes=axes, keepdims=1)
            model = model_of([node])
            assert_same(model, import_model(model, tmp_path), tmp_path)


def test_values_that_are_expanded_or_picked_one_by_one_are_the_values(tmp_path: Path) -> None:
    constants = {
        "all": numpy.array([2, 4, 8, 8]),
        "flat": numpy.array([-1]),
        "places": numpy.arange(8).reshape(2, 4, 1, 1),
    }
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["a"]),
        helper.make_node("Reshape", ["a", "flat"], ["b"]),
        helper.make_node("Gather", ["b", "places"], ["c"]),
        helper.make_node("Expand", ["c", "all"], ["d"]),
        helper.make_node("Mul", ["x", "d"], ["y"]),
    ]
    model = model_of(nodes, constants=constants, batch=2)
    found = import_model(model, tmp_path)
    assert "multiply(identity, globalavgpool)" in found.text
    assert_same(model, found, tmp_path)


@pytest.mark.parametrize("op", NODES)
def test_attributes_that_say_their_defaults_change_nothing(op: str, tmp_path: Path) -> None:
    usual = {
        name: helper.get_attribute_value(one.default_value)
        for name, one in onnx.defs.get_schema(op.partition(" ")[0], 17).attributes.items()
        if one.default_value.name
    }
    texts = [
        import_model(model_of(nodes, constants=NODES[op][1]), tmp_path).text
        for nodes in (node_of(op), node_of(op, **usual))
    ]
    assert texts[0] == texts[1]


@pytest.mark.parametrize("filling", ["computed", "not a number"])
def test_a_pool_behind_cells_of_any_other_filling_is_not_padded_by_itself(
    filling: str, tmp_path: Path
) -> None:
    pads = numpy.array([0, 0, 1, 1, 0, 0, 1, 1])
    least = helper.make_node("ReduceMin", ["x"], ["v"], keepdims=0)
    nodes = [
        helper.make_node("Pad", ["x", "p", "v"], ["padded"]),
        helper.make_node("MaxPool", ["padded"], ["y"], kernel_shape=[2, 2]),
    ]
    if filling == "computed":
        model = model_of([least, *nodes], constants={"p": pads})
        assert "`v` is computed" in " ".join(refusals(model, tmp_path))
    else:
        model = model_of(nodes, constants={"p": pads, "v": numpy.float32("nan")})
        assert any("Pad" in one for one in refusals(model, tmp_path))
