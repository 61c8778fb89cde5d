"""Leaving graph optimizers out changes nothing of what a training step becomes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import onnx
import onnx.parser
import onnxruntime
import pytest
from onnxruntime import GraphOptimizationLevel as Level

from cnndsl.pipeline import check_text, load, typed
from cnndsl.runtime.graph_optimizers import needless
from cnndsl.runtime.start import TRAINING
from cnndsl.training.step import Step, build_step

RECIPE = "train {\n  batch 4\n  optimizer adam\n  weight_decay 0.01\n}\n"

SPECS = {
    "bounded": "input 4x8x8\nconv 4@3 -> relu6 -> conv 4@3 -> batchnorm -> relu6 -> conv 4@3"
    " -> flatten -> dense 3 -> softmax\n",
    "residual": "input 4x8x8\nx = conv 8@3 padding 1 -> batchnorm -> relu\n"
    "add(x -> conv 8@3 padding 1, x) -> relu -> maxpool 2 -> conv 4@1 -> avgpool 4"
    " -> flatten -> dense 3 -> softmax\n",
    "joined": "input 4x8x8\nx = conv 8@3 -> relu\nconcat(x, x -> depthwise 3 padding 1 -> gelu)"
    " -> conv 6@1 groups 2 -> maxpool 3 -> flatten -> dense 5 -> tanh -> dense 3 -> softmax\n",
    "scaled": "input 4x8x8\nx = conv 4@3 padding 1 -> tanh\nadd(x -> conv 4@3 padding 1 -> tanh, x)"
    " -> flatten -> dense 6 -> scale -> dense 3 -> softmax\n",
    "gated": "input 4x8x8\nconv 8@2 stride 2 -> layernorm -> silu -> dropout 0.2 -> flatten"
    " -> dense 6 -> sigmoid -> dense 3 -> softmax\n",
}


def optimized(step: Step, left_out: tuple[str, ...], path: Path) -> onnx.ModelProto:
    """What ONNX Runtime makes of a step without some of its optimizers."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = Level.ORT_ENABLE_ALL
    options.optimized_model_filepath = str(path)
    more: dict[str, Any] = {"disabled_optimizers": [*TRAINING.without, *left_out]}
    model = step.to_proto().SerializeToString()
    onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"], **more)
    return onnx.load(path)


def compare(step: Step, folder: Path) -> None:
    whole = optimized(step, (), folder / "whole.onnx")
    quick = optimized(step, needless(step.to_proto().graph), folder / "quick.onnx")
    assert counts(quick) == counts(whole)


def counts(model: onnx.ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in model.graph.node)


@pytest.mark.parametrize("name", SPECS)
def test_what_is_left_out_would_have_found_nothing(name: str, tmp_path: Path) -> None:
    compare(build_step(typed(check_text(SPECS[name] + RECIPE))), tmp_path)


@pytest.mark.parametrize("name", ["lenet5", "resnet20"])
def test_nor_would_it_in_shipped_networks(name: str, tmp_path: Path) -> None:
    compare(build_step(load(name), batch=2), tmp_path)


def graph(text: str) -> onnx.GraphProto:
    return onnx.parser.parse_graph("g (float[6] x, float[2,3] w) => (float[6] y) {" + text + "}")


def test_what_finds_something_is_asked() -> None:
    left_out = needless(
        graph("a = Conv(x, w) b = Relu(a) c = Transpose(b) y = MatMul(c, w) d = Neg(y)")
    )
    assert {"ConvActivationFusion", "MatmulTransposeFusion"}.isdisjoint(left_out)
    assert {"GemmActivationFusion", "GeluFusionL1", "AttentionFusion"} < {*left_out}


CONSTANT = "c = Constant <value = float {2.0}> () "
CUTS = (
    "zero = Constant <value = int64[1] {0}> () three = Constant <value = int64[1] {3}> ()"
    " one = Constant <value = int64[1] {1}> () six = Constant <value = int64[1] {6}> ()"
)


