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
from translation import NOT_FLOAT32, OPERATORS, Untranslatable, translate

import cnndsl
from cnndsl import layers

DATA = Path(onnx.__file__).parent / "backend" / "test" / "data"
STORED = sorted(
    path for kind in ("pytorch-converted", "pytorch-operator") for path in (DATA / kind).iterdir()
)

HELPERS = {"Abs", "Div", "Erf", "Gather", "Greater", "Neg", "Pad", "Pow", "ReduceMax", "ReduceSum"}
HELPERS |= {"MatMul", "Reshape", "Slice", "Sqrt", "Transpose", "Unsqueeze"}
HELPERS |= {"Cast", "Equal", "Floor", "GatherND", "IsNaN", "Or", "ReduceL2", "ReduceSumSquare"}
HELPERS |= {"ScatterElements", "Tile"}
"""Operators that layers emit for their own ends, so that no case is about a layer."""

TRAINING = {"Exp", "Less", "Log", "ReduceMean", "Sub", "Where"}
"""Operators that layers emit in training only, which is compared with PyTorch's as a whole."""

UNLIKE = {"HardSigmoid", "PRelu", "Selu"}
"""Operators whose cases have other numbers than layers have: PyTorch's below stand in for them."""

OF_PYTORCH = {"InstanceNormalization", "LayerNormalization", "Resize"}
"""Operators whose layers are held to PyTorch alone, over more settings."""

NODES = sorted(OPERATORS.keys() - UNLIKE - {"MatMul", "Transpose"})

NOT_EXPRESSIBLE = {
    "asks for more than one output": """
        test_batchnorm_epsilon_training_mode test_batchnorm_example_training_mode
        test_dropout_default_mask test_dropout_default_mask_ratio test_training_dropout_default_mask
        test_training_dropout_mask test_training_dropout_zero_ratio_mask
        test_maxpool_with_argmax_2d_precomputed_pads test_maxpool_with_argmax_2d_precomputed_strides
    """,
    "it trains": """
        test_training_dropout test_training_dropout_default test_training_dropout_zero_ratio
    """,
    "its inputs have different shapes": "test_add_bcast test_mul_bcast",
    "a join has two inputs or more": "test_max_one_input test_min_one_input test_sum_one_input",
    "clip has two bounds": """
        test_clip_default_inbounds test_clip_default_max test_clip_default_min
        test_clip_min_greater_than_max
    """,
    "layers join along the channels only": """
        test_concat_3d_axis_2 test_concat_3d_axis_negative_1
    """,
    "softmax is over the channels only": """
        test_softmax_axis_2 test_softmax_default_axis test_softmax_negative_axis
        test_softmax_functional_dim3 test_log_softmax_dim3
        test_logsoftmax_axis_2 test_logsoftmax_default_axis test_logsoftmax_negative_axis
    """,
    "flatten makes one vector of a sample": """
        test_flatten_axis2 test_flatten_axis3
        test_flatten_negative_axis1 test_flatten_negative_axis2
    """,
    "avgpool has no dilation": """
        test_averagepool_2d_dilations test_averagepool_3d_dilations_small
        test_averagepool_3d_dilations_large_count_include_pad_is_0_ceil_mode_is_False
        test_averagepool_3d_dilations_large_count_include_pad_is_0_ceil_mode_is_True
        test_averagepool_3d_dilations_large_count_include_pad_is_1_ceil_mode_is_False
        test_averagepool_3d_dilations_large_count_include_pad_is_1_ceil_mode_is_True
    """,
    "its bias differs from sample to sample": "test_gemm_default_matrix_bias",
    "no layer takes a transposed batch": "test_gemm_all_attributes test_gemm_transposeA",
    "its weights are computed": "test_operator_addmm",
    "nothing here translates Abs, Constant, Div": "test_Softsign",
    "nothing here translates Constant": "test_operator_addconstant test_operator_mm",
    "nothing here translates Constant, Exp, Sub": "test_PoissonNLLLLoss_no_reduce",
    "nothing here translates Constant, Reshape, Tile": "test_operator_repeat_dim_overflow",
    "nothing here translates Constant, Reshape, Transpose": "test_PixelShuffle",
    "nothing here translates Constant, Tile": "test_operator_repeat",
    "nothing here translates Exp": "test_operator_exp",
    "nothing here translates Gather": "test_Embedding test_Embedding_sparse",
    "nothing here translates InstanceNormalization": "test_operator_symbolic_override",
    "nothing here translates Neg": """
        test_Softmin test_operator_basic test_operator_params test_operator_symbolic_override_nested
    """,
    "nothing here translates Pad": """
        test_ConstantPad2d test_ReflectionPad2d test_ReplicationPad2d test_ZeroPad2d
        test_operator_pad
    """,
    "nothing here translates Pow": "test_operator_pow",
    "nothing here translates ReduceMean": """
        test_operator_reduced_mean test_operator_reduced_mean_keepdim
    """,
    "nothing here translates ReduceSum": """
        test_operator_reduced_sum test_operator_reduced_sum_keepdim
    """,
    "nothing here translates Slice, Squeeze": "test_operator_index",
    "nothing here translates Split": "test_GLU test_GLU_dim test_operator_chunk",
    "nothing here translates Sqrt": "test_operator_sqrt",
    "nothing here translates Squeeze, Unsqueeze": "test_AvgPool1d test_AvgPool1d_stride",
    "nothing here translates Transpose": "test_operator_permute2",
}
"""Cases that no spec says the same as, by the reason. Those in other types than float32 need not
be here."""

