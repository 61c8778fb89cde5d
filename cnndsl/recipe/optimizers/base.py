"""What an optimizer is: one class that holds its parameters and its update of a weight."""

# No `from __future__ import annotations`: pydantic would have to compile every annotation again.

from pydantic import Field

from cnndsl.recipe.settings import Positive, Variant

__all__ = ["Optimizer"]


class Optimizer(Variant):
    """How a step follows from the gradients."""

    lr: Positive = Field(default=0.01, description="learning rate")

    @property
    def slots(self) -> int:
        """How many numbers of state it keeps for each parameter."""
        return 0
