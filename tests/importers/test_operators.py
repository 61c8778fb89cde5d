"""Each operator of ONNX is said as layers that give what its own examples give, or refused.

The examples are those of the ``onnx`` package: a model of one node, inputs and outputs.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import onnx
import onnx.backend.test.case.node as examples
import onnxruntime
import pytest

import cnndsl
from cnndsl.diagnostics.model import UserError

for module in pkgutil.iter_modules(examples.__path__):
    importlib.import_module(f"{examples.__name__}.{module.name}")


def cases() -> Iterator[Any]:
    """The examples of arrays, each once."""
    for case in examples.collect_testcases(None):
        if case.model is None or not case.data_sets:
            continue
        arrays = (*case.data_sets[0][0], *case.data_sets[0][1])
        tensors = all(one.type.HasField("tensor_type") for one in case.model.graph.input)
        if tensors and all(isinstance(one, numpy.ndarray) for one in arrays):
            yield case


def variants(case: Any) -> Iterator[tuple[onnx.ModelProto, dict[str, Any]]]:
    """The model as it is, and with all its inputs but the first as weights."""
    inputs = dict(
        zip([one.name for one in case.model.graph.input], case.data_sets[0][0], strict=True)
    )
    yield case.model, inputs
    first, *others = inputs
    if others:
        model = onnx.ModelProto()
        model.CopyFrom(case.model)
        model.graph.initializer.extend(
            onnx.numpy_helper.from_array(inputs[name], name) for name in others
        )
        kept = [one for one in model.graph.input if one.name == first]
        del model.graph.input[:]
        model.graph.input.extend(kept)
        yield model, {first: inputs[first]}


def tried(model: onnx.ModelProto, inputs: dict[str, Any], outputs: Any, folder: Path) -> bool:
    """Whether a model is said; if so it must give these outputs."""
    onnx.save(model, folder / "one.onnx")
    try:
        found = cnndsl.import_network(folder / "one.onnx")
    except UserError as error:
        if "is not what it should be" in error.message:
            raise
        return False
    spec, weights = found.save(folder / "one.cnn")
    cnndsl.load(spec).compile(weights, device="cpu").save(folder / "own.onnx")
    session = onnxruntime.InferenceSession(str(folder / "own.onnx"))
    given = {
        port.name: array.astype(numpy.float32 if "float" in port.type else numpy.int64)
        for port, array in zip(session.get_inputs(), inputs.values(), strict=True)
    }
    for one, other in zip(session.run(None, given), outputs, strict=False):
        numpy.testing.assert_allclose(
            one.reshape(other.shape), other.astype(numpy.float32), rtol=1e-3, atol=1e-4
        )
    return True


FAMILIES = (
    "conv", "pool", "batchnorm", "leakyrelu", "softmax", "resize", "concat", "reshape", "transpose",
    "gemm", "add", "mul", "hardswish", "split", "pad", "instancenorm",
    "slice", "div", "lrn", "flatten",
)  # fmt: skip
"""Words of the names of examples; one of each at least is said."""


@pytest.mark.parametrize("family", FAMILIES)
def test_examples_of_operators_are_said_right_or_refused(family: str, tmp_path: Path) -> None:
    said = 0
    for case in cases():
        if family in case.name:
            for model, inputs in variants(case):
                said += tried(model, inputs, case.data_sets[0][1], tmp_path)
    assert said > 0


def test_a_mask_of_infinities_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    mask = numpy.zeros((4, 1, 1), numpy.float32)
    mask[1] = -numpy.inf
    helper = onnx.helper
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "mask"], ["y"])],
        "masked",
        [helper.make_tensor_value_info("x", 1, [1, 4, 8, 8])],
        [helper.make_tensor_value_info("y", 1, [1, 4, 8, 8])],
        [onnx.numpy_helper.from_array(mask, "mask")],
    )
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 20)])
    onnx.save(model, tmp_path / "masked.onnx")
    with pytest.raises(UserError, match="holds numbers that are not finite") as refused:
        cnndsl.import_network(tmp_path / "masked.onnx")
    assert refused.value.code == "CNN601"
