"""Turns random numbers into samples, and these or a network's scores into labels for a loss."""

from __future__ import annotations

from typing import Any

import numpy
from numpy.typing import NDArray

from cnndsl.elaborate.network import TypedNetwork
from cnndsl.recipe.losses.base import LabelKind, Loss
from cnndsl.training.signature import Signature, TensorSpec
from cnndsl.typecheck.heads import heads_of
from cnndsl.types import TensorType

__all__ = [
    "labels_of",
    "other_labels",
    "random_batch",
    "random_labels",
    "random_samples",
    "rounded_otherwise",
]


def random_samples(
    kind: TensorType, dims: tuple[int, ...], random: numpy.random.Generator
) -> NDArray[Any]:
    """Random numbers for an input of this type, or ids of its vocabulary."""
    if kind.vocabulary is not None:
        return random.integers(kind.vocabulary, size=dims)
    return random.normal(size=dims).astype(numpy.float32)


def random_batch(
    typed: TypedNetwork, signature: Signature, seed: int
) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
    """A training step's random samples by input, and random labels by output."""
    random = numpy.random.default_rng(seed)
    samples = {
        one.name: random_samples(one.type, signature.samples[one.name], random)
        for one in typed.network.inputs
        if one.name in signature.samples
    }
    positions = {head.name: head.position for head in heads_of(typed.network)}
    labels = {
        output: random_labels(spec, typed.types[positions[spec.of]].channels, random)
        for output, spec in signature.labels.items()
    }
    return samples, labels


def random_labels(spec: TensorSpec, channels: int, random: numpy.random.Generator) -> NDArray[Any]:
    """Random labels for an output of so many channels."""
    labels = random.integers(max(2, channels), size=spec.dims)
    labels %= channels if spec.dtype == numpy.int64 else 2
    return labels.astype(spec.dtype)


def other_labels(labels: NDArray[Any], channels: int) -> NDArray[Any]:
    """Labels of which none is what random ones for so many channels are."""
    is_class = numpy.issubdtype(labels.dtype, numpy.integer)
    return ((labels + 1) % channels if is_class else 1 - labels).astype(labels.dtype)


def labels_of(loss: Loss, scores: NDArray[Any]) -> NDArray[Any]:
    """Labels that scores would be right by; of shares, half of them hold."""
    if loss.labels is LabelKind.CLASS:
        return numpy.asarray(scores.argmax(axis=1))
    if loss.labels is LabelKind.SHARE:
        return numpy.asarray(scores > numpy.median(scores))
    return scores


def rounded_otherwise(array: NDArray[Any], random: numpy.random.Generator) -> NDArray[Any]:
    """Numbers that differ about in the last digit of float32."""
    eps = numpy.finfo(numpy.float32).eps
    moved = array * (1 + eps * random.normal(size=array.shape))
    return moved.astype(numpy.float32)
