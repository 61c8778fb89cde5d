"""Turns a dataset's labels into what a loss compares with, after checking that they fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy

from cnndsl.data.class_names import listed
from cnndsl.data.samples import Dataset, Indices
from cnndsl.data.sources import Array
from cnndsl.diagnostics.model import UserError
from cnndsl.diagnostics.words import count
from cnndsl.recipe.losses.base import LabelKind
from cnndsl.types import TensorType

__all__ = ["Balance", "check_answers", "check_labels", "check_shares", "encoder", "imbalance"]

_MOST_CLASSES = 2**24


# --- how many of each -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Balance:
    """How many samples each class has.

    ``counts`` are pairs of a class's name (its number, where it has none) and its samples, in the
    order of the classes. ``ratio`` is the largest count over the smallest one that is not 0.
    """

    counts: tuple[tuple[str, int], ...]
    ratio: float


def imbalance(dataset: Dataset) -> Balance | None:
    """How unevenly the classes are filled; None where the samples have no class each."""
    if dataset.labels is None or dataset.labels.ndim > 1 or dataset.labels.min() < 0:
        return None
    if dataset.labels.max() >= max(len(dataset.classes), _MOST_CLASSES):
        return None  # Amounts, and no classes: to count them would take any amount of memory.
    counts = numpy.bincount(dataset.labels, minlength=len(dataset.classes))
    names = [*dataset.classes, *map(str, range(len(dataset.classes), len(counts)))]
    filled = counts[counts > 0]
    return Balance(
        tuple(zip(names, counts.tolist(), strict=True)), float(filled.max() / filled.min())
    )


# --- do they fit the network ------------------------------------------------------------------


def check_answers(dataset: Dataset, kind: LabelKind, units: int, *, learnt: bool = True) -> None:
    """See that a dataset's labels are of the kind that a loss takes, for so many channels.

    Raises:
        UserError: CNN802 where they are not.
    """
    if kind is LabelKind.CLASS:
        check_labels(dataset, units, learnt=learnt)
    elif kind is LabelKind.SHARE:
        check_shares(dataset)


def check_labels(
    dataset: Dataset, units: int, *, learnt: bool = True, one_output: bool = False
) -> None:
    """See that a network that tells ``units`` classes apart can learn a dataset's labels.

    Args:
        dataset: whose labels.
        units: how many classes the network tells apart.
        learnt: whether the network learns from this data, so that its labels may be changed.
        one_output: whether two classes are told apart by one output.

    Raises:
        UserError: CNN802 where a label is out of range, or the data names more or fewer classes.
    """
    labels = dataset.labels
    if labels is None:
        return
    if dataset.classes and len(dataset.classes) != units:
        number = len(dataset.classes)
        help = f"let the last layer give {number} units"
        if number == 1:
            help = "give samples of another class too: there is nothing to tell one class from"
        raise UserError(
            "CNN802",
            f"`{dataset.name}` has {count(number, 'class', 'classes')}, but the network tells"
            f" {units} apart",
            notes=[f"the classes are {listed(dataset.classes)}"],
            help=help if learnt else "give data of all the classes that the network has learnt",
        )
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= units:
        wrong = (labels < 0) | (labels >= units)
        first = int(numpy.argwhere(wrong)[0][0])
        value = int(labels[wrong][0])
        advise = _relabel if learnt else _as_learnt
        raise UserError(
            "CNN802",
            f"the labels {_of(dataset)} go from {low} to {high}, but"
            f" {_learner(dataset)} tells {units} classes apart: labels 0 to {units - 1}",
            notes=[f"`{dataset.name_of(first)}` has the label {value}"],
            help=advise(dataset, numpy.unique(labels).tolist(), units, one_output=one_output),
        )


def _as_learnt(dataset: Dataset, present: Sequence[int], units: int, *, one_output: bool) -> str:
    """How labels get into the range of those that were learnt."""
    if present[0] >= 1 and present[-1] == units:
        return "count the labels from 0: subtract 1"
    return f"label the data as that for training: from 0 to {units - 1}"


def _relabel(dataset: Dataset, present: Sequence[int], units: int, *, one_output: bool) -> str:
    """How labels and the last layer come to fit each other, so that no class is empty."""
    count, low, high = len(present), present[0], present[-1]
    last = f"`{dataset.head}`" if dataset.head else "the last layer"
    resized = f"let {last} give {count} units"
    if high - low + 1 == count and low == 0:
        help = resized
    else:
        help = _from_zero(present, units)
        nameable = not dataset.classes and not dataset.head and not one_output
        if nameable and 1 < count <= _NAMED:
            names = ", ".join(f'"{label}"' for label in present)
            help += f", or name the classes in the spec: `classes {names}`"
            help += f"; {resized} then" if count != units else ""
        elif count > units:
            help += f", and {resized}"
    if one_output and count > 2:
        return f"save amounts as floating-point numbers; for classes, {help}"
    return help


_NAMED = 5
"""So many classes can be named in a line of help."""


def _from_zero(present: Sequence[int], units: int) -> str:
    count, low, high = len(present), present[0], present[-1]
    if high - low + 1 == count:
        shift = f"subtract {low}" if low > 0 else f"add {-low}"
        return f"count the labels from 0: {shift}"
    if low >= 1 and high == units:
        return "count the labels from 0: subtract 1"
    if count == 2:
        return f"write 0 and 1 for {low} and {high}"
    return (
        f"number the {count} different labels from 0 to {count - 1}:"
        " `numpy.unique(y, return_inverse=True)[1]`"
    )


def check_shares(dataset: Dataset) -> None:
    """See that targets are shares, as a cross-entropy of each output on its own takes them.

    Raises:
        UserError: CNN802 where one lies outside of 0 to 1.
    """
    targets = dataset.targets
    if targets is None and dataset.labels is not None and dataset.labels.ndim > 1:
        targets = dataset.labels.astype(numpy.float32)
    if targets is None:
        return
    wrong = ((targets < 0) | (targets > 1)).reshape(len(targets), -1)
    rows = numpy.flatnonzero(wrong.any(axis=1))
    if len(rows):
        first = int(rows[0])
        value = float(targets[first].reshape(-1)[wrong[first].argmax()])
        raise UserError(
            "CNN802",
            f"the loss{_for(dataset)} takes targets from 0 to 1, but"
            f" `{dataset.name_of(first)}` has {value:g}",
            help=_as_shares(targets, dataset),
        )


def _as_shares(targets: Array, dataset: Dataset) -> str:
    values = numpy.unique(targets)
    if len(values) == 2:
        return f"write 0 and 1 for {values[0]:g} and {values[1]:g}"
    wish = "give the share or probability of each output"
    return f"{wish}, or write `{_squares(dataset)}` in the spec"


# --- the words for a head ---------------------------------------------------------------------


def _of(dataset: Dataset) -> str:
    head = f"for `{dataset.head}` in" if dataset.head else "of"
    return f"{head} `{dataset.name}`"


def _for(dataset: Dataset) -> str:
    return f" for `{dataset.head}`" if dataset.head else ""


def _learner(dataset: Dataset) -> str:
    return f"`{dataset.head}`" if dataset.head else "the network"


def _squares(dataset: Dataset) -> str:
    return f"loss {dataset.head} mse" if dataset.head else "loss mse"


# --- what a loss takes ------------------------------------------------------------------------


def encoder(
    dataset: Dataset,
    dtype: numpy.typing.DTypeLike,
    dims: tuple[int, ...],
    *,
    learnt: bool = True,
) -> Callable[[Indices], Array]:
    """A function that gives the labels of samples as a loss takes them.

    For a loss of classes (whole numbers) these are the labels themselves. For a loss of numbers
    they are the dataset's targets; or of labels, numbers: 0 and 1 where the output is one number,
    else a 1 at the class's place among zeros.

    Args:
        dataset: whose labels; all of them are checked now.
        dtype: int64 for classes, float32 for numbers.
        dims: the shape of one sample's labels.
        learnt: whether the network learns from this data.

    Raises:
        UserError: CNN802 where the labels cannot be that.
    """
    if numpy.dtype(dtype).kind == "i":
        return _whole(dataset, dims)
    if dataset.targets is not None:
        return _reshaped(dataset, dataset.targets, dims, "targets")
    labels = dataset.labels
    assert labels is not None
    if labels.shape[1:] == dims or labels.ndim > 1:
        return _reshaped(dataset, labels, dims, "labels")
    if len(dims) != 1:
        raise _unlike(dataset, "labels", labels.shape[1:], dims)
    held = labels
    check_labels(dataset, max(dims[0], 2), learnt=learnt, one_output=dims[0] == 1)
    if dims[0] == 1:
        return lambda indices: held[indices].astype(numpy.float32)[:, None]
    units = numpy.arange(dims[0])
    return lambda indices: (held[indices][:, None] == units).astype(numpy.float32)


def _whole(dataset: Dataset, dims: tuple[int, ...]) -> Callable[[Indices], Array]:
    labels = dataset.labels
    if labels is None:
        raise UserError(
            "CNN802",
            f"`{dataset.name}` has targets (floating-point numbers){_for(dataset)}, but the loss"
            " takes classes",
            help="save the classes as whole numbers: `y.argmax(axis=1)`"
            if _is_one_hot(dataset.targets)
            else f"save the classes as whole numbers, or write `{_squares(dataset)}` in the spec's"
            " recipe",
        )
    if labels.shape[1:] != dims:
        help = "save the classes as whole numbers: `y.argmax(axis=1)`"
        raise _unlike(
            dataset, "labels", labels.shape[1:], dims, help if _is_one_hot(labels) else ""
        )
    held = labels
    return lambda indices: held[indices]


def _reshaped(
    dataset: Dataset, answers: Array, dims: tuple[int, ...], noun: str
) -> Callable[[Indices], Array]:
    """Answers of the output's shape, give or take sizes of 1."""
    have = answers.shape[1:]
    if [size for size in have if size != 1] != [size for size in dims if size != 1]:
        raise _unlike(dataset, noun, have, dims)
    return lambda indices: answers[indices].astype(numpy.float32).reshape(-1, *dims)


def _is_one_hot(answers: Array | None) -> bool:
    """Whether each sample has a 1 at its class's place among zeros."""
    if answers is None or answers.ndim != 2 or answers.shape[1] < 2:
        return False
    return bool(((answers == 0) | (answers == 1)).all() and (answers.sum(axis=1) == 1).all())


def _unlike(
    dataset: Dataset, noun: str, have: tuple[int, ...], want: tuple[int, ...], help: str = ""
) -> UserError:
    texts = [f"`{TensorType(dims)}`" if dims else "single numbers" for dims in (have, want)]
    return UserError(
        "CNN802",
        f"the {noun} {_of(dataset)} are {texts[0]} for each sample, but the loss takes {texts[1]}",
        help=help or f"give labels of that shape, or let {_learner(dataset)} answer in theirs",
    )
