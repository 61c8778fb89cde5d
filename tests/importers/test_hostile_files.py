"""Files that nobody should have written: a clear error, soon, and nothing left behind."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import cnndsl
from cnndsl.diagnostics.model import UserError
from cnndsl.importers.weights.opening import open_source


def saved(
    folder: Path,
    nodes: Sequence[onnx.NodeProto],
    sizes: Sequence[int] = (3, 8, 8),
    constants: dict[str, Any] | None = None,
    opset: int = 17,
) -> Path:
    ports = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", *sizes]),
        helper.make_tensor_value_info("y", TensorProto.FLOAT, None),
    ]
    weights = [numpy_helper.from_array(array, name) for name, array in (constants or {}).items()]
    graph = helper.make_graph(list(nodes), "hostile", ports[:1], ports[1:], weights)
    opsets = [helper.make_opsetid("", opset)]
    path = folder / "hostile.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opsets), path)
    return path


def refused(path: Path) -> UserError:
    with pytest.raises(UserError) as found:
        cnndsl.import_network(path)
    return found.value


def test_nodes_in_a_circle_are_an_error(tmp_path: Path) -> None:
    nodes = [helper.make_node("Add", ["x", "y"], ["z"]), helper.make_node("Relu", ["z"], ["y"])]
    error = refused(saved(tmp_path, nodes))
    assert error.code == "CNN665"
    assert "the nodes run in a circle at" in error.message


def test_a_value_that_nothing_makes_is_an_error(tmp_path: Path) -> None:
    error = refused(saved(tmp_path, [helper.make_node("Add", ["x", "nothing"], ["y"])]))
    assert "nothing makes the value `nothing`" in error.message


@pytest.mark.parametrize("op", ["ConstantOfShape", "Expand", "Tile", "Range"])
def test_a_constant_that_would_be_huge_is_not_made(op: str, tmp_path: Path) -> None:
    shape = numpy.array([2**20, 2**20], numpy.int64)
    kinds: dict[str, tuple[list[str], dict[str, Any]]] = {
        "ConstantOfShape": (["shape"], {"shape": shape}),
        "Expand": (["one", "shape"], {"one": numpy.ones((1, 1), numpy.float32), "shape": shape}),
        "Tile": (["one", "shape"], {"one": numpy.ones((1, 1), numpy.float32), "shape": shape}),
        "Range": (
            ["from", "to", "by"],
            {
                "from": numpy.float32(0),
                "to": numpy.float32(1e12),
                "by": numpy.float32(1),
            },
        ),
    }
    inputs = kinds[op]
    nodes = [helper.make_node(op, inputs[0], ["c"]), helper.make_node("Add", ["x", "c"], ["y"])]
    constants = {name: numpy.asarray(array) for name, array in inputs[1].items()}
    assert refused(saved(tmp_path, nodes, constants=constants)).code == "CNN669"


def test_weights_outside_of_the_folder_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret.bin").write_bytes(bytes(64))
    (tmp_path / "models").mkdir()
    weight = numpy_helper.from_array(numpy.ones((4, 3, 1, 1), numpy.float32), "w")
    path = saved(tmp_path / "models", [helper.make_node("Conv", ["x", "w"], ["y"])])
    model = onnx.load(path)
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="../secret.bin")
    model.graph.initializer.append(weight)
    path.write_bytes(model.SerializeToString())
    error = refused(path)
    assert error.code == "CNN665"
    assert "is in `../secret.bin`, elsewhere" in error.message


def test_control_flow_is_said_with_its_place(tmp_path: Path) -> None:
    branch = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["r"])],
        "branch",
        [],
        [helper.make_tensor_value_info("r", TensorProto.FLOAT, None)],
    )
    nodes = [
        helper.make_node("ReduceMax", ["x"], ["m"], keepdims=0),
        helper.make_node("Cast", ["m"], ["b"], to=TensorProto.BOOL),
        helper.make_node("If", ["b"], ["y"], name="choice", then_branch=branch, else_branch=branch),
    ]
    error = refused(saved(tmp_path, nodes))
    assert error.code == "CNN669"
    assert any(
        note.startswith("node `choice`, If(")
        and note.endswith("what it does is decided by data, and a network of ours is fixed")
        for note in error.notes
    )


def test_a_chain_of_many_nodes_is_read_without_calling_deeply(tmp_path: Path) -> None:
    names = ["x", *(f"v{at}" for at in range(1, 3000)), "y"]
    words = ("Relu", "Tanh", "Sigmoid")
    nodes = [
        helper.make_node(words[at % 3], [one], [two])
        for at, (one, two) in enumerate(pairwise(names))
    ]
    found = cnndsl.import_network(saved(tmp_path, nodes))
    assert found.text.count("sigmoid") == 1000


def test_names_that_no_name_can_be_do_no_harm(tmp_path: Path) -> None:
    node = helper.make_node("Relu", ["x"], ["y"], name="a\nnetwork evil\x1b[31m }")
    found = cnndsl.import_network(saved(tmp_path, [node]))
    assert "evil\x1b" not in found.text
    assert found.text.count("network ") == 1


def test_nothing_is_written_where_a_file_cannot_be(tmp_path: Path) -> None:
    found = cnndsl.import_network(saved(tmp_path, [helper.make_node("Relu", ["x"], ["y"])]))
    with pytest.raises(UserError) as error:
        found.save(tmp_path / "nowhere" / "spec.cnn")
    assert error.value.code == "CNN603"


def test_numbers_in_float16_become_float32_and_it_is_said(tmp_path: Path) -> None:
    model = onnx.load(
        saved(
            tmp_path,
            [helper.make_node("Conv", ["x", "w"], ["y"])],
            constants={"w": numpy.ones((4, 3, 1, 1), numpy.float16)},
        )
    )
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT16
    onnx.save(model, tmp_path / "half.onnx")
    found = cnndsl.import_network(tmp_path / "half.onnx")
    assert found.notes[0] == "1 constant of float16 becomes float32"


def test_a_quantised_model_is_said_to_be_one(tmp_path: Path) -> None:
    constants = {"s": numpy.float32(0.1), "z": numpy.uint8(0)}
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"], name="in"),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"]),
    ]
    arrays = {name: numpy.asarray(array) for name, array in constants.items()}
    error = refused(saved(tmp_path, nodes, constants=arrays))
    assert "it computes with integers: import the float model that it was made of" in error.notes[0]


@pytest.mark.parametrize(
    "damage",
    [
        (b"PK\x01\x02", b"PKxx"),  # the list of the members
        (b"PK\x01\x02\x14\x03\x14\x00", b"PK\x01\x02\x14\x03\x63\x00"),  # of a version to come
    ],
)
def test_archives_that_python_cannot_open_are_an_error(
    damage: tuple[bytes, bytes], tmp_path: Path
) -> None:
    whole = tmp_path / "whole"
    with zipfile.ZipFile(whole, "w") as file:
        file.writestr("config.json", '{"class_name": "Sequential"}')
    content = whole.read_bytes()
    assert content.count(damage[0]) == 1
    for name in ("a.keras", "a.pt", "a"):
        (tmp_path / name).write_bytes(content.replace(*damage))
    error = refused(tmp_path / "a.keras")
    assert (error.code, "a.keras is damaged" in error.message) == ("CNN683", True)
    for name in ("a.keras", "a.pt", "a"):
        with pytest.raises(UserError) as found, open_source(tmp_path / name):
            pass
        assert found.value.code == "CNN650"


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_pictures_whose_preparation_no_file_says_are_told_of(channels: int, tmp_path: Path) -> None:
    ports = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", channels, 8, 8]),
        helper.make_tensor_value_info("y", TensorProto.FLOAT, None),
    ]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", ports[:1], ports[1:])
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]),
        tmp_path / "m.onnx",
    )
    notes = cnndsl.import_network(tmp_path / "m.onnx").notes
    told = "the file does not say how pictures become the input: as it stands, they are 0 to 255;"
    assert [note.startswith(told) for note in notes] == ([True] if channels < 4 else [])
