"""A fall that grows ever slower: one over the time, to a power."""

# No `from __future__ import annotations`: pydantic would have to compile every annotation again.

from pydantic import Field
from typing_extensions import override

from cnndsl.recipe.schedules.base import Schedule
from cnndsl.recipe.settings import Positive

__all__ = ["Inverse"]


class Inverse(Schedule):
    """(1 + gamma*(t - W)) to the power of -power: Caffe's `inv`, by epochs instead of steps."""

    keyword = "inverse"
    gamma: Positive = Field(default=0.1, description="how fast it falls in an epoch")
    power: Positive = Field(default=1.0, description="the exponent")

    @override
    def multiplier(self, time: float, epochs: int, drops: int) -> float:
        return float((1 + self.gamma * (time - self.warmup)) ** -self.power)
