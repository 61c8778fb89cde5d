"""Where a file says how its layers are connected, they are paired by that, in whatever order."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy
import onnx
import pytest
from click.testing import CliRunner, Result
from foreign_weights import drawn
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

import cnndsl
from cnndsl.cli import main
from cnndsl.importers.weights.connections import connected
from cnndsl.importers.weights.source import Role, SourceLayer, SourceTensor
from cnndsl.importers.weights.targets import TargetLayer, TargetTensor


def run(*words: object) -> Result:
    return CliRunner().invoke(main, ["weights", *map(str, words)])


def theirs(name: str, place: int, before: int | None, size: int) -> SourceLayer:
    kernel = SourceTensor(f"{name}.w", Role.KERNEL, (size, 1), "float32", lambda: drawn(size, 1))
    return SourceLayer(name, "", (kernel,), place=place, before=before)


def ours(name: str, place: int, before: int, size: int) -> TargetLayer:
    kernel = TargetTensor(f"{name}.weight", Role.KERNEL, (1, size))
    return TargetLayer(name, "dense", (kernel,), place=place, before=before)


@st.composite
def graphs(draw: st.DrawFn) -> list[tuple[int, int]]:
    """Layers as their sizes and all that they depend on, as bits; each behind those."""
    layers: list[tuple[int, int]] = []
    for at in range(draw(st.integers(1, 9))):
        before = 0
        for one in range(at):
            if draw(st.booleans()):
                before |= layers[one][1] | 1 << one
        layers.append((draw(st.integers(1, 2)), before))
    return layers


@given(graph=graphs(), data=st.data())
def test_pairs_are_those_of_one_graph_in_any_order(
    graph: list[tuple[int, int]], data: st.DataObject
) -> None:
    numbers = range(len(graph))
    order = data.draw(st.permutations(numbers))
    place = {one: at for at, one in enumerate(order)}
    sources = [
        theirs(str(one), at, sum(1 << place[x] for x in numbers if graph[one][1] >> x & 1), size)
        for at, one in enumerate(order)
        for size in (graph[one][0],)
    ]
    targets = [ours(str(at), at, before, size) for at, (size, before) in enumerate(graph)]
    found = connected(sources, targets)
    if found is not None:
        assert [(one.name, other.name) for one, other in found] == [
            (str(n), str(n)) for n in numbers
        ]
    elif len(graph) > 1:
        # Only where two layers are alike.
        kinds = [(size, before) for size, before in graph]
        behind = [[x for x in numbers if graph[x][1] >> one & 1] for one in numbers]
        looks = {
            (kind[0], kind[1].bit_count(), len(rest))
            for kind, rest in zip(kinds, behind, strict=True)
        }
        assert len(looks) < len(graph)


def test_without_connections_or_with_others_there_are_no_pairs() -> None:
    targets = [ours("a", 0, 0, 3), ours("b", 1, 1, 3)]
    assert connected([theirs("a", 0, None, 3), theirs("b", 1, None, 3)], targets) is None
    assert connected([theirs("a", 0, 0, 3), theirs("b", 1, 0, 3)], targets) is None
    assert connected([theirs("a", 0, 0, 3)], targets) is None
    assert connected([theirs("a", 0, 0, 3), theirs("b", 1, 1, 4)], targets) is None
    assert connected([theirs("a", 0, 0, 3), theirs("b", 1, 1, 3)], targets) is not None


RESIDUAL = """\
input 3x12x12
a: conv 4@1 bias no -> batchnorm eps 1e-3 -> relu
add(
  conv 4@1 bias no -> batchnorm eps 1e-3 -> relu -> conv 4@1 bias no -> batchnorm eps 1e-3,
  conv 4@1 bias no -> batchnorm eps 1e-3
) -> relu
add(identity, conv 4@1 bias no -> batchnorm eps 1e-3) -> relu
globalavgpool -> dense 5 -> softmax
"""


@pytest.mark.parametrize("name", ["net.keras", "net.h5"])
@pytest.mark.parametrize("nested", [False, True])
def test_branches_of_keras_are_told_apart_by_what_they_read(
    nested: bool, name: str, tmp_path: Path
) -> None:
    os.environ.setdefault("KERAS_BACKEND", "torch")
    pytest.importorskip("h5py")
    keras: Any = pytest.importorskip("keras")
    layers = keras.layers

    def normal(x: Any, act: bool = True) -> Any:
        x = layers.BatchNormalization(epsilon=1e-3)(layers.Conv2D(4, 1)(x))
        return layers.ReLU()(x) if act else x

    def block(x: Any) -> Any:
        shortcut = normal(x, act=False)  # before the other branch, unlike in the spec
        return layers.ReLU()(layers.Add()([shortcut, normal(normal(x), act=False)]))

    entry = keras.Input((12, 12, 3))
    x = normal(entry)
    if nested:
        inner = keras.Input((12, 12, 4))
        x = keras.Model(inner, block(inner), name="inside")(x)
    else:
        x = block(x)
    x = layers.ReLU()(layers.Add()([x, normal(x, act=False)]))
    x = layers.Dense(5, activation="softmax")(layers.GlobalAveragePooling2D()(x))
    model = keras.Model(entry, x)
    for at, one in enumerate(model.weights):
        value = drawn(*one.shape, seed=at)
        one.assign(numpy.abs(value) + 0.5 if "variance" in one.path else value)
    model.compile()
    model.save(tmp_path / name)
    spec, target = tmp_path / "net.cnn", tmp_path / "w.safetensors"
    spec.write_text(RESIDUAL, encoding="utf-8")
    result = run(spec, tmp_path / name, "-o", target)
    assert result.exit_code == 0, result.output
    assert "paired by: connections and shape" in result.stdout
    x = numpy.random.default_rng(1).standard_normal((2, 12, 12, 3)).astype(numpy.float32)
    expected = keras.ops.convert_to_numpy(model(x))
    found = cnndsl.load(spec).compile(weights=target, device="cpu").run(x.transpose(0, 3, 1, 2))
    numpy.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)


def test_nodes_of_onnx_may_stand_in_any_order(tmp_path: Path) -> None:
    # Both branches are alike but for what is behind one of them; the file has the other first.
    arrays = {
        "p": drawn(3, 3, 1, 1),
        "q": drawn(3, 3, 1, 1, seed=1),
        "r": drawn(3, 3, 1, 1, seed=2),
    }
    nodes = [
        helper.make_node("Conv", ["x", "p"], ["one"]),
        helper.make_node("Conv", ["x", "q"], ["two"]),
        helper.make_node("Conv", ["two", "r"], ["three"]),
        helper.make_node("Add", ["one", "three"], ["y"]),
    ]
    ports = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 3, 5, 5]) for name in "xy"
    ]
    tensors = [numpy_helper.from_array(one, name) for name, one in arrays.items()]
    model = helper.make_model(helper.make_graph(nodes, "g", ports[:1], ports[1:], tensors))
    model.ir_version = 8
    model.opset_import[0].version = 17
    onnx.save(model, tmp_path / "net.onnx")
    spec = tmp_path / "net.cnn"
    spec.write_text(
        "input 3x5x5\n"
        "add(first: conv 3@1 bias no -> second: conv 3@1 bias no, short: conv 3@1 bias no)\n",
        encoding="utf-8",
    )
    result = run(spec, tmp_path / "net.onnx", "-o", tmp_path / "w.safetensors")
    assert result.exit_code == 0, result.output
    assert "paired by: connections and shape" in result.stdout
    assert "proved: both answer alike" in result.stdout
    pairs = [(line.split()[0], line.split()[-1]) for line in result.stdout.splitlines()[:3]]
    assert pairs == [("q", "first.weight"), ("r", "second.weight"), ("p", "short.weight")]
