"""Turns random numbers, or the scores of a network, into labels of the kind that a loss takes."""

from __future__ import annotations

from typing import Any

import numpy
from numpy.typing import NDArray

from cnndsl.recipe.losses.base import LabelKind, Loss
from cnndsl.training.signature import TensorSpec

__all__ = ["labels_of", "random_labels"]


def random_labels(spec: TensorSpec, channels: int, random: numpy.random.Generator) -> NDArray[Any]:
    """Random labels for an output of so many channels."""
    labels = random.integers(max(2, channels), size=spec.dims)
    labels %= channels if spec.dtype == numpy.int64 else 2
    return labels.astype(spec.dtype)


def labels_of(loss: Loss, scores: NDArray[Any]) -> NDArray[Any]:
    """Labels that scores would be right by; of shares, half of them hold."""
    if loss.labels is LabelKind.CLASS:
        return numpy.asarray(scores.argmax(axis=1))
    if loss.labels is LabelKind.SHARE:
        return numpy.asarray(scores > numpy.median(scores))
    return scores
