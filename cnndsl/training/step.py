"""Turns a network and its recipe into one graph that does a whole training step.

Forward pass, loss, gradients and the optimizer's update are one plain ONNX model, which any ONNX
Runtime trains with. Its inputs and outputs:

=================  =====================================================================
input              is
=================  =====================================================================
the network's      a batch of each of its inputs, prepared
``labels``         the classes (int64), or the targets (float32) for ``mse`` and
                   ``binarycrossentropy``
``C1.weight`` …    every weight, running statistics included
``….velocity`` …   the optimizer's state; it begins at zero
``lr``             the learning rate, float32, a scalar
``step``           how many steps were done before, int64, a scalar
``seed``           where all chance starts, int64, a scalar
=================  =====================================================================

It gives ``loss`` (the mean over the batch), its metric (``correct``, how many answers are right;
for ``mse`` instead ``absolute_error``, a mean) and, for every weight and state that changes, its
new value under its name with ``.next`` behind it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import onnx
import onnx_ir

from cnndsl.autodiff.reverse import differentiate
from cnndsl.autodiff.rules import Target, dims_of
from cnndsl.diagnostics.model import UserError
from cnndsl.elaborate.network import LayerNode, TypedNetwork
from cnndsl.graph.builder import DEFAULT_OPSET, IR_VERSIONS
from cnndsl.graph.export import self_check
from cnndsl.graph.lower import Forward, lower_into
from cnndsl.layers.base import LoweringContext, Weight
from cnndsl.recipe.recipe import Recipe
from cnndsl.training.graph import StepGraph
from cnndsl.training.losses import emit_loss, labels_type
from cnndsl.training.metrics import Metric, emit_metric
from cnndsl.training.optimizers import Parameter, Updates, emit_updates
from cnndsl.training.passes import simplify
from cnndsl.training.probe import Probe, emit_probes
from cnndsl.training.signature import LABELS, LOSS, Role, Signature, TensorSpec, next_name
from cnndsl.typecheck.recipe_checks import recipe_errors
from cnndsl.typecheck.scores import scores
from cnndsl.version import __version__

__all__ = ["Step", "build_step"]

TRAINING_KEY = "cnndsl.training"
"""The property of a step's model that describes its inputs and outputs, in JSON."""


@dataclass(frozen=True, eq=False)
class _Measured:
    """What a batch shows: the mean loss (float32), and its metric; both are scalars."""

    labels: onnx_ir.Value
    loss: onnx_ir.Value
    metric: Metric
    shown: onnx_ir.Value


@dataclass(frozen=True, eq=False)
class Step:
    """A training step: its graph, and how that is called.

    ``probes`` are what some of its outputs measure, where they were asked for.
    """

    model: onnx_ir.Model
    signature: Signature
    probes: tuple[Probe, ...] = ()

    def to_proto(self) -> onnx.ModelProto:
        """The model as the ``onnx`` package has it, checked in full, with its description."""
        proto: onnx.ModelProto = onnx_ir.serde.serialize_model(self.model)
        self_check(proto)
        proto.producer_version = __version__
        description = json.dumps(self.signature.description())
        proto.metadata_props.add(key=TRAINING_KEY, value=description)
        return proto


def build_step(
    typed: TypedNetwork,
    recipe: Recipe | None = None,
    *,
    batch: int | None = None,
    opset: int = DEFAULT_OPSET,
    target: Target = "cpu",
    probed: bool = False,
) -> Step:
    """The graph of one training step for a batch of fixed size.

    The recipe is the network's unless another is given, the batch the recipe's. The loss is that
    of the main output; weights that it does not depend on have no part in the step. ``probed``
    gives it the outputs that :mod:`cnndsl.training.probe` describes.

    Raises:
        UserError: CNN605 for an opset that is not supported, CNN808 where nothing learns, CNN809
            where the loss does not suit the output, CNN313 where a batch normalises a single
            value, CNN007 where an input has a name of the step's.
    """
    recipe = recipe or typed.network.recipe or Recipe()
    for problem in recipe_errors(typed, recipe, batch or recipe.batch):
        raise UserError(problem.code, problem.message, problem.notes, problem.help)
    graph = StepGraph(batch or recipe.batch, opset)
    _check_names(typed, graph)
    forward = _forward(typed, recipe, graph)
    measured = _measure(typed, recipe, graph, forward)
    learning = _learning(typed, recipe, forward)
    gradients = differentiate(graph, measured.loss, learning, target)
    updates = _updates(recipe, graph, learning, gradients)
    probes = {}
    if probed:
        probes = emit_probes(graph, typed, forward, gradients, updates.weights)
    return _finished(typed, graph, forward, measured, updates, probes)


def _check_names(typed: TypedNetwork, graph: StepGraph) -> None:
    for node in typed.network.inputs:
        if node.name in graph.reserved:
            raise UserError(
                "CNN007",
                f"the input `{node.name}` has the name of one of a training step's own",
                help="give the input another name in the spec",
            )


