"""Says what the graphs of training take and give: which values, under which names, in which order.

A step, and the two halves of one, are made of the same parts: :mod:`cnndsl.training.step` and
:mod:`cnndsl.training.split` put them together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TypeAlias

import onnx_ir

from cnndsl.autodiff.rules import Target, dims_of
from cnndsl.graph.builder import IR_VERSIONS
from cnndsl.recipe.recipe import Recipe
from cnndsl.training.backward import BackwardPass
from cnndsl.training.graph import StepGraph
from cnndsl.training.host import Host
from cnndsl.training.loss_scale import FIRST, Gate
from cnndsl.training.metrics import Metric
from cnndsl.training.optimizers import Parameter, Updates, emit_updates
from cnndsl.training.passes import simplify
from cnndsl.training.passes.emulation import EmulatedPrecision
from cnndsl.training.passes.order import OrderForMemory
from cnndsl.training.shards import Shard
from cnndsl.training.signature import (
    SCALE,
    Role,
    TensorSpec,
    gradient_name,
    next_name,
    share_name,
)

__all__ = [
    "Named",
    "batch_inputs",
    "gradient_outputs",
    "in_order",
    "metrics_of",
    "model_of",
    "next_outputs",
    "scalar_inputs",
    "share_outputs",
    "shown_outputs",
    "spec_of",
    "specs",
    "state_inputs",
    "statistics_of",
    "updates_of",
]

Named: TypeAlias = dict[TensorSpec, onnx_ir.Value]
"""Inputs or outputs of a graph, in order."""


def updates_of(
    recipe: Recipe,
    graph: StepGraph,
    backward: BackwardPass,
    weights: Mapping[str, onnx_ir.Value],
    gate: Gate,
) -> Updates:
    """The optimizer's updates of all weights that learn, emitted into a graph."""
    decay = recipe.weight_decay
    parameters = [
        Parameter(
            name=name,
            value=weights[name],
            gradient=gate.gradients[name],
            decay=decay.value if weight.decays or decay.all else 0.0,
            rate=recipe.rate_factor(layer),
            max_norm=recipe.max_norm(layer) if weight.has_units else None,
            unit_axis=weight.unit_axis or 0,
        )
        for name, (layer, weight) in backward.learning.items()
    ]
    return emit_updates(graph, recipe.optimizer, recipe.clip, parameters, graph.rate, gate.count)


# --- inputs and outputs -----------------------------------------------------------------------


def batch_inputs(backward: BackwardPass) -> Named:
    """What a batch brings: samples, and the labels of each head."""
    labels = {output: one.labels for output, one in backward.measured.items()}
    return {
        **specs("sample", backward.forward.inputs),
        **{spec_of("labels", value, output): value for output, value in labels.items()},
    }


def shown_outputs(backward: BackwardPass) -> Named:
    """The loss, those that it is made of where they are several, and the metrics."""
    losses = {output: one.loss for output, one in backward.measured.items() if one.loss is not None}
    shown = {output: one.shown for output, one in backward.measured.items()}
    return {
        spec_of("loss", backward.loss): backward.loss,
        **{spec_of("loss", value, output): value for output, value in losses.items()},
        **{spec_of("metric", value, output): value for output, value in shown.items()},
    }


def share_outputs(backward: BackwardPass, shard: Shard) -> Named:
    """What a shard shows, and what running statistics follow: its shares of the batch's."""
    graph, found = backward.graph, Named()
    shown = [*shown_outputs(backward).items()]
    followed = in_order(backward.forward.weights, statistics_of(backward))
    values = [(spec.role, str(value.name), spec.of, value) for spec, value in shown]
    values += [("share", name, name, value) for name, value in followed.items()]
    for role, name, of, value in values:
        graph.enter(f"{name}/share")
        if value.dtype is not None and value.dtype.is_integer():  # a count is a sum already
            share = graph.op("Identity", value)
        else:
            share = graph.op("Mul", value, graph.constant(shard.share))
        found[_named(role, share, share_name(name), of)] = share
    return found


