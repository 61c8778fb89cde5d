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
from cnndsl.recipe.schedules.multistep import MultiStep
from cnndsl.recipe.schedules.plateau import Plateau
from cnndsl.recipe.schedules.step import Step
from cnndsl.typecheck.spans import attribute_place, label_places, setting_labels, setting_place

__all__ = ["setting_problems"]


def setting_problems(typed: TypedNetwork, recipe: Recipe) -> Iterator[Diagnostic]:
    """What the settings have against each other and the network."""
    network = typed.network
    yield from _drops(network, recipe)
    yield from _patience(network, recipe)
    yield from _rates(network, recipe)
    yield from _weights(typed, recipe)
    yield from _labels(typed, recipe)


def _odd(message: str, span: Span, help: str, labels: tuple[Label, ...] = ()) -> Diagnostic:
    return Diagnostic("CNN213", message, span, labels=labels, help=help, severity=Severity.WARNING)


def _these(epochs: list[int]) -> str:
    """``epoch 9``, ``the epochs 7 and 9``."""
    if len(epochs) == 1:
        return f"epoch {epochs[0]}"
    return f"the epochs {', '.join(map(str, epochs[:-1]))} and {epochs[-1]}"


# --- time -------------------------------------------------------------------------------------


def _drops(network: Network, recipe: Recipe) -> Iterator[Diagnostic]:
    """Drops of `step` and `multistep` that never come, or come where the rate still rises."""
    schedule, epochs = recipe.schedule, recipe.epochs
    if isinstance(schedule, MultiStep):
        attribute, drops = "at", list(schedule.at)
    elif isinstance(schedule, Step):
        attribute, drops = "every", [schedule.every + 1]
    else:
        return
    span = attribute_place(network, "schedule", attribute)
    labels = setting_labels(network, "epochs")
    late = [epoch for epoch in drops if epoch > epochs]
    if late:
        message = f"no drop at {_these(late)}: training has {count(epochs, 'epoch')}"
        yield _odd(message, span, "let it drop earlier, or train for more `epochs`", labels)
    if drops[0] == 1:
        message = (
            f"the drop at epoch 1 comes first of all: the rate is never {recipe.optimizer.lr:g}"
        )
        yield _odd(message, span, "write a smaller `lr`, and the epochs of the later drops")
    early = [epoch for epoch in drops if 1 < epoch <= schedule.warmup]
    if early:
        whole = count(schedule.warmup, "epoch")
        message = f"the drop at {_these(early)} falls into the warm-up, which takes {whole}"
        yield _odd(message, span, "let it drop after the warm-up, or warm up for less long")


def _patience(network: Network, recipe: Recipe) -> Iterator[Diagnostic]:
    """The first epoch is always a new best: only then the waiting begins."""
    epochs, stop, schedule = recipe.epochs, recipe.early_stop, recipe.schedule
    whole = count(epochs, "epoch")
    labels = setting_labels(network, "epochs")
    if stop is not None and stop + 1 >= epochs:
        message = f"`early_stop {stop}` never stops a training of {whole}"
        help = "let it wait for fewer epochs, or take it out"
        yield _odd(message, setting_place(network, "early_stop"), help, labels)
    if not isinstance(schedule, Plateau):
        return
    span = attribute_place(network, "schedule", "patience")
    if schedule.patience + 1 >= epochs:
        message = f"a plateau of {count(schedule.patience, 'epoch')} never drops in {whole}"
        yield _odd(message, span, "write a smaller `patience`, or more `epochs`", labels)
    elif stop is not None and stop <= schedule.patience:
        message = f"`early_stop {stop}` ends training before a plateau of {schedule.patience} drops"
        help = "write a smaller `patience`, or let `early_stop` wait for longer"
        yield _odd(message, span, help, setting_labels(network, "early_stop"))


# --- rates ------------------------------------------------------------------------------------


def _rates(network: Network, recipe: Recipe) -> Iterator[Diagnostic]:
    schedule, full = recipe.schedule, recipe.optimizer.lr
    labels = setting_labels(network, "optimizer")
    start = schedule.warmup_lr
    if start is not None:
        span = attribute_place(network, "schedule", "warmup_lr")
        if not schedule.warmup:
            yield _odd("`warmup_lr` does nothing without a `warmup`", span, "write `warmup 1`")
        elif start >= full:
            message = f"the warm-up from {start:g} does not rise: `lr` is {full:g}"
            yield _odd(message, span, "write a `warmup_lr` below `lr`", labels)
    least = getattr(schedule, "min_lr", 0.0)
    if least >= full:
        span = attribute_place(network, "schedule", "min_lr")
        message = f"the rate never falls: `min_lr` is {least:g}, and `lr` {full:g}"
        yield _odd(message, span, "write a `min_lr` below `lr`", labels)


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
    """Labels of `freeze` and `lr_factor` that reach nothing that they could change."""
    network = typed.network
    used = dict.fromkeys(network.owners[at] for at in live_nodes(network))
    names = [network.nodes[at].name for at in used if typed.weights[at]]
    covered = {scope for name in names for scope in scopes(name)}
    whole = setting_place(network, "train")
    places = label_places(network, "freeze")
    for label in recipe.freeze:
        if label not in covered:
            message = f"`freeze {label}` does nothing: there are no weights in it"
            yield _odd(message, places.get(label, whole), "name a layer that has weights")
    learning = [name for name in names if not recipe.freezes(name)]
    free = {scope for name in learning for scope in scopes(name)}
    labels = {factor.label for factor in recipe.lr_factors}
    nearest = {next((s for s in scopes(name) if s in labels), "") for name in learning}
    places = label_places(network, "lr_factor")
    for label in dict.fromkeys(factor.label for factor in recipe.lr_factors):
        if label in nearest:
            continue
        why = "a nearer label decides for each of its layers"
        if label not in free:
            why = "what it covers is frozen"
        if label not in covered:
            why = "there are no weights in it"
        message = f"`lr_factor {label}` does nothing: {why}"
        yield _odd(message, places.get(label, whole), "take it out")
