"""Finds the labels of a network's heads in a dataset: by their names, or those of the main output.

A head that asks what the main output asks (labels of one kind, the same sizes), such as an
auxiliary classifier, takes the same labels where the data has none under its name.
"""

from __future__ import annotations

import copy

from cnndsl.data.samples import Dataset
from cnndsl.diagnostics.model import UserError

__all__ = ["array_of", "labelled_for"]


def labelled_for(dataset: Dataset, head: str, *, alike: bool) -> Dataset:
    """The dataset with the labels of a head in place of the main output's.

    ``alike`` says that the head asks what the main output does.

    Raises:
        UserError: CNN845 where it has none that the head could take.
    """
    own = dataset.others.get(head)
    if own is not None:
        view = copy.copy(dataset)
        view.labels = own if own.dtype.kind == "i" else None
        view.targets = own if own.dtype.kind == "f" else None
        view.classes = ()
        view.head = head
        return view
    if alike:
        return dataset
    raise UserError(
        "CNN845",
        f"`{dataset.name}` has no labels for `{head}`",
        help=f"give them by name: an array `{head}` beside `y` in a `.npz` file, or in Python"
        f' `(x, {{"output": y, "{head}": …}})`',
    )


def array_of(head: str, labels: str) -> str:
    """The name of the array with a head's labels, beside that of the main output's.

    >>> array_of("box", "y"), array_of("box", "y_train"), array_of("box", "train_labels")
    ('box', 'box_train', 'train_box')
    """
    if labels.endswith("_labels"):
        return labels.removesuffix("labels") + head
    return head + labels.removeprefix("y")
