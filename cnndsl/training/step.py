"""Turns a network and its recipe into the graphs that train it.

Forward pass, loss, gradients and the optimizer's update are one plain ONNX model, which any ONNX
Runtime trains with: the step. Or they are two, for many machines that train one network: one ends
with the gradients, the other begins with them. Their inputs and outputs:

=================  =====================================================================
input              is
=================  =====================================================================
the network's      a batch of each of its inputs, prepared
``labels``         the classes (int64); the targets (float32) for ``binarycrossentropy`` and
                   where numbers are to be met, as for ``mse``
``C1.weight`` …    every weight, running statistics included
``….velocity`` …   the optimizer's state; it begins at zero
``lr``             the learning rate, float32, a scalar
``step``           how many steps were done before, int64, a scalar
``seed``           where all chance starts, int64, a scalar
=================  =====================================================================

The step gives ``loss`` (the mean over the batch), its metric (``correct``, how many answers are
right; where numbers are to be met instead ``absolute_error``, a mean) and, for every weight and
state that changes, its new value under its name with ``.next`` behind it. Of the two graphs, the
first gives loss, metric, the next running statistics, and a ``C1.weight.gradient`` for each weight
that learns; the second takes these with weights, state, ``lr`` and ``step``, and gives what is next
of the others.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import onnx
import onnx_ir

from cnndsl.autodiff.rules import Target, dims_of
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.graph.builder import DEFAULT_OPSET, IR_VERSIONS
from cnndsl.graph.export import self_check
from cnndsl.graph.garbage_collection import uncollected
from cnndsl.recipe.recipe import Recipe
from cnndsl.training.backward import BackwardPass, emit_backward
from cnndsl.training.graph import StepGraph
from cnndsl.training.host import Host
from cnndsl.training.loss_scale import FIRST, Gate, LossScale
from cnndsl.training.metrics import Metric
from cnndsl.training.optimizers import Parameter, Updates, emit_updates
from cnndsl.training.passes import simplify
from cnndsl.training.passes.emulation import EmulatedPrecision
from cnndsl.training.passes.order import OrderForMemory
from cnndsl.training.probe import Probe, emit_probes
from cnndsl.training.signature import (
    SCALE,
    Role,
    Signature,
    TensorSpec,
    gradient_name,
    next_name,
)
from cnndsl.version import __version__

__all__ = ["GradientStep", "Step", "UpdateStep", "build_split", "build_step"]

TRAINING_KEY = "cnndsl.training"
"""The property of a step's model that describes its inputs and outputs, in JSON."""

_Named = dict[TensorSpec, onnx_ir.Value]
"""Inputs or outputs of a graph, in order."""


@dataclass(frozen=True, eq=False)
class Step:
    """A training step: its graph, and how that is called.

    ``probes`` are what some of its outputs measure, where they were asked for.
    """

    suffix: ClassVar[str] = ""
    """What the name of its file ends with, where that is not the name that was asked for."""

    model: onnx_ir.Model
    signature: Signature
    probes: tuple[Probe, ...] = ()
    host: Host | None = None
    """What of this machine it needs; None for standard operators only."""

    @uncollected()
    def to_proto(self, *, checked: bool = True) -> onnx.ModelProto:
        """The model as the ``onnx`` package has it, with its description.

        It is checked in full, unless ONNX Runtime, which does so too, is all that ever sees it.
        """
        proto: onnx.ModelProto = onnx_ir.serde.serialize_model(self.model)
        if checked:
            self_check(proto)
        proto.producer_version = __version__
        description = json.dumps(self.signature.description())
        proto.metadata_props.add(key=TRAINING_KEY, value=description)
        return proto


class GradientStep(Step):
    """The first half: weights and a batch in; loss, metrics, statistics and gradients out."""

    suffix = ".gradient.onnx"


class UpdateStep(Step):
    """The second half: weights, state and gradients in, the next weights and state out."""

    suffix = ".update.onnx"


