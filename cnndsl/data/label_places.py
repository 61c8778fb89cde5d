"""Says whether labels are of the places of a sample, and so move with them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy

from cnndsl.data.samples import Dataset
from cnndsl.data.sources import Array
from cnndsl.diagnostics.model import UserError
from cnndsl.diagnostics.words import count, quoted
from cnndsl.recipe.augmentations.base import Augmentation
from cnndsl.types import TensorType

__all__ = ["labels_move", "note_of_moving"]


def labels_move(
    augmentations: Sequence[Augmentation],
    dataset: Dataset,
    sizes: tuple[int, ...],
    places: tuple[int, ...],
    *,
    flattened: tuple[int, ...] = (),
) -> bool:
    """Whether labels have to be moved along with the samples.

    Labels that say what a sample is stay as they are: a class each, or a vector of zeros and ones,
    one for each thing that may be there. Labels of the sample's own size move along. What becomes
    of others, such as coordinates, only whoever made them knows.

    Args:
        augmentations: what the recipe says.
        dataset: the samples and their labels.
        sizes: the spatial sizes of the inputs.
        places: those of what the network answers with.
        flattened: those of the maps that it answers with row by row, as a vector.

    Raises:
        UserError: CNN830 where nobody can say what a move does to the labels.
    """
    moves = _moves(augmentations)
    answers = dataset.targets if dataset.labels is None else dataset.labels
    assert answers is not None
    if not moves:
        return False
    if flattened:
        what = f"which belong to the places of a `{TensorType(flattened)}` map"
        raise _unclear(moves[0], dataset, what)
    if dataset.labels is not None and answers.ndim == 1:
        return False
    if places == sizes:
        return True
    if math.prod(places) == 1 and _says_what_is_there(dataset, answers, math.prod(sizes)):
        return False
    raise _unclear(moves[0], dataset, f"{_size(answers.shape[1:])} each")


def note_of_moving(augmentations: Sequence[Augmentation], dataset: Dataset, *, moved: bool) -> str:
    """What whoever trains should know of labels that move along, or could be thought to.

    Empty where samples have a class each, or are not moved.
    """
    moves = _moves(augmentations)
    words = quoted(dict.fromkeys(one.keyword for one in moves), " and ")
    if not moved:
        answers = dataset.targets if dataset.labels is None else dataset.labels
        numbers = math.prod(answers.shape[1:]) if answers is not None else 1
        if not moves or numbers == 1:
            return ""
        return (
            f"the labels of `{dataset.name}`, {numbers} zeros and ones each, stay where samples are"
            f" moved ({words}): they are taken to say what is in a sample, not where"
        )
    text = f"the labels of `{dataset.name}` move along with the samples ({words})"
    if not any(one.fills for one in moves):
        return text
    name = f" (`{dataset.classes[0]}`)" if dataset.classes and dataset.labels is not None else ""
    return f"{text}; what comes in from outside has the label 0{name}"


def _moves(augmentations: Sequence[Augmentation]) -> list[Augmentation]:
    return [one for one in augmentations if one.moves_labels]


def _says_what_is_there(dataset: Dataset, answers: Array, cells: int) -> bool:
    """Whether each sample has a class, or a yes or no for each of several things.

    A number for every cell may be a mask, row by row.
    """
    numbers = math.prod(answers.shape[1:])
    if dataset.labels is not None and numbers == 1:
        return True
    return bool(numbers % cells and numpy.isin(answers, (0, 1)).all())


def _size(dims: tuple[int, ...]) -> str:
    if len(dims) > 1:
        return f"`{TensorType(dims)}`"
    return count(math.prod(dims), "number")


def _unclear(move: Augmentation, dataset: Dataset, what: str) -> UserError:
    noun = "targets" if dataset.labels is None else "labels"
    word = move.keyword
    return UserError(
        "CNN830",
        f"`augment {word}` moves the samples of `{dataset.name}`, but what that makes of their"
        f" {noun}, {what}, is not known",
        help=f"write `{word} labels fixed` where they stay right, or take `{word}` out of the"
        " recipe's `augment`",
    )