def _forward(typed: TypedNetwork, recipe: Recipe, graph: StepGraph) -> Forward:
    """The training form of the network; frozen layers keep that of inference."""

    def lower_layer(node: LayerNode, context: LoweringContext[onnx_ir.Value]) -> onnx_ir.Value:
        if context.weights and recipe.freezes(node.name):
            return node.layer.lower(graph, context)
        return node.layer.lower_training(graph, context)

    network = typed.network
    return lower_into(graph, typed, {network.main: network.main_output}, lower_layer)


def _measure(typed: TypedNetwork, recipe: Recipe, graph: StepGraph, forward: Forward) -> _Measured:
    (output,) = forward.outputs
    graph.enter(LOSS, f"{typed.name}: loss {recipe.loss.keyword}")
    dtype, dims = labels_type(recipe.loss, dims_of(output))
    labels = graph.placeholder(LABELS, dims, dtype)
    taken = forward.values[scores(typed, recipe.loss)]
    if dims_of(taken) != dims_of(output):
        taken = graph.op("Reshape", taken, graph.constant(list(dims_of(output))))
    loss = emit_loss(graph, recipe.loss, taken, labels)
    graph.rename(loss, LOSS)
    metric, shown = emit_metric(graph, recipe.loss, taken, labels)
    graph.rename(shown, metric.output)
    return _Measured(labels, loss, metric, shown)


def _learning(
    typed: TypedNetwork, recipe: Recipe, forward: Forward
) -> dict[onnx_ir.Value, tuple[str, Weight]]:
    """The weights that learn, each with its layer's name and what the layer says of it."""
    learning = {}
    for node, weights in zip(typed.network.nodes, typed.weights, strict=True):
        for weight in weights:
            value = forward.weights.get(f"{node.name}.{weight.name}")
            if value is not None and weight.trainable and not recipe.freezes(node.name):
                learning[value] = (node.name, weight)
    return learning


def _updates(
    recipe: Recipe,
    graph: StepGraph,
    learning: Mapping[onnx_ir.Value, tuple[str, Weight]],
    gradients: Mapping[onnx_ir.Value, onnx_ir.Value],
) -> Updates:
    decay = recipe.weight_decay
    parameters = [
        Parameter(
            name=str(value.name),
            value=value,
            gradient=gradients[value],
            decay=decay.value if weight.decays or decay.all else 0.0,
            rate=recipe.rate_factor(layer),
        )
        for value, (layer, weight) in learning.items()
        if value in gradients
    ]
    return emit_updates(graph, recipe.optimizer, recipe.clip, parameters, graph.rate, graph.step)


def _finished(
    typed: TypedNetwork,
    graph: StepGraph,
    forward: Forward,
    measured: _Measured,
    updates: Updates,
    probes: Mapping[Probe, onnx_ir.Value],
) -> Step:
    buffers = {str(weight.name): value for weight, value in graph.updates.items()}
    changed = {**updates.weights, **buffers}
    new = {name: changed[name] for name in forward.weights if name in changed}
    new |= {name: value for name, (_, value) in updates.state.items()}
    for name, value in new.items():
        graph.rename(value, next_name(name))
    output = typed.network.main
    inputs = {
        **_specs("sample", forward.inputs),
        _spec("labels", measured.labels, output): measured.labels,
        **_specs("weight", forward.weights.values()),
        **_specs("state", [old for old, _ in updates.state.values()]),
        _spec("rate", graph.rate): graph.rate,
        _spec("step", graph.step): graph.step,
        _spec("seed", graph.seed): graph.seed,
    }
    outputs = {
        _spec("loss", measured.loss): measured.loss,
        _spec("metric", measured.shown, output): measured.shown,
        **{_spec("next", value, name): value for name, value in new.items()},
        **{_spec("probe", value, probe.of): value for probe, value in probes.items()},
    }
    metrics = {output: measured.metric}
    return Step(
        model=_model(typed, graph, [*inputs.values()], [*outputs.values()]),
        signature=Signature(graph.batch, tuple(inputs), tuple(outputs), metrics),
        probes=tuple(probes),
    )


def _specs(role: Role, values: Iterable[onnx_ir.Value]) -> dict[TensorSpec, onnx_ir.Value]:
    return {_spec(role, value): value for value in values}


def _spec(role: Role, value: onnx_ir.Value, of: str = "") -> TensorSpec:
    assert value.dtype is not None
    return TensorSpec(str(value.name), role, value.dtype.numpy(), dims_of(value), of)


def _model(
    typed: TypedNetwork,
    graph: StepGraph,
    inputs: Sequence[onnx_ir.Value],
    outputs: Sequence[onnx_ir.Value],
) -> onnx_ir.Model:
    """The model, simplified."""
    model = onnx_ir.Model(
        onnx_ir.Graph(
            inputs,
            outputs,
            nodes=graph.nodes,
            opset_imports={"": graph.opset},
            name=f"{typed.name} training step",
        ),
        ir_version=IR_VERSIONS[graph.opset],
        producer_name="cnndsl",
    )
    simplify(model)
    return model
