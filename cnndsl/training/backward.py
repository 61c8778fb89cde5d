"""Turns a network and its recipe into a graph from a batch to the gradients of its loss."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import onnx_ir

from cnndsl.autodiff.reverse import differentiate
from cnndsl.autodiff.rules import Target, dims_of
from cnndsl.diagnostics.model import Diagnostic, UserError
from cnndsl.elaborate.network import LayerNode, TypedNetwork
from cnndsl.graph.lower import Forward, lower_into
from cnndsl.layers.base import Weight
from cnndsl.layers.lowering import LoweringContext
from cnndsl.recipe.recipe import Recipe
from cnndsl.training.graph import StepGraph
from cnndsl.training.loss_scale import LossScale
from cnndsl.training.metrics import Metric, emit_loss, emit_metric, labels_type
from cnndsl.training.shards import Shard
from cnndsl.training.signature import LABELS, LOSS, RESERVED
from cnndsl.typecheck.heads import Head, head_positions, heads_of
from cnndsl.typecheck.recipe_checks import recipe_errors

__all__ = ["BackwardPass", "Measured", "demand_none", "emit_backward"]


@dataclass(frozen=True, eq=False)
class Measured:
    """What a batch shows of one of the network's heads: how right it is, a scalar.

    ``loss`` is its own, before its weight; None where it is the only one.
    """

    labels: onnx_ir.Value
    metric: Metric
    shown: onnx_ir.Value
    loss: onnx_ir.Value | None = None


@dataclass(frozen=True, eq=False)
class BackwardPass:
    """A graph with the forward pass, the loss and the gradients of a batch.

    ``loss`` is what is minimised, the mean over the batch; ``measured`` is by the network's
    outputs. ``learning`` are the weights that learn, by their full names and in the network's
    order, each with its layer's name. ``gradients`` are by the same names, in the order in which
    the graph makes them: those of the last layers come first. Where there is a ``scale``, they are
    those of the loss times it.
    """

    graph: StepGraph
    forward: Forward
    loss: onnx_ir.Value
    measured: Mapping[str, Measured]
    learning: Mapping[str, tuple[str, Weight]]
    gradients: Mapping[str, onnx_ir.Value]
    scale: LossScale | None = None


def emit_backward(
    typed: TypedNetwork,
    recipe: Recipe,
    batch: int,
    opset: int,
    target: Target,
    *,
    chance: bool = True,
    shard: Shard | None = None,
) -> BackwardPass:
    """Emit all of a training step but the update.

    Without ``chance``, layers that draw in training do what they do in inference. Of a ``shard``
    with ``batch`` samples, the gradients are its share of those of the whole batch.

    Raises:
        UserError: as :func:`cnndsl.training.step.build_step` does.
    """
    demand_none(recipe_errors(typed, recipe, batch))
    graph = StepGraph(batch, opset, recipe.precision, shard)
    _check_names(typed, graph)
    forward = _forward(typed, recipe, graph, chance)
    _check_heads(typed, recipe, forward)
    loss, measured = _measure(typed, recipe, graph, forward)
    learning = _learning(typed, recipe, forward)
    sought = {forward.weights[name]: name for name in learning}
    scale = LossScale(graph) if graph.policy is not None and graph.policy.scales else None
    least = loss if shard is None else graph.op("Mul", loss, graph.constant(shard.share))
    least = least if scale is None else scale.scaled(least)
    with graph.computing("backward"):
        gradients = differentiate(graph, least, sought, target)
    places = {value: place for place, node in enumerate(graph.nodes) for value in node.outputs}
    found = sorted(gradients, key=lambda weight: places[gradients[weight]])
    return BackwardPass(
        graph=graph,
        forward=forward,
        loss=loss,
        measured=measured,
        learning={name: learning[name] for weight, name in sought.items() if weight in gradients},
        gradients={sought[weight]: gradients[weight] for weight in found},
        scale=scale,
    )


def demand_none(problems: Iterable[Diagnostic]) -> None:
    """Raise the first of some problems, where there is one.

    Raises:
        UserError: of its code.
    """
    for problem in problems:
        raise UserError(problem.code, problem.message, problem.notes, problem.help)


def _check_heads(typed: TypedNetwork, recipe: Recipe, forward: Forward) -> None:
    """Raise CNN007 where a weight has the name of what the step says of a head."""
    for head in heads_of(typed.network, recipe):
        for kind in RESERVED:
            if f"{kind}.{head.name}" in forward.weights:
                raise UserError(
                    "CNN007",
                    f"the weight `{kind}.{head.name}` has the name of one of a training step's own",
                    help="give its layer another label in the spec",
                )


def _check_names(typed: TypedNetwork, graph: StepGraph) -> None:
    for node in typed.network.inputs:
        if node.name in graph.reserved:
            raise UserError(
                "CNN007",
                f"the input `{node.name}` has the name of one of a training step's own",
                help="give the input another name in the spec",
            )


def _forward(typed: TypedNetwork, recipe: Recipe, graph: StepGraph, chance: bool) -> Forward:
    """The training form of the network; frozen layers keep that of inference."""

    def lower_layer(node: LayerNode, context: LoweringContext[onnx_ir.Value]) -> onnx_ir.Value:
        frozen = context.weights and recipe.freezes(node.owner)
        inference = frozen or (node.layer.draws and not chance)
        lower = node.layer.lower if inference else node.layer.lower_training
        arithmetic = node.layer.arithmetic
        with graph.computing("forward" if arithmetic == "any" else "float32"):
            value = lower(graph, context)
        if arithmetic == "float32 inside" and graph.policy is not None:
            dtype = context.inputs[0].dtype
            return graph.cast(value, dtype) if dtype is graph.policy.type else value
        return value

    network = typed.network
    heads = head_positions(network, recipe)
    outputs = {network.main: network.main_output}
    return lower_into(graph, typed, outputs, lower_layer, heads=heads)


def _measure(
    typed: TypedNetwork, recipe: Recipe, graph: StepGraph, forward: Forward
) -> tuple[onnx_ir.Value, dict[str, Measured]]:
    """The loss that is minimised, and what is measured of each head."""
    heads = heads_of(typed.network, recipe)
    several = len(heads) > 1 or heads[0].weight != 1
    terms: list[onnx_ir.Value] = []
    measured: dict[str, Measured] = {}
    for head in heads:
        suffix = "" if head.name == typed.network.main else f".{head.name}"
        loss, found = _measure_head(typed, head, graph, forward, suffix)
        if several:
            graph.rename(loss, f"{LOSS}.{head.name}")
            found = replace(found, loss=loss)
        if head.weight != 1:
            loss = graph.op("Mul", loss, graph.constant(head.weight))
        terms.append(loss)
        measured[head.name] = found
    graph.enter(LOSS, f"{typed.name}: loss")
    total = terms[0]
    for term in terms[1:]:
        total = graph.op("Add", total, term)
    graph.rename(total, LOSS)
    return total, measured


def _measure_head(
    typed: TypedNetwork, head: Head, graph: StepGraph, forward: Forward, suffix: str
) -> tuple[onnx_ir.Value, Measured]:
    """A head's loss before its weight; ``suffix`` tells its names from the main output's."""
    dims = dims_of(forward.values[head.position])
    graph.enter(LOSS + suffix, f"{typed.name}: loss {head.loss.keyword}")
    dtype, label_dims = labels_type(head.loss, dims)
    labels = graph.placeholder(LABELS + suffix, label_dims, dtype)
    taken = forward.scores(head.position, head.loss.activation)
    if dims_of(taken) != dims:
        taken = graph.op("Reshape", taken, graph.constant(list(dims)))
    loss = emit_loss(graph, head.loss, taken, labels)
    metric, shown = emit_metric(graph, head.loss, taken, labels)
    metric = replace(metric, output=metric.output + suffix)
    graph.rename(shown, metric.output)
    return loss, Measured(labels, metric, shown)


def _learning(
    typed: TypedNetwork, recipe: Recipe, forward: Forward
) -> dict[str, tuple[str, Weight]]:
    """The weights that learn, each with its layer's name and what the layer says of it."""
    learning = {}
    for owner in typed.network.owners:
        layer = typed.network.nodes[owner].name
        for name, weight in typed.weights_of(owner).items():
            if name in forward.weights and weight.trainable and not recipe.freezes(layer):
                learning[name] = (layer, weight)
    return learning
