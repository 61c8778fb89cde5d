"""Half a cosine wave, from the learning rate to the least."""

# No `from __future__ import annotations`: pydantic would have to compile every annotation again.

from cnndsl.recipe.schedules.base import Falling

__all__ = ["Cosine"]


class Cosine(Falling):
    """(1 + cos(pi*(t - W)/(E - W)))/2: from 1 to 0 (Loshchilov & Hutter 2017)."""

    keyword = "cosine"
