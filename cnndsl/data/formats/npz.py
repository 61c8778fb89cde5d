"""Turns a ``.npz`` file with samples and labels into a dataset."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy
from typing_extensions import override

from cnndsl.data.arraysets import ArraySet, as_column, demand_takable
from cnndsl.data.class_names import listed, number_indices
from cnndsl.data.formats.base import DataFormat, Place
from cnndsl.data.head_labels import array_of
from cnndsl.data.members import Member
from cnndsl.data.naming import array_names, unused_arrays
from cnndsl.data.normalize import Floats
from cnndsl.data.samples import Indices
from cnndsl.data.sources import Array, ModelInput
from cnndsl.data.splits import Wanted, not_understood
from cnndsl.data.stores import Store, demand_few_labels
from cnndsl.diagnostics.model import UserError
from cnndsl.files import open_regular
from cnndsl.graph.files import reason

__all__ = ["NamedArray", "Npz", "open_members"]


class Npz(DataFormat):
    """A file of named arrays, as NumPy writes it."""

    keyword = "npz"

    @override
    def holdings(self, place: Place) -> tuple[str, ...]:
        is_one = not place.is_folder and (_is_zip(place.path) or _is_named_so(place.path))
        return ("arrays",) if is_one else ()

    @override
    def open(self, place: Place, wanted: Wanted) -> ArraySet:
        """The part asked for; arrays too large for memory stay in the file where it is not packed.

        Raises:
            UserError: CNN801 for a damaged file or one without the arrays, CNN703 for samples that
                the network does not take.
        """
        path, data = place.path, place.data
        try:
            with open_regular(path) as file, zipfile.ZipFile(file) as archive:
                return _open(archive, path, data, wanted)
        except OSError as error:
            raise _unreadable(data, reason(error)) from error
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
            # RuntimeError: a member is encrypted; NotImplementedError: packed in an unknown way.
            raise _unreadable(data, f"it is not a whole `.npz` file ({error})") from error


def _is_named_so(path: Path) -> bool:
    return path.suffix.lower() == ".npz"


def _is_zip(path: Path) -> bool:
    with open_regular(path) as file:
        return zipfile.is_zipfile(file)


def _unreadable(data: str, why: str) -> UserError:
    return not_understood(f"cannot read `{data}`: {why}", "save or download the file again")


def _open(archive: zipfile.ZipFile, path: Path, data: str, wanted: Wanted) -> ArraySet:
    members = {name.removesuffix(".npy"): name for name in archive.namelist()}

    def member(name: str) -> Member:
        return Member.open(archive, path, members[name], f"{data}:{name}")

    return open_members(members, member, data, wanted)


class NamedArray(Protocol):
    """An array of which nothing but its header may have been read yet."""

    @property
    def name(self) -> str:
        """What messages call it."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Its sizes; a single number counts as one sample."""
        ...

    @property
    def dtype(self) -> numpy.dtype[numpy.generic]:
        """The type of the elements."""
        ...

    def values(self) -> Array:
        """All the numbers, in memory."""
        ...

    def store(self) -> Store:
        """What gives samples by their places."""
        ...


def open_members(
    members: Collection[str], member: Callable[[str], NamedArray], data: str, wanted: Wanted
) -> ArraySet:
    """The part asked for of arrays by their names, in a file or in memory.

    Raises:
        UserError: as :func:`open_npz`.
    """
    *samples, labels = array_names(members, data, wanted)
    answers = _labels(members, member, labels, samples[0], data)
    taken: list[tuple[ModelInput, NamedArray]] = []
    for model_input, name in zip(wanted.inputs, samples, strict=True):
        if name not in members:
            raise not_understood(
                f"`{data}` has no array `{name}` for the input `{model_input.name}`",
                f"save it into it, as `{name}`",
            )
        found = member(name)
        _demand_labelled(found, name, answers, labels, data)
        demand_takable(found.shape, found.dtype, model_input, found.name)
        taken.append((model_input, found))
    names = _names_of_heads(wanted.heads, samples, labels, data)
    others = _further_labels(members, member, names, taken[0][1], data)
    demand_few_labels(answers.shape, answers.name)
    _demand_answers(answers.dtype, data, labels)
    # Only now, when all headers agree, is anything unpacked.
    indices, targets = _answers(answers.values(), data, labels)
    columns = {one.name: as_column(own.store(), one, own.name) for one, own in taken}
    notes: tuple[str, ...] = ()
    if indices is not None:
        numbers = number_indices(indices, data, wanted.classes)
        indices, notes = numbers.indices, numbers.notes
    used = (*samples, labels, *(names[head] for head in others))
    notes += _unused(unused_arrays(members, used), data)
    part = data if samples[0] in ("x", wanted.inputs[0].name) else f"{data}:{samples[0]}"
    return ArraySet(
        data,
        columns,
        labels=indices,
        targets=targets,
        classes=wanted.classes,
        part=part,
        notes=notes,
        others={h: _either(_answers(one.values(), data, names[h])) for h, one in others.items()},
    )


def _names_of_heads(
    heads: Sequence[str], samples: Sequence[str], labels: str, data: str
) -> dict[str, str]:
    """The array of each further head; called as that of something else, it would learn that."""
    names = {head: array_of(head, labels) for head in heads}
    for head, name in names.items():
        if name == labels or name in samples:
            what = "the main output's labels are" if name == labels else "samples are"
            raise UserError(
                "CNN845",
                f"the labels of the head `{head}` would be `{name}` in `{data}`, where {what}",
                help=f"give the head another name than `{head}` in the spec",
            )
    return names


def _further_labels(
    members: Collection[str],
    member: Callable[[str], NamedArray],
    names: Mapping[str, str],
    samples: NamedArray,
    data: str,
) -> dict[str, NamedArray]:
    """The labels of further heads by their names, where there are any."""
    found: dict[str, NamedArray] = {}
    for head, name in names.items():
        if name not in members:
            continue
        found[head] = member(name)
        _demand_labelled(samples, samples.name.rpartition(":")[2], found[head], name, data)
        demand_few_labels(found[head].shape, found[head].name)
        _demand_answers(found[head].dtype, data, name)
    return found


def _either(answers: tuple[Indices | None, Floats | None]) -> Array:
    """The classes or the targets, whichever there are."""
    classes, targets = answers
    found: Array | None = targets if classes is None else classes
    assert found is not None
    return found


def _labels(
    members: Collection[str],
    member: Callable[[str], NamedArray],
    name: str,
    samples: str,
    data: str,
) -> NamedArray:
    if name not in members:
        raise not_understood(
            f"`{data}` has `{samples}`, but no labels `{name}`",
            f"save the labels into it, as `{name}`",
        )
    return member(name)


def _demand_labelled(
    samples: NamedArray, name: str, answers: NamedArray, labels: str, data: str
) -> None:
    if samples.shape[0] != answers.shape[0]:
        raise not_understood(
            f"`{data}` has {samples.shape[0]} samples in `{name}`, but {answers.shape[0]} labels in"
            f" `{labels}`",
            "give every sample one label",
        )


def _unused(names: Sequence[str], data: str) -> tuple[str, ...]:
    if not names:
        return ()
    verb = "array {} is" if len(names) == 1 else "arrays {} are"
    return (f"the {verb.format(listed(names))} not used in `{data}`",)


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
        wrong = ~numpy.isfinite(targets).all(axis=tuple(range(1, targets.ndim)))
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
