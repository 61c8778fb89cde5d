"""The test cases of ONNX, as specs: one for each operator, and those that PyTorch wrote.

What cannot be said in a spec is listed with the reason; the lists are held to what is the case.
"""

from __future__ import annotations

import re
import warnings
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy
import onnx
import pytest
from onnx import numpy_helper
from onnx.backend.test.loader import load_model_tests
from oracle import TOLERANCE, Array, compiled, relative_error
from translation import OPERATORS, Untranslatable, translate

import cnndsl
from cnndsl import layers

DATA = Path(onnx.__file__).parent / "backend" / "test" / "data"
STORED = sorted(
    path for kind in ("pytorch-converted", "pytorch-operator") for path in (DATA / kind).iterdir()
)

HELPERS = {"Pad", "Reshape", "Unsqueeze"}
"""Operators that layers emit for their own ends, so that no case is about a layer."""

NODES = sorted(OPERATORS.keys() - {"MatMul", "Transpose"})

NOT_EXPRESSIBLE: dict[str, str] = {}
"""Cases that no spec says the same as, by the reason."""


LISTED = {name: reason for reason, names in NOT_EXPRESSIBLE.items() for name in names.split()}


def why_not(model: onnx.ModelProto, arrays: Mapping[str, Array], expected: Array, folder: Path) -> str:
    """Compile a case as a spec and compare; or the reason why there is no such spec."""
    try:
        translation = translate(model, arrays)
    except Untranslatable as reason:
        return str(reason)
    network = cnndsl.parse(translation.text)
    found = compiled(network, translation.weights, folder).run(*translation.inputs)
    # A global pool gives a vector, ONNX's keeps dimensions of size 1.
    assert relative_error(found.reshape(expected.shape), expected) < TOLERANCE, translation.text
    return ""


@pytest.fixture(scope="session")
def node_cases() -> Mapping[str, list[Any]]:
    """The cases of single operators, by the operator; making them takes seconds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cases = load_model_tests(kind="node")
    found = defaultdict(list)
    for case in cases:
        # An operator that is a function has its cases a second time, expanded into others.
        if len(case.model.graph.node) == 1 and not case.name.endswith("_expanded"):
            found[case.model.graph.node[0].op_type].append(case)
    return found


def as_array(value: object) -> Array:
    """The numbers of an input or output; those that are no tensor are no float32 either."""
    if isinstance(value, onnx.TensorProto):
        return numpy_helper.to_array(value)
    return value if isinstance(value, numpy.ndarray) else numpy.empty(0, object)


@pytest.mark.parametrize("operator", NODES)
def test_the_cases_of_an_operator(
    operator: str, node_cases: Mapping[str, list[Any]], tmp_path: Path
) -> None:
    refused = {}
    for case in node_cases[operator]:
        ((inputs, (expected, *_)),) = case.data_sets
        names = [name for name in case.model.graph.node[0].input if name]
        arrays = {name: as_array(one) for name, one in zip(names, inputs, strict=True)}
        if reason := why_not(case.model, arrays, as_array(expected), tmp_path):
            refused[case.name] = reason
    names = {case.name for case in node_cases[operator]}
    assert refused == {name: why for name, why in LISTED.items() if name in names}
    assert len(refused) < len(names)


def read(path: Path) -> Array:
    tensor = onnx.TensorProto()
    tensor.ParseFromString(path.read_bytes())
    return numpy_helper.to_array(tensor)


@pytest.mark.parametrize("folder", STORED, ids=lambda folder: folder.name)
def test_a_case_that_pytorch_wrote(folder: Path, tmp_path: Path) -> None:
    model, data = onnx.load(folder / "model.onnx"), folder / "test_data_set_0"
    arrays = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    inputs = [one.name for one in model.graph.input if one.name not in arrays]
    arrays |= {name: read(data / f"input_{at}.pb") for at, name in enumerate(inputs)}
    reason = why_not(model, arrays, read(data / "output_0.pb"), tmp_path)
    assert reason == LISTED.get(folder.name, "")


def test_the_list_names_no_case_that_is_gone(node_cases: Mapping[str, list[Any]]) -> None:
    names = {case.name for cases in node_cases.values() for case in cases}
    assert LISTED.keys() <= names | {folder.name for folder in STORED}


def test_every_operator_of_a_layer_has_cases() -> None:
    sources = Path(layers.__file__).parent.glob("*.py")
    emitted = {
        name for one in sources for name in re.findall(r'emit\.op\(\s*"(\w+)"', one.read_text())
    }
    assert emitted - HELPERS <= set(NODES)
    assert "Conv" in emitted
