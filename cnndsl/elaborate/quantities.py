"""What ``expect`` can speak of; :mod:`cnndsl.analysis.cost` works the numbers out."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Quantity"]


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
    PEAK_ACTIVATION_BYTES = "peak_activation_bytes"
