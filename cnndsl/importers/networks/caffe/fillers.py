"""Turns Caffe's fillers into our initialisers.

`xavier` draws evenly with the variance 1/fan_in, `msra` from a normal distribution with 2/fan_in,
fan_out or the mean of both in their place where `variance_norm` says so (``filler.hpp``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnndsl.importers.networks.caffe.fields import Fields
from cnndsl.layers.init import Init

if TYPE_CHECKING:
    from cnndsl.importers.networks.caffe.converter import Converter
    from cnndsl.importers.networks.caffe.dataflow import Use

__all__ = ["filler"]

_NORMS = ("FAN_IN", "FAN_OUT", "AVERAGE")


def filler(converter: Converter, use: Use, parameters: Fields, name: str) -> Init | None:
    """How a layer's weights begin; None where it is not said, or where we have no word for it."""
    fields = parameters.inner(name)
    if not fields.is_there:
        return None
    kind = fields.text("type", "constant")
    # A filler does not look at what others take.
    fields.ignore("value", "min", "max", "mean", "std", "sparse", "variance_norm")
    if kind == "constant":
        return Init("constant", fields.number("value", 0.0))
    norm = fields.word("variance_norm", "FAN_IN", _NORMS)
    if kind == "xavier" and norm != "FAN_OUT":
        return Init("lecun" if norm == "FAN_IN" else "glorot")
    if kind == "msra" and norm == "FAN_IN":
        return Init("he")
    if kind == "gaussian" and not fields.number("mean", 0.0) and fields.whole("sparse", -1) < 0:
        deviation = fields.number("std", 1.0)
        return Init("normal", deviation) if deviation > 0 else Init("constant", 0.0)
    if kind == "uniform":
        low, high = fields.number("min", 0.0), fields.number("max", 1.0)
        if low == -high and high > 0:
            return Init("uniform", high)
    converter.note(
        use,
        f"weights begin by the filler `{kind}`, which no initialiser is; they begin as the recipe's"
        " `init` says",
    )
    return None
