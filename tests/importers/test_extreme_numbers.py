"""Numbers that no layer, input or recipe can have are refused at their place."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy
import onnx
import pytest
from documents import ROOT, fences
from onnx import TensorProto, helper, numpy_helper

import cnndsl
from cnndsl.diagnostics.compile_error import CompileError
from cnndsl.diagnostics.model import UserError

PAGE = ROOT / "docs" / "bringing-networks.md"
TEXTS = {one.file: one.text for one in fences(PAGE) if one.file}

EXTREMES = ("1e308", "1e39", "-1e39", "inf", "nan", "1" + "0" * 30, "4294967296", "1e-320")


def keras(*layers: tuple[str, dict[str, Any]]) -> str:
    entries = [{"class_name": "InputLayer", "config": {"batch_shape": [None, 6, 6, 3]}}]
    for at, (kind, config) in enumerate(layers):
        entries.append({"class_name": kind, "config": {"name": f"l{at}", **config}})
    config = {"name": "m", "layers": entries}
    return json.dumps({"class_name": "Sequential", "config": config})


def refused(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as found:
        cnndsl.import_network(path)
    assert found.value.code in ("CNN669", "CNN681", "CNN905")
    return f"{found.value.message} {' '.join(found.value.notes)}"


@pytest.mark.parametrize("number", ["1e308", "1e39", "1e-320", "Infinity"])
def test_a_scale_of_keras_that_no_input_has_is_refused_at_its_layer(
    number: str, tmp_path: Path
) -> None:
    text = keras(("Rescaling", {"scale": 0.5}), ("Conv2D", {"filters": 1, "kernel_size": [1, 1]}))
    why = refused(tmp_path / "m.json", text.replace("0.5", number))
    assert "layer `l0` (Rescaling)" in why
    assert "the input cannot have `scale" in why


@pytest.mark.parametrize("number", ["Infinity", '"a"', "1.5", "[1]"])
def test_sizes_of_keras_that_are_none_are_refused(number: str, tmp_path: Path) -> None:
    text = keras(("Reshape", {"target_shape": [7, 108]})).replace("[7, 108]", f"[{number}, 108]")
    assert "`target_shape` of layer `l0` (Reshape)" in refused(tmp_path / "m.json", text)


def test_a_layer_whose_weights_no_machine_holds_is_refused_at_its_line(tmp_path: Path) -> None:
    text = "[net]\nheight=8\nwidth=8\nchannels=3\n\n" + "[connected]\noutput=9000000\n\n" * 2
    why = refused(tmp_path / "m.cfg", text)
    assert "line 9, section 1, `[connected]`: its weight has 81,000,000,000,000 numbers" in why


def test_a_network_that_is_too_large_as_a_whole_is_told_the_limit(tmp_path: Path) -> None:
    text = "[net]\nheight=8\nwidth=8\nchannels=3\n\n" + "[connected]\noutput=900000\n\n" * 3
    assert "the parameters up to here are 1,620,175,500,000" in refused(tmp_path / "m.cfg", text)


def test_a_layer_called_with_other_channels_than_before_is_refused(tmp_path: Path) -> None:
    def tensor(shape: list[int | None], layer: str) -> dict[str, Any]:
        config = {"shape": shape, "dtype": "float32", "keras_history": [layer, 0, 0]}
        return {"class_name": "__keras_tensor__", "config": config}

    def one(kind: str, name: str, config: dict[str, Any], *reads: Any) -> dict[str, Any]:
        nodes = [{"args": [read], "kwargs": {}} for read in reads]
        return {"class_name": kind, "name": name, "config": {"name": name, **config},
                "inbound_nodes": nodes}  # fmt: skip

    a, b = tensor([None, 6, 6, 3], "a"), tensor([None, 6, 6, 4], "b")
    layers = [
        one("InputLayer", "a", {"batch_shape": [None, 6, 6, 3]}),
        one("InputLayer", "b", {"batch_shape": [None, 6, 6, 4]}),
        one("Conv2D", "c", {"filters": 2, "kernel_size": [3, 3]}, a, b),
    ]
    config = {"name": "m", "layers": layers, "input_layers": [["a", 0, 0], ["b", 0, 0]],
              "output_layers": [["c", 0, 0], ["c", 1, 0]]}  # fmt: skip
    why = refused(tmp_path / "m.json", json.dumps({"class_name": "Functional", "config": config}))
    assert "its weights `weight` are 2x3x3x3 in its first call, and 2x4x3x3 here" in why


def test_a_rate_that_float32_cannot_hold_is_left_out_of_the_recipe(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    text = TEXTS["lenet_train_test.prototxt"]
    text = text.replace("lr_mult: 1 ", "lr_mult: 1e-320 ", 1)
    assert "1e-320" in text
    path.write_text(text, encoding="utf-8")
    found = cnndsl.import_network(path, sizes={"": (1, 28, 28)})
    assert any("the recipe has no `value 1e-320`" in note for note in found.notes)


@pytest.mark.parametrize("number", [1e38, float("inf"), float("nan"), -1.0])
def test_an_attribute_of_onnx_that_no_layer_has_is_refused(number: float, tmp_path: Path) -> None:
    ports = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 8, 8]),
        helper.make_tensor_value_info("y", TensorProto.FLOAT, None),
    ]
    ones = numpy_helper.from_array(numpy.ones(3, numpy.float32), "one")
    reads = ["x", "one", "one", "one", "one"]
    node = helper.make_node("BatchNormalization", reads, ["y"], name="bn", epsilon=number)
    graph = helper.make_graph([node], "g", ports[:1], ports[1:], [ones])
    path = tmp_path / "m.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    if number == 1e38:
        assert "eps 1e+38" in cnndsl.import_network(path).text
        return
    with pytest.raises(UserError) as found:
        cnndsl.import_network(path)
    assert found.value.code == "CNN669"
    assert "node `bn`" in found.value.notes[0]


@pytest.mark.parametrize("name", ["none.json", "none.prototxt"])
def test_a_model_without_layers_is_said_to_have_none(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    prototxt = 'name: "n" input: "data" input_shape { dim: 1 dim: 3 dim: 8 dim: 8 }'
    path.write_text(keras() if name.endswith("json") else prototxt, encoding="utf-8")
    with pytest.raises(UserError) as found:
        cnndsl.import_network(path)
    assert found.value.message == f"`{path}` has no layers: it gives what it is given"


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("number", EXTREMES)
def test_no_extreme_number_is_taken_for_a_fault_of_ours(
    name: str, number: str, tmp_path: Path
) -> None:
    """About eight numbers of each file in turn."""
    if name.endswith(("json", "keras")):
        number = {"inf": "Infinity", "nan": "NaN"}.get(number, number)
    for file, text in TEXTS.items():
        (tmp_path / file).write_text(text, encoding="utf-8")
    text = TEXTS[name]
    places = list(re.finditer(r"(?<![\w.])-?\d+\.?\d*(?![\w.])", text))
    for place in places[:: max(1, len(places) // 8)]:
        (tmp_path / name).write_text(text[: place.start()] + number + text[place.end() :])
        sizes = {"": (1, 28, 28)} if "lenet" in name else None
        code = ""
        with suppress(CompileError):
            try:
                cnndsl.import_network(tmp_path / name, sizes=sizes)
            except UserError as error:
                code = error.code
        assert code != "CNN671", place
