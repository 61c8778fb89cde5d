"""Reads what holds a layer's weights small: regularisers and constraints."""

from __future__ import annotations

from typing import Any

from cnndsl.importers.networks.keras.config import Config
from cnndsl.importers.networks.keras.converter import Converter

__all__ = ["penalties"]


def penalties(converter: Converter, config: Config, kernel: str) -> None:
    """Note a kernel's decay and its largest norm, for the recipe."""
    decay = _decay(config.get(f"{kernel}_regularizer"))
    if decay is None:
        _note(converter, config, f"{kernel}_regularizer")
    elif decay:
        converter.decays[config.name] = decay
    if config.get("bias_regularizer") is not None:
        _note(converter, config, "bias_regularizer")
    limit = _limit(config.get(f"{kernel}_constraint"), kernel)
    if limit is None:
        _note(converter, config, f"{kernel}_constraint")
    elif limit:
        converter.norms[config.name] = limit
    if config.get("bias_constraint") is not None:
        _note(converter, config, "bias_constraint")


def _note(converter: Converter, config: Config, name: str) -> None:
    converter.note(config.name, f"no recipe says its `{name}`")


def _decay(value: Any) -> float | None:
    """The decay of squares, as half the sum is weighted; None for another regulariser."""
    if value is None:
        return 0.0
    inner = value.get("config") if isinstance(value, dict) else None
    if not isinstance(inner, dict) or inner.get("l1"):
        return None
    squares = inner.get("l2")
    # Keras adds l2 times the sum of squares to the loss, `weight_decay` half its number times it.
    return 2 * float(squares) if isinstance(squares, int | float) else None


def _limit(value: Any, kernel: str) -> float | None:
    """The largest norm of a unit; None for another constraint."""
    if value is None:
        return 0.0
    inner = value.get("config") if isinstance(value, dict) else None
    if not isinstance(inner, dict) or "max_value" not in inner or kernel != "kernel":
        return None
    axes = inner.get("axis", 0)
    # All axes but the last one, which counts units.
    whole = axes == 0 or axes in ([0], [0, 1], [0, 1, 2], [0, 1, 2, 3])
    return float(inner["max_value"]) if whole and "min_value" not in inner else None
