"""The same learning rate all the time."""

# No `from __future__ import annotations`: pydantic would have to compile every annotation again.

from cnndsl.recipe.schedules.base import Schedule

__all__ = ["Constant"]


class Constant(Schedule):
    """Always 1."""

    keyword = "constant"
