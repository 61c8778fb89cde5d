"""The same learning rate all the time."""

# No `from __future__ import annotations`: pydantic would have to compile every annotation again.

from typing_extensions import override

from cnndsl.recipe.schedules.base import Schedule

__all__ = ["Constant"]


class Constant(Schedule):
    """Always 1."""

    keyword = "constant"

    @override
    def multiplier(self, time: float, epochs: int, drops: int) -> float:
        return 1.0
