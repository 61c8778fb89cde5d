"""Says what a recipe and a network together make wrong, or other than was probably meant.

The checker asks where the spec has a recipe, and training before its first step, with the recipe
as it was set for the run. What no data could mend is an error, the rest are warnings; so is a
network of which all is frozen, which may be meant to be used as it is.
"""

from __future__ import annotations

from collections.abc import Iterator

from cnndsl.diagnostics.model import Diagnostic, Severity
from cnndsl.frozen import replace
from cnndsl.layers.normalization import BatchNorm
from cnndsl.semantics.liveness import live_nodes
from cnndsl.semantics.loss_checks import loss_problems
from cnndsl.semantics.network import LayerNode, TypedNetwork
from cnndsl.semantics.places import layer_place, output_place, setting_labels, setting_place
from cnndsl.semantics.recipe import Recipe
from cnndsl.semantics.scores import main_output
from cnndsl.semantics.setting_checks import setting_problems

__all__ = ["recipe_errors", "recipe_problems", "single_values"]

_NAMED = 3
"""How many layers a note names; the rest is counted."""


def recipe_problems(typed: TypedNetwork, recipe: Recipe) -> Iterator[Diagnostic]:
    """All that is wrong or odd about training this network so."""
    for problem in _nothing_learns(typed, recipe):
        yield replace(problem, severity=Severity.WARNING)
    yield from single_values(typed, recipe, recipe.batch)
    yield from loss_problems(typed, recipe)
    yield from setting_problems(typed, recipe)
    yield from _untrained_outputs(typed, recipe)


def recipe_errors(typed: TypedNetwork, recipe: Recipe, batch: int) -> Iterator[Diagnostic]:
    """What keeps a step from being computed at all, for batches of this size."""
    yield from _nothing_learns(typed, recipe)
    yield from single_values(typed, recipe, batch)


# --- what learns ------------------------------------------------------------------------------


def _learning(typed: TypedNetwork, recipe: Recipe, positions: list[int]) -> list[LayerNode]:
    """Those of some layers whose weights the recipe lets learn."""
    nodes = ((typed.network.nodes[at], typed.weights[at]) for at in positions)
    return [
        node
        for node, weights in nodes
        if isinstance(node, LayerNode)
        and any(weight.trainable for weight in weights)
        and not recipe.freezes(node.name)
    ]


def _nothing_learns(typed: TypedNetwork, recipe: Recipe) -> Iterator[Diagnostic]:
    live = live_nodes(typed.network, [main_output(typed)])
    if _learning(typed, recipe, live):
        return
    weights = any(weight.trainable for at in live for weight in typed.weights[at])
    why = "all its layers with weights are frozen" if weights else "it has no weights"
    help = (
        "take a label out of `freeze`"
        if weights
        else "add a layer with weights, such as `dense 10`"
    )
    yield Diagnostic(
        "CNN808",
        f"nothing in `{typed.name}` learns: {why}",
        setting_place(typed.network, "freeze"),
        help=help,
    )


def _untrained_outputs(typed: TypedNetwork, recipe: Recipe) -> Iterator[Diagnostic]:
    """Further outputs with layers of their own, which the main output's loss does not reach."""
    trained = set(live_nodes(typed.network, [main_output(typed)]))
    for name, position in [*typed.network.outputs.items()][1:]:
        own = [at for at in live_nodes(typed.network, [position]) if at not in trained]
        left = [node.name for node in _learning(typed, recipe, own)]
        if not left:
            continue
        names = ", ".join(f"`{layer}`" for layer in left[:_NAMED])
        more = f" and {len(left) - _NAMED} more" if len(left) > _NAMED else ""
        yield Diagnostic(
            "CNN504",
            f"the output `{name}` is not trained: the loss is that of the main output alone",
            output_place(typed.network, name),
            notes=(f"layers that nothing else needs stay as they begin: {names}{more}",),
            help=f"remove `output {name}`, or say with `freeze` that its layers are to stay",
            severity=Severity.WARNING,
        )


# --- statistics -------------------------------------------------------------------------------


def single_values(typed: TypedNetwork, recipe: Recipe, batch: int) -> Iterator[Diagnostic]:
    """Batch normalisation over one value gives 0, and the variance that it remembers falls to 0."""
    if batch > 1:
        return
    for at in live_nodes(typed.network, [main_output(typed)]):
        node = typed.network.nodes[at]
        if not isinstance(node, LayerNode) or not isinstance(node.layer, BatchNorm):
            continue
        if typed.types[at].elements > typed.types[at].channels or recipe.freezes(node.name):
            continue
        yield Diagnostic(
            "CNN313",
            f"`{node.name}` normalises over a single value: 1 sample with 1 place",
            layer_place(node),
            labels=setting_labels(typed.network, "batch"),
            help="take batches of 2 or more, or `freeze` the layer",
        )
