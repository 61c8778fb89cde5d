"""Gradients are held against slopes of the loss in float64, singly or in groups."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy
import onnx
import onnx_ir
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from cnndsl import pipeline
from cnndsl.autodiff.rules import RULES, VjpContext
from cnndsl.pipeline import selftest
from cnndsl.runtime.doubles import DoubleGraph
from cnndsl.runtime.selftest import Check
from cnndsl.runtime.slopes import Slopes, Tensor

Doubles = NDArray[numpy.float64]

SQUEEZE = """rounding floor
block fire(squeeze, expand) {
  conv squeeze@1 -> relu
  concat(conv expand@1 -> relu, conv expand@3 padding 1 -> relu)
}
input 3x64x64
conv 64@3 stride 2 -> relu -> maxpool 3 stride 2
fire(16, 64)
fire(16, 64)
maxpool 3 stride 2
fire(32, 128)
fire(32, 128)
maxpool 3 stride 2
fire(48, 192)
fire(48, 192)
fire(64, 256)
fire(64, 256)
dropout 0.5
conv 10@1 -> relu -> globalavgpool -> softmax
"""

SE = """rounding floor
block scaled(width) {
  multiply(identity, globalavgpool -> dense width/4 -> relu -> dense width -> sigmoid)
}
block bottleneck(width, stride = 1, project = no) {
  add(
    conv width@1 bias no -> batchnorm -> relu
      -> conv width@3 stride stride padding 1 -> batchnorm -> relu
      -> conv 4*width@1 bias no -> batchnorm -> scaled(4*width),
    if project { conv 4*width@1 stride stride bias no -> batchnorm } else { identity }
  ) -> relu
}
input 3x32x32
conv 8@3 stride 2 padding 1 bias no -> batchnorm -> relu -> maxpool 3 stride 2 padding 1
bottleneck(4, project = yes)
bottleneck(4)
bottleneck(8, 2, project = yes)
bottleneck(8)
globalavgpool -> dense 10 -> softmax
"""


def gradients(spec: str) -> Check:
    network = pipeline.typed(pipeline.check_text(spec))
    return next(selftest(network, device="cpu", threads=1))


@pytest.mark.parametrize("spec", [SQUEEZE, SE], ids=["squeezenet", "squeeze-and-excitation"])
def test_a_right_network_with_many_kinks_passes_far_from_the_bound(spec: str) -> None:
    check = gradients(spec)
    assert check.verdict == "passed"
    assert float(check.measured.split()[1].rstrip(",")) < 1e-3


@pytest.mark.parametrize("rule", ["Relu", "Conv", "MaxPool", "Sigmoid", "GlobalAveragePool", "Mul"])
@pytest.mark.parametrize("factor", [0.95, 0.0, -1.0])
def test_every_broken_gradient_is_noticed(
    monkeypatch: pytest.MonkeyPatch, rule: str, factor: float
) -> None:
    right = RULES[rule]

    def wrong(backward: VjpContext) -> Iterator[onnx_ir.Value | None]:
        for part in right(backward):
            yield None if part is None else backward.op("Mul", part, backward.scalar(factor))

    monkeypatch.setitem(RULES, rule, lambda backward: [*wrong(backward)])
    assert gradients(SE).verdict == "failed"


# --- gradients that are noise -----------------------------------------------------------------

NORMALISED = """input 1x20x20
conv 1@1 -> instancenorm -> relu -> flatten -> dense 3 -> softmax
train { seed SEED }
"""
"""What the convolution scales and shifts, the normalisation takes away again."""

SATURATED = """input 4x5x4x6
conv 4@1 -> lppool 2 stride 1 -> flatten -> dense 3 -> softmax
"""
"""All four samples are certainly right: p - 1 is a few times the last digit of 1."""


@pytest.mark.parametrize("seed", [12, 15, 19])
def test_a_gradient_that_is_all_noise_is_not_held_against_a_network(seed: int) -> None:
    assert gradients(NORMALISED.replace("SEED", str(seed))).verdict == "passed"


def test_the_last_digit_of_a_loss_that_is_nearly_0_is_not_either() -> None:
    assert gradients(SATURATED).verdict == "passed"


@pytest.mark.parametrize("seed", [12, 15, 19])
def test_a_normalisation_that_does_not_cancel_is_noticed(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = RULES["InstanceNormalization"]

    def wrong(backward: VjpContext) -> list[onnx_ir.Value | None]:
        source, *others = right(backward)
        share = backward.op("Mul", backward.gradient, backward.scalar(0.1))
        return [source and backward.op("Add", source, share), *others]

    monkeypatch.setitem(RULES, "InstanceNormalization", wrong)
    assert gradients(NORMALISED.replace("SEED", str(seed))).verdict == "failed"


@pytest.mark.parametrize("draw", [0.0, 1e-3])
def test_noise_is_told_from_several_draws(draw: float) -> None:
    """One draw of the noise of a single number may be as small as one likes."""
    noise = numpy.array([[draw], [1.0], [-0.8], [0.7]])
    tensor = Tensor("w", numpy.ones(1), numpy.ones(1), noise)
    assert tensor.silent
    assert tensor.spread == pytest.approx(tensor.drift) == pytest.approx(0.73, rel=0.01)


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_a_loss_that_is_no_number_is_noticed(number: float) -> None:
    losses = iter([1.0])
    found = Slopes(lambda moved: next(losses, number), tensors({}, 1), 0.02).worst(1)
    assert found == (math.inf, "w0")


def test_a_gradient_through_an_exact_gelu_is_compared_in_float64() -> None:
    check = gradients("input 4x7x6\nconv 4@1 -> gelu -> flatten -> dense 3 -> softmax\n")
    assert float(check.measured.split()[1].rstrip(",")) < 1e-4


# --- groups -----------------------------------------------------------------------------------


def tensors(wrong: Mapping[int, float], count: int = 40) -> list[Tensor]:
    """Gradients of the sum of squares, some of them wrong by a factor."""
    random = numpy.random.default_rng(0)
    found = []
    for at in range(count):
        weight = random.normal(size=7)
        gradient = 2 * weight * wrong.get(at, 1.0)
        found.append(Tensor(f"w{at}", weight, gradient, 1e-6 * random.normal(size=(4, 7))))
    return found


def worst(members: list[Tensor], groups: int) -> tuple[float, str]:
    weights = {one.name: one.weight for one in members}

    def loss(moved: Mapping[str, Doubles]) -> float:
        return float(sum(numpy.sum(array**2) for array in {**weights, **moved}.values()))

    return Slopes(loss, members, 0.02).worst(groups)


@pytest.mark.parametrize("groups", [1, 3, 40])
def test_right_gradients_pass_in_groups_of_any_size(groups: int) -> None:
    assert worst(tensors({}), groups)[0] < 1e-4


@pytest.mark.parametrize("groups", [1, 3, 40])
@pytest.mark.parametrize("factor", [0.0, 0.9, 1.1, -1.0])
def test_the_one_that_is_wrong_is_found(groups: int, factor: float) -> None:
    error, name = worst(tensors({17: factor}), groups)
    assert error > 0.02
    assert name == "w17"


def test_errors_that_cancel_in_a_sum_are_found() -> None:
    error, name = worst(tensors({5: 0.9, 6: 1.1, 20: 0.9, 30: 1.1}), 1)
    assert error > 0.02
    assert name in ("w5", "w6", "w20", "w30")


# --- float64 ----------------------------------------------------------------------------------

WINDOWS = [
    {"kernel_shape": [3, 2], "strides": [2, 1], "pads": [1, 0, 1, 1]},
    {"kernel_shape": [2, 2]},
    {"kernel_shape": [3, 3], "strides": [2, 2]},
]


def both(node: onnx.NodeProto, feeds: dict[str, NDArray[numpy.float32]]) -> tuple[float, float]:
    """The sum of an operator's result, here and by the reference evaluator, which is slow."""
    total = helper.make_node("ReduceSum", ["y"], ["s"], keepdims=0)
    ports = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, array.shape)
        for name, array in feeds.items()
    ]
    untyped = helper.make_empty_tensor_value_info("y")
    alone = helper.make_model(helper.make_graph([node], "g", ports, [untyped]))
    [result] = ReferenceEvaluator(alone).run(None, dict(feeds))
    graph = helper.make_graph(
        [node, total], "g", ports, [helper.make_tensor_value_info("s", TensorProto.FLOAT, [])]
    )
    return DoubleGraph(helper.make_model(graph), "s")(feeds), float(
        numpy.sum(result, dtype="float64")
    )