# Long, because it lists all that a step takes and gives.
@uncollected()
def build_step(
    typed: TypedNetwork,
    recipe: Recipe | None = None,
    *,
    batch: int | None = None,
    opset: int = DEFAULT_OPSET,
    target: Target = "cpu",
    host: Host | None = None,
    probed: bool = False,
    chance: bool = True,
) -> Step:
    """The graph of one training step for a batch of fixed size.

    The recipe is the network's unless another is given, the batch the recipe's. The loss is that
    of the main output; weights that it does not depend on have no part in the step. The target
    `host` needs to know what this machine has, the others don't. ``probed``
    gives it the outputs that :mod:`cnndsl.training.probe` describes. Without ``chance``, layers
    that draw in training do what they do in inference.

    Raises:
        UserError: CNN605 for an opset that is not supported, CNN808 where nothing learns, CNN809
            where the loss does not suit the output, CNN313 where a batch normalises a single
            value, CNN007 where an input has a name of the step's.
    """
    recipe = recipe or typed.network.recipe or Recipe()
    backward = emit_backward(typed, recipe, batch or recipe.batch, opset, target, chance=chance)
    host = None if backward.graph.policy else host  # an emulation is of standard operators
    graph, forward = backward.graph, backward.forward
    gate = Gate(graph, backward.scale, backward.gradients, graph.step)
    updates = _updates(recipe, graph, backward, forward.weights, gate)
    probes = {}
    if probed:
        of = {forward.weights[name]: gate.gradients[name] for name in backward.learning}
        probes = emit_probes(graph, typed, forward, of, updates.weights)
    new = _in_order(forward.weights, {**updates.weights, **_statistics(backward)})
    new, state = gate.values(new, forward.weights), gate.states(updates.state)
    inputs = {
        **_batch(backward),
        **_specs("weight", forward.weights.values()),
        **_states(state),
        **_scalars(graph, "rate", "step", "seed"),
    }
    outputs = {
        **_shown(backward),
        **_specs("skipped", gate.overflow),
        **_next(new),
        **_next({name: value for name, (_, value) in state.items()}),
        **{_spec("probe", value, probe.of): value for probe, value in probes.items()},
    }
    return Step(
        _model(f"{typed.name} training step", graph, target, inputs, outputs, host),
        Signature(graph.batch, tuple(inputs), tuple(outputs), _metrics(backward)),
        tuple(probes),
        host,
    )


@uncollected()
def build_split(
    typed: TypedNetwork,
    recipe: Recipe | None = None,
    *,
    batch: int | None = None,
    opset: int = DEFAULT_OPSET,
    target: Target = "cpu",
    host: Host | None = None,
) -> tuple[GradientStep, UpdateStep]:
    """The two graphs that are a training step, one after the other.

    The gradients are those of the mean over the batch. They stand in the order in which the first
    graph makes them, the last layer's first, so that they can be summed over many machines while
    others are yet to come. Running statistics belong to the first graph, clipping to the second.

    Raises:
        UserError: as :func:`build_step` does.
    """
    recipe = recipe or typed.network.recipe or Recipe()
    backward = emit_backward(typed, recipe, batch or recipe.batch, opset, target)
    host = None if backward.graph.policy else host
    gradients = _gradient_step(typed, backward, target, host)
    return gradients, _update_step(typed, recipe, backward, target)


def _gradient_step(
    typed: TypedNetwork, backward: BackwardPass, target: Target, host: Host | None
) -> GradientStep:
    graph, weights = backward.graph, backward.forward.weights
    gate = Gate(graph, backward.scale, backward.gradients, graph.step)
    scale = {} if backward.scale is None else {SCALE: (backward.scale.scale, backward.scale.scale)}
    inputs = {
        **_batch(backward),
        **_specs("weight", weights.values()),
        **_states(scale),
        **_scalars(graph, "step", "seed"),
    }
    outputs = {
        **_shown(backward),
        **_next(gate.values(_in_order(weights, _statistics(backward)), weights)),
        **_gradients(backward),
    }
    return GradientStep(
        _model(f"{typed.name} gradient step", graph, target, inputs, outputs, host),
        Signature(graph.batch, tuple(inputs), tuple(outputs), _metrics(backward)),
        host=host,
    )


def _update_step(
    typed: TypedNetwork, recipe: Recipe, backward: BackwardPass, target: Target
) -> UpdateStep:
    graph = StepGraph(backward.graph.batch, backward.graph.opset)
    dims = {name: dims_of(backward.forward.weights[name]) for name in backward.learning}
    weights = {name: graph.weight(name, dims[name]) for name in dims}
    gradients = {name: graph.weight(gradient_name(name), dims[name]) for name in backward.gradients}
    scale = None if backward.scale is None else LossScale(graph)
    gate = Gate(graph, scale, gradients, graph.step)
    updates = _updates(recipe, graph, backward, weights, gate)
    new, state = gate.values(updates.weights, weights), gate.states(updates.state)
    inputs = {
        **_specs("weight", weights.values()),
        **_states(state),
        **{_spec("gradient", value, name): value for name, value in gradients.items()},
        **_scalars(graph, "rate", "step"),
    }
    outputs = {
        **_specs("skipped", gate.overflow),
        **_next(new),
        **_next({name: value for name, (_, value) in state.items()}),
    }
    return UpdateStep(
        _model(f"{typed.name} update step", graph, target, inputs, outputs),
        Signature(graph.batch, tuple(inputs), tuple(outputs)),
    )


