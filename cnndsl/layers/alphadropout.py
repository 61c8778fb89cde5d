"""Dropout that keeps mean and variance behind a selu: `alphadropout`."""

import math
from typing import TypeVar

from pydantic import Field
from typing_extensions import override

from cnndsl.layers.lowering import TrainingBuilder
from cnndsl.layers.regularization import Regularizer
from cnndsl.types import TensorType

__all__ = ["AlphaDropout"]

V = TypeVar("V")

_FLOOR = -1.7580993408473766
"""What `selu` falls to: minus its alpha times its gamma."""


class AlphaDropout(Regularizer):
    """In training, sets numbers to the least of `selu` at random, keeping mean and variance."""

    keyword = "alphadropout"
    per_channel = True
    positional = ("rate",)
    saves = ("mask",)

    rate: float = Field(
        default=0.5,
        ge=0,
        lt=1,
        description="probability that a number is set to -1.7581; then all are scaled and shifted",
    )

    @property
    @override
    def strength(self) -> float:
        return self.rate

    @override
    def disturbed(self, emit: TrainingBuilder[V], source: V, kind: TensorType) -> V:
        """What stays and what is dropped, times a, plus b (Klambauer et al. 2017, section 3).

        With a mask of 0 and a that is (x - floor) mask + (a floor + b): three passes.
        """
        rate = self.rate
        a = 1 / math.sqrt((1 - rate) * (1 + rate * _FLOOR**2))
        b = -a * rate * _FLOOR
        drawn = emit.op("Less", emit.uniform(source), emit.constant(float(rate)))
        mask = emit.op("Where", drawn, emit.constant(0.0), emit.constant(a))
        lifted = emit.op("Sub", source, emit.constant(_FLOOR))
        kept = emit.op("Mul", lifted, mask)
        return emit.op("Add", kept, emit.constant(a * _FLOOR + b))
