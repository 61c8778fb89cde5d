"""Half a cosine wave, from the learning rate to the least."""

# No `from __future__ import annotations`: pydantic would have to compile every annotation again.

import math

from typing_extensions import override

from cnndsl.recipe.schedules.falling import Falling

__all__ = ["Cosine"]


class Cosine(Falling):
    """(1 + cos(pi*(t - W)/(E - W)))/2: from 1 to 0 (Loshchilov & Hutter 2017)."""

    keyword = "cosine"

    @override
    def multiplier(self, time: float, epochs: int, drops: int) -> float:
        return (1 + math.cos(math.pi * self.progress(time, epochs))) / 2
