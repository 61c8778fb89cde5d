"""Cuts a training step in two: one graph ends with the gradients, the other begins with them.

Between the two, gradients can be added up: over many machines that train one network, and over the
shards of a batch. The first gives loss, metric, the next running statistics, and a
``C1.weight.gradient`` for each weight that learns; the second takes these with weights, state,
``lr`` and ``step``, and gives what is next of the others.

Of a shard of a batch, all that the first gives is a share of what the batch gives, to be added:
``loss.share``, ``correct.share``, the gradients, and ``bn1.mean.share`` of a running statistic,
which the second graph takes then. It is told by ``shard.first`` which samples of the batch it has.
Batch normalisation normalises each shard by itself (Hoffer et al. 2017: ghost batch normalisation).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import onnx_ir

from cnndsl.autodiff.rules import Target, dims_of
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.graph.builder import DEFAULT_OPSET
from cnndsl.graph.garbage_collection import uncollected
from cnndsl.recipe.recipe import Recipe
from cnndsl.training.backward import BackwardPass, demand_none, emit_backward
from cnndsl.training.graph import StepGraph
from cnndsl.training.host import Host
from cnndsl.training.interface import (
    batch_inputs,
    gradient_outputs,
    in_order,
    metrics_of,
    model_of,
    next_outputs,
    scalar_inputs,
    share_outputs,
    shown_outputs,
    spec_of,
    specs,
    state_inputs,
    statistics_of,
    updates_of,
)
from cnndsl.training.loss_scale import Gate, LossScale
from cnndsl.training.metrics import Metric
from cnndsl.training.shards import Shard, shard_of
from cnndsl.training.signature import SCALE, Array, Signature, gradient_name, share_name
from cnndsl.training.step import Step, build_step
from cnndsl.typecheck.recipe_checks import shard_problems

__all__ = [
    "GradientStep",
    "ShardedStep",
    "UpdateStep",
    "build_shards",
    "build_split",
    "build_steps",
]


@dataclass(frozen=True, eq=False)
class GradientStep(Step):
    """The first half: weights and a batch in; loss, metrics, statistics and gradients out."""

    suffix: str = ".gradient.onnx"


@dataclass(frozen=True, eq=False)
class UpdateStep(Step):
    """The second half: weights, state and gradients in, the next weights and state out."""

    suffix: str = ".update.onnx"


@dataclass(frozen=True, eq=False)
class ShardedStep:
    """A step that is done in shards: a first half for each size that they have, and the second."""

    batch: int
    shards: int
    gradients: Mapping[int, GradientStep]
    update: UpdateStep

    @property
    def signature(self) -> Signature:
        """What one of the first halves takes and gives."""
        return next(iter(self.gradients.values())).signature

    def initial_state(self) -> dict[str, Array]:
        """The state to begin with; no array has memory of its own."""
        return self.update.signature.initial_state()

    @property
    def steps(self) -> tuple[Step, ...]:
        """All the graphs, the update last; where shards differ, a file's name has their size."""
        several = len(self.gradients) > 1
        halves = (
            dataclasses.replace(one, suffix=f".gradient-{size}.onnx") if several else one
            for size, one in self.gradients.items()
        )
        return (*halves, self.update)

    @property
    def host(self) -> Host | None:
        """What of this machine it needs; None for standard operators only."""
        return next(iter(self.gradients.values())).host

    def shard(self, at: int) -> Shard:
        """One of the shards."""
        return shard_of(at, self.batch, self.shards)


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
        UserError: as :func:`cnndsl.training.step.build_step` does.
    """
    recipe = recipe or typed.network.recipe or Recipe()
    backward = emit_backward(typed, recipe, batch or recipe.batch, opset, target)
    host = None if backward.graph.policy else host
    gradients = _gradient_step(typed, backward, target, host)
    return gradients, _update_step(typed, recipe, backward, target)


@uncollected()
def build_shards(
    typed: TypedNetwork,
    recipe: Recipe | None = None,
    *,
    batch: int | None = None,
    opset: int = DEFAULT_OPSET,
    target: Target = "cpu",
    host: Host | None = None,
) -> ShardedStep:
    """The graphs of a step that is done in the recipe's ``shards``.

    Raises:
        UserError: as :func:`cnndsl.training.step.build_step` does, and CNN507 for more shards than
            samples.
    """
    recipe = recipe or typed.network.recipe or Recipe()
    batch = batch or recipe.batch
    demand_none(shard_problems(typed, recipe, batch))
    gradients: dict[int, GradientStep] = {}
    for at in range(recipe.shards):
        shard = shard_of(at, batch, recipe.shards)
        if shard.size in gradients:
            continue
        backward = emit_backward(typed, recipe, shard.size, opset, target, shard=shard)
        form = None if backward.graph.policy else host
        gradients[shard.size] = _gradient_step(typed, backward, target, form, shard)
    update = _update_step(typed, recipe, backward, target, shared=True)
    return ShardedStep(batch, recipe.shards, gradients, update)


def build_steps(
    typed: TypedNetwork,
    *,
    split: bool,
    batch: int | None = None,
    opset: int = DEFAULT_OPSET,
    target: Target = "cpu",
    host: Host | None = None,
) -> Sequence[Step]:
    """All graphs of a step: one, where it is not in shards and not to be ``split``.

    Raises:
        UserError: as :func:`build_shards` does.
    """
    recipe = typed.network.recipe or Recipe()
    if recipe.shards > 1:
        return build_shards(typed, batch=batch, opset=opset, target=target, host=host).steps
    if split:
        return build_split(typed, batch=batch, opset=opset, target=target, host=host)
    return [build_step(typed, batch=batch, opset=opset, target=target, host=host)]


def _gradient_step(
    typed: TypedNetwork,
    backward: BackwardPass,
    target: Target,
    host: Host | None,
    shard: Shard | None = None,
) -> GradientStep:
    """The first half, of a whole batch or of a shard of one."""
    graph, weights = backward.graph, backward.forward.weights
    scale = {} if backward.scale is None else {SCALE: (backward.scale.scale, backward.scale.scale)}
    if shard is None:
        gate = Gate(graph, backward.scale, backward.gradients, graph.step)
        followed = gate.values(in_order(weights, statistics_of(backward)), weights)
        shown, metrics = shown_outputs(backward) | next_outputs(followed), metrics_of(backward)
    else:  # The second half, which has all shards, says whether the step is taken.
        shown, metrics = share_outputs(backward, shard), _whole_metrics(backward, shard)
    inputs = {
        **batch_inputs(backward),
        **specs("weight", weights.values()),
        **state_inputs(scale),
        **specs("first", [graph.first] if graph.first is not None else []),
        **scalar_inputs(graph, "step", "seed"),
    }
    outputs = {**shown, **gradient_outputs(backward)}
    of = "" if shard is None else " of a shard"
    return GradientStep(
        model_of(f"{typed.name} gradient step{of}", graph, target, inputs, outputs, host),
        Signature(graph.batch, tuple(inputs), tuple(outputs), metrics),
        host=host,
    )


def _whole_metrics(backward: BackwardPass, shard: Shard) -> dict[str, Metric]:
    """What is measured of each head of the whole batch."""
    return {
        output: dataclasses.replace(one, count=one.count * shard.batch // shard.size)
        if one.measure == "accuracy"
        else one
        for output, one in metrics_of(backward).items()
    }


def _update_step(
    typed: TypedNetwork,
    recipe: Recipe,
    backward: BackwardPass,
    target: Target,
    *,
    shared: bool = False,
) -> UpdateStep:
    """The second half; what is ``shared`` comes in shares, running statistics too."""
    graph = StepGraph(backward.graph.batch, backward.graph.opset)
    dims = {name: dims_of(backward.forward.weights[name]) for name in backward.learning}
    weights = {name: graph.weight(name, dims[name]) for name in dims}
    gradients = {name: graph.weight(gradient_name(name), dims[name]) for name in backward.gradients}
    scale = None if backward.scale is None else LossScale(graph)
    gate = Gate(graph, scale, gradients, graph.step)
    updates = updates_of(recipe, graph, backward, weights, gate)
    followed: dict[str, onnx_ir.Value] = {}
    shares: dict[str, onnx_ir.Value] = {}
    if shared:
        for name, value in statistics_of(backward).items():
            weights[name] = graph.weight(name, dims_of(value))
            shares[name] = graph.weight(share_name(name), dims_of(value))
            graph.enter(f"{name}/next")
            followed[name] = graph.op("Identity", shares[name])
    new, state = gate.values({**updates.weights, **followed}, weights), gate.states(updates.state)
    inputs = {
        **specs("weight", weights.values()),
        **state_inputs(state),
        **{spec_of("gradient", value, name): value for name, value in gradients.items()},
        **{spec_of("share", value, name): value for name, value in shares.items()},
        **scalar_inputs(graph, "rate", "step"),
    }
    outputs = {
        **specs("skipped", gate.overflow),
        **next_outputs(new),
        **next_outputs({name: value for name, (_, value) in state.items()}),
    }
    return UpdateStep(
        model_of(f"{typed.name} update step", graph, target, inputs, outputs),
        Signature(graph.batch, tuple(inputs), tuple(outputs)),
    )
