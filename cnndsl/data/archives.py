"""Turns a ``.npz`` file with samples and labels into a dataset.

Three ways of naming the arrays are known: ``x`` and ``y``; Keras' ``x_train``, ``y_train``,
``x_test``, ``y_test``; MedMNIST's ``train_images``, ``train_labels``, ``val_images`` and so on.
For a network of several inputs, their names stand in place of ``x``.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy

from cnndsl.data.arraysets import ArraySet, as_column, demand_takable
from cnndsl.data.class_names import number_indices
from cnndsl.data.members import Member
from cnndsl.data.parts import Split, Wanted, no_part, not_understood, refuse_valid
from cnndsl.data.preparing import Floats
from cnndsl.data.samples import Indices
from cnndsl.data.sources import Array
from cnndsl.data.stores import demand_few_labels
from cnndsl.diagnostics.model import UserError
from cnndsl.files import open_regular
from cnndsl.graph.files import reason

__all__ = ["open_npz"]


@dataclass(frozen=True, slots=True)
class _Naming:
    """One way of naming the arrays: patterns for samples and labels, and the parts' words."""

    samples: str
    labels: str
    parts: Mapping[Split, tuple[str, ...]]

    def names(self, split: Split, inputs: Sequence[str], have: Mapping[str, str]) -> list[str]:
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


def open_npz(path: Path, data: str, wanted: Wanted) -> ArraySet:
    """The part asked for; arrays too large for memory stay in the file where it is not packed.

    Raises:
        UserError: CNN801 for a damaged file or one without the arrays, CNN703 for samples that
            the network does not take.
    """
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            return _open(archive, path, data, wanted)
    except OSError as error:
        raise _unreadable(data, reason(error)) from error
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        # RuntimeError: a member is encrypted; NotImplementedError: packed in an unknown way.
        raise _unreadable(data, f"it is not a whole `.npz` file ({error})") from error


def _unreadable(data: str, why: str) -> UserError:
    return not_understood(f"cannot read `{data}`: {why}", "save or download the file again")


def _open(archive: zipfile.ZipFile, path: Path, data: str, wanted: Wanted) -> ArraySet:
    members = {name.removesuffix(".npy"): name for name in archive.namelist()}
    *samples, labels = _arrays(members, data, wanted)
    if labels not in members:
        raise not_understood(
            f"`{data}` has `{samples[0]}`, but no labels `{labels}`",
            f"save the labels into it, as `{labels}`",
        )
    answers = Member.open(archive, path, members[labels], f"{data}:{labels}")
    taken = []
    for model_input, name in zip(wanted.inputs, samples, strict=True):
        if name not in members:
            raise not_understood(
                f"`{data}` has no array `{name}` for the input `{model_input.name}`",
                f"save it into it, as `{name}`",
            )
        member = Member.open(archive, path, members[name], f"{data}:{name}")
        if member.shape[0] != answers.shape[0]:
            raise not_understood(
                f"`{data}` has {member.shape[0]} samples in `{name}`, but {answers.shape[0]} labels"
                f" in `{labels}`",
                "give every sample one label",
            )
        demand_takable(member.shape, member.dtype, model_input, member.name)
        taken.append((model_input, member))
    demand_few_labels(answers.shape, answers.name)
    _demand_answers(answers.dtype, data, labels)
    # Only now, when all headers agree, is anything unpacked.
    indices, targets = _answers(answers.values(), data, labels)
    columns = {one.name: as_column(found.store(), one, found.name) for one, found in taken}
    notes: tuple[str, ...] = ()
    if indices is not None:
        numbers = number_indices(indices, data, wanted.classes)
        indices, notes = numbers.indices, numbers.notes
    part = data if samples[0] in ("x", wanted.inputs[0].name) else f"{data}:{samples[0]}"
    return ArraySet(
        data,
        columns,
        labels=indices,
        targets=targets,
        classes=wanted.classes,
        part=part,
        notes=notes,
    )


def _arrays(members: Mapping[str, str], data: str, wanted: Wanted) -> list[str]:
    """The names of the arrays to take, the labels last."""
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
    listed = ", ".join(f"`{name}`" for name in members) or "nothing"
    if len(known) > 1:
        firsts = [
            next(filter(None, (naming.names(split, names, members) for split in _SPLITS)))[0]
            for naming in known
        ]
        raise not_understood(
            f"`{data}` holds {' and '.join(f'`{first}`' for first in firsts)}: which to take is not"
            " clear",
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


# --- labels -----------------------------------------------------------------------------------


def _demand_answers(dtype: numpy.dtype[numpy.generic], data: str, name: str) -> None:
    if dtype.kind not in "uibf":
        raise not_understood(
            f"the labels `{name}` of `{data}` are `{dtype}`",
            "save classes as whole numbers, and targets as floating-point numbers",
        )


def _answers(values: Array, data: str, name: str) -> tuple[Indices | None, Floats | None]:
    """Classes of whole numbers, or targets of floating-point ones."""
    kind = values.dtype.kind
    if kind == "f":
        with numpy.errstate(over="ignore"):
            targets: Floats = values.astype(numpy.float32)
        wrong = ~numpy.isfinite(targets.reshape(len(targets), -1)).all(axis=1)
        if wrong.any():
            at = int(numpy.flatnonzero(wrong)[0])
            raise UserError(
                "CNN802",
                f"the target of `{data}[{at}]` is no finite number",
                help=f"take the sample out, or give `{name}` a number there",
            )
        return None, targets
    # MedMNIST's labels of several columns say yes or no to each of several findings.
    if name.endswith("_labels") and values.ndim == 2 and values.shape[1] > 1:
        return None, values.astype(numpy.float32)
    if values.dtype == numpy.uint64:  # What is beyond int64 would come out negative.
        values = numpy.minimum(values, numpy.uint64(2**63 - 1))
    labels: Indices = values.astype(numpy.int64)
    return (labels[:, 0] if labels.shape[1:] == (1,) else labels), None
