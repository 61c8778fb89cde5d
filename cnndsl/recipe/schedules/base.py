"""What a schedule is: one class that holds its parameters and its formula."""

# No `from __future__ import annotations`: pydantic would have to compile every annotation again.

from pydantic import Field

from cnndsl.recipe.settings import NotNegative, Positive, Variant, Whole

__all__ = ["Falling", "Schedule"]


class Schedule(Variant):
    """How the learning rate goes over the epochs: the factor that `lr` is multiplied by."""

    warmup: Whole = Field(
        default=0, description="epochs over which the learning rate first rises, linearly"
    )
    warmup_lr: Positive | None = Field(
        default=None,
        description="learning rate of the first step; by default one share of the rise",
        examples=[1e-4],
    )


class Falling(Schedule):
    """What the schedules share that would end at 0."""

    min_lr: NotNegative = Field(default=0.0, description="learning rate that it falls to")
