"""A compiled model that was damaged is refused before it answers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy
import onnx
import pytest
from click.testing import CliRunner, Result

import cnndsl
from cnndsl import pipeline
from cnndsl.cli import main
from cnndsl.diagnostics.model import UserError
from cnndsl.graph.artifact import Artifact, read_artifact
from cnndsl.graph.checksum import checksum_of, stored_checksum
from cnndsl.graph.onnx_weights import weights_of_model
from cnndsl.graph.protobuf import ProtobufError, header
from cnndsl.runtime.model import Model

SPEC = """network small
input 1x4x4 { scale 1/255 }
classes "no", "yes"
conv 1@3 -> relu -> flatten -> dense 2 -> softmax
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    network = pipeline.typed(pipeline.check_text(SPEC))
    pipeline.compile(network).write(tmp_path / "m.onnx")
    return tmp_path / "m.onnx"


def code_of(action: Callable[[], object]) -> str | None:
    try:
        action()
    except UserError as error:
        return error.code
    return None


def damages(content: bytes) -> Iterator[bytes]:
    """Every byte of a file in turn, with one bit changed, with all of them, and the file cut."""
    for at in range(len(content)):
        for mask in (1 << at % 8, 0xFF):
            yield content[:at] + bytes([content[at] ^ mask]) + content[at + 1 :]
        yield content[:at]


def test_no_damaged_byte_and_no_cut_goes_unnoticed(path: Path) -> None:
    for damaged in damages(path.read_bytes()):
        path.write_bytes(damaged)
        assert code_of(lambda: read_artifact(path)) in ("CNN604", "CNN607")


def test_every_way_to_a_model_notices_damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    at = content.index(numpy.float32(first_weight(path)).tobytes())
    content[at] ^= 1
    path.write_bytes(content)
    network = cnndsl.parse(SPEC)
    for action in (
        lambda: Model(path),
        lambda: cnndsl.load(path),
        lambda: weights_of_model(path, network._typed),
        lambda: network.evaluate("digits", path),
    ):
        assert code_of(action) == "CNN607"
    picture = path.with_name("a.npy")
    numpy.save(picture, numpy.zeros((4, 4), numpy.uint8))
    verbs: list[list[object]] = [
        ["run", path, picture, "--device", "cpu"],
        ["show", path],
        ["eval", path, "--data", "digits"],
    ]
    for verb in verbs:
        assert "error[CNN607]" in command(*verb).stderr
    for verb in verbs[:2]:
        assert command(*verb, "--no-verify").exit_code == 0
    assert Model(path, verify=False).run(numpy.zeros((4, 4), numpy.uint8)).shape == (2,)
    assert cnndsl.load(path, verify=False).name == "small"


def first_weight(path: Path) -> float:
    tensor = onnx.load(path).graph.initializer[0]
    return float(onnx.numpy_helper.to_array(tensor).flat[0])


def command(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_the_checksum_is_that_of_all_that_stands_before_it(path: Path) -> None:
    content = path.read_bytes()
    with open(path, "rb") as file:
        stored = stored_checksum(file)
        assert stored == checksum_of(file)
    entry = onnx.StringStringEntryProto(key="cnndsl.sha256", value=stored).SerializeToString()
    seal = header(14, len(entry)) + entry
    assert content.endswith(seal)
    assert hashlib.sha256(content[: -len(seal)]).hexdigest() == stored


def test_a_model_that_another_tool_loaded_and_saved_is_whole(path: Path) -> None:
    before = read_artifact(path)
    model = onnx.load(path)
    content = model.SerializeToString()
    graph = model.graph.SerializeToString()
    model.ClearField("graph")
    turned = header(7, len(graph)) + graph + model.SerializeToString()
    for resaved in (content, turned):
        path.write_bytes(resaved)
        assert read_artifact(path) == before


def test_a_model_that_was_changed_is_refused_whatever_it_was(path: Path) -> None:
    changes: list[Callable[[onnx.ModelProto], object]] = [
        lambda model: model.graph.node.reverse(),
        lambda model: model.graph.initializer.reverse(),
        lambda model: model.graph.node[0].attribute.reverse(),
        lambda model: setattr(model.metadata_props[0], "value", "9"),
        lambda model: model.metadata_props.pop(),
        lambda model: model.metadata_props.add(key="cnndsl.sha256", value="0" * 64),
        lambda model: setattr(model.graph.output[0], "name", "relu1"),
        lambda model: setattr(model, "ir_version", 9),
    ]
    content = path.read_bytes()
    for change in changes:
        path.write_bytes(content)
        model = onnx.load(path)
        change(model)
        onnx.save(model, path)
        assert code_of(lambda: read_artifact(path)) in ("CNN604", "CNN607")


def old_model(path: Path) -> None:
    """What cnndsl wrote before models had a checksum."""
    model = onnx.load(path)
    kept = [
        entry
        for entry in model.metadata_props
        if entry.key not in ("cnndsl.sha256", "cnndsl.format")
    ]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    onnx.save(model, path)


def test_a_model_without_a_checksum_is_read_and_said_to_have_none(path: Path) -> None:
    old_model(path)
    assert not read_artifact(path).has_checksum
    shown = command("show", path)
    assert shown.exit_code == 0
    assert shown.stderr.startswith(f"note: `{path}` was compiled by an older cnndsl")


def test_a_model_in_memory_needs_no_checksum() -> None:
    artifact: Artifact = pipeline.compile(pipeline.typed(pipeline.check_text(SPEC)))
    assert artifact.to_bytes().startswith(artifact.for_runtime())
    assert b"cnndsl.sha256" not in artifact.for_runtime()


def test_parts_in_no_order_take_no_memory(tmp_path: Path) -> None:
    content = (header(7, 0) + header(14, 0)) * 20_000
    path = tmp_path / "odd.onnx"
    path.write_bytes(content)
    with open(path, "rb") as file, pytest.raises(ProtobufError, match="no order"):
        checksum_of(file)