def _updates(
    recipe: Recipe,
    graph: StepGraph,
    backward: BackwardPass,
    weights: Mapping[str, onnx_ir.Value],
    gate: Gate,
) -> Updates:
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


def _batch(backward: BackwardPass) -> _Named:
    labels = {output: one.labels for output, one in backward.measured.items()}
    return {
        **_specs("sample", backward.forward.inputs),
        **{_spec("labels", value, output): value for output, value in labels.items()},
    }


def _shown(backward: BackwardPass) -> _Named:
    losses = {output: one.loss for output, one in backward.measured.items() if one.loss is not None}
    shown = {output: one.shown for output, one in backward.measured.items()}
    return {
        _spec("loss", backward.loss): backward.loss,
        **{_spec("loss", value, output): value for output, value in losses.items()},
        **{_spec("metric", value, output): value for output, value in shown.items()},
    }


def _metrics(backward: BackwardPass) -> dict[str, Metric]:
    return {output: one.metric for output, one in backward.measured.items()}


def _statistics(backward: BackwardPass) -> dict[str, onnx_ir.Value]:
    """The new values of weights that do not learn but follow the batch."""
    return {str(weight.name): value for weight, value in backward.graph.updates.items()}


def _in_order(
    weights: Mapping[str, onnx_ir.Value], new: Mapping[str, onnx_ir.Value]
) -> dict[str, onnx_ir.Value]:
    return {name: new[name] for name in weights if name in new}


def _next(new: Mapping[str, onnx_ir.Value]) -> _Named:
    return {_named("next", value, next_name(name), name): value for name, value in new.items()}


def _gradients(backward: BackwardPass) -> _Named:
    """Each under a name of its own, where two weights have one gradient too."""
    graph = backward.graph
    found: _Named = {}
    for name, gradient in backward.gradients.items():
        value = gradient
        if value in found.values():
            graph.enter(f"{name}/gradient")
            value = graph.op("Identity", gradient)
        found[_named("gradient", value, gradient_name(name), name)] = value
    return found


def _scalars(graph: StepGraph, *roles: Role) -> _Named:
    values: dict[Role, onnx_ir.Value] = {"rate": graph.rate, "step": graph.step, "seed": graph.seed}
    return {_spec(role, values[role]): values[role] for role in roles}


def _specs(role: Role, values: Iterable[onnx_ir.Value]) -> _Named:
    return {_spec(role, value): value for value in values}


def _states(states: Mapping[str, tuple[onnx_ir.Value, onnx_ir.Value]]) -> _Named:
    """What a step keeps beside its weights: all of it begins at zero but the loss scale."""
    return {
        replace(_spec("state", old), start=FIRST if name == SCALE else 0.0): old
        for name, (old, _) in states.items()
    }


def _named(role: Role, value: onnx_ir.Value, name: str, of: str) -> TensorSpec:
    value.name = name
    return _spec(role, value, of)


def _spec(role: Role, value: onnx_ir.Value, of: str = "") -> TensorSpec:
    assert value.dtype is not None
    return TensorSpec(str(value.name), role, value.dtype.numpy(), dims_of(value), of)


def _ordered_by(inputs: _Named, outputs: _Named) -> tuple[list[onnx_ir.Value], dict[str, str]]:
    """The inputs that a batch brings, and which weight each next weight or state belongs to."""
    weights = {spec.name for spec in inputs if spec.role == "weight"}
    samples = [value for spec, value in inputs.items() if spec.role in ("sample", "labels")]
    new = {spec.name: spec.of for spec in outputs if spec.role == "next"}
    return samples, {
        name: of if of in weights else of.rpartition(".")[0] for name, of in new.items()
    }


def _model(
    name: str,
    graph: StepGraph,
    target: Target,
    inputs: _Named,
    outputs: _Named,
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
