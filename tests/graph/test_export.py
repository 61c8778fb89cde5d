"""A finished model: checked, the same every time, and computed alike by two runtimes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy
import onnx
import onnxruntime
import pytest
from compiling import compile_network
from onnx.reference import ReferenceEvaluator

from cnndsl.diagnostics.model import UserError
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.graph.artifact import Artifact
from cnndsl.graph.export import self_check
from cnndsl.graph.initializers import initialise
from cnndsl.graph.starting_weights import LARGEST
from cnndsl.graph.weights import Array, write_weights
from cnndsl.layers.base import Init
from cnndsl.layers.dense import Dense
from cnndsl.recipe.recipe import Recipe


def answers(artifact: Artifact, x: Array) -> tuple[list[Array], list[Array]]:
    """What ONNX Runtime and the ONNX package's reference give for a batch."""
    session = onnxruntime.InferenceSession(artifact.to_bytes(), providers=["CPUExecutionProvider"])
    reference = ReferenceEvaluator(artifact.to_proto())
    feed = {session.get_inputs()[0].name: x}
    return list(session.run(None, feed)), list(reference.run(None, feed))


@pytest.mark.parametrize("opset", [18, 19, 20, 21])
def test_onnx_runtime_agrees_with_the_reference(
    lenet: TypedNetwork, residual: TypedNetwork, opset: int
) -> None:
    draw = numpy.random.default_rng(0)
    for typed in (lenet, residual):
        artifact = compile_network(typed, text="", opset=opset)
        x = draw.standard_normal((3, *typed.types[0].dims), numpy.float32)
        fast, reference = answers(artifact, x)
        assert len(fast) == len(typed.network.outputs)
        for one, other, position in zip(
            fast, reference, typed.network.outputs.values(), strict=True
        ):
            assert one.shape == (3, *typed.types[position].dims)
            numpy.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_a_fixed_batch_is_in_the_model(lenet: TypedNetwork) -> None:
    artifact = compile_network(lenet, text="", batch=2)
    (value,) = artifact.graph_only.graph.input
    assert [dim.dim_value for dim in value.type.tensor_type.shape.dim] == [2, 1, 32, 32]
    fast, _ = answers(artifact, numpy.zeros((2, 1, 32, 32), numpy.float32))
    assert fast[0].shape == (2, 10)


def test_the_model_passes_the_full_check_and_strict_inference(
    lenet: TypedNetwork, residual: TypedNetwork
) -> None:
    for typed in (lenet, residual):
        model = compile_network(typed, text="").to_proto()
        onnx.checker.check_model(model, full_check=True)
        onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
        assert model.ir_version == 8
        assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 18)]
        assert all(node.doc_string for node in model.graph.node)


def test_the_self_check_finds_a_wrong_type(lenet: TypedNetwork) -> None:
    model = compile_network(lenet, text="").to_proto()
    model.graph.value_info[0].type.tensor_type.shape.dim[1].dim_value = 7
    with pytest.raises(onnx.shape_inference.InferenceError):
        self_check(model)


PROGRAM = """
import hashlib, runpy, sys
builders = runpy.run_path(sys.argv[1])
from compiling import compile_network
for name in ("lenet", "residual"):
    typed = builders[name].__wrapped__()
    data = compile_network(typed, text="x", seed=3).to_bytes()
    print(name, hashlib.sha256(data).hexdigest())
from cnndsl import pipeline
data = pipeline.compile(pipeline.load("googlenet")).to_bytes()
print("googlenet", hashlib.sha256(data).hexdigest())
"""


def test_two_processes_give_the_same_bytes() -> None:
    printed = []
    for seed in ("1", "2"):
        environment = {
            **os.environ,
            "PYTHONHASHSEED": seed,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        }
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(Path(__file__).with_name("conftest.py"))],
            capture_output=True,
            text=True,
            check=True,
            env=environment,
        )
        printed.append(done.stdout)
    assert printed[0] == printed[1]
    assert len(printed[0].splitlines()) == 3


def test_the_seed_changes_the_bytes_and_is_kept(lenet: TypedNetwork) -> None:
    one, other = (compile_network(lenet, text="", seed=seed) for seed in (0, 1))
    assert one.to_bytes() != other.to_bytes()
    assert (one.manifest.seed, other.manifest.seed) == (0, 1)


def test_the_recipe_says_how_weights_begin_unless_a_seed_is_given(
    build: Callable[..., TypedNetwork],
) -> None:
    recipe = Recipe(seed=5, init=Init("constant", 0.5))
    typed = build(("dense1", Dense(units=3)), dims=(2,), recipe=recipe)
    artifact = compile_network(typed, text="")
    assert artifact.manifest.seed == 5
    assert numpy.all(artifact.weights["dense1.weight"] == 0.5)
    assert compile_network(typed, text="", seed=6).manifest.seed == 6


def test_weights_come_from_a_file(tmp_path: Path, lenet: TypedNetwork) -> None:
    path = tmp_path / "w.safetensors"
    weights = initialise(lenet, 99, Init("lecun"))
    write_weights(path, weights, {})
    artifact = compile_network(lenet, text="", weights_path=path)
    assert artifact.manifest.seed is None
    assert numpy.array_equal(artifact.weights["C5.weight"], weights["C5.weight"])
    weights["C1.bias"][0] = numpy.nan
    write_weights(path, weights, {})
    with pytest.raises(UserError, match=r"the weight `C1\.bias` in .* are not finite"):
        compile_network(lenet, text="", weights_path=path)


def test_a_network_too_large_for_one_file_is_refused_before_it_costs_memory(
    build: Callable[..., TypedNetwork],
) -> None:
    units = LARGEST // 4 // 1000 + 1
    typed = build(("dense1", Dense(units=units, bias=False)), dims=(1000,))
    with pytest.raises(UserError) as caught:
        compile_network(typed, text="")
    assert caught.value.code == "CNN606"
    assert "1.90 GB" in caught.value.message
