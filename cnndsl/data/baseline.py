"""Says how often the answer that knows nothing is right: the most frequent one, whatever is asked.

An accuracy near that is none. Where classes are unlike in number, it is high.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy

from cnndsl.data.labels import imbalance
from cnndsl.data.samples import Dataset
from cnndsl.data.sources import Array

__all__ = ["notes_of_balance"]

_UNEVEN = 10.0
"""From this ratio between the largest and the smallest class on, it is reported."""

_OFTEN = 0.75
"""From this share on of the answer that knows nothing, it is reported: accuracy says little."""

_OFTEN_EACH = 0.9
"""The same for yes and no of several things; of most of them, few samples have any."""


def notes_of_balance(dataset: Dataset, *, classes: bool, yes_or_no: bool) -> Iterator[str]:
    """What whoever trains should know of how often each answer is the right one, a line each.

    Args:
        dataset: whose labels.
        classes: whether each label, for a sample or a place, is the number of a class.
        yes_or_no: whether each number is 0 or 1 on its own.
    """
    text = ""
    balance = imbalance(dataset)
    if balance is not None and balance.ratio >= _UNEVEN:
        least = min(balance.counts, key=lambda one: one[1] or math.inf)
        most = max(balance.counts, key=lambda one: one[1])
        text = (
            f"the classes of `{dataset.name}` are uneven: {most[1]:,} samples of `{most[0]}`,"
            f" {least[1]:,} of `{least[0]}`"
        )
    answers = dataset.targets if dataset.labels is None else dataset.labels
    assert answers is not None
    if dataset.labels is not None and (classes or answers.ndim == 1):
        name, share = _most_frequent(dataset, answers)
        if share == 1:
            yield f"all labels of `{dataset.name}` are `{name}`: there is nothing to tell it from"
        elif text or share >= _OFTEN:
            text = text or f"most labels of `{dataset.name}` are `{name}`"
            yield f"{text}; always answering `{name}` would be right {_percent(share)} of the time"
    elif yes_or_no:
        share = _more_frequent_each(answers)
        if share >= (_OFTEN if math.prod(answers.shape[1:2]) == 1 else _OFTEN_EACH):
            yield (
                f"the labels of `{dataset.name}` are uneven; always answering the more frequent of"
                f" yes and no would be right {_percent(share)} of the time"
            )


def _percent(share: float) -> str:
    """A share that is not rounded up to all."""
    return f"{min(share, 0.999) if share < 1 else share:.1%}"


def _most_frequent(dataset: Dataset, labels: Array) -> tuple[str, float]:
    """The class that most labels are, and their share."""
    values, counts = numpy.unique(labels, return_counts=True)
    at = int(counts.argmax())
    value = int(values[at])
    named = 0 <= value < len(dataset.classes)
    return dataset.classes[value] if named else str(value), float(counts[at]) / labels.size


def _more_frequent_each(answers: Array) -> float:
    """How often the more frequent of 0 and 1 is right, the mean over all things asked for."""
    shares = (answers.reshape(len(answers), *answers.shape[1:2], -1) > 0.5).mean(axis=(0, -1))
    return float(numpy.maximum(shares, 1 - shares).mean())
