"""Probes measure what they say, from real outputs of the graph."""

from __future__ import annotations

from typing import Any

import numpy
import onnxruntime
import pytest

from cnndsl import pipeline
from cnndsl.graph.initializers import initialise
from cnndsl.layers.base import Init
from cnndsl.runtime.diagnosis import Measured, diverged, unhealthy
from cnndsl.training.step import Step, build_step

SPEC = """input 1x4x4
c: conv 4@3 -> r: relu
flatten -> d: dense 2 -> softmax
train {
  optimizer sgd lr 0.5
  batch 3
}
"""


def measured(changes: dict[str, Any], lr: float = 0.5) -> tuple[Step, Measured, dict[str, Any]]:
    typed = pipeline.typed(pipeline.check_text(SPEC))
    step = build_step(typed, probed=True)
    random = numpy.random.default_rng(0)
    feeds: dict[str, Any] = dict(initialise(typed, 0, Init("he"))) | changes
    samples = 100 * random.normal(size=(3, 1, 4, 4)).astype(numpy.float32)
    feeds |= step.signature.feeds({"input": samples}, numpy.array([0, 1, 1]), lr=lr)
    session = onnxruntime.InferenceSession(step.to_proto().SerializeToString())
    names = [output.name for output in session.get_outputs()]
    results = dict(zip(names, session.run(names, feeds), strict=True))
    numbers = {probe: float(results[probe.output]) for probe in step.probes}
    return step, Measured(numbers), {**feeds, **results}


def number(found: Measured, output: str) -> float:
    return next(value for probe, value in found.numbers.items() if probe.output == output)


def test_norms_are_those_of_weights_gradients_and_updates() -> None:
    _, found, values = measured({})
    change = values["d.weight.next"] - values["d.weight"]
    assert number(found, "weight:d.weight") == pytest.approx(numpy.linalg.norm(values["d.weight"]))
    assert number(found, "update:d.weight") == pytest.approx(numpy.linalg.norm(change), rel=1e-5)
    assert number(found, "gradient:d.weight") == pytest.approx(
        numpy.linalg.norm(change) / 0.5, rel=1e-5
    )


def test_dead_units_are_counted_by_channel() -> None:
    bias = numpy.array([-1e4, 1e4, -1e4, -1e4], numpy.float32)
    _, found, _ = measured({"c.bias": bias})
    assert number(found, "dead:r") == 0.75
    assert unhealthy(found)[0].startswith("75% of the units of `r` are zero for the whole batch")
    assert "spec.cnn:2: r: relu" in unhealthy(found)[0]


def of_kind(spec: str, kind: str) -> list[str]:
    typed = pipeline.typed(pipeline.check_text(spec))
    return [probe.of for probe in build_step(typed, probed=True).probes if probe.kind == kind]


@pytest.mark.parametrize(
    ("layer", "dead"),
    [
        ("r: relu", ["r"]),
        ("r: leakyrelu 0", ["r"]),
        ("r: leakyrelu 0.1", []),
        ("r: tanh", []),
        ("relu -> r: identity", ["relu1"]),
    ],
)
def test_units_can_die_where_nothing_passes_below_zero(layer: str, dead: list[str]) -> None:
    assert of_kind(SPEC.replace("r: relu", layer), "dead") == dead


def test_a_large_update_beside_a_weight_that_begins_at_zero_is_none() -> None:
    for init, lines in (("", 0), (" bias_init constant(1e-6)", 1)):
        spec = SPEC.replace("d: dense 2", f"d: dense 2{init}")
        step = build_step(pipeline.typed(pipeline.check_text(spec)), probed=True)
        numbers = {probe: 1.0 for probe in step.probes if probe.of == "d.bias"}
        found = [line for line in unhealthy(Measured(numbers)) if "d.bias" in line]
        assert len(found) == lines


def test_an_update_larger_than_its_weight_is_reported() -> None:
    _, found, _ = measured({}, lr=1000.0)
    assert any(line.startswith("the update of `d.weight` is ") for line in unhealthy(found))


def test_a_healthy_step_has_nothing_to_report() -> None:
    _, found, _ = measured({}, lr=1e-5)
    assert unhealthy(found) == ()


@pytest.mark.parametrize(
    ("changes", "what", "place"),
    [
        (
            {"c.weight": numpy.full((4, 1, 3, 3), numpy.nan, numpy.float32)},
            "the weight `c.weight` has numbers that are not finite",
            "spec.cnn:2: c: conv 4@3",
        ),
        (
            {"c.weight": numpy.full((4, 1, 3, 3), 1e37, numpy.float32)},
            "the first layer whose output is not finite is `c`",
            "spec.cnn:2: c: conv 4@3",
        ),
        (
            {"d.weight": numpy.full((2, 16), 1e37, numpy.float32)},
            "the first layer whose output is not finite is `d`",
            "spec.cnn:3: d: dense 2",
        ),
    ],
)
def test_divergence_names_the_layer_where_it_began(
    changes: dict[str, Any], what: str, place: str
) -> None:
    _, found, _ = measured(changes)
    error = diverged(found, float("nan"), epoch=2, step=7)
    assert error.code == "CNN805"
    assert error.message == "training diverged in epoch 2, step 7: the loss is not a number"
    assert error.notes == (what, f"it stands at {place}")
