"""Turns what a net's file and its solver say of training into a recipe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from cnndsl.diagnostics.words import count
from cnndsl.importers.networks.caffe.converter import Converter, Head
from cnndsl.importers.networks.caffe.inputs import Feed
from cnndsl.importers.networks.caffe.solver import Solver
from cnndsl.importers.networks.recipe_parts import made
from cnndsl.recipe import AUGMENTATIONS, LOSSES
from cnndsl.recipe.heads import HeadLoss
from cnndsl.recipe.recipe import Recipe
from cnndsl.recipe.settings import RateFactor, WeightDecay

__all__ = ["label_of", "main_head", "recipe_of"]


def main_head(heads: Sequence[Head]) -> Head | None:
    """The head that counts most; of several that count alike the last one."""
    return max(heads, key=lambda head: head.weight, default=None) if heads else None


def recipe_of(
    converter: Converter, heads: Sequence[Head], feed: Feed | None, solver: Solver | None
) -> Recipe | None:
    """The recipe; None where the net has no loss."""
    main = main_head(heads)
    if main is None:
        return None
    values: dict[str, Any] = {"loss": _loss(main), "loss_weight": main.weight}
    values["heads"] = tuple(
        HeadLoss(label_of(converter, head), _loss(head), head.weight)
        for head in heads
        if head is not main
    )
    if feed is not None and feed.batch:
        values["batch"] = feed.batch
    if feed is not None and feed.mirror:
        values["augment"] = (_made(AUGMENTATIONS, "flip"),)
    if feed is not None and feed.crops:
        converter.notes.add(
            "",
            "",
            f"{feed.place}: training cuts a random {feed.crops}x{feed.crops} out of larger stored"
            " pictures; `augment crop padding …` cuts it out of the prepared picture with zeros"
            " around it",
        )
    if solver is not None:
        values |= _of_solver(converter, solver)
    freeze, factors = _rates(converter)
    return Recipe(**values, freeze=freeze, lr_factors=factors)


def _of_solver(converter: Converter, solver: Solver) -> dict[str, Any]:
    for note in solver.notes:
        converter.notes.add("", "", note)
    found: dict[str, Any] = {"optimizer": solver.optimizer}
    if solver.weight_decay:
        everything = _decays_biases(converter)
        values = {"value": solver.weight_decay, "all": everything}
        found["weight_decay"] = made(converter.network.notes, WeightDecay, values)
    given: dict[str, Any] = {
        "schedule": solver.schedule,
        "clip": solver.clip,
        "batch": solver.batch or None,
        "epochs": solver.epochs,
        "seed": solver.seed,
    }
    found |= given
    return {name: value for name, value in found.items() if value is not None}


def _loss(head: Head) -> Any:
    return _made(LOSSES, head.kind)


def _made(registry: Any, keyword: str, **values: object) -> Any:
    return registry.find(keyword)(**values)


def label_of(converter: Converter, head: Head) -> str:
    """What the source calls the layer that a head is."""
    maker = converter.maker(head.value)
    return maker.layer.name if maker is not None else head.use.layer.name


# --- rates and decay of single weights --------------------------------------------------------

_STATISTICS = ("BatchNorm",)
"""Types whose weights are running statistics, which Caffe keeps from learning by a rate of 0."""


def _rates(converter: Converter) -> tuple[tuple[str, ...], tuple[RateFactor, ...]]:
    freeze = list(dict.fromkeys(converter.frozen))
    factors: list[RateFactor] = []
    biases: Counter[float] = Counter()
    for use in converter.flow.uses:
        layer = use.layer
        rates = [weight.rate for weight in layer.weights]
        if not rates or layer.type in _STATISTICS or not use.inputs:
            continue
        if not any(rates):
            freeze.append(layer.name)
            continue
        if rates[0] != 1 and rates[0] > 0:
            values = {"label": layer.name, "value": rates[0]}
            if (factor := made(converter.network.notes, RateFactor, values)) is not None:
                factors.append(factor)
        if len(rates) > 1 and rates[1] != rates[0]:
            biases[rates[1] / rates[0] if rates[0] else 0] += 1
    for ratio, layers in biases.items():
        converter.notes.add(
            "",
            "",
            f"in {count(layers, 'layer')} biases learn {ratio:g} times as fast as weights; here"
            " both learn alike",
        )
    return tuple(dict.fromkeys(freeze)), tuple(factors)


def _decays_biases(converter: Converter) -> bool:
    """Whether most biases decay, as they do in Caffe unless `decay_mult` is 0."""
    decays = [
        use.layer.weights[1].decay != 0 if len(use.layer.weights) > 1 else True
        for use in converter.flow.uses
        if use.layer.type in ("Convolution", "InnerProduct")
    ]
    return 2 * sum(decays) > len(decays)
