"""A compiled file is standard ONNX, carries its manifest, and is read without its weights."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable
from pathlib import Path

import numpy
import onnx
import pytest
from compiling import compile_network
from onnx import numpy_helper

from cnndsl.diagnostics.model import UserError
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.graph.artifact import Artifact, Manifest, read_artifact
from cnndsl.graph.protobuf import header
from cnndsl.layers.activation import Relu
from cnndsl.recipe.preparation import Preparation

SPEC = 'network lenet5\ninput 1x32x32\nclasses "ä", "b\\"c"\n'


@pytest.fixture
def artifact(lenet: TypedNetwork) -> Artifact:
    return compile_network(lenet, text=SPEC, seed=7)


def refused(path: Path, *, verify: bool = True) -> UserError:
    with pytest.raises(UserError) as caught:
        read_artifact(path, verify=verify)
    assert caught.value.code == "CNN604"
    assert str(path) in caught.value.message
    return caught.value


def test_the_file_is_the_onnx_packages_own_reading_of_it(
    tmp_path: Path, artifact: Artifact
) -> None:
    path = tmp_path / "m.onnx"
    assert artifact.write(path) == path.stat().st_size
    assert path.read_bytes() == artifact.to_bytes()
    model = onnx.load(path)
    assert model == artifact.to_proto()
    read = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    assert list(read) == list(artifact.weights)
    for name, array in read.items():
        assert numpy.array_equal(array, artifact.weights[name])
    del model.graph.initializer[:]
    assert model.metadata_props.pop().key == "cnndsl.sha256"
    assert model == artifact.graph_only


def test_the_manifest_comes_back_from_the_file(tmp_path: Path, artifact: Artifact) -> None:
    artifact.write(tmp_path / "m.onnx")
    manifest = read_artifact(tmp_path / "m.onnx")
    assert manifest == artifact.manifest
    assert manifest.spec == SPEC
    assert manifest.intact
    assert manifest.network == "lenet5"
    assert manifest.classes == tuple("0123456789")
    assert manifest.parameters == {"classes": "10", "wide": "no"}
    assert manifest.preparation == {"input": Preparation(scale=0.5)}
    assert manifest.learnable == 61706
    assert manifest.seed == 7
    assert manifest.value_of("softmax1") == "output"
    assert manifest.value_of("C1") == "C1"


def test_a_changed_spec_is_noticed(artifact: Artifact) -> None:
    assert not dataclasses.replace(artifact.manifest, spec=SPEC + " ").intact


def test_a_network_without_weights_is_a_model_too(
    tmp_path: Path, build: Callable[..., TypedNetwork]
) -> None:
    artifact = compile_network(build(("relu1", Relu())), text="")
    artifact.write(tmp_path / "m.onnx")
    onnx.checker.check_model(onnx.load(tmp_path / "m.onnx"), full_check=True)
    assert read_artifact(tmp_path / "m.onnx").spec == ""


def test_the_graph_is_not_read_for_the_manifest(tmp_path: Path, artifact: Artifact) -> None:
    rest = onnx.ModelProto()
    rest.CopyFrom(artifact.graph_only)
    rest.ClearField("graph")
    garbage = b"\xff" * 1000
    path = tmp_path / "m.onnx"
    path.write_bytes(header(7, len(garbage)) + garbage + rest.SerializeToString())
    assert read_artifact(path, verify=False) == artifact.manifest


def test_a_file_that_cannot_be_opened_is_named_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "none.onnx"
    assert refused(path).message == f"`{path}` cannot be read: no such file or directory"
    assert refused(tmp_path).message == f"`{tmp_path}` cannot be read: is a directory"


@pytest.mark.parametrize(
    "content", [b"network x\ninput 1x2x3\n", b"\x89PNG\r\n\x1a\n", b"\x0b\x0c"]
)
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    assert refused(path).message == f"`{path}` is not an ONNX model"


def test_a_foreign_model_is_refused(tmp_path: Path, artifact: Artifact) -> None:
    model = artifact.to_proto()
    model.ClearField("metadata_props")
    path = tmp_path / "m.onnx"
    for content in (model.SerializeToString(), b""):
        path.write_bytes(content)
        assert refused(path).message == f"`{path}` was not compiled by cnndsl: it carries no spec"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("cnndsl.classes", "[1,"),
        ("cnndsl.classes", "7"),
        ("cnndsl.classes", '"abc"'),
        ("cnndsl.classes", "[" * 100_000),
        ("cnndsl.parameters", "[1]"),
        ("cnndsl.preparation", '{"input": {"scale": -1}}'),
        ("cnndsl.preparation", '{"input": 3}'),
        ("cnndsl.preparation", "[[[]]]"),
        ("cnndsl.layers", '"a"'),
        ("cnndsl.learnable", "many"),
        ("cnndsl.version", None),
    ],
)
def test_a_damaged_manifest_is_refused(
    tmp_path: Path, artifact: Artifact, key: str, value: str | None
) -> None:
    properties = artifact.manifest.properties()
    assert Manifest.from_properties(properties) == artifact.manifest
    del properties[key]
    if value is not None:
        properties[key] = value
    model = onnx.ModelProto()
    for name, text in properties.items():
        model.metadata_props.add(key=name, value=text)
    path = tmp_path / "m.onnx"
    path.write_bytes(model.SerializeToString())
    assert "carries a damaged manifest" in refused(path, verify=False).message


def test_a_cut_or_mutated_file_is_refused_or_read_but_never_crashes(
    tmp_path: Path, artifact: Artifact
) -> None:
    whole = dataclasses.replace(artifact, weights={}).to_bytes()
    path = tmp_path / "m.onnx"
    path.write_bytes(whole[: len(whole) // 2])
    refused(path)
    draw = random.Random(0)
    outcomes = set()
    for _ in range(500):
        content = bytearray(whole[: draw.choice([len(whole), draw.randrange(len(whole))])])
        for _ in range(draw.randrange(4)):
            content[draw.randrange(len(content))] = draw.randrange(256)
        path.write_bytes(content)
        try:
            read_artifact(path)
            outcomes.add("read")
        except UserError as error:
            outcomes.add(error.code)
    assert outcomes == {"read", "CNN604", "CNN607"}


def test_a_head_that_is_too_large_is_not_loaded(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    with open(path, "wb") as file:
        file.write(header(14, 2**30))
        file.truncate(file.tell() + 2**30)
    assert "is not an ONNX model" in refused(path).message
