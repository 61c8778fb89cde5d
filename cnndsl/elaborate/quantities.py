"""What ``expect`` can speak of, and in which units; :mod:`cnndsl.analysis.cost` works it out."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

__all__ = ["BYTES", "COUNTS", "Quantity"]

COUNTS: Mapping[str, int] = MappingProxyType({"K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12})
"""The units of numbers: ``5 M`` parameters."""

BYTES: Mapping[str, int] = MappingProxyType(
    {
        **{f"{unit}B": scale for unit, scale in COUNTS.items()},
        **{f"{unit}iB": 2 ** (10 * power) for power, unit in enumerate(COUNTS, start=1)},
    }
)
"""The units of bytes: ``8 GB`` are 8e9, ``8 GiB`` 8*2^30."""


class Quantity(StrEnum):
    """A quantity of a network: sizes where it has dimensions, else one number."""

    PARAMS = "params"
    TRAINABLE_PARAMS = "trainable_params"
    INFERENCE_PARAMS = "inference_params"
    BUFFERS = "buffers"
    MACS = "macs"
    INFERENCE_MACS = "inference_macs"
    OUTPUT = "output"
    RECEPTIVE_FIELD = "receptive_field"
    LAYERS = "layers"
    DEPTH = "depth"
    WEIGHT_BYTES = "weight_bytes"
    ACTIVATION_BYTES = "activation_bytes"
    PEAK_ACTIVATION_BYTES = "peak_activation_bytes"
    TRAINING_BYTES = "training_bytes"
    TRAINING_ACTIVATION_BYTES = "training_activation_bytes"

    @property
    def is_sizes(self) -> bool:
        """Whether it has a number for each dimension."""
        return self in (Quantity.OUTPUT, Quantity.RECEPTIVE_FIELD)

    @property
    def units(self) -> Mapping[str, int]:
        """The units that its numbers can have."""
        if self.is_sizes:
            return {}
        return BYTES if self.endswith("_bytes") else COUNTS

    @property
    def is_of_recipe(self) -> bool:
        """Whether it hangs on the recipe of training too."""
        return self in _OF_RECIPE


_OF_RECIPE = frozenset(
    (Quantity.TRAINABLE_PARAMS, Quantity.TRAINING_BYTES, Quantity.TRAINING_ACTIVATION_BYTES)
)