@pytest.mark.parametrize(
    ("text", "name", "is_asked"),
    [
        # What is there, but elsewhere, is nothing to fuse.
        ("a = Conv(x, w) b = Relu(x) y = Add(a, b)", "ConvActivationFusion", False),
        ("a = Conv(x, w) b = Relu(a) y = Add(a, b)", "ConvActivationFusion", True),
        ("a = Conv(x, w) b = Add(a, x) y = Neg(b)", "ConvAddActivationFusion", False),
        ("a = Conv(x, w) b = Add(a, x) y = Relu(b)", "ConvAddActivationFusion", True),
        ("a = MatMul(x, w) y = Transpose(a)", "MatmulTransposeFusion", False),
        ("a = Transpose(x) b = Cast(a) y = MatMul(w, b)", "MatmulTransposeFusion", True),
        (CONSTANT + "a = Mul(x, c) b = Neg(a) y = MatMul(b, w)", "MatMulScaleFusion", False),
        ("a = Mul(x, x) y = MatMul(a, w)", "MatMulScaleFusion", False),
        (CONSTANT + "a = Mul(x, c) y = MatMul(a, w)", "MatMulScaleFusion", True),
        (CONSTANT + "a = MatMul(x, w) y = Div(a, c)", "MatMulScaleFusion", True),
        (CUTS + "a = Slice(x, zero, three, zero) y = Neg(x)", "GatherSliceToSplitFusion", False),
        (
            CUTS + "a = Slice(x, zero, three, zero) b = Slice(x, one, six, zero)",
            "GatherSliceToSplitFusion",
            False,
        ),
        (
            CUTS + "a = Slice(x, three, six, zero) b = Slice(x, zero, three, zero)",
            "GatherSliceToSplitFusion",
            True,
        ),
        ("a = Gather(x, i) b = Gather(x, j)", "GatherSliceToSplitFusion", True),
    ],
)
def test_fusions_are_asked_only_where_one_node_feeds_the_other(
    text: str, name: str, is_asked: bool
) -> None:
    assert (name not in needless(graph(text))) is is_asked


@pytest.mark.parametrize(
    ("text", "is_asked"),
    [
        ("c = Constant <value_float = 2.0> () y = Mul(x, c)", False),
        ("c = Constant <value_float = 2.0> () d = Neg(c) y = Mul(x, d)", True),
        ("s = Shape(x) y = Reshape(x, s)", True),
        ("c = Constant <value_float = 2.0> () d = Clip(c, , c) y = Mul(x, d)", True),
    ],
)
def test_constants_are_folded_only_where_there_are_any(text: str, is_asked: bool) -> None:
    assert ("ConstantFolding" not in needless(graph(text))) is is_asked


@pytest.mark.parametrize(
    ("text", "is_asked"),
    [
        ("s = Constant <value_ints = [6]> () a = Neg(w) y = Reshape(a, s)", False),
        ("s = Constant <value_ints = [6]> () a = Reshape(w, s) y = Reshape(a, s)", True),
        ("s = Shape(x) y = Reshape(w, s)", True),
    ],
)
def test_reshapes_are_joined_only_where_two_follow_each_other(text: str, is_asked: bool) -> None:
    assert ("ReshapeFusion" not in needless(graph(text))) is is_asked


def test_nothing_is_left_out_that_makes_a_model_run() -> None:
    left_out = needless(onnx.GraphProto())
    assert not [name for name in left_out if "Cast" in name or "Memcpy" in name]


def test_a_residual_step_leaves_nothing_to_fold_or_join() -> None:
    text = (
        "input 4x8x8\nx = conv 8@1 -> batchnorm -> relu\nadd(x -> conv 8@1 -> batchnorm, x)"
        " -> relu -> globalavgpool -> dense 3 -> softmax\n"
    )
    left_out = needless(build_step(typed(check_text(text + RECIPE))).to_proto().graph)
    assert {"ConstantFolding", "ReshapeFusion"} < {*left_out}
