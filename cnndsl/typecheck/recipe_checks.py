"""Says what a recipe and a network together make wrong, or other than was probably meant.

The checker asks where the spec has a recipe, and training before its first step, with the recipe
as it was set for the run. What no data could mend is an error, the rest are warnings; so is a
network of which all is frozen, which may be meant to be used as it is.
"""

from __future__ import annotations

from collections.abc import Iterator

from cnndsl.analysis.liveness import live_nodes
from cnndsl.diagnostics.model import Diagnostic, Severity
from cnndsl.diagnostics.words import abridged, count
from cnndsl.elaborate.network import LayerNode, TypedNetwork
from cnndsl.frozen import replace
from cnndsl.recipe.recipe import Recipe
from cnndsl.typecheck.heads import head_positions
from cnndsl.typecheck.loss_checks import head_problems, loss_problems
from cnndsl.typecheck.setting_checks import setting_problems
from cnndsl.typecheck.sharing import recipe_label_problems
from cnndsl.typecheck.spans import layer_place, output_places, setting_labels, setting_place

__all__ = [
    "nothing_learns",
    "recipe_errors",
    "recipe_problems",
    "shard_problems",
    "single_values",
]

_NAMED = 3
"""How many layers a note names; the rest is counted."""


def recipe_problems(typed: TypedNetwork, recipe: Recipe) -> Iterator[Diagnostic]:
    """All that is wrong or odd about training this network so."""
    for problem in nothing_learns(typed, recipe):
        yield replace(problem, severity=Severity.WARNING)
    yield from single_values(typed, recipe, recipe.batch)
    yield from shard_problems(typed, recipe, recipe.batch)
    yield from loss_problems(typed, recipe)
    others = [*recipe_label_problems(typed, recipe)]
    yield from others
    told = {problem.span for problem in others}
    yield from (one for one in setting_problems(typed, recipe) if one.span not in told)
    yield from _untrained_outputs(typed, recipe)


def recipe_errors(typed: TypedNetwork, recipe: Recipe, batch: int) -> Iterator[Diagnostic]:
    """What keeps a step in one graph from being computed at all, for batches of this size."""
    yield from nothing_learns(typed, recipe)
    yield from single_values(typed, recipe, batch)
    yield from recipe_label_problems(typed, recipe)
    yield from head_problems(typed, recipe)


# --- what learns ------------------------------------------------------------------------------


def _learns(typed: TypedNetwork, recipe: Recipe, position: int) -> bool:
    """Whether a node has weights that the recipe lets learn."""
    weights = any(weight.trainable for weight in typed.weights_of(position).values())
    owner = typed.network.nodes[typed.network.owners[position]]
    return weights and not recipe.freezes(owner.name)


def nothing_learns(typed: TypedNetwork, recipe: Recipe) -> Iterator[Diagnostic]:
    """CNN808, where no weight of the network changes in training."""
    live = live_nodes(typed.network, head_positions(typed.network, recipe))
    if any(_learns(typed, recipe, at) for at in live):
        return
    weights = any(weight.trainable for at in live for weight in typed.weights_of(at).values())
    why = "all its layers with weights are frozen" if weights else "it has no weights"
    help = "add a layer with weights, such as `dense 10`"
    if weights:
        help = "take a label out of `freeze`"
    yield Diagnostic(
        "CNN808",
        f"nothing in `{typed.name}` learns: {why}",
        setting_place(typed.network, "freeze"),
        help=help,
    )


def _untrained_outputs(typed: TypedNetwork, recipe: Recipe) -> Iterator[Diagnostic]:
    """Further outputs with layers of their own, which the main output's loss does not reach."""
    heads = head_positions(typed.network, recipe)
    trained = set(live_nodes(typed.network, heads))
    # Nodes that depend on a layer that could learn and does not.
    left: set[int] = set()
    for at, node in enumerate(typed.network.nodes):
        if not isinstance(node, LayerNode) or at in trained:
            continue
        if _learns(typed, recipe, at) or not left.isdisjoint(node.inputs):
            left.add(at)
    unnamed = set(left)
    places = output_places(typed.network)
    for name, position in [*typed.network.outputs.items()][1:]:
        if position not in left:
            continue
        own = _reached(typed, position, unnamed)
        unnamed.difference_update(own)
        names = [typed.network.nodes[at].name for at in own if _learns(typed, recipe, at)]
        shown = abridged([f"`{name}`" for name in names], _NAMED)
        yield Diagnostic(
            "CNN504",
            f"the output `{name}` is not trained: {_losses(len(heads))}",
            places[name],
            notes=(f"layers that stay as they begin: {shown}",) if names else (),
            help=f"remove `output {name}`, or say with `freeze` that its layers are to stay"
            if len(heads) == 1
            else f"give it a loss, as in `loss {name} crossentropy`, or remove `output {name}`",
            severity=Severity.WARNING,
        )


def _losses(count: int) -> str:
    if count == 1:
        return "the loss is that of the main output alone"
    return f"none of the {count} losses depends on it"


def _reached(typed: TypedNetwork, output: int, among: set[int]) -> list[int]:
    """Those of some nodes that an output depends on, in topological order."""
    found: set[int] = set()
    pending = [output]
    while pending:
        at = pending.pop()
        node = typed.network.nodes[at]
        if at in among and at not in found and isinstance(node, LayerNode):
            found.add(at)
            pending.extend(node.inputs)
    return sorted(found)


# --- shards -----------------------------------------------------------------------------------


def shard_problems(typed: TypedNetwork, recipe: Recipe, batch: int) -> Iterator[Diagnostic]:
    """Each shard has a sample at least, and as many as batch normalisation needs."""
    shards = recipe.shards
    if shards > batch:
        yield Diagnostic(
            "CNN507",
            f"a batch of {count(batch, 'sample')} cannot be divided into {shards} shards",
            setting_place(typed.network, "shards"),
            labels=setting_labels(typed.network, "batch"),
            help=f"write `shards {batch}` or fewer, or a larger `batch`",
        )
    elif shards > 1 and batch > 1:
        for problem in single_values(typed, recipe, batch // shards):
            yield replace(
                problem,
                notes=(f"`shards {shards}` leaves parts of one sample of a batch of {batch}",),
                labels=setting_labels(typed.network, "shards"),
                help=f"write `shards {max(1, batch // 2)}` or fewer, or `freeze` the layer",
            )


# --- statistics -------------------------------------------------------------------------------


def single_values(typed: TypedNetwork, recipe: Recipe, batch: int) -> Iterator[Diagnostic]:
    """Batch normalisation over one value gives 0, and the variance that it remembers falls to 0."""
    if batch > 1:
        return
    for at in live_nodes(typed.network, head_positions(typed.network, recipe)):
        node = typed.network.nodes[at]
        if not isinstance(node, LayerNode) or not node.layer.normalises_batch:
            continue
        if typed.types[at].elements > typed.types[at].channels or recipe.freezes(node.owner):
            continue
        yield Diagnostic(
            "CNN313",
            f"`{node.name}` normalises over a single value: 1 sample with 1 place",
            layer_place(node),
            labels=setting_labels(typed.network, "batch"),
            help="take batches of 2 or more, or `freeze` the layer",
        )