@pytest.mark.parametrize("attributes", WINDOWS)
@pytest.mark.parametrize("operator", ["Conv", "MaxPool", "AveragePool", "MaxPoolUp", "AverageIn"])
def test_operators_compute_what_the_reference_computes(
    operator: str, attributes: dict[str, list[int]]
) -> None:
    random = numpy.random.default_rng(0)
    feeds = {"x": random.normal(size=(2, 4, 8, 9)).astype(numpy.float32)}
    flags = {"MaxPoolUp": {"ceil_mode": 1}, "AverageIn": {"count_include_pad": 1}}
    extra = flags.get(operator, {})
    kind = {"MaxPoolUp": "MaxPool", "AverageIn": "AveragePool"}.get(operator, operator)
    names = ["x"]
    if kind == "Conv":
        extra = {"group": 2}
        names = ["x", "w", "b"]
        size = attributes["kernel_shape"]
        feeds["w"] = random.normal(size=(6, 2, *size)).astype(numpy.float32)
        feeds["b"] = random.normal(size=6).astype(numpy.float32)
    given: dict[str, Any] = {**attributes, **extra}
    node = helper.make_node(kind, names, ["y"], **given)
    ours, reference = both(node, feeds)
    assert ours == pytest.approx(reference, rel=1e-5)
