"""Finds settings of a recipe that do nothing, or that work against another.

Epochs are counted from 1, as training shows them (decision 0027).
"""

from __future__ import annotations

from collections.abc import Iterator

from cnndsl.analysis.liveness import live_nodes
from cnndsl.diagnostics.model import Diagnostic, Label, Severity
from cnndsl.diagnostics.source import Span
from cnndsl.diagnostics.words import count
from cnndsl.elaborate.network import Network, TypedNetwork
from cnndsl.recipe.recipe import Recipe, scopes
from cnndsl.recipe.schedules.base import Course
from cnndsl.typecheck.heads import head_positions
from cnndsl.typecheck.spans import attribute_place, label_places, setting_labels, setting_place

__all__ = ["setting_problems"]


def setting_problems(typed: TypedNetwork, recipe: Recipe) -> Iterator[Diagnostic]:
    """What the settings have against each other and the network."""
    network = typed.network
    yield from _early_stop(network, recipe)
    yield from _schedule(network, recipe)
    yield from _weights(typed, recipe)
    yield from _labels(typed, recipe)


def _odd(message: str, span: Span, help: str, labels: tuple[Label, ...] = ()) -> Diagnostic:
    return Diagnostic("CNN213", message, span, labels=labels, help=help, severity=Severity.WARNING)


# --- time and rates ---------------------------------------------------------------------------


def _early_stop(network: Network, recipe: Recipe) -> Iterator[Diagnostic]:
    """The first epoch is always a new best: only then the waiting begins."""
    epochs, stop = recipe.epochs, recipe.early_stop
    if stop is not None and stop + 1 >= epochs:
        message = f"`early_stop {stop}` never stops a training of {count(epochs, 'epoch')}"
        help = "let it wait for fewer epochs, or take it out"
        place, labels = setting_place(network, "early_stop"), setting_labels(network, "epochs")
        yield _odd(message, place, help, labels)


def _schedule(network: Network, recipe: Recipe) -> Iterator[Diagnostic]:
    course = Course(recipe.epochs, recipe.optimizer.lr, recipe.early_stop)
    for fault in recipe.schedule.faults(course):
        place = attribute_place(network, "schedule", fault.blame)
        labels = setting_labels(network, fault.beside) if fault.beside else ()
        yield _odd(fault.message, place, fault.help, labels)


# --- weights ----------------------------------------------------------------------------------


def _weights(typed: TypedNetwork, recipe: Recipe) -> Iterator[Diagnostic]:
    network = typed.network
    decay = recipe.weight_decay
    if decay.all and decay.value == 0:
        span = attribute_place(network, "weight_decay", "all")
        yield _odd("`all yes` does nothing: the weight decay is 0", span, "write a factor above 0")
    init = recipe.init
    drawn = any(weight.init is None for weights in typed.weights for weight in weights)
    if not drawn and any(True for weights in typed.weights for _ in weights):
        if any(True for _ in setting_labels(network, "init")):
            message = f"`init {init.name}` does nothing: every layer says itself how it begins"
            yield _odd(message, setting_place(network, "init"), "take it out")
    elif init.name == "constant" or init.value == 0:
        yield _odd(
            f"`init {init.name}({init.value:g})` lets all units of a layer begin alike:"
            " they learn the same",
            setting_place(network, "init"),
            "draw them: `he`, `glorot`, `lecun`, or `normal` and `uniform` above 0",
        )


def _labels(typed: TypedNetwork, recipe: Recipe) -> Iterator[Diagnostic]:
    """Labels of `freeze`, `lr_factor` and `max_norm` that reach nothing they could change."""
    network = typed.network
    heads = head_positions(network, recipe)
    live = live_nodes(network, [*network.outputs.values(), *heads])
    used = dict.fromkeys(network.owners[at] for at in live)
    names = [network.nodes[at].name for at in used if typed.weights[at]]
    covered = {scope for name in names for scope in scopes(name)}
    whole = setting_place(network, "train")
    places = label_places(network, "freeze")
    for label in recipe.freeze:
        if label not in covered:
            message = f"`freeze {label}` does nothing: there are no weights in it"
            yield _odd(message, places.get(label, whole), "name a layer that has weights")
    learning = [name for name in names if not recipe.freezes(name)]
    united = {
        network.nodes[at].name for at in used if any(one.has_units for one in typed.weights[at])
    }
    for setting, lines, those in (
        ("lr_factor", recipe.lr_factors, names),
        ("max_norm", recipe.max_norms, [name for name in names if name in united]),
    ):
        reached = {scope for name in those for scope in scopes(name)}
        taught = [name for name in those if name in learning]
        free = {scope for name in taught for scope in scopes(name)}
        labels = {line.label for line in lines}
        nearest = {next((s for s in scopes(name) if s in labels), "") for name in taught}
        places = label_places(network, setting)
        for label in dict.fromkeys(line.label for line in lines):
            if label in nearest:
                continue
            why = "a nearer label decides for each of its layers"
            if label not in free:
                why = "what it covers is frozen"
            if label not in reached:
                why = "no unit in it has weights of its own"
            if label not in covered:
                why = "there are no weights in it"
            message = f"`{setting} {label}` does nothing: {why}"
            yield _odd(message, places.get(label, whole), "take it out")
