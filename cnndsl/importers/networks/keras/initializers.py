"""Turns Keras's initialisers into ours.

`glorot_uniform`, Keras's default, is our `glorot`. Those that differ only in the shape of the
distribution (`he_uniform`) become the one of the same variance.
"""

from __future__ import annotations

import re
from typing import Any

from cnndsl.importers.networks.keras.config import Config
from cnndsl.importers.networks.keras.converter import Converter
from cnndsl.layers.init import Init

__all__ = ["initializer", "start"]

_SCALED: dict[str, Init] = {
    "glorotuniform": Init("glorot"),
    "glorotnormal": Init("glorot"),
    "henormal": Init("he"),
    "heuniform": Init("he"),
    "lecunnormal": Init("lecun"),
    "lecununiform": Init("lecun"),
    "zeros": Init("constant", 0.0),
    "ones": Init("constant", 1.0),
}


def initializer(converter: Converter, config: Config, name: str) -> Init | None:
    """How weights begin; None where it is not said, or we have no word for it."""
    value = config.get(name)
    if value is None:
        return None
    kind, values = _named(value)
    found = _SCALED.get(kind) or _numbered(kind, values)
    if found is None:
        note = f"weights begin by the initialiser `{kind}`, which none of ours is"
        converter.note(config.name, note)
    return found


def start(converter: Converter, config: Config, name: str, default: float) -> float | None:
    """The number that weights begin at; None where they do not begin at one number."""
    found = initializer(converter, config, name)
    if found is None:
        return default
    return found.value if found.name == "constant" else None


def _named(value: Any) -> tuple[str, dict[str, Any]]:
    if isinstance(value, str):
        return re.sub(r"[^a-z0-9]", "", value.lower()), {}
    if not isinstance(value, dict):
        return "", {}
    inner = value.get("config")
    name = re.sub(r"[^a-z0-9]", "", str(value.get("class_name", "")).lower())
    return name, inner if isinstance(inner, dict) else {}


def _numbered(kind: str, values: dict[str, Any]) -> Init | None:
    if kind in ("randomnormal", "truncatednormal") and not values.get("mean"):
        return Init("normal", float(values.get("stddev", 0.05)))
    if kind == "constant":
        value = values.get("value", 0.0)
        return Init("constant", float(value)) if isinstance(value, int | float) else None
    if kind == "randomuniform":
        low, high = values.get("minval", -0.05), values.get("maxval", 0.05)
        return Init("uniform", float(high)) if -low == high > 0 else None
    if kind == "variancescaling":
        scale, mode = values.get("scale", 1.0), values.get("mode", "fan_in")
        known = {(2.0, "fan_in"): "he", (1.0, "fan_in"): "lecun", (1.0, "fan_avg"): "glorot"}
        found = known.get((float(scale), mode))
        return _SCALED[f"{found}normal"] if found else None
    return None