def metrics_of(backward: BackwardPass) -> dict[str, Metric]:
    """What is measured of each head."""
    return {output: one.metric for output, one in backward.measured.items()}


def statistics_of(backward: BackwardPass) -> dict[str, onnx_ir.Value]:
    """The new values of weights that do not learn but follow the batch."""
    return {str(weight.name): value for weight, value in backward.graph.updates.items()}


def in_order(
    weights: Mapping[str, onnx_ir.Value], new: Mapping[str, onnx_ir.Value]
) -> dict[str, onnx_ir.Value]:
    """The new values in the order of the weights."""
    return {name: new[name] for name in weights if name in new}


def next_outputs(new: Mapping[str, onnx_ir.Value]) -> Named:
    """Values after the step, by what they are the next value of."""
    return {_named("next", value, next_name(name), name): value for name, value in new.items()}


def gradient_outputs(backward: BackwardPass) -> Named:
    """Each under a name of its own, where two weights have one gradient too."""
    graph = backward.graph
    found: Named = {}
    for name, gradient in backward.gradients.items():
        value = gradient
        if value in found.values():
            graph.enter(f"{name}/gradient")
            value = graph.op("Identity", gradient)
        found[_named("gradient", value, gradient_name(name), name)] = value
    return found


def scalar_inputs(graph: StepGraph, *roles: Role) -> Named:
    """Some of rate, step and seed."""
    values: dict[Role, onnx_ir.Value] = {"rate": graph.rate, "step": graph.step, "seed": graph.seed}
    return {spec_of(role, values[role]): values[role] for role in roles}


def specs(role: Role, values: Iterable[onnx_ir.Value]) -> Named:
    """Values of one role, each under its own name."""
    return {spec_of(role, value): value for value in values}


def state_inputs(states: Mapping[str, tuple[onnx_ir.Value, onnx_ir.Value]]) -> Named:
    """What a step keeps beside its weights: all of it begins at zero but the loss scale."""
    return {
        replace(spec_of("state", old), start=FIRST if name == SCALE else 0.0): old
        for name, (old, _) in states.items()
    }


def _named(role: Role, value: onnx_ir.Value, name: str, of: str) -> TensorSpec:
    value.name = name
    return spec_of(role, value, of)


def spec_of(role: Role, value: onnx_ir.Value, of: str = "") -> TensorSpec:
    """How a graph's input or output is called."""
    assert value.dtype is not None
    return TensorSpec(str(value.name), role, value.dtype.numpy(), dims_of(value), of)


def _ordered_by(inputs: Named, outputs: Named) -> tuple[list[onnx_ir.Value], dict[str, str]]:
    """The inputs that a batch brings, and which weight each next weight or state belongs to."""
    weights = {spec.name for spec in inputs if spec.role == "weight"}
    samples = [value for spec, value in inputs.items() if spec.role in ("sample", "labels")]
    new = {spec.name: spec.of for spec in outputs if spec.role == "next"}
    return samples, {
        name: of if of in weights else of.rpartition(".")[0] for name, of in new.items()
    }


def model_of(
    name: str,
    graph: StepGraph,
    target: Target,
    inputs: Named,
    outputs: Named,
    host: Host | None = None,
) -> onnx_ir.Model:
    """The model, simplified; of mixed precision, a CPU only has an emulation."""
    model = onnx_ir.Model(
        onnx_ir.Graph(
            [*inputs.values()],
            [*outputs.values()],
            nodes=graph.nodes,
            opset_imports={"": graph.opset},
            name=name,
        ),
        ir_version=IR_VERSIONS[graph.opset],
        producer_name="cnndsl",
        functions=graph.functions,
    )
    simplify(model, host, target)
    if target != "cuda":
        OrderForMemory(*_ordered_by(inputs, outputs))(model)
    if graph.policy is not None and target != "cuda":
        EmulatedPrecision()(model)
    return model
