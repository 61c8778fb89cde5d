"""Files that random changes have damaged: an error that names what is wrong, never another."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy
import onnx
import pytest
from documents import ROOT, fences
from imported_models import bare
from onnx import TensorProto, helper, numpy_helper

import cnndsl
from cnndsl import pipeline
from cnndsl.diagnostics.compile_error import CompileError
from cnndsl.diagnostics.model import UserError

PAGE = ROOT / "docs" / "bringing-networks.md"
TEXTS = {one.file: one.text for one in fences(PAGE) if one.file}

MODEL = """
input 3x12x12
repeat 2 { conv 4@3 -> batchnorm -> relu }
add(conv 4@1, identity)
lrn 3
globalavgpool -> dense 3 -> softmax
"""

NUMBERS = ("0", "-1", "2", "99999999999", "1e30", "0.5", "nan", "null", "[]", "{", "true")


def changed(data: bytes, chance: random.Random, *, text: bool) -> bytes:
    """The same file with a byte, a number or a word in another's place, or a part missing."""
    found = bytearray(data)
    for _ in range(chance.choice([1, 1, 2, 4])):
        at = chance.randrange(len(found))
        kind = chance.randrange(5)
        if kind == 0:
            found[at] = chance.randrange(256)
        elif kind == 1:
            del found[at : at + chance.choice([1, 5, 40])]
        elif kind == 2:
            other = chance.randrange(len(found))
            found[at:at] = found[other : other + chance.choice([1, 5, 40])]
        elif text:
            pattern = rb"-?\d+(\.\d+)?" if kind == 3 else rb"[A-Za-z_]{3,}"
            words = [*re.finditer(pattern, bytes(found))]
            one, other_word = chance.choice(words), chance.choice(words)
            new = chance.choice(NUMBERS).encode() if kind == 3 else other_word.group()
            found[one.start() : one.end()] = new
        else:
            found[at] ^= 1 << chance.randrange(8)
    return bytes(found)


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("name", [*TEXTS, "own.onnx"])
def test_a_damaged_file_is_read_or_refused(name: str, seed: int, tmp_path: Path) -> None:
    for file, text in TEXTS.items():
        (tmp_path / file).write_text(text, encoding="utf-8")
    if name.endswith(".onnx"):
        data = bare(pipeline.compile(cnndsl.parse(MODEL).typed)).SerializeToString()
    else:
        data = TEXTS[name].encode()
    chance = random.Random(f"{name} {seed}")
    (tmp_path / name).write_bytes(changed(data, chance, text=not name.endswith(".onnx")))
    with suppress(UserError, CompileError):
        cnndsl.import_network(
            tmp_path / name,
            sizes={"": (1, 28, 28)} if "lenet" in name else None,
            partial=chance.random() < 0.5,
        )


# --- each kind that random changes have found -----------------------------------------------------


def model() -> onnx.ModelProto:
    ports = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 8, 8]),
        helper.make_tensor_value_info("y", TensorProto.FLOAT, None),
    ]
    weight = numpy_helper.from_array(numpy.ones((4, 3, 3, 3), numpy.float32), "w")
    node = helper.make_node("Conv", ["x", "w"], ["y"], name="first", pads=[1, 1, 1, 1])
    graph = helper.make_graph([node], "one", ports[:1], ports[1:], [weight])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


def without_text(one: onnx.ModelProto) -> bytes:
    return bytes(one.SerializeToString()).replace(b"first", b"fi\xffst")


def of_another_type(one: onnx.ModelProto) -> bytes:
    del one.graph.node[0].attribute[:]
    one.graph.node[0].attribute.append(helper.make_attribute("pads", 1.5))
    return bytes(one.SerializeToString())


def without_inputs(one: onnx.ModelProto) -> bytes:
    del one.graph.node[0].input[:]
    return bytes(one.SerializeToString())


def of_no_type(one: onnx.ModelProto) -> bytes:
    one.graph.input[0].type.tensor_type.elem_type = 99
    return bytes(one.SerializeToString())


def with_too_few_numbers(one: onnx.ModelProto) -> bytes:
    one.graph.initializer[0].raw_data = bytes(8)
    return bytes(one.SerializeToString())


ILL: list[tuple[Callable[[onnx.ModelProto], bytes], str]] = [
    (without_text, "a name in it is no text"),
    (of_another_type, "the attribute `pads` of node `first` is of another type than Conv's"),
    (without_inputs, "node `first` lacks inputs or outputs that Conv has"),
    (of_no_type, "it has numbers of type 99, which ONNX has none of"),
    (with_too_few_numbers, "the numbers of `w` are damaged"),
]


@pytest.mark.parametrize(("damage", "why"), ILL)
def test_a_model_that_is_none_is_said_to_be_so(
    damage: Callable[[onnx.ModelProto], bytes], why: str, tmp_path: Path
) -> None:
    path = tmp_path / "ill.onnx"
    path.write_bytes(damage(model()))
    with pytest.raises(UserError) as refused:
        cnndsl.import_network(path)
    assert refused.value.code == "CNN665"
    assert why in refused.value.message


def test_a_stride_of_nothing_is_refused(tmp_path: Path) -> None:
    text = TEXTS["small.cfg"].replace("[maxpool]\nsize=2\nstride=2", "[maxpool]\nsize=2\nstride=0")
    (tmp_path / "small.cfg").write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as refused:
        cnndsl.import_network(tmp_path / "small.cfg")
    assert refused.value.code == "CNN669"
    assert "`stride" in refused.value.notes[0]


def test_a_loss_of_labels_is_refused(tmp_path: Path) -> None:
    text = TEXTS["lenet_train_test.prototxt"].replace(
        'name: "loss" type: "SoftmaxWithLoss" bottom: "ip1"',
        'name: "loss" type: "SoftmaxWithLoss" bottom: "label"',
    )
    (tmp_path / "net.prototxt").write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as refused:
        cnndsl.import_network(tmp_path / "net.prototxt", sizes={"": (1, 28, 28)})
    assert "it computes with labels" in refused.value.notes[0]


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('"axis": [3]', '"axis": [[3]]', "a whole number, or a list of them"),
        ('"scale": 0.00392156862745098', '"scale": [1, 2]', "it has 2 numbers for 1 channel"),
        ('"scale": 0.00392156862745098', '"scale": [0, 2]', "it has 2 numbers for 1 channel"),
    ],
)
def test_settings_of_keras_that_are_none_are_refused(
    old: str, new: str, why: str, tmp_path: Path
) -> None:
    (tmp_path / "model.json").write_text(TEXTS["model.json"].replace(old, new), encoding="utf-8")
    with pytest.raises(UserError) as refused:
        cnndsl.import_network(tmp_path / "model.json")
    assert why in f"{refused.value.message} {refused.value.notes}"


@pytest.mark.parametrize(
    ("name", "data", "help"),
    [
        ("m.keras", b"\x98\x01\x02", "write it by `model.save('model.keras')`"),
        ("m.keras", b"", "write it by `model.save('model.keras')`"),
        ("m.onnx", b"\x98\x01\x02", "give a model as `onnx.save` and the exporters"),
        ("m.cfg", b"\x98\x01\x02", "give the text, not a binary form of it"),
        ("gone.onnx", None, "look whether the file is there"),
        ("gone.keras", None, "look whether the file is there"),
        ("gone.prototxt", None, "look whether the file is there"),
    ],
)
def test_what_helps_is_said_for_each_format(
    name: str, data: bytes | None, help: str, tmp_path: Path
) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(UserError) as refused:
        cnndsl.import_network(tmp_path / name)
    assert refused.value.help.startswith(help)
