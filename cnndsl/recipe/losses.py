"""The losses that `loss` can name."""

# No `from __future__ import annotations`: pydantic would have to compile every annotation again.

from pydantic import Field

from cnndsl.recipe.settings import BelowOne, Loss, Positive

__all__ = ["BinaryCrossEntropy", "CrossEntropy", "Hinge", "MeanSquaredError"]


class CrossEntropy(Loss):
    """Minus the logarithm of the probability that the network gives to the right class."""

    keyword = "crossentropy"
    smoothing: BelowOne = Field(
        default=0.0,
        description="label smoothing: this share of the target is spread over all classes evenly",
    )


class BinaryCrossEntropy(Loss):
    """Cross-entropy of each output on its own, for labels that do not exclude each other."""

    keyword = "binarycrossentropy"


class MeanSquaredError(Loss):
    """The mean of the squared differences between output and target."""

    keyword = "mse"


class Hinge(Loss):
    """The sum over the wrong classes of max(0, margin + wrong score - right score)."""

    keyword = "hinge"
    margin: Positive = Field(
        default=1.0, description="by how much the right class's score must exceed each other one"
    )
