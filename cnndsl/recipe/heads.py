"""What a recipe says of one head of a network: its loss, and how much that counts."""

from __future__ import annotations

from cnndsl.frozen import frozen
from cnndsl.recipe.losses.base import Loss

__all__ = ["HeadLoss"]


@frozen
class HeadLoss:
    """A loss of an output, or of a layer that is a head in training only.

    ``head`` is its name, empty for the main output; training makes the sum of the losses small,
    each times its ``weight``.
    """

    head: str
    loss: Loss
    weight: float = 1.0
