"""Turns what a model was compiled with, and what its layers say of training, into a recipe."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from cnndsl.diagnostics.words import listed, quoted
from cnndsl.importers.networks.keras.converter import Converter
from cnndsl.importers.networks.keras.document import Document
from cnndsl.importers.networks.recipe_parts import made
from cnndsl.recipe import AUGMENTATIONS, LOSSES, OPTIMIZERS
from cnndsl.recipe.recipe import Recipe
from cnndsl.recipe.settings import MaxNorm, WeightDecay

__all__ = ["recipe_of"]

_LOSSES = {
    "categoricalcrossentropy": "crossentropy",
    "sparsecategoricalcrossentropy": "crossentropy",
    "binarycrossentropy": "binarycrossentropy",
    "mse": "mse",
    "meansquarederror": "mse",
    "mae": "mae",
    "meanabsoluteerror": "mae",
    "huber": "huber",
    "huberloss": "huber",
}


def recipe_of(converter: Converter, document: Document) -> Recipe:
    """The recipe; what the file does not say has our defaults."""
    notes = converter.network.notes
    values: dict[str, Any] = {}
    training = document.training
    if training:
        values |= _loss(training.get("loss"), notes)
        values |= _optimizer(training.get("optimizer") or training.get("optimizer_config"), notes)
    for mode in converter.augment:
        flip = _made(notes, AUGMENTATIONS, "flip", {"direction": mode})
        values["augment"] = (*values.get("augment", ()), flip)
    values |= _decay(converter, values)
    values["max_norms"] = tuple(
        MaxNorm(label=name, value=limit) for name, limit in converter.norms.items()
    )
    values["freeze"] = tuple(dict.fromkeys(converter.frozen))
    return Recipe(**{name: value for name, value in values.items() if value is not None})


def _loss(found: Any, notes: list[str]) -> dict[str, Any]:
    several = (
        list(found.values()) if isinstance(found, dict) and "class_name" not in found else found
    )
    if isinstance(several, list):
        if len(several) != 1:
            if several:
                notes.append(
                    f"the model was compiled with {len(several)} losses: write `loss NAME KIND`"
                    " for each"
                )
            return {}
        found = several[0]
    name, config = _named(found)
    if not name:
        return {}
    kind = _LOSSES.get(name)
    if kind is None:
        notes.append(f"the model was compiled with the loss `{name}`, which none of ours is")
        return {}
    settings: dict[str, Any] = {}
    if kind == "crossentropy" and config.get("label_smoothing"):
        settings["smoothing"] = float(config["label_smoothing"])
    if kind == "huber":
        settings["delta"] = float(config.get("delta", 1.0))
    return {"loss": _made(notes, LOSSES, kind, settings)}


_RATES = {"sgd": 0.01, "adam": 0.001, "adamw": 0.001, "rmsprop": 0.001, "adagrad": 0.001,
          "adadelta": 0.001}  # fmt: skip


def _optimizer(found: Any, notes: list[str]) -> dict[str, Any]:
    name, config = _named(found)
    if not name:
        return {}
    if name not in _RATES:
        notes.append(f"the model was compiled with the optimizer `{name}`, which none of ours is")
        return {}
    rate = config.get("learning_rate", config.get("lr", _RATES[name]))
    if not isinstance(rate, int | float):
        scheduled, inner = _named(rate)
        rate = inner.get("initial_learning_rate", _RATES[name])
        notes.append(
            f"the learning rate follows `{scheduled}`, which counts steps; write `schedule` in"
            " epochs"
        )
    settings: dict[str, Any] = {"lr": _short(float(rate)), **_moments(name, config)}
    unsaid = [
        one
        for one in ("amsgrad", "centered", "use_ema", "clipvalue", "clipnorm")
        if config.get(one)
    ]
    if unsaid:
        notes.append(f"no recipe says {listed(quoted(unsaid).split(', '))} of the optimizer")
    parts: dict[str, Any] = {"optimizer": _made(notes, OPTIMIZERS, name, settings)}
    if limit := config.get("global_clipnorm"):
        parts["clip"] = float(limit)
    if decay := config.get("weight_decay"):
        values = {"value": float(decay), "all": True}
        parts["weight_decay"] = made(notes, WeightDecay, values)
    return parts


def _short(number: float) -> float:
    """A number that was a float32, in as few digits as that takes.

    >>> _short(0.0010000000474974513), _short(0.1234567891)
    (0.001, 0.1234567891)
    """
    near = float(f"{number:.7g}")
    return near if struct.pack("f", near) == struct.pack("f", number) else number


def _moments(name: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """What an optimizer has beside its learning rate."""
    eps = float(config.get("epsilon") or 1e-7)
    momentum = float(config.get("momentum") or 0.0)
    if name == "sgd":
        return {"momentum": momentum, "nesterov": bool(config.get("nesterov"))}
    if name in ("adam", "adamw"):
        first, second = config.get("beta_1", 0.9), config.get("beta_2", 0.999)
        return {"beta1": float(first), "beta2": float(second), "eps": eps}
    if name == "rmsprop":
        return {"alpha": float(config.get("rho", 0.9)), "eps": eps, "momentum": momentum}
    if name == "adadelta":
        return {"rho": float(config.get("rho", 0.95)), "eps": eps}
    return {"eps": eps}


def _decay(converter: Converter, values: Mapping[str, Any]) -> dict[str, Any]:
    """The decay that kernels have as a regulariser, where it is one for all."""
    decays = {*converter.decays.values()}
    if not decays:
        return {}
    if len(decays) > 1 or "weight_decay" in values:
        names = listed(_shown(list(converter.decays)))
        converter.network.notes.append(f"no recipe has a weight decay for each layer: {names}")
        return {}
    return {"weight_decay": made(converter.network.notes, WeightDecay, {"value": decays.pop()})}


def _shown(names: Sequence[str]) -> list[str]:
    shown = [f"`{name}`" for name in names[:3]]
    return [*shown, f"{len(names) - 3} more"] if len(names) > 3 else shown


def _named(found: Any) -> tuple[str, dict[str, Any]]:
    """The name of a loss or an optimizer in small letters, and its configuration."""
    if isinstance(found, str):
        return re.sub(r"[^a-z]", "", found.lower()), {}
    if not isinstance(found, dict):
        return "", {}
    config = found.get("config")
    if isinstance(config, str):
        return re.sub(r"[^a-z]", "", config.lower()), {}
    name = str(found.get("class_name", ""))
    return re.sub(r"[^a-z]", "", name.lower()), config if isinstance(config, dict) else {}


def _made(notes: list[str], registry: Any, keyword: str, values: Mapping[str, Any]) -> Any:
    return made(notes, registry.find(keyword), values)
