"""Finds the arrays of samples and labels in a ``.npz`` file by their names.

Three ways of naming the arrays are known: ``x`` and ``y``; Keras' ``x_train``, ``y_train``,
``x_test``, ``y_test``; MedMNIST's ``train_images``, ``train_labels``, ``val_images`` and so on.
For a network of several inputs, their names stand in place of ``x``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from cnndsl.data.splits import Split, Wanted, no_part, not_understood, refuse_valid
from cnndsl.diagnostics.words import quoted

__all__ = ["array_names", "unused_arrays"]


@dataclass(frozen=True, slots=True)
class _Naming:
    """One way of naming the arrays: patterns for samples and labels, and the parts' words."""

    samples: str
    labels: str
    parts: Mapping[Split, tuple[str, ...]]

    def names(self, split: Split, inputs: Sequence[str], have: Collection[str]) -> list[str]:
        """The arrays of a part, its labels last; none where the part is not there."""
        for word in self.parts[split]:
            names = [self.samples.format(input=name, part=word) for name in inputs]
            if any(name in have for name in names):
                return [*names, self.labels.format(part=word)]
        return []


_ONE: Mapping[Split, tuple[str, ...]] = {"train": ("",), "valid": (), "test": ("",)}
_KERAS: Mapping[Split, tuple[str, ...]] = {
    "train": ("train",),
    "valid": ("val", "valid"),
    "test": ("test", "val", "valid"),
}
_MEDMNIST: Mapping[Split, tuple[str, ...]] = {
    "train": ("train",),
    "valid": ("val",),
    "test": ("test", "val"),
}
_SPLITS: tuple[Split, ...] = ("train", "valid", "test")


def array_names(members: Collection[str], data: str, wanted: Wanted) -> list[str]:
    """The names of the arrays to take, the labels last.

    Raises:
        UserError: CNN801 where there are none, or several kinds.
    """
    names = [one.name for one in wanted.inputs]
    x = "x" if len(names) == 1 and names[0] not in members else "{input}"
    namings = [_Naming(x, "y", _ONE), _Naming(x + "_{part}", "y_{part}", _KERAS)]
    if len(names) == 1:
        namings[1] = _Naming("x_{part}", "y_{part}", _KERAS)
        namings.append(_Naming("{part}_images", "{part}_labels", _MEDMNIST))
    known = [
        naming
        for naming in namings
        if any(naming.names(split, names, members) for split in _SPLITS)
    ]
    listed = quoted(members) or "nothing"
    if len(known) > 1:
        firsts = [
            next(filter(None, (naming.names(split, names, members) for split in _SPLITS)))[0]
            for naming in known
        ]
        raise not_understood(
            f"`{data}` holds {quoted(firsts, ' and ')}: which to take is not clear",
            "keep one kind of arrays in a file",
        )
    if not known:
        wish = ", ".join(f"`{name}`" for name in (["x"] if len(names) == 1 else names))
        raise not_understood(
            f"`{data}` has no arrays {wish} and `y`",
            f"name the samples {wish} and the labels `y`",
            [f"it has {listed}"],
        )
    if not known[0].labels.count("{"):
        refuse_valid(data, wanted)
    found = known[0].names(wanted.split, names, members)
    if not found:
        word = known[0].parts[wanted.split][0]
        array = known[0].samples.format(input=names[0], part=word)
        raise no_part(data, wanted.split, f"array `{array}`")
    return found


def unused_arrays(members: Collection[str], taken: Collection[str]) -> list[str]:
    """The arrays that are neither taken nor, by their names, of another part of the data.

    >>> unused_arrays(["x_train", "y_train", "x_test", "weight"], ["x_train", "y_train"])
    ['weight']
    """
    parts = {word for words in _KERAS.values() for word in words}
    return [name for name in members if name not in taken and parts.isdisjoint(name.split("_"))]
