"""Turns a dataset into two: one to train with and one to validate with."""

from __future__ import annotations

import numpy

from cnndsl.data.samples import Dataset, Indices, Subset
from cnndsl.diagnostics.model import UserError

__all__ = ["divide"]


def divide(dataset: Dataset, fraction: float, seed: int) -> tuple[Subset, Subset]:
    """The samples for training and those for validation: views of the dataset, in its order.

    Of every class, the fraction goes to validation, rounded, but at least one sample to each
    side; a class of one sample stays in training. Where no sample has a class, or all classes
    have only one sample, the fraction is taken of the whole. The same seed gives the same parts.

    Args:
        dataset: what to divide.
        fraction: the share of validation, between 0 and 1, both excluded.
        seed: which samples are taken.

    Raises:
        UserError: CNN808 for a dataset of one sample.
    """
    if not 0 < fraction < 1:
        raise ValueError(f"a share of {fraction} is not between 0 and 1")
    count = len(dataset)
    if count == 1:
        raise UserError(
            "CNN808",
            f"`{dataset.name}` has one sample, which cannot both train and validate",
            help="train without validation, or name other data for it",
        )
    keys = numpy.random.PCG64(numpy.random.SeedSequence([seed, count])).random_raw(count)
    classes = dataset.labels
    if classes is None or classes.ndim > 1 or len(numpy.unique(classes)) == count:
        classes = numpy.zeros(count, numpy.int64)
    chosen = _chosen(classes, keys, fraction)
    return (
        Subset(dataset, numpy.flatnonzero(~chosen)),
        Subset(dataset, numpy.flatnonzero(chosen)),
    )


def _chosen(
    classes: Indices, keys: numpy.typing.NDArray[numpy.uint64], fraction: float
) -> numpy.typing.NDArray[numpy.bool_]:
    """Which samples go to validation: of each class those with the lowest keys."""
    chosen = numpy.zeros(len(classes), bool)
    order = numpy.lexsort((keys, classes))
    _, starts, counts = numpy.unique(classes[order], return_index=True, return_counts=True)
    for start, count in zip(starts.tolist(), counts.tolist(), strict=True):
        if count > 1:
            taken = min(max(round(count * fraction), 1), count - 1)
            chosen[order[start : start + taken]] = True
    return chosen
