"""Leaving graph optimizers out changes nothing of what a training step becomes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import pytest
from onnxruntime import GraphOptimizationLevel as Level

from cnndsl.pipeline import check_text, load, typed
from cnndsl.runtime.graph_optimizers import needless
from cnndsl.runtime.start import TRAINING
from cnndsl.training.step import Step, build_step

RECIPE = "train {\n  batch 4\n  optimizer adam\n  weight_decay 0.01\n}\n"

SPECS = {
    "residual": "input 4x8x8\nx = conv 8@3 padding 1 -> batchnorm -> relu\n"
    "add(x -> conv 8@3 padding 1, x) -> relu -> maxpool 2 -> conv 4@1 -> avgpool 4"
    " -> flatten -> dense 3 -> softmax\n",
    "joined": "input 4x8x8\nx = conv 8@3 -> relu\nconcat(x, x -> depthwise 3 padding 1 -> gelu)"
    " -> conv 6@1 groups 2 -> maxpool 3 -> flatten -> dense 5 -> tanh -> dense 3 -> softmax\n",
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


def operators(step: Step) -> frozenset[str]:
    return frozenset(node.op_type for node in step.model.graph)


def compare(step: Step, folder: Path) -> None:
    whole = optimized(step, (), folder / "whole.onnx")
    quick = optimized(step, needless(operators(step)), folder / "quick.onnx")
    assert counts(quick) == counts(whole)


def counts(model: onnx.ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in model.graph.node)


@pytest.mark.parametrize("name", SPECS)
def test_what_is_left_out_would_have_found_nothing(name: str, tmp_path: Path) -> None:
    compare(build_step(typed(check_text(SPECS[name] + RECIPE))), tmp_path)


@pytest.mark.parametrize("name", ["lenet5", "resnet20"])
def test_nor_would_it_in_shipped_networks(name: str, tmp_path: Path) -> None:
    compare(build_step(load(name), batch=2), tmp_path)


def test_what_finds_something_is_asked() -> None:
    left_out = needless({"Conv", "Relu", "MatMul", "Transpose"})
    assert {"ConvActivationFusion", "MatmulTransposeFusion", "ConstantFolding"}.isdisjoint(left_out)
    assert {"GemmActivationFusion", "GeluFusionL1", "AttentionFusion"} < {*left_out}


def test_nothing_is_left_out_that_makes_a_model_run() -> None:
    assert not [name for name in needless(set()) if "Cast" in name or "Memcpy" in name]