ROUGH = {"test_averagepool_2d_ceil_last_window_starts_on_pad": 1e-3}
"""Cases whose outputs are given to few digits, and the relative error which that allows."""


LISTED = {name: reason for reason, names in NOT_EXPRESSIBLE.items() for name in names.split()}


def why_not(
    name: str, model: onnx.ModelProto, arrays: Mapping[str, Array], expected: Array, folder: Path
) -> str:
    """Compile a case as a spec and compare; or the reason why there is no such spec."""
    try:
        translation = translate(model, arrays)
    except Untranslatable as reason:
        return str(reason)
    network = cnndsl.parse(translation.text)
    found = compiled(network, translation.weights, folder).run(*translation.inputs)
    # A global pool gives a vector, ONNX's keeps dimensions of size 1.
    error = relative_error(found.reshape(expected.shape), expected)
    assert error < ROUGH.get(name, TOLERANCE), translation.text
    return ""


@pytest.fixture(scope="session")
def node_cases() -> Mapping[str, list[Any]]:
    """The cases of single operators, by the operator; making them takes seconds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cases: list[Any] = load_model_tests(kind="node")
    if any(case.model is None for case in cases):
        pytest.skip("this version of onnx keeps its cases in files, which it does not bring")
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
    is_numeric = isinstance(value, (numpy.ndarray, numpy.generic))
    return numpy.asarray(value) if is_numeric else numpy.empty(0, object)


@pytest.mark.parametrize("operator", NODES)
def test_the_cases_of_an_operator(
    operator: str, node_cases: Mapping[str, list[Any]], tmp_path: Path
) -> None:
    refused, compared = {}, 0
    for case in node_cases[operator]:
        ((inputs, (expected, *_)),) = case.data_sets
        given = [name for name in case.model.graph.node[0].input if name]
        arrays = {name: as_array(one) for name, one in zip(given, inputs, strict=True)}
        reason = why_not(case.name, case.model, arrays, as_array(expected), tmp_path)
        compared += not reason
        if reason and reason != NOT_FLOAT32:
            refused[case.name] = reason
    names = {case.name for case in node_cases[operator]}
    assert refused == {name: why for name, why in LISTED.items() if name in names}
    assert compared


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
    reason = why_not(folder.name, model, arrays, read(data / "output_0.pb"), tmp_path)
    assert reason in (NOT_FLOAT32, LISTED.get(folder.name, ""))


def test_the_list_names_no_case_that_is_gone(node_cases: Mapping[str, list[Any]]) -> None:
    names = {case.name for cases in node_cases.values() for case in cases}
    assert LISTED.keys() <= names | {folder.name for folder in STORED}


def test_every_operator_of_a_layer_has_cases() -> None:
    sources = Path(layers.__file__).parent.glob("*.py")
    emitted = {
        name for one in sources for name in re.findall(r'emit\.op\(\s*"(\w+)"', one.read_text())
    }
    assert emitted - HELPERS - TRAINING - UNLIKE - OF_PYTORCH <= set(NODES)
    assert "Conv" in emitted
